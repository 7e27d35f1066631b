/* Requests that were given to connections which have no number yet: those older than weft get it with their first operation that is
 * seen. Until then the hand-over waits under the address of the socket. */
#pragma once
#include "operation.h"
#include "waiter.h"

struct handed {
	__u64 time;
	__u64 goroutine;
	__u64 parent_goroutine;
	struct worker worker; /* without depth: it is none */
};

/* Key: address of the socket. Born at a hand-over to a connection without a number, taken when it gets one; what is never taken
 * makes room for the next. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 4096);
	__type(key, __u64);
	__type(value, struct handed);
} given SEC(".maps");

/* How long a hand-over waits, ns: the address may be that of another socket later. */
#define HANDED_AGE 100000000ULL

/* Keeps a hand-over for a connection without a number. */
static __always_inline void keep_handed(__u64 sk, const struct handover_record *r, const struct worker *w)
{
	struct handed h = {.time = r->head.time, .goroutine = r->goroutine, .parent_goroutine = r->parent_goroutine, .worker = *w};

	remember_last(&given, FORGETFUL_GIVEN, &sk, &h);
}

/* Forgets what was kept for a socket: it has a number, or another one has got its address. */
static __always_inline void forget_handed(__u64 sk)
{
	struct handed *h = bpf_map_lookup_elem(&given, &sk);

	if (h)
		h->goroutine = 0;
}

/* Takes what was kept for the connection of an operation, whose number is known now. Returns 1 if there was something. */
static __always_inline int take_handed(const struct operation *op, __u64 cookie, struct handover_record *r)
{
	__u64 sk = op->sk;
	struct handed *h = bpf_map_lookup_elem(&given, &sk);

	if (!h)
		return 0;
	r->head.kind = RECORD_HANDOVER;
	r->head.time = op->now;
	r->head.socket = cookie;
	r->head.pid = op->pid;
	r->head.tid = op->tid;
	r->goroutine = h->goroutine;
	r->parent_goroutine = h->parent_goroutine;
	h->goroutine = 0;
	if (!r->goroutine || h->time + HANDED_AGE <= op->now)
		return 0;
	if (h->worker.depth)
		remember_last(&workers, FORGETFUL_WORKERS, &cookie, &h->worker);
	return 1;
}
