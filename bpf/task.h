/* What a Python program works on: a task of asyncio, a greenlet of gevent or eventlet, or a job that was handed to a thread. CPython keeps, in a dictionary from
 * loop to task, the task that each event loop is running; greenlet keeps the one that a thread runs in the thread's memory. Both are
 * read when a record is made. Which one has started which is seen at the entry of the initialiser, the only moment at which the
 * two are seen together. uvloop sends what a task has written when no task runs any more: the entry of its write tells whose it
 * was. Java's virtual threads are tasks here, too: bpf/virtual.h. Where a thread has its job, see bpf/job.h. */
#pragma once
#include "hand.h"
#include "job.h"

/* One per process in which asyncio, greenlet, or a Java with virtual threads, was found. Key: thread group. Written by Go, inherited at
 * fork, removed when the process ends or executes another program. */
struct interpreter {
	__u64 current;	/* address of the dictionary: loop to running task; 0: asyncio was not found */
	__u64 type;	/* address of the type of types */
	__u64 cause;	/* time of the request's head that the loop's thread has read last, and nothing since; 0: none */
	__u32 size;	/* of the keys of a dictionary up to their indices */
	__u32 module;	/* of greenlet among those with memory for each thread; 0: greenlet was not found */
	__u32 loop;	/* the thread that runs the event loop; 0: not seen; LOOPS_MANY: several do */
	__u8 logarithm; /* of the sizes is what the keys hold, and the kind of their entries: CPython 3.11 and later */
	__u8 deferred;	/* uvloop: what a task writes may be sent later */
	__u8 pad[2];
	struct machine machine;
	struct jobs jobs;
	struct heap heap;
};
enum { LOOPS_MANY = 0xffffffff, ENTRIES_LAST = 4, ENTRIES_MAX = 1 << 16 };

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 16384);
	__type(key, __u32);
	__type(value, struct interpreter);
} interpreters SEC(".maps");

/* Where a task comes from. The root is the outermost task, started by none; the branch is the task on the way from there that the
 * root itself has started, or the root. Each is named by the time at which it was started, or, if it was the first one that was
 * started after the head of a request was read, by the time of that; one older than weft by its address. Of greenlets the root is the one that was started by the hub, which runs
 * the loop and is started by the main one, and the branch is the greenlet itself; of a hub the root is 0. */
struct lineage {
	__u64 branch, root;
};

/* The tasks that were started, and the items that were put into a pool: their root is 0 if it is not known for which request that was done.
 * Entries of those that have ended fall out, or are written over by the next one in their place. Threads that have read a request are there, too,
 * by their numbers, which are no addresses: the branch is the item that the thread worked on, and the root the time of the head. */
struct task_key {
	__u64 task;
	__u32 pid, pad;
};
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 32768);
	__type(key, struct task_key);
	__type(value, struct lineage);
} tasks SEC(".maps");

/* Who has written last to a socket of uvloop. Key: struct sock *. Removed when it is sent; the others fall out. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 8192);
	__type(key, __u64);
	__type(value, struct lineage);
} written SEC(".maps");

/* The words of a PyDictObject, of a PyDictKeysObject as far as its indices, and of a PyDictKeyEntry. */
enum { DICT_USED = 2, DICT_KEYS = 4, KEYS_SIZE = 1, ENTRY_VALUE = 2, ENTRY_WORDS = 3, WORDS = 5 };

/* The bytes that the indices of a dictionary take, 0 if its keys are none of those that are known: of CPython 3.11 and later
 * there are the logarithms of how many there are and of their bytes, and the kind of the entries; before, how many there are. */
static __always_inline __u64 indices_size(const struct interpreter *i, __u64 size)
{
	__u8 bytes = size >> 8, kind = size >> 16;

	if (i->logarithm)
		return bytes < 24 && !kind ? 1ULL << bytes : 0;
	if (size <= 0xff)
		return size;
	return size <= 0xffff ? 2 * size : 0;
}

