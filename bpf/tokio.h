/* Which task of Rust's tokio a request belongs to. A task is one allocation: it opens with its state, and with a pointer to a table of its
 * kind, which tells where in it its number is and what is known of who awaits it. Numbers are never used again, and tokio keeps that
 * of the running task in memory of the thread. What a task has read is its request; but clients hand a call to a task that owns the connection, with the sender
 * of a channel for one value, in which the task that waits for the reply has left its waker. agent/tokio finds out where all that is; x86-64, and
 * kernels that have bpf_loop. */
#pragma once
#include "ancestor.h"
#include "virtual.h"

/* A kind of future that holds such a sender, and where, in bytes. */
struct holder {
	__u64 table;   /* of the kind: of the task, or of the future in its box; 0: there is none */
	__u16 box;     /* in the task: of the box; 0: it is the task itself */
	__u16 sender;  /* in the future: of the address of what sender and receiver share */
	__u16 state;   /* in that */
	__u16 own;     /* the waker of the task that holds the sender */
	__u16 waiting; /* the waker of the task that waits */
	__u16 pad[3];
};
/* A kind of waker that is not a task's own: of one of those that a task awaits together, as a set; in bytes. */
struct relay {
	__u64 table; /* of the waker; 0: there is none */
	__u16 set;   /* in what it wakes: of the address of the set */
	__u16 waker; /* in the set: the waker of the task */
	__u16 pad[2];
};
enum { HOLDERS = 8, RELAYS = 4, AWAITED_WORDS = 6 };

/* Processes in which tokio was found. Key: thread group. Written by Go, removed when the process ends or executes another program. */
struct runtime {
	__u64 low, high; /* where the tables of all kinds of tasks are */
	__u64 waker;	 /* address of the table of tasks' wakers */
	__u64 unknown;	 /* address of the task that was the last one to make a call, of a kind that is not known to hold a sender */
	__u32 current;	 /* the number of the running task, in bytes before the thread pointer; 0: not found yet */
	__u32 pad;
	struct holder holders[HOLDERS];
	struct relay relays[RELAYS];
	__u64 awaited[AWAITED_WORDS]; /* words among which there was a waker of a kind that is not known */
};
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 16384);
	__type(key, __u32);
	__type(value, struct runtime);
} runtimes SEC(".maps");

struct future_key {
	__u64 number;
	__u32 pid, pad;
};
struct future {
	__u64 at;     /* address; 0: not looked for */
	__u64 serves; /* it has read a request */
};

/* The tasks that were seen to read or to make a request; of too many the one goes first that was not used for the longest time. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 32768);
	__type(key, struct future_key);
	__type(value, struct future);
} futures SEC(".maps");

enum {
	FUTURE_WORDS = 1024, /* of the stack that are looked at, the innermost */
	LOCAL_WORDS = 1024,  /* of the thread's memory before the thread pointer */
	FUTURE_TABLE = 16,   /* of a task, in bytes */
	TABLE_OFFSETS = 56,  /* of that table: where in a task what is known of who awaits it is, its scheduler, and its number */
	NUMBER_MAX = 256,
	FUTURE_JOINED = 24, /* the bits of a task's state that tell that somebody awaits it, and has left a waker */
	CHANNEL_WAITS = 1,  /* the bits of the state of a channel for one value: the receiver waits, */
	CHANNEL_HOLDS = 8,  /* and the task that holds the sender is told when it does no longer */
};
#define FUTURE_LOW (1ULL << 16)
#define FUTURE_HIGH (1ULL << 47)

/* What one look needs; too much for the stack. One of each area on a CPU. Go reads what is copied of a process whose `current` is not found. */
struct glance {
	__u64 words[FUTURE_WORDS]; /* of the stack, innermost first */
	__u64 local[LOCAL_WORDS];
	__u64 base; /* the thread pointer; 0: nothing was copied for Go */
	__u64 low;  /* as in struct runtime */
	__u64 high;
	__u64 number; /* of the running task */
	__u64 at;     /* its address, when found; then that of the task that is reached, 0: only its waker is */
	__u64 table;  /* of the task that was read last */
	__u64 offsets[3];
	__u64 found; /* its number */
	__u64 pair[2];
	__u64 awaited[AWAITED_WORDS];
	struct future_key key;
	struct future value;
	__u32 count;  /* of words */
	__u32 locals; /* of local, the last ones */
	__u32 pid, pad;
};
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, AREA_SPARE);
	__type(key, __u32);
	__type(value, struct glance);
} glances SEC(".maps");

static __always_inline __u64 thread_pointer(void)
{
#if defined(__TARGET_ARCH_x86)
	return FIELD(current_task(), thread.fsbase);
#else
	return 0; /* where a thread has its memory is not known */
#endif
}

static __always_inline bool read_pair(__u64 *pair, __u64 at)
{
	return !bpf_probe_read_user(pair, 16, (void *)at);
}

