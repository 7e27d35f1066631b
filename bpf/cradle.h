/* What the threads of Java that read requests have allocated for them, see bpf/birth.h: where their buffers were when they read the head, and where
 * they are now. */
#pragma once
#include "ancestor.h"
#include "hand.h"
#include "task.h"

struct range {
	__u64 low, high;
};

/* What the thread of a request has allocated in. */
struct cradle {
	__u64 thread; /* address of the machine's structure of it */
	__u64 head;   /* time of the head that it has read last; 0: that is being answered */
	__u64 socket; /* by which it has read that */
	__u32 tid;
	__u32 collections;	/* as many as there were when it was looked at last: another one moves all */
	__u64 start;		/* of the buffer that it has */
	struct range now;	/* what is the request's of that */
	struct range before[2]; /* the same of buffers that are used up: of the first one, and of the last one that was seen */
};
struct cradle_key {
	__u32 pid, number;
};

/* The threads of Java that read requests. Key: process and a number from 1 on. Born when one reads a head, removed when it ends; of
 * too many the one goes first that was not used for the longest time. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 8192);
	__type(key, struct cradle_key);
	__type(value, struct cradle);
} cradles SEC(".maps");

enum {
	CRADLES_MAX = 255,	/* of a process: the number is kept in a byte */
	HELD_WORDS = 255,	/* of a stack that are looked at: the outermost of Java */
	STACK_WORDS_MAX = 2048, /* of a stack in which the beginning of Java is looked for */
	NO_ENTRY = 0xffff,
	PLACE_BITS = 8, /* of what is told, from 1 on */
	PLACES_BITS = 6 * PLACE_BITS,
	DEPTH_MAX = 0xffff,
	BUFFER_START = 0, /* the words of a buffer */
	BUFFER_TOP = 1,
	BUFFER_END = 3,
	BUFFER_WORDS = 4,
};
#define BUFFER_SIZE_MAX (64ULL << 20)
#define BUFFERS_AROUND (16ULL << 20)

/* The verifier of Linux 6.1 refuses the loop: it is left out before 6.2, which a call that came with it tells. */
enum bpf_func_id___birth {
	BPF_FUNC_cgrp_storage_get___birth = 210,
};
#define KERNEL_BIRTHS (KERNEL_LOOPS && bpf_core_enum_value_exists(enum bpf_func_id___birth, BPF_FUNC_cgrp_storage_get___birth))

struct held {
	__u64 address, place;
};

/* What one look needs; too much for the stack. One of each area on a CPU. */
struct birth {
	__u64 words[HELD_WORDS + 1]; /* of the stack, innermost first */
	struct held held[HELD_MAX];
	struct range ranges[3]; /* of one thread */
	__u64 buffer[BUFFER_WORDS];
	__u64 stack;	/* its outermost end */
	__u64 thread;	/* the machine's structure of whose it is */
	__u64 places;	/* that one thread has allocated */
	__u64 shift;	/* of the next one of these */
	__u64 at, head; /* the thread, and its request */
	__u64 turn;	/* of the loop: the next one of held, from 1 on; 0: the next thread begins */
	__u32 number;	/* of that */
	struct heap heap;
	__u32 collections;
	__u32 count; /* of words */
	__u32 found; /* of held */
	__u32 pid, tid;
	__u32 depth; /* words of Java on the stack */
	__u32 entry; /* words from the end of the stack */
	__u32 loops; /* it works on several requests */
	struct cradle cradle;
	struct cradle_key key;
	struct waiters_record record;
	struct held_record loop;
	__u64 told[HELD_MAX]; /* behind it */
};
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, AREA_SPARE);
	__type(key, __u32);
	__type(value, struct birth);
} births SEC(".maps");

/* Reads the buffer of a thread. False if it has none, or is just given another one. */
static __always_inline bool read_buffer(struct birth *b, __u64 thread)
{
	__u64 *w = b->buffer;

	if (bpf_probe_read_user(w, sizeof(b->buffer), (void *)(thread + b->heap.buffer)))
		return false;
	return w[BUFFER_START] && w[BUFFER_START] <= w[BUFFER_TOP] && w[BUFFER_TOP] <= w[BUFFER_END] &&
	       w[BUFFER_END] - w[BUFFER_START] <= BUFFER_SIZE_MAX;
}