/* The address of the task that runs now; 0 if none does, or if that can't be told. words: room for WORDS. */
static __always_inline __u64 running_task(const struct interpreter *i, __u64 *words)
{
	__u64 at, indices, n;

	if (bpf_probe_read_user(words, WORDS * sizeof(*words), (void *)i->current))
		goto unknown;
	at = words[DICT_KEYS];
	if (!words[DICT_USED])
		return 0;
	if (words[DICT_USED] != 1 || bpf_probe_read_user(words, WORDS * sizeof(*words), (void *)at))
		goto unknown;
	indices = indices_size(i, words[KEYS_SIZE]);
	n = i->logarithm ? words[3] : words[4]; /* dk_nentries */
	if (!indices || !n || n > ENTRIES_MAX)
		goto unknown;
	at += i->size + indices + n * ENTRY_WORDS * sizeof(*words);
	for (int turn = 0; turn < ENTRIES_LAST && turn < n; turn++) {
		at -= ENTRY_WORDS * sizeof(*words);
		if (bpf_probe_read_user(words, ENTRY_WORDS * sizeof(*words), (void *)at))
			goto unknown;
		if (words[ENTRY_VALUE])
			return words[ENTRY_VALUE];
	}
unknown:
	count_add(COUNT_TASK_UNREAD, 1);
	return 0;
}

enum { THREAD_MODULES = 8, MODULE_SIZE = 16, OBJECT_TYPE = 8, LOWEST_ADDRESS = 4096 };

/* Reads a word, and another one behind it if two is set. */
static __always_inline bool read_words(__u64 *words, __u64 at, bool two)
{
	return !bpf_probe_read_user(words, two ? 16 : 8, (void *)at);
}

/* The address of the greenlet that the thread runs, 0 if that is the main one, or can't be told. The thread pointer leads to a vector
 * of the modules' memory for this thread; greenlet's holds a pointer, and a mark, in one order or the other; the pointer leads to its
 * ThreadState, which opens with the main and the current greenlet. words: room for WORDS. */
static __always_inline __u64 running_greenlet(const struct interpreter *i, __u64 *words)
{
#if defined(__TARGET_ARCH_x86)
	__u64 at, current;

	if (!read_words(words, FIELD(current_task(), thread.fsbase) + THREAD_MODULES, false))
		return 0;
	if (!read_words(words, words[0] + (__u64)i->module * MODULE_SIZE, false) || !read_words(words, words[0], true))
		return 0;
	at = words[0] >= LOWEST_ADDRESS ? words[0] : words[1];
	if (at < LOWEST_ADDRESS || !read_words(words, at, true) || words[0] == words[1])
		return 0;
	current = words[1];
	if (read_words(words, current + OBJECT_TYPE, false) && read_words(words, words[0] + OBJECT_TYPE, false) && words[0] == i->type)
		return current;
	count_add(COUNT_TASK_UNREAD, 1);
#endif
	return 0;
}

static __always_inline struct lineage lineage_of(__u32 pid, __u64 task)
{
	struct task_key key = {.task = task, .pid = pid};
	struct lineage *known = bpf_map_lookup_elem(&tasks, &key);

	if (known)
		return *known;
	return (struct lineage){.branch = task, .root = task};
}

/* A send outside of every task: what was written before, by whom. */
static __always_inline struct lineage take_written(__u64 sk)
{
	struct lineage *w = bpf_map_lookup_elem(&written, &sk), found = {};

	if (!w)
		return found;
	found = *w;
	take_out(&written, FORGETFUL_WRITTEN, &sk);
	return found;
}

static __always_inline void set_work(struct operation *op, struct lineage of)
{
	op->asked = 1;
	op->work = of.branch;
	op->origin = of.root ? of.root : of.branch;
	op->task = of.branch != 0;
}

