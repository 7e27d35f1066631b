/* Who is about to wait for what a worker of Go does. A goroutine that gives a job to a channel rests until a worker takes it, and has
 * still to run to wait for the result: where the processors are busy the reply to the worker's call can be there before. But
 * when the worker makes its call, Go remembers it as the one that was made ready there last, and like the worker it has the channel of the
 * result, or the job, on its stack. */
#pragma once
#include "look.h"

/* Notes at the call of a worker which goroutine was made ready there last. */
static __noinline int note_ready(const struct process *p, struct worker *w)
{
	__u64 m = 0, processor = 0, next = 0;

	if (!p->runnext || bpf_probe_read_user(&m, sizeof(m), (void *)(w->g + p->m)))
		return 0;
	if (bpf_probe_read_user(&processor, sizeof(processor), (void *)(m + p->processor)))
		return 0;
	if (bpf_probe_read_user(&next, sizeof(next), (void *)(processor + p->runnext)) || !in_heap(next))
		return 0;
	w->ready = next;
	bpf_probe_read_user(&w->ready_id, sizeof(w->ready_id), (void *)(next + p->goid));
	return 0;
}

static __always_inline __u64 *place_of_word(struct look *l, __u64 word)
{
	return &l->ready[(word >> 3 ^ word >> 11) & (READY_PLACES - 1)];
}

static long keep_words(__u32 index, __u32 *area)
{
	struct look *l = bpf_map_lookup_elem(&looks, area);
	__u64 at;

	if (!l)
		return 1;
	at = l->from + index * sizeof(l->job);
	if (at + sizeof(l->job) > l->to || bpf_probe_read_user(l->job, sizeof(l->job), (void *)at))
		return 1;
	for (int i = 0; i < JOB_WORDS; i++) {
		__u64 word = l->job[i];

		if (in_heap(word) && (word < l->from || word >= l->to))
			*place_of_word(l, word) = word;
	}
	return 0;
}

/* Tells of a word that both have, if it is the address of a channel on which nobody waits yet and to which nobody has sent. */
TAKES_POINTERS int look_at_shared(struct look *l, __u64 channel, __u32 place)
{
	__u64 room[3] = {}, queues[4] = {}; /* how many it holds and how many it can, and where; who waits to receive, and to send */
	__u32 n;

	if (!l || !in_heap(channel) || bpf_probe_read_user(room, sizeof(room), (void *)channel))
		return 0;
	if (room[0] || room[1] > ~0U || !in_heap(room[2]))
		return 0;
	if (bpf_probe_read_user(queues, sizeof(queues), (void *)(channel + l->receivers)) || queues[0] || queues[2])
		return 0;
	for (int i = 0; i < WAITERS_MAX; i++) {
		if (l->told[i] == channel)
			return 0; /* further out */
	}
	n = l->record.count;
	if (n >= WAITERS_MAX)
		return 0;
	l->told[n] = channel;
	l->record.waiters[n].goroutine = l->ready_id;
	l->record.waiters[n].parent = l->ready_parent;
	l->record.waiters[n].place = place;
	l->record.count = n + 1;
	return 0;
}

static __always_inline bool is_shared(struct look *l, __u64 word)
{
	return word && *place_of_word(l, word) == word;
}

/* Channels that both have on their stacks, or the worker in its job. */
static long look_at_shared_word(__u32 index, __u32 *area)
{
	struct look *l = bpf_map_lookup_elem(&looks, area);
	__u64 word;
	__u32 place;

	if (!l || index >= l->count)
		return 1;
	index = l->count - 1 - index; /* the outermost first */
	word = l->words[index & (STACK_WORDS - 1)];
	if (!in_heap(word) || (word >= l->low && word < l->high))
		return 0;
	place = place_on_stack(l, index);
	if (is_shared(l, word))
		look_at_shared(l, word, place);
	if (index + JOB_STACK < l->count || bpf_probe_read_user(l->job, sizeof(l->job), (void *)word))
		return 0;
	for (int i = 0; i < JOB_WORDS; i++) {
		if (is_shared(l, l->job[i]))
			look_at_shared(l, l->job[i], place + 1 + i);
	}
	return 0;
}

/* Channels in a job to which both have the pointer. What else they have in common can hold channels, too: so these come last. */
static long look_at_shared_job(__u32 index, __u32 *area)
{
	struct look *l = bpf_map_lookup_elem(&looks, area);
	__u64 word;

	if (!l || index >= l->count)
		return 1;
	index = l->count - 1 - index; /* the outermost first */
	word = l->words[index & (STACK_WORDS - 1)];
	if (index + JOB_STACK < l->count || !is_shared(l, word) || bpf_probe_read_user(l->job, sizeof(l->job), (void *)word))
		return 0;
	for (int i = 0; i < JOB_WORDS; i++) {
		if (!is_shared(l, l->job[i]))
			look_at_shared(l, l->job[i], place_on_stack(l, index) + 1 + i);
	}
	return 0;
}

/* Nobody waits for a worker: looks whether the goroutine that was made ready before its call is about to. */
static __noinline int look_at_ready(__u32 area, const struct process *p, const struct worker *w)
{
	struct look *l = bpf_map_lookup_elem(&looks, &area);
	__u64 id = 0, high = 0;

	if (!l || !w->ready || !w->ready_id)
		return 0;
	if (bpf_probe_read_user(&id, sizeof(id), (void *)(w->ready + p->goid)) || id != w->ready_id)
		return 0;
	if (bpf_probe_read_user(&l->from, sizeof(l->from), (void *)(w->ready + p->sched)))
		return 0;
	if (bpf_probe_read_user(&high, sizeof(high), (void *)(w->ready + p->stack + 8)) || high <= l->from)
		return 0;
	l->to = l->from + clamp(high - l->from, READY_WORDS * 8);
	l->ready_id = id;
	l->ready_parent = 0;
	if (p->has_parent)
		bpf_probe_read_user(&l->ready_parent, sizeof(l->ready_parent), (void *)(w->ready + p->parent_goid));
	l->record.ready = 1;
	__builtin_memset(l->told, 0, sizeof(l->told));
	for (int i = 0; i < READY_PLACES; i++)
		*(volatile __u64 *)&l->ready[i] = 0; /* one call of the compiler for all of it would be one of a function */
	LOOP(READY_WORDS / JOB_WORDS, keep_words, &area);
	LOOP(STACK_WORDS, look_at_shared_word, &area);
	LOOP(STACK_WORDS, look_at_shared_job, &area);
	return 0;
}