/* Reads of what may be a task which kind it is, and its number. */
static __always_inline bool read_future(struct glance *l, __u64 at)
{
	if (at & 7 || at < FUTURE_LOW || at >= FUTURE_HIGH || !read_word(&l->table, at + FUTURE_TABLE))
		return false;
	if (l->table & 7 || l->table < l->low || l->table >= l->high)
		return false;
	if (bpf_probe_read_user(l->offsets, sizeof(l->offsets), (void *)(l->table + TABLE_OFFSETS)) || l->offsets[2] > NUMBER_MAX)
		return false;
	return read_word(&l->found, at + l->offsets[2]) && l->found;
}

static long look_for_future(__u32 index, __u32 *area)
{
	struct glance *l = bpf_map_lookup_elem(&glances, area);
	__u64 at;

	if (!l || index >= l->count)
		return 1;
	at = l->words[index & (FUTURE_WORDS - 1)];
	if (at & 15 || !read_future(l, at) || l->found != l->number)
		return 0;
	l->at = at;
	return 1;
}

/* Copies the innermost words of the stack of the current thread; it may be less deep than that. */
static __always_inline void copy_innermost(struct glance *l)
{
	struct pt_regs *regs = registers_of(current_task());
	__u64 sp = FIELD(regs, sp);

	l->count = FUTURE_WORDS;
	if (!bpf_probe_read_user(l->words, sizeof(l->words), (void *)sp))
		return;
	l->count = FUTURE_WORDS / 2;
	if (!bpf_probe_read_user(l->words, sizeof(l->words) / 2, (void *)sp))
		return;
	l->count = FUTURE_WORDS / 4;
	if (bpf_probe_read_user(l->words, sizeof(l->words) / 4, (void *)sp))
		l->count = 0;
}

static __always_inline struct glance *glance_of(const struct operation *op)
{
	__u32 area = op->area & (AREAS - 1);

	return bpf_map_lookup_elem(&glances, &area);
}

/* Goes on to the task whose waker is among the words that were read of what awaits another one, or that awaits the set whose waker it is. */
static __always_inline bool reach_woken(const struct operation *op, struct glance *l, struct runtime *r)
{
	for (int k = 0; k < AWAITED_WORDS - 1; k++) {
		if (l->awaited[k] == r->waker) {
			l->at = l->awaited[k + 1];
			return true;
		}
		for (int n = 0; n < RELAYS; n++) {
			const struct relay *h = &r->relays[n];

			if (!h->table || l->awaited[k] != h->table)
				continue;
			if (!read_word(&l->pair[0], l->awaited[k + 1] + h->set) || !read_pair(l->pair, l->pair[0] + h->waker))
				return false;
			l->at = l->pair[1];
			return l->pair[0] == r->waker;
		}
	}
	for (int k = 0; k < AWAITED_WORDS && op->direction == DIRECTION_SEND; k++)
		r->awaited[k] = l->awaited[k]; /* what waits for a reply is gone soon after that */
	return false;
}

/* Reads the waker of what waits for what the running task has the sender of, in a future whose address is the first one of the pair. False:
 * nobody does, or it can't be told. */
static __always_inline bool read_waiting(struct glance *l, const struct runtime *r, const struct holder *h)
{
	__u64 shared, state;

	if (!read_word(&l->pair[1], l->pair[0] + h->sender))
		return false;
	shared = l->pair[1];
	if (shared & 7 || shared < FUTURE_LOW || shared >= FUTURE_HIGH || !read_word(&l->pair[0], shared + h->state))
		return false;
	state = l->pair[0];
	if (!(state & CHANNEL_WAITS) || state & ~(__u64)(CHANNEL_WAITS | CHANNEL_HOLDS))
		return false;
	if (state & CHANNEL_HOLDS && (!read_pair(l->pair, shared + h->own) || l->pair[0] != r->waker || l->pair[1] != l->at))
		return false;
	__builtin_memset(l->awaited, 0, sizeof(l->awaited));
	return read_pair(l->awaited, shared + h->waiting);
}

/* Whether the running task is of a kind that holds a sender; the first one of the pair is then the address of the future that does. */
static __always_inline bool holds_sender(struct glance *l, const struct holder *h)
{
	if (!h->box) {
		l->pair[0] = l->at;
		return l->table == h->table;
	}
	return read_pair(l->pair, l->at + h->box) && l->pair[1] == h->table;
}

/* Goes on from the running task, which has been reached, to what waits for what it has the sender of.
 * verifier: a function of its own, as the next ones, for the room on the stack. */