static __always_inline void find_asyncio_task(struct operation *op, struct interpreter *i)
{
	struct lineage of = {};
	__u64 task = running_task(i, op->words);

	if (task)
		of = lineage_of(op->pid, task);
	else if (i->deferred && op->direction == DIRECTION_SEND)
		of = take_written(op->sk);
	set_work(op, of);
}

/* A greenlet that reads a request is the root of what it starts, even if it is older than weft, or has been started by the main one. */
static __always_inline void find_greenlet(struct operation *op, const struct interpreter *i, bool begins)
{
	__u64 greenlet = running_greenlet(i, op->words);
	struct task_key key = {.task = greenlet, .pid = op->pid};
	struct lineage of = {.branch = greenlet}, *known;

	op->asked = 1;
	if (!greenlet)
		return;
	known = bpf_map_lookup_elem(&tasks, &key);
	if (known)
		of = *known;
	if (!of.root) {
		of.root = of.branch;
		if (begins)
			remember_last(&tasks, FORGETFUL_TASKS, &key, &of);
	}
	set_work(op, of);
}

/* A virtual thread is work of its own: what it has read is its request. */
static __always_inline void find_virtual(struct operation *op, const struct interpreter *i)
{
	__u64 number = running_virtual(&i->machine, op->words);

	set_work(op, (struct lineage){.branch = number, .root = number});
}

/* Whose work an operation is. begins: it has read the first bytes of a request.
 * verifier: a function of its own, verified once. */
__noinline int find_task(TAKES_OPERATION, int begins)
{
	FIND_OPERATION;
	struct interpreter *i;
	__u32 pid;

	if (!op)
		return 0;
	pid = op->pid;
	i = bpf_map_lookup_elem(&interpreters, &pid);
	if (!i)
		return 0;
	if (i->machine.slot) {
		if (!op->asked)
			find_virtual(op, i);
		return 0;
	}
	if (!i->current || i->loop != op->tid) {
		if (i->module && !op->asked)
			find_greenlet(op, i, begins);
		return 0;
	}
	if (!op->asked)
		find_asyncio_task(op, i);
	if (begins && !op->task)
		i->cause = op->now;
	else if (i->cause != op->now)
		i->cause = 0;
	return 0;
}

/* What a thread works on that works for others, if that is not known yet. One that reads a request works for that from then on, and what
 * it hands on is part of it.
 * verifier: a function of its own, beside find_task, for the room on the stack. */
__noinline int find_job(TAKES_OPERATION, int begins)
{
	FIND_OPERATION;
	struct lineage *known, of = {};
	struct task_key key = {};
	struct interpreter *i;

	if (!op || op->task || (op->sought && !begins))
		return 0;
	key.pid = op->pid;
	i = bpf_map_lookup_elem(&interpreters, &key.pid);
	if (!i || !i->jobs.told || (i->current && i->loop == op->tid))
		return 0;
	op->sought = 1;
	key.task = running_job(&i->jobs, op->words);
	if (op->words[JOB_KIND] == JOB_UNKNOWN)
		i->jobs.wanted = 1;
	known = key.task ? bpf_map_lookup_elem(&tasks, &key) : 0;
	if (!begins) {
		if (known && known->root)
			set_work(op, *known);
		return 0;
	}
	if (known && op->words[JOB_KIND] == JOB_ITEM)
		known->root = 0;
	of.branch = key.task;
	of.root = op->now;
	key.task = op->tid;
	if (i->loop != LOOPS_MANY)
		remember_last(&tasks, FORGETFUL_TASKS, &key, &of);
	return 0;
}

/* A forked process has the memory of its parent, and one thread. */
static __always_inline void inherit_interpreter(__u32 from, __u32 to)
{
	struct interpreter *i = bpf_map_lookup_elem(&interpreters, &from), copy;

	if (!i)
		return;
	copy = *i;
	copy.loop = 0;
	copy.cause = 0;
	copy.jobs.wanted = 0;
	bpf_map_update_elem(&interpreters, &to, &copy, BPF_ANY);
}