/* Notes where buffers are, with what is around. */
static __always_inline void widen(const struct birth *b)
{
	__u64 low = b->buffer[BUFFER_START] & ~(BUFFERS_AROUND - 1), high = (b->buffer[BUFFER_END] | (BUFFERS_AROUND - 1)) + 1;
	__u32 pid = b->pid;
	struct interpreter *i = bpf_map_lookup_elem(&interpreters, &pid);

	if (!i)
		return;
	if (!i->heap.low || low < i->heap.low)
		i->heap.low = low;
	if (high > i->heap.high)
		i->heap.high = high;
}

/* Begins to look at a process. */
static __always_inline struct birth *birth_of(const struct operation *op)
{
	__u32 area = op->area & (AREAS - 1), pid = op->pid;
	struct birth *b = bpf_map_lookup_elem(&births, &area);
	struct interpreter *i = bpf_map_lookup_elem(&interpreters, &pid);

	if (!b || !i || !i->heap.buffer)
		return 0;
	b->heap = i->heap;
	b->pid = pid;
	b->tid = op->tid;
	if (bpf_probe_read_user(&b->collections, sizeof(b->collections), (void *)b->heap.collections))
		return 0;
	return b;
}

/* The number of a thread's entry. Two threads that come at the same time may get one, and have it in turn. */
static __always_inline __u32 cradle_number(struct hand *h, __u32 pid, __u32 tid)
{
	struct interpreter *i = bpf_map_lookup_elem(&interpreters, &pid);

	if (!i)
		return 0;
	if (h->cradle && h->cradle <= i->heap.cradles)
		return h->cradle;
	h->cradle = i->heap.cradles < CRADLES_MAX ? ++i->heap.cradles : 1 + tid % CRADLES_MAX;
	return h->cradle;
}

/* A thread has read a head: what it allocates from here on is the request's.
 * verifier: a function of its own, verified once. */
__noinline int note_cradle(TAKES_STATE)
{
	FIND_STATE;
	struct interpreter *i;
	struct birth *b;
	struct cradle *c;
	struct hand *h;
	__u32 pid;

	if (!op || !s || op->task || !KERNEL_BIRTHS)
		return 0;
	pid = op->pid;
	b = birth_of(op);
	i = bpf_map_lookup_elem(&interpreters, &pid);
	h = hand_of(pid, op->tid);
	if (!b || !h || !i)
		return 0;
	c = &b->cradle;
	__builtin_memset(c, 0, sizeof(*c));
	c->thread = own_structure(&i->machine, op->words);
	if (c->thread <= NO_STRUCTURE)
		return 0;
	c->tid = op->tid;
	c->head = op->now;
	c->socket = s->cookie;
	c->collections = b->collections;
	if (read_buffer(b, c->thread)) {
		c->start = b->buffer[BUFFER_START];
		c->now.low = b->buffer[BUFFER_TOP];
		c->now.high = b->buffer[BUFFER_END];
		widen(b);
	}
	b->key.pid = pid;
	b->key.number = cradle_number(h, pid, op->tid);
	s->cradle = b->key.number;
	remember_last(&cradles, FORGETFUL_CRADLES, &b->key, c);
	return 0;
}

/* A request is being answered: what the thread allocates that has read it is for nobody from here on, if it was the last one.
 * verifier: a function of its own, verified once. */
__noinline int rest_cradle(TAKES_STATE)
{
	FIND_STATE;
	struct cradle_key key = {};
	struct cradle *c;

	if (!op || !s)
		return 0;
	key.pid = op->pid;
	key.number = s->cradle;
	c = bpf_map_lookup_elem(&cradles, &key);
	if (c && c->socket == s->cookie)
		c->head = 0;
	return 0;
}

/* The thread ends: its structure is soon that of another one. */
static __always_inline void leave_cradle(const struct hand *h)
{
	struct cradle_key key = {.pid = h->pid, .number = h->cradle};

	if (h->cradle)
		take_out(&cradles, FORGETFUL_CRADLES, &key);
}

/* Brings what is known of a thread's buffers up to the moment. */
static __always_inline void look_into_cradle(struct birth *b, struct cradle *c)
{
	bool reads = read_buffer(b, c->thread);
	__u64 start;

	if (!reads)
		__builtin_memset(b->buffer, 0, sizeof(b->buffer));
	start = b->buffer[BUFFER_START];

	if (c->collections != b->collections) {
		__builtin_memset(c->before, 0, sizeof(c->before));
		c->collections = b->collections;
		c->start = 0;
		c->now.low = c->now.high = 0;
	}
	if (c->start != start) {
		if (c->before[0].high)
			c->before[1] = c->now;
		else
			c->before[0] = c->now;
		c->start = start;
		c->now.low = start;
	}
	c->now.high = b->buffer[BUFFER_END];
}
