/* Who has allocated what a thread of Java works on. HotSpot gives each thread a buffer in which it alone allocates, and a pointer to
 * what is free of it: what was allocated by the thread of a request since it has read the head lies between where that pointer was then
 * and where it is, until objects are moved by a collection. A thread that makes a call for the request has been given a job, which the
 * thread of the request has made: a reference to it is on the stack of the one that makes the call, near its outermost end.
 *
 * A stack also holds what is over, and objects that many share: correlate/link finds out which places on the stack are to be believed.
 * agent/java finds out where all that is; x86-64, and collectors that keep such buffers and move objects only while all threads stand. */
#pragma once
#include "cradle.h"

/* Begins with the thread of a request. */
static __always_inline void begin_cradle(struct birth *b, __u32 index)
{
	struct cradle *c;

	b->places = b->shift = 0;
	b->at = 0;
	b->key.pid = b->pid;
	b->key.number = index + 1;
	c = bpf_map_lookup_elem(&cradles, &b->key);
	if (!c || !c->head || c->tid == b->tid)
		return;
	look_into_cradle(b, c);
	b->ranges[0].low = c->now.low;
	b->ranges[0].high = c->start ? b->buffer[BUFFER_TOP] : 0;
	b->ranges[1] = c->before[0];
	b->ranges[2] = c->before[1];
	b->head = c->head;
	b->at = c->tid;
}

/* Ends with it. */
static __always_inline void end_cradle(struct birth *b)
{
	struct waiter *w;

	if (!b->places)
		return;
	if (b->record.count < WAITERS_MAX) {
		w = &b->record.waiters[b->record.count];
		w->goroutine = b->at;
		w->parent = b->head;
		w->place = (__u64)b->depth << PLACES_BITS | b->places;
	}
	b->record.count++;
}

/* One turn for each thread that has read requests, and one for each reference that is held where it works on one: a loop in a loop would need
 * more stack. */
static long look_at_birth(__u32 index, __u32 *area)
{
	struct birth *b = bpf_map_lookup_elem(&births, area);
	__u64 at, n;

	if (!b)
		return 1;
	n = b->turn;
	if (!n) {
		if (b->number >= b->heap.cradles)
			return 1;
		begin_cradle(b, b->number++);
		b->turn = b->at != 0;
		return 0;
	}
	at = b->held[clamp(n - 1, HELD_MAX - 1)].address;
	if (b->shift < PLACES_BITS &&
	    ((at >= b->ranges[0].low && at < b->ranges[0].high) || (at >= b->ranges[1].low && at < b->ranges[1].high) ||
	     (at >= b->ranges[2].low && at < b->ranges[2].high))) {
		b->places |= (b->held[clamp(n - 1, HELD_MAX - 1)].place + 1) << (b->shift & 63);
		b->shift += PLACE_BITS;
	}
	b->turn = n + 1;
	if (n == b->found) {
		end_cradle(b);
		b->turn = 0;
	}
	return 0;
}

static __always_inline void hold(struct birth *b, __u64 address, __u32 place)
{
	__u32 n = b->found;

	if (address & 7 || address < b->heap.low || address >= b->heap.high || n >= HELD_MAX)
		return;
	b->held[n].address = address;
	b->held[n].place = place;
	b->found = n + 1;
}

/* A word of the stack may be a reference, or two of 32 bits. */
static long look_at_held(__u32 index, __u32 *area)
{
	struct birth *b = bpf_map_lookup_elem(&births, area);
	__u64 word;

	if (!b || index >= b->count)
		return 1;
	word = b->words[(b->count - 1 - index) & HELD_WORDS];
	hold(b, word, index);
	if ((__u32)word != word || b->heap.shift)
		hold(b, b->heap.base + ((__u64)(__u32)word << b->heap.shift), index);
	hold(b, b->heap.base + (word >> 32 << b->heap.shift), index);
	return 0;
}

/* One of so many calls is looked at where nothing has come of it. */
enum { SELDOM = 16 };

static __always_inline bool passes_birth_over(const struct socket_state *s)
{
	return s->seldom && bpf_get_prandom_u32() % SELDOM;
}

static long look_for_entry(__u32 index, __u32 *area)
{
	struct birth *b = bpf_map_lookup_elem(&births, area);
	__u64 word = 0;

	if (!b || bpf_probe_read_user(&word, sizeof(word), (void *)(b->stack - 8 * (index + 1))))
		return 1;
	if (word != b->heap.entry)
		return 0;
	b->entry = index + 1;
	return 1;
}

/* Where on the stack of the current thread Java begins, in words from its outermost end; 0: it does not. It stays there. */
static __always_inline __u32 entry_of(struct birth *b, struct hand *h, __u32 area)
{
	if (!h->entry) {
		b->entry = NO_ENTRY;
		LOOP(STACK_WORDS_MAX, look_for_entry, &area);
		h->entry = b->entry;
	}
	return h->entry == NO_ENTRY ? 0 : h->entry;
}

/* Copies the outermost words of Java from the stack of the current thread, whose structure is known. */
static __always_inline bool copy_held(struct birth *b, struct hand *h, __u64 structure, __u32 area)
{
	struct pt_regs *regs = registers_of(current_task());
	__u64 sp = FIELD(regs, sp), top, size;
	__u32 entry;

	b->thread = structure;
	if (!read_word(&b->stack, structure + b->heap.stack))
		return false;
	entry = entry_of(b, h, area);
	top = b->stack - (__u64)entry * 8;
	if (!entry || sp >= top)
		return false;
	size = clamp((top - sp) & ~7ULL, HELD_WORDS * sizeof(*b->words));
	if (bpf_probe_read_user(b->words, size, (void *)(top - size)))
		return false;
	b->count = size / 8;
	b->depth = clamp((top - sp) / 8, DEPTH_MAX);
	return true;
}

