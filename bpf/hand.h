/* The threads of a process that work on requests: those that read them, and those that make calls. */
#pragma once
#include "state.h"

struct hand {
	__u32 pid;
	__u32 does;
	__u64 strange;	     /* what it was last told to do beside what it reads; see bpf/turn.h */
	__u32 strange_count; /* since it has read something that is told */
	__u16 cradle;	     /* in a process of Java: the number of the thread's entry in `cradles`; 0: none */
	__u16 entry;	     /* the same: where on its stack Java begins, see bpf/birth.h; 0: not looked for */
};
/* What a thread does, or that one of these has started it; LOOPS: it runs an event loop; TURNS: it is one of Java that works on several
 * requests. MIXED: two bits that count how often in a row it has read a request before it had answered the one before. */
enum {
	HAND_SERVES = 1 << 0,
	HAND_CALLS = 1 << 1,
	HAND_STARTED = 1 << 2,
	HAND_LOOPS = 1 << 3,
	HAND_TURNS = 1 << 4,
	HAND_MIXED = 1 << 5,
	HAND_MIXED_MAX = 3 * HAND_MIXED,
};

/* Threads that have read a request, made a call, or were started by one of these. Key: thread. Removed when it ends; of too many the
 * one goes first that was not used for the longest time. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 32768);
	__type(key, __u32);
	__type(value, struct hand);
} hands SEC(".maps");

/* How many wakes may still be told: each request gives some, so that a program that wakes its threads without end does not fill the ring. */
struct crew {
	__s32 credit;
};
enum { CREDIT = 32, CREDIT_MAX = 4096 };

/* Processes in which a thread that reads no requests has made a call: somebody has handed it over. Key: thread group. Removed when it
 * ends or executes another program. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 8192);
	__type(key, __u32);
	__type(value, struct crew);
} crews SEC(".maps");

/* Set when there is one: until then nobody has to look at wakes. */
__u32 crewed;

static __always_inline struct hand *hand_of(__u32 pid, __u32 tid)
{
	struct hand *h = bpf_map_lookup_elem(&hands, &tid);

	return h && h->pid == pid ? h : 0;
}

/* A request has come or gone. */
static __always_inline void add_credit(__u32 pid)
{
	struct crew *c = *(volatile __u32 *)&crewed ? bpf_map_lookup_elem(&crews, &pid) : 0;

	if (c && c->credit < CREDIT_MAX)
		c->credit += CREDIT;
}

/* There is a first crew: wakes the reader, for user space has to have wakes looked at, and those until then are lost. */
static __always_inline void tell_crew(__u32 pid, __u32 tid)
{
	struct thread_record *r = bpf_ringbuf_reserve(&ring, sizeof(*r), 0);

	if (!r) {
		count_add(COUNT_RING_FULL, 1);
		return;
	}
	*r = (struct thread_record){.head = {.kind = RECORD_THREAD, .time = bpf_ktime_get_boot_ns(), .pid = pid, .tid = tid},
				    .deed = DEED_CREW};
	bpf_ringbuf_submit(r, BPF_RB_FORCE_WAKEUP);
}

/* Notes what a thread does. */
static __noinline int note_hand(__u32 pid, __u32 tid, __u32 does)
{
	struct hand *h = hand_of(pid, tid), value = {.pid = pid};
	struct crew crew = {.credit = CREDIT};

	add_credit(pid);
	if (h && (h->does & does) == does)
		return 0;
	if (h)
		value = *h;
	value.does |= does;
	remember_last(&hands, FORGETFUL_HANDS, &tid, &value);
	if (does == HAND_CALLS && !(value.does & HAND_SERVES)) {
		remember(&crews, FORGETFUL_CREWS, &pid, &crew);
		if (!*(volatile __u32 *)&crewed)
			tell_crew(pid, tid);
		*(volatile __u32 *)&crewed = 1;
	}
	return 0;
}
