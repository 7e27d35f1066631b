/* What probes see of the tasks of Python, see bpf/task.h: that one is started, an item is put into a queue, or a task writes to a stream of uvloop. */
#pragma once
#include "task.h"

/* The interpreter of the current thread, if it is one that runs an event loop. */
static __always_inline struct interpreter *current_interpreter(void)
{
	__u64 id = bpf_get_current_pid_tgid();
	__u32 pid = id >> 32, tid = id;
	struct interpreter *i = bpf_map_lookup_elem(&interpreters, &pid);

	return i && i->loop == tid ? i : 0;
}

/* What is started, or handed on, by work of this lineage. */
static __always_inline struct lineage started_by(struct lineage parent)
{
	struct lineage of = {.branch = parent.branch, .root = parent.root};

	if (!parent.root || parent.branch == parent.root)
		of.branch = bpf_ktime_get_boot_ns();
	return of;
}

/* A task is started: the entry of its tp_init. */
static __always_inline int task_starts(__u64 task)
{
	__u64 id = bpf_get_current_pid_tgid(), words[WORDS] = {}, running;
	__u32 pid = id >> 32, tid = id;
	struct interpreter *i = bpf_map_lookup_elem(&interpreters, &pid);
	struct task_key key = {.task = task, .pid = pid};
	struct lineage of = {};

	if (!i || !i->current)
		return 0;
	if (i->loop != tid)
		i->loop = i->loop ? LOOPS_MANY : tid;
	if (i->loop == LOOPS_MANY)
		return 0;
	running = running_task(i, words);
	if (running) {
		of = started_by(lineage_of(pid, running));
	} else {
		of.branch = i->cause ? i->cause : bpf_ktime_get_boot_ns();
		of.root = of.branch;
		i->cause = 0;
	}
	remember_last(&tasks, FORGETFUL_TASKS, &key, &of);
	return 0;
}

/* The lineage of what the current thread works on, a request that it has read itself for one: named by its head, or, if that was read before
 * jobs were sought, by the thread. Without a root where nothing is known. */
static __always_inline struct lineage lineage_of_thread(struct interpreter *i, __u32 pid, __u32 tid)
{
	struct task_key key = {.pid = pid};
	__u64 words[WORDS] = {}, job;
	struct lineage none = {}, *known;
	struct hand *hand;

	if (i->current && i->loop == tid) {
		job = running_task(i, words);
		return job ? lineage_of(pid, job) : none;
	}
	job = running_job(&i->jobs, words);
	key.task = job;
	known = job ? bpf_map_lookup_elem(&tasks, &key) : 0;
	if (known && known->root)
		return *known;
	key.task = tid;
	known = bpf_map_lookup_elem(&tasks, &key);
	if (known)
		return known->branch && known->branch != job ? none : (struct lineage){.branch = known->root, .root = known->root};
	hand = hand_of(pid, tid);
	return hand && hand->does & HAND_SERVES ? (struct lineage){.branch = tid, .root = tid} : none;
}

/* An item is put into a queue, that of a pool for one: the entry of SimpleQueue.put. arguments: the item is the first one. */
static __always_inline int item_is_put(__u64 arguments)
{
	__u64 id = bpf_get_current_pid_tgid();
	__u32 pid = id >> 32;
	struct interpreter *i = bpf_map_lookup_elem(&interpreters, &pid);
	struct task_key key = {.pid = pid};
	struct lineage of;

	if (!i || !i->jobs.told || !read_word(&key.task, arguments))
		return 0;
	of = started_by(lineage_of_thread(i, pid, id));
	remember_last(&tasks, FORGETFUL_TASKS, &key, &of);
	return 0;
}

/* A greenlet is made: the entry of its type's tp_init. */
static __always_inline int greenlet_starts(__u64 greenlet)
{
	__u32 pid = bpf_get_current_pid_tgid() >> 32;
	struct interpreter *i = bpf_map_lookup_elem(&interpreters, &pid);
	struct task_key key = {.task = greenlet, .pid = pid};
	struct lineage of = {};
	__u64 words[WORDS] = {}, running;

	if (!i || !i->module)
		return 0;
	of.branch = bpf_ktime_get_boot_ns();
	running = running_greenlet(i, words);
	if (running) {
		struct lineage *parent;

		key.task = running;
		parent = bpf_map_lookup_elem(&tasks, &key);
		key.task = greenlet;
		of.root = parent && parent->root ? parent->root : of.branch;
	}
	remember_last(&tasks, FORGETFUL_TASKS, &key, &of);
	return 0;
}

/* uvloop's UVHandle up to the handle of libuv; that handle up to the file descriptor of a stream. */
struct loop_handle {
	__u64 references, type, methods, handle;
};
struct stream_handle {
	__u64 data; /* the loop_handle */
	__u8 between[176];
	__s32 fd;
};

/* A task writes to a stream of uvloop: the entry of UVStream.write. */
static __always_inline int stream_writes(__u64 stream)
{
	struct interpreter *i = current_interpreter();
	struct lineage of = {};
	struct loop_handle h;
	__u64 words[WORDS] = {}, data = 0, task, sk;
	__s32 fd = -1;

	if (!i || bpf_probe_read_user(&h, sizeof(h), (void *)stream))
		return 0;
	if (bpf_probe_read_user(&data, sizeof(data), (void *)h.handle) || data != stream)
		return 0;
	if (bpf_probe_read_user(&fd, sizeof(fd), (void *)(h.handle + __builtin_offsetof(struct stream_handle, fd))) || fd < 0)
		return 0;
	sk = socket_of_fd(current_task(), fd);
	if (!sk)
		return 0;
	task = running_task(i, words);
	if (task)
		of = lineage_of(bpf_get_current_pid_tgid() >> 32, task);
	remember_last(&written, FORGETFUL_WRITTEN, &sk, &of);
	return 0;
}