__noinline int reach_waiting(TAKES_OPERATION)
{
	FIND_OPERATION;
	struct runtime *r;
	struct glance *l;
	__u32 pid;

	if (!op)
		return 0;
	pid = op->pid;
	l = glance_of(op);
	r = bpf_map_lookup_elem(&runtimes, &pid);
	if (!l || !r || !read_future(l, l->at))
		return 0;
	for (int n = 0; n < HOLDERS; n++) {
		const struct holder *h = &r->holders[n];

		if (!h->table || !holds_sender(l, h))
			continue;
		if (!read_waiting(l, r, h))
			return 0;
		l->at = 0;
		return 1;
	}
	r->unknown = l->at;
	return 1;
}

/* Whether the task that has been reached, or whose waker was read, has read a request: then a call is made for it. If it has not, those are
 * read that await it; 1: they were. */
__noinline int find_awaiting(TAKES_OPERATION)
{
	FIND_OPERATION;
	struct runtime *r;
	struct glance *l;
	struct future *f;
	__u32 pid;

	if (!op)
		return 0;
	pid = op->pid;
	l = glance_of(op);
	r = bpf_map_lookup_elem(&runtimes, &pid);
	if (!l || !r || (!l->at && !reach_woken(op, l, r)) || !read_future(l, l->at))
		return 0;
	l->key.number = l->found;
	f = bpf_map_lookup_elem(&futures, &l->key);
	if (f && f->serves) {
		op->work = op->origin = l->found;
		op->task = 1;
		return 0;
	}
	if (!read_word(&l->pair[0], l->at) || (l->pair[0] & FUTURE_JOINED) != FUTURE_JOINED)
		return 0;
	if (bpf_probe_read_user(l->awaited, sizeof(l->awaited), (void *)(l->at + l->offsets[0])))
		return 0;
	l->at = 0;
	return 1;
}

/* Finds the running task: it is on the stack of the thread. It stays where it is. */
__noinline int reach_future(TAKES_OPERATION)
{
	FIND_OPERATION;
	struct glance *l;
	struct future *f;
	__u32 area;

	if (!op || !KERNEL_LOOPS)
		return 0;
	area = op->area & (AREAS - 1);
	l = bpf_map_lookup_elem(&glances, &area);
	if (!l)
		return 0;
	f = bpf_map_lookup_elem(&futures, &l->key);
	if (f && f->at && read_future(l, f->at) && l->found == l->number) {
		l->at = f->at;
		return 1;
	}
	copy_innermost(l);
	l->at = 0;
	LOOP(FUTURE_WORDS, look_for_future, &area);
	if (!l->at)
		return 0;
	l->value.at = l->at;
	l->value.serves = 0;
	if (f)
		f->at = l->at;
	else
		remember_last(&futures, FORGETFUL_FUTURES, &l->key, &l->value);
	return 1;
}

/* Copies what shows where the number of the running task is. The main thread of a process has less before its thread pointer. */
static __always_inline void copy_local(struct glance *l)
{
	copy_innermost(l);
	l->locals = LOCAL_WORDS;
	if (!bpf_probe_read_user(l->local, sizeof(l->local), (void *)(l->base - sizeof(l->local))))
		return;
	l->locals = LOCAL_WORDS / 8;
	if (bpf_probe_read_user(l->local + LOCAL_WORDS - LOCAL_WORDS / 8, sizeof(l->local) / 8, (void *)(l->base - sizeof(l->local) / 8)))
		l->base = 0;
}

/* Tells that an operation is the work of the running task. flags: of the record. Returns 1 if it is to be looked for whom that makes a call. Of HTTP/2, where a
 * task writes for many, nothing is told. */
__noinline int find_future(TAKES_STATE, __u32 flags)
{
	FIND_STATE;
	struct runtime *r;
	struct glance *l;
	struct future *f;

	if (!op || !s || op->asked || flags & MESSAGE_FRAME)
		return 0;
	op->asked = 1;
	l = glance_of(op);
	if (!l)
		return 0;
	l->pid = op->pid;
	l->key.pid = l->pid;
	r = bpf_map_lookup_elem(&runtimes, &l->pid);
	l->base = thread_pointer();
	if (!r || !l->base)
		return 0;
	l->low = r->low;
	l->high = r->high;
	if (!r->current) {
		copy_local(l);
		return 0;
	}
	if (!read_word(&l->number, l->base - r->current) || !l->number)
		return 0;
	l->base = 0;
	l->key.number = l->number;
	f = bpf_map_lookup_elem(&futures, &l->key);
	if (s->role == ROLE_CLIENT && !(f && f->serves))
		return 1;
	op->work = op->origin = l->number;
	op->task = 1;
	if (op->direction != DIRECTION_RECEIVE || !(flags & MESSAGE_START) || !s->follower[DIRECTION_RECEIVE].request)
		return 0;
	l->value.at = 0;
	l->value.serves = 1;
	if (f)
		f->serves = 1;
	else
		remember_last(&futures, FORGETFUL_FUTURES, &l->key, &l->value);
	return 0;
}
