/* What the threads of a process do for each other: one is started by another, or waits on a word of memory (a futex) until another one
 * wakes it. A request's thread that waits for a result waits on a word of its own, and is woken by the thread that has it. On a word
 * on which many threads wait, as on that of a lock or a queue, a wake says nothing. */
#pragma once
#include "birth.h"
#include "emit.h"
#include "hand.h"

struct word_key {
	__u64 address;
	__u32 pid, pad;
};
struct word {
	__u32 thread;  /* the one that was woken last */
	__u32 strange; /* grows where another thread is woken than the time before, sinks where the same is */
};
enum { STRANGER = 4, STRANGE = 12, STRANGE_MAX = 1000 };

/* The words on which threads of crews wait. The one that was not used for the longest time goes first. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 32768);
	__type(key, struct word_key);
	__type(value, struct word);
} words SEC(".maps");

/* Whether a word is one on which this thread alone waits, as far as was seen: twice at least. */
static __always_inline bool owns_word(__u32 pid, __u32 tid, __u64 address)
{
	struct word_key key = {.address = address, .pid = pid};
	struct word *w = bpf_map_lookup_elem(&words, &key), value = {.thread = tid};

	if (!w) {
		remember(&words, FORGETFUL_WORDS, &key, &value);
		return false;
	}
	if (w->thread != tid) {
		w->thread = tid;
		if (w->strange < STRANGE_MAX)
			w->strange += STRANGER;
		return false;
	}
	if (w->strange)
		w->strange--;
	return w->strange < STRANGE;
}

static __always_inline bool send_thread(struct thread_record *r)
{
	if (*(volatile __u32 *)&pressure)
		return false; /* messages are worth more */
	r->head.kind = RECORD_THREAD;
	r->head.time = bpf_ktime_get_boot_ns();
	if (!bpf_ringbuf_output(&ring, r, sizeof(*r), wake_flags(sizeof(*r))))
		return true;
	count_add(COUNT_RING_FULL, 1);
	return false;
}

static __always_inline void tell_thread(const struct task_struct *task, __u32 deed, __u32 other, __u64 address)
{
	struct thread_record r = {
	    .head = {.pid = FIELD(task, tgid), .tid = FIELD(task, pid)}, .deed = deed, .other = other, .address = address};

	send_thread(&r);
}

/* The current thread begins to open a connection: told of threads that read requests, for it may be for the last one. What passes on the
 * connection comes later, when the thread may have read others. */
static __always_inline void thread_connects(struct socket_state *s)
{
	struct task_struct *task = current_task();
	struct hand *h = hand_of(FIELD(task, tgid), FIELD(task, pid));
	struct thread_record r = {
	    .head = {.pid = FIELD(task, tgid), .tid = FIELD(task, pid), .socket = s->cookie},
	    .deed = DEED_CONNECTS,
	};

	if (h && h->does & HAND_SERVES)
		s->opening = send_thread(&r);
}

/* Such a connection is over before anything that is told has passed on it. */
static __always_inline void connection_unused(struct socket_state *s)
{
	struct thread_record r = {
	    .head = {.pid = s->owner, .socket = s->cookie},
	    .deed = DEED_UNUSED,
	    .address = s->origin == ORIGIN_CONNECTED,
	};

	s->opening = 0;
	send_thread(&r);
}

/* A thread that works on requests has started another one. */
static __always_inline void thread_starts(const struct task_struct *task, const struct task_struct *child)
{
	if (!hand_of(FIELD(task, tgid), FIELD(task, pid)))
		return;
	note_hand(FIELD(child, tgid), FIELD(child, pid), HAND_STARTED);
	tell_thread(task, DEED_STARTS, FIELD(child, pid), 0);
}

static __always_inline void thread_ends(const struct task_struct *task)
{
	__u32 tid = FIELD(task, pid);
	struct hand *h = hand_of(FIELD(task, tgid), tid);

	if (!h)
		return;
	if (!(h->does & HAND_SERVES))
		tell_thread(task, DEED_ENDS, 0, 0);
	leave_cradle(h);
	take_out(&hands, FORGETFUL_HANDS, &tid);
}

/* Whether a thread is in a call of futex on a word. One that waits for a limited time and was interrupted by a signal has gone on under
 * another number, with the same arguments. */
static __always_inline bool waits_on(struct pt_regs *regs, __u64 address)
{
	long number = SYSCALL_NUMBER(regs);

	return (number == NR_futex || number == NR_restart_syscall) && SYSCALL_ARG0(regs) == address;
}

/* The current thread wakes another one. Most wakes are those of other processes' threads, or of threads that wait for something else,
 * in interrupts: both have to be in a call of futex, on the same word. */
static __always_inline int thread_wakes(const struct task_struct *woken)
{
	struct task_struct *task = current_task();
	__u32 pid = FIELD(task, tgid);
	struct pt_regs *regs;
	struct crew *crew;
	__u64 address;

	if (pid != FIELD(woken, tgid) || FIELD(task, pid) == FIELD(woken, pid))
		return 0;
	regs = registers_of(task);
	if (SYSCALL_NUMBER(regs) != NR_futex)
		return 0;
	crew = bpf_map_lookup_elem(&crews, &pid);
	if (!crew || crew->credit <= 0)
		return 0;
	address = SYSCALL_ARG0(regs);
	regs = registers_of((struct task_struct *)woken);
	if (!waits_on(regs, address))
		return 0;
	if (!hand_of(pid, FIELD(task, pid)) && !hand_of(pid, FIELD(woken, pid)))
		return 0;
	if (!owns_word(pid, FIELD(woken, pid), address))
		return 0;
	crew->credit--;
	tell_thread(task, DEED_WAKES, FIELD(woken, pid), address | (SYSCALL_ARG3(regs) != 0));
	return 0;
}
