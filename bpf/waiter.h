/* Who waits for what a worker of Go does. A request that is given to a goroutine by a channel waits on another channel for the result,
 * and the worker has that one's address on its stack: in its own variables, or in the job that they point to. The channel
 * leads to the goroutine that waits. It is looked for when the reply to the worker's call begins: then the worker rests in
 * net/http, and the other one, too. */
#pragma once
#include "look.h"
#include "ready.h"

/* Notes that goroutine `id` makes a call. Returns 1 if it may be a worker: if it serves no request itself and either no ancestor does or
 * it has made calls before. */
static __noinline int calls_as_worker(__u32 pid, __u64 id, __u64 ancestor)
{
	struct goroutine_key key = {.pid = pid, .id = id};
	struct goroutine_value *known = bpf_map_lookup_elem(&goroutines, &key), *above;
	bool called = known && known->called;

	if (known && known->serves)
		return 0;
	if (known) {
		known->called = 1;
	} else {
		struct goroutine_value value = {.called = 1};
		remember(&goroutines, FORGETFUL_GOROUTINES, &key, &value);
	}
	key.id = ancestor;
	above = ancestor ? bpf_map_lookup_elem(&goroutines, &key) : 0;
	return !(above && above->serves && !called);
}

/* If a word is the address of a channel on which one goroutine alone waits, and not the worker, notes that goroutine. A channel on which
 * several wait is a queue of work, or tells all of something. */
TAKES_POINTERS int look_at_channel(struct look *l, __u64 channel, __u32 place)
{
	__u64 sudog = 0, g = 0, next = 0, of = 0, id = 0, parent = 0;
	__u32 n;

	if (!l || !in_heap(channel) || (channel >= l->low && channel < l->high))
		return 0;
	if (bpf_probe_read_user(&sudog, sizeof(sudog), (void *)(channel + l->receivers)) || !in_heap(sudog))
		return 0;
	if (bpf_probe_read_user(&of, sizeof(of), (void *)(sudog + l->sudog_chan)) || of != channel)
		return 0;
	if (bpf_probe_read_user(&next, sizeof(next), (void *)(sudog + l->sudog_next)) || next)
		return 0;
	if (bpf_probe_read_user(&g, sizeof(g), (void *)(sudog + l->sudog_g)) || !in_heap(g) || g == l->worker)
		return 0;
	if (bpf_probe_read_user(&id, sizeof(id), (void *)(g + l->goid)) || !id)
		return 0;
	if (l->has_parent)
		bpf_probe_read_user(&parent, sizeof(parent), (void *)(g + l->parent_goid));
	for (int i = 0; i < WAITERS_MAX; i++) {
		if (l->record.waiters[i].goroutine == id) {
			l->record.waiters[i].place = place; /* further out */
			return 0;
		}
	}
	n = l->record.count;
	if (n < WAITERS_MAX) {
		l->record.waiters[n].goroutine = id;
		l->record.waiters[n].parent = parent;
		l->record.waiters[n].place = place;
	}
	l->record.count = n + 1;
	return 0;
}

static long look_at_word(__u32 index, __u32 *area)
{
	struct look *l = bpf_map_lookup_elem(&looks, area);
	__u64 word;
	__u32 place;

	if (!l || index >= l->count)
		return 1;
	word = l->words[index & (STACK_WORDS - 1)];
	if (!in_heap(word) || (word >= l->low && word < l->high))
		return 0;
	place = place_on_stack(l, index);
	look_at_channel(l, word, place);
	if (index + JOB_STACK < l->count || bpf_probe_read_user(l->job, sizeof(l->job), (void *)word))
		return 0;
	for (int i = 0; i < JOB_WORDS; i++)
		look_at_channel(l, l->job[i], place + 1 + i);
	return 0;
}

/* Copies the outermost words of the worker's stack. Returns 0 if it does not rest in the call that it has made. */
static __always_inline int copy_stack(struct look *l, const struct process *p, const struct worker *w)
{
	__u64 id = 0, waiting = 0, sp = 0, stack[2] = {}, size;

	if (bpf_probe_read_user(&id, sizeof(id), (void *)(w->g + p->goid)) || id != w->id)
		return 0;
	if (bpf_probe_read_user(&waiting, sizeof(waiting), (void *)(w->g + p->waiting)) || !waiting)
		return 0;
	if (bpf_probe_read_user(stack, sizeof(stack), (void *)(w->g + p->stack)))
		return 0;
	if (bpf_probe_read_user(&sp, sizeof(sp), (void *)(w->g + p->sched)) || sp < stack[0] || stack[1] - sp <= w->depth)
		return 0;
	l->low = stack[0];
	l->high = stack[1];
	size = clamp(w->depth & ~7ULL, sizeof(l->words));
	if (bpf_probe_read_user(l->words, size, (void *)(stack[1] - size)))
		return 0;
	l->count = size / 8;
	return 1;
}

/* The reply to a call begins: tells who waits for the goroutine that has made it.
 * verifier: a function of its own, verified once. */
__noinline int tell_waiters(TAKES_STATE)
{
	FIND_STATE;
	__u32 area, pid;
	__u64 cookie;
	struct worker *known, w;
	struct process *p;
	struct look *l;

	if (!op || !s)
		return 0;
	area = op->area & (AREAS - 1);
	pid = op->pid;
	cookie = s->cookie;
	known = bpf_map_lookup_elem(&workers, &cookie);
	if (!known)
		return 0;
	w = *known;
	take_out(&workers, FORGETFUL_WORKERS, &cookie);
	p = bpf_map_lookup_elem(&processes, &pid);
	l = bpf_map_lookup_elem(&looks, &area);
	if (!p || !l || !p->sudog_chan || !KERNEL_LOOPS)
		return 0;
	if (!copy_stack(l, p, &w))
		return 0;
	l->worker = w.g;
	l->goid = p->goid;
	l->parent_goid = p->parent_goid;
	l->has_parent = p->has_parent;
	l->receivers = p->receivers;
	l->sudog_g = p->sudog_g;
	l->sudog_next = p->sudog_next;
	l->sudog_chan = p->sudog_chan;
	__builtin_memset(&l->record, 0, sizeof(l->record));
	l->record.head.kind = RECORD_WAITERS;
	l->record.head.time = op->now;
	l->record.head.socket = cookie;
	l->record.head.pid = pid;
	l->record.head.tid = op->tid;
	l->record.worker = w.id;
	LOOP(STACK_WORDS, look_at_word, &area);
	if (!l->record.count)
		look_at_ready(area, p, &w);
	if (bpf_ringbuf_output(&ring, &l->record, sizeof(l->record), BPF_RB_NO_WAKEUP))
		count_add(COUNT_RING_FULL, 1);
	return 0;
}