/* A thread is about to make a call: copies what is on its stack. Returns 0 if that tells nothing.
 * verifier: a function of its own, as the next one, verified once. */
__noinline int hold_stack(TAKES_OPERATION)
{
	FIND_OPERATION;
	struct interpreter *i;
	struct birth *b;
	struct hand *h;
	__u64 structure;
	__u32 key;

	if (!op || op->task || !KERNEL_BIRTHS)
		return 0;
	b = birth_of(op);
	if (!b)
		return 0;
	key = op->tid;
	h = bpf_map_lookup_elem(&hands, &key);
	key = op->pid;
	if (!h || h->pid != key || (h->does & (HAND_SERVES | HAND_TURNS)) == HAND_SERVES)
		return 0;
	i = bpf_map_lookup_elem(&interpreters, &key);
	if (!i || !i->heap.cradles)
		return 0;
	structure = own_structure(&i->machine, op->words);
	b->loops = h->does & HAND_TURNS;
	key = op->area & (AREAS - 1);
	return structure > NO_STRUCTURE && copy_held(b, h, structure, key);
}

/* Tells where the buffer of a thread is that works on several requests, and what it holds. */
static __always_inline void tell_held(struct birth *b, const struct operation *op, const struct socket_state *s, __u32 count)
{
	struct held_record *r = &b->loop;

	r->head.kind = RECORD_HELD;
	r->head.direction = op->direction;
	r->head.flags = op->flags;
	r->head.time = op->now;
	r->head.socket = s->cookie;
	r->head.pid = b->pid;
	r->head.tid = b->tid;
	r->start = b->buffer[BUFFER_START];
	r->top = b->buffer[BUFFER_TOP];
	r->end = b->buffer[BUFFER_END];
	r->collections = b->collections;
	r->depth = b->depth;
	r->count = count = clamp(count, HELD_MAX);
	if (bpf_ringbuf_output(&ring, r, sizeof(*r) + count * sizeof(*b->told), BPF_RB_NO_WAKEUP))
		count_add(COUNT_RING_FULL, 1);
}

/* A thread that reads requests before it has answered the ones before, again and again, works on several: one that is given up happens to all. */
static __always_inline void mark_loop(const struct operation *op, struct hand *h, __u64 cookie)
{
	struct cradle_key key = {.pid = op->pid, .number = h->cradle};
	struct cradle *c = h->cradle ? bpf_map_lookup_elem(&cradles, &key) : 0;

	if (!c || c->tid != op->tid || !c->head || c->socket == cookie)
		h->does &= ~HAND_MIXED_MAX;
	else if ((h->does & HAND_MIXED_MAX) == HAND_MIXED_MAX)
		h->does |= HAND_TURNS;
	else
		h->does += HAND_MIXED;
}

/* A thread has read something: it begins with something else, if it is one that works on several requests.
 * verifier: a function of its own, verified once. */
__noinline int tell_turn(TAKES_STATE)
{
	FIND_STATE;
	struct interpreter *i;
	struct birth *b;
	struct hand *h;
	__u64 structure;
	__u32 pid;

	if (!op || !s || op->task || !KERNEL_BIRTHS)
		return 0;
	pid = op->pid;
	h = hand_of(pid, op->tid);
	if (!h)
		return 0;
	if (!(h->does & HAND_TURNS) && (op->flags & (MESSAGE_START | MESSAGE_FRAME)) == MESSAGE_START &&
	    s->follower[DIRECTION_RECEIVE].request)
		mark_loop(op, h, s->cookie);
	if (!(h->does & HAND_TURNS))
		return 0;
	b = birth_of(op);
	i = bpf_map_lookup_elem(&interpreters, &pid);
	if (!b || !i)
		return 0;
	structure = own_structure(&i->machine, op->words);
	if (structure <= NO_STRUCTURE || !read_buffer(b, structure))
		return 0;
	widen(b);
	b->depth = 0;
	tell_held(b, op, s, 0);
	return 0;
}

static long keep_held(__u32 index, __u32 *area)
{
	struct birth *b = bpf_map_lookup_elem(&births, area);
	__u64 n = index;

	if (!b || n >= b->found || n >= HELD_MAX)
		return 1;
	b->told[n] = b->held[n].address | b->held[n].place << HELD_PLACE;
	return 0;
}

/* Tells who has allocated what it holds. */
__noinline int tell_birth(TAKES_STATE)
{
	FIND_STATE;
	struct birth *b;
	__u32 area;

	if (!op || !s || !KERNEL_BIRTHS)
		return 0;
	area = op->area & (AREAS - 1);
	b = bpf_map_lookup_elem(&births, &area);
	if (!b)
		return 0;
	b->found = 0;
	__builtin_memset(&b->record, 0, sizeof(b->record));
	LOOP(HELD_WORDS, look_at_held, &area);
	if (b->loops) {
		LOOP(HELD_MAX, keep_held, &area);
		if (read_buffer(b, b->thread))
			tell_held(b, op, s, b->found);
		return 0;
	}
	if (!b->found)
		return 0;
	b->turn = b->number = 0;
	LOOP(CRADLES_MAX * (HELD_MAX + 1), look_at_birth, &area);
	if (!b->record.count)
		return 0;
	b->record.head.kind = RECORD_WAITERS;
	b->record.head.time = op->now;
	b->record.head.socket = s->cookie;
	b->record.head.pid = b->pid;
	b->record.head.tid = b->tid;
	if (bpf_ringbuf_output(&ring, &b->record, sizeof(b->record), BPF_RB_NO_WAKEUP))
		count_add(COUNT_RING_FULL, 1);
	return 0;
}
