/* What the thread of an event loop does beside what it reads of requests and replies: it runs timers, and asks others by connections of
 * protocols that are not told, such as those of databases. What it sends when it goes on with that is not for the request that it has read last. So
 * it is told that it writes to such a connection, and that it reads from it, or goes on with timers or what other threads have done: the entries of
 * node::Environment::RunTimers and libuv's uv__work_done. */
#pragma once
#include "hand.h"

/* Set by Go when there is such a process: until then nobody has to look. */
__u32 looping;

/* What a thread was told to do last: a deed to a socket, by the lowest bits of the number of that. Bounds: of what is told until the thread
 * reads something that is told anyway, so that a program that copies streams does not fill the ring. */
enum { STRANGE_TIMERS = 1, STRANGE_DEED_SHIFT = 56, STRANGE_COUNT_MAX = 32 };
/* Of TURNS without a socket: */
enum { STRANGE_UNTOLD = 1, STRANGE_BEGINS = 2 };

/* Lost records are counted: without one the turn is taken for that of the request. */
static __always_inline void tell_strange(struct hand *h, __u32 tid, __u32 deed, __u64 socket, __u64 peer)
{
	struct thread_record r = {.head = {.kind = RECORD_THREAD, .pid = h->pid, .tid = tid}, .deed = deed};
	__u64 what = (__u64)deed << STRANGE_DEED_SHIFT | (socket ?: STRANGE_TIMERS);

	if (h->strange == what || h->strange_count > STRANGE_COUNT_MAX)
		return;
	h->strange = what;
	h->strange_count++;
	r.head.socket = socket;
	r.address = peer;
	if (h->strange_count > STRANGE_COUNT_MAX) {
		r.deed = DEED_TURNS;
		r.head.socket = 0;
		r.address = STRANGE_UNTOLD;
	}
	r.head.time = bpf_ktime_get_boot_ns();
	if (bpf_ringbuf_output(&ring, &r, sizeof(r), BPF_RB_NO_WAKEUP))
		count_add(COUNT_RING_FULL, 1);
}

/* The current thread, if it runs an event loop and has read requests, so that it was told that all is. */
static __always_inline struct hand *looping_hand(void)
{
	__u64 id = bpf_get_current_pid_tgid();
	struct hand *h = hand_of(id >> 32, id);

	return h && h->does & HAND_LOOPS ? h : 0;
}

/* The current thread begins to run timers that are due, or to go on with what other threads have done; handle: of libuv, that says so. */
static __always_inline int turns_away(__u64 handle)
{
	struct hand *h = handle ? looping_hand() : 0;

	if (h)
		tell_strange(h, bpf_get_current_pid_tgid(), DEED_TURNS, 0, 0);
	return 0;
}

/* A thread has moved bytes of a connection whose messages are not told; socket: its number, and the peer.
 * verifier: a function of its own, for what calls it has no room. */
static __noinline int moves_strange(__u64 socket, __u64 peer, __u32 direction)
{
	struct hand *h = looping_hand();

	if (h)
		tell_strange(h, bpf_get_current_pid_tgid(), direction == DIRECTION_RECEIVE ? DEED_TURNS : DEED_ASKS, socket, peer);
	return 0;
}

/* A thread of a process with event loops reads something that is told. The second time, for a thread is known from the first request on, it is
 * told that all else is told from now on.
 * verifier: a function of its own, for its caller has no room. */
static __noinline int turn_is_known(__u32 pid, __u32 tid)
{
	struct hand *h = hand_of(pid, tid);

	if (!h)
		return 0;
	if (h->does & HAND_SERVES && !(h->does & HAND_LOOPS)) {
		h->does |= HAND_LOOPS;
		tell_strange(h, tid, DEED_TURNS, 0, STRANGE_BEGINS);
	}
	h->strange = 0;
	h->strange_count = 0;
	return 0;
}
