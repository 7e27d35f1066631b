/* Which job a thread of Python works on for somebody else: an item that was put into a pool of concurrent.futures, or the future for which
 * a thread of anyio works. It is a variable of the function with which the thread begins, whose frame is at the start of the first
 * chunk of the stack that the interpreter keeps for each thread. agent/python finds out where; x86-64 only. */
#pragma once
#include "virtual.h"

/* A way in which threads that work for others begin, in bytes from the start of the chunk. */
struct job_place {
	__u64 code;  /* address of the function's code; 0: there is none */
	__u16 frame; /* of that address */
	__u16 local; /* of the variable with the job */
	__u32 kind;  /* enum job_kind */
};
enum job_kind { JOB_UNKNOWN = 0, JOB_ITEM = 1, JOB_FUTURE = 2 };
enum { JOB_PLACES = 4, STACK_CHUNKS = 12, JOB_KIND = 2 };

/* What leads to the job, in bytes. */
struct jobs {
	__u64 task; /* address of the type of asyncio's tasks */
	__u32 slot; /* behind the thread pointer: of the address of the thread's state; 0: no thread that works for others was found */
	__u32 last; /* in that: of the address of the last chunk */
	struct job_place places[JOB_PLACES];
	__u8 told;   /* jobs are sought in this process */
	__u8 wanted; /* a thread that was not understood has sent or received something: another look may find more */
	__u8 pad[6];
};

/* Of a future: its first callback; of that, where it wakes a task: the task. */
enum { FUTURE_CALLBACK = 24, CALLBACK_TASK = 24, TASK_TYPE = 8 };

/* The task that waits for a future, 0 if none does, or another one than asyncio's own. */
static __always_inline __u64 task_that_awaits(const struct jobs *j, __u64 future, __u64 *words)
{
	if (!future || !read_word(words, future + FUTURE_CALLBACK) || !read_word(words, words[0] + CALLBACK_TASK))
		return 0;
	return read_word(words + 1, words[0] + TASK_TYPE) && words[1] == j->task ? words[0] : 0;
}

/* The address of what the current thread works on, the item or the task that awaits the future; 0 if on none, or if that can't be told.
 * words: room for three, of which the third one tells then which kind of thread it is, JOB_UNKNOWN if it is none that works for others. */
static __always_inline __u64 running_job(const struct jobs *j, __u64 *words)
{
	words[JOB_KIND] = JOB_UNKNOWN;
#if defined(__TARGET_ARCH_x86)
	if (!j->slot || !read_word(words, FIELD(current_task(), thread.fsbase) + j->slot) || !read_word(words, words[0] + j->last))
		return 0;
	words[1] = words[0];
	for (int turn = 0; turn < STACK_CHUNKS && words[0]; turn++) {
		words[1] = words[0];
		if (!read_word(words, words[1]))
			return 0;
	}
	if (words[0])
		return 0; /* the calls are too deep */
	for (int n = 0; n < JOB_PLACES; n++) {
		const struct job_place *p = &j->places[n];

		if (!p->code || !read_word(words, words[1] + p->frame))
			return 0;
		if (words[0] != p->code)
			continue;
		words[JOB_KIND] = p->kind;
		if (!read_word(words, words[1] + p->local))
			return 0;
		return p->kind == JOB_FUTURE ? task_that_awaits(j, words[0], words) : words[0];
	}
#endif
	return 0;
}
