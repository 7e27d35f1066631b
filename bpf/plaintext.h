/* The calls of TLS libraries: what they read and write is followed as if it were what a socket receives and sends. */
#pragma once
#include "ciphertext.h"
#include "close.h"
#include "follow.h"

static __always_inline void native_thread(struct thread_key *key)
{
	key->thread = bpf_get_current_pid_tgid();
	key->tgid = 0;
}

struct call {
	__u64 object, base, asked, count;
	__u8 direction, loose, unread;
};

/* A read or write of a TLS object begins. */
static __always_inline int call_begins(const struct thread_key *key, const struct call *call)
{
	__u32 pid = bpf_get_current_pid_tgid() >> 32;
	struct process *p = bpf_map_lookup_elem(&processes, &pid);
	struct session_key at = {call->object, pid};
	struct thread *thread;

	if (pid == settings.self || (p && (p->choice == CHOICE_IGNORE || (p->choice == CHOICE_OTHER && !settings.ports))))
		return 0;
	thread = thread_of(key, true);
	if (!thread) {
		count_add(COUNT_TLS_REFUSED, 1);
		return 0;
	}
	thread->made = (call->loose == LOOSE_TIED ? bpf_map_lookup_elem(&sessions, &at) : session_at(&at, call->loose)) != 0;
	thread->loose = call->loose;
	thread->object = call->object;
	thread->base = call->base;
	thread->asked = call->asked;
	thread->count = call->count;
	thread->direction = call->direction;
	thread->unread = call->unread;
	thread->began = bpf_ktime_get_boot_ns();
	thread->inner = 0;
	thread->active = 1;
	return 0;
}

/* The object has no socket: the bytes came through memory. They are of the socket that the thread has read last if that has
 * brought a record which holds exactly so many, and belongs to no other object. Of records that are told of one by one, while some are
 * not kept, any may be theirs. */
static __always_inline void find_socket(struct session *session, const struct thread *thread, __u32 pid, __u64 n)
{
	__u64 cookie = thread->received;
	struct tls_socket *t = cookie ? bpf_map_lookup_elem(&tls_sockets, &cookie) : 0;
	struct session_key key = {};
	struct record_stream *r;

	if (!t)
		return;
	key.object = t->object;
	key.tgid = t->tgid;
	if (key.object && bpf_map_lookup_elem(&sessions, &key))
		return;
	r = &t->streams[DIRECTION_RECEIVE];
	for (__u32 i = 0; i < RECORDS_KEPT; i++) {
		__u32 at = r->taken + i;

		if (at == r->filled)
			return;
		if ((thread->whole && r->dropped) || holds(r->records[at % RECORDS_KEPT].length, n)) {
			tie(session, t, thread->object, pid);
			return;
		}
	}
}

/* The stream offset + 1 of the record that a read of n bytes begins with; 0 when that is not certain. whole: the reader had room
 * for more, so that a record has ended. verifier: a function of its own, verified once. */
TAKES_POINTERS __u64 take_record(struct session *session, struct tls_socket *t, __u64 n, __u32 whole)
{
	struct record_stream *r;

	if (!session || !t)
		return 0;
	r = &t->streams[DIRECTION_RECEIVE];
	if (session->part) {
		session->got += n;
		if (session->got + OVERHEAD_MIN <= session->part) {
			if (whole || holds(session->part, session->got))
				session->part = 0;
			return 0;
		}
		session->part = 0; /* not what it was taken for */
		r->taken = r->filled;
		return 0;
	}
	for (__u32 i = 0; i < RECORDS_KEPT; i++) {
		__u32 at = r->taken + i;
		struct data_record *d = &r->records[at % RECORDS_KEPT];

		if (at == r->filled)
			break;
		if (!holds(d->length, n) && (whole || d->length < n + OVERHEAD_MIN))
			continue;
		r->taken = at + 1;
		if (!holds(d->length, n)) {
			session->part = d->length;
			session->got = n;
		}
		return d->offset + 1;
	}
	r->taken = r->filled;
	return 0;
}

/* The same of a library that tells of each record by itself. More of them may come in one read than are kept, so it is reckoned where
 * the next one begins: got, and part bytes more than its plaintext behind its header; part 0: not known. A record of something else in
 * between makes that wrong until the kept ones tell better; nothing begins where it points, then. verifier: a function of its own,
 * verified once. */
TAKES_POINTERS __u64 take_whole(struct session *session, struct tls_socket *t, __u64 n)
{
	__u64 from = 0, at = 0, oldest;
	struct record_stream *r;

	if (!session || !t)
		return 0;
	r = &t->streams[DIRECTION_RECEIVE];
	if (session->part)
		from = session->got;
	oldest = r->records[r->taken % RECORDS_KEPT].offset;
	if (r->taken == r->filled || (!session->part && r->dropped)) {
		r->taken = r->filled;
		r->dropped = 0;
		session->part = 0;
		return 0;
	}
	if (session->part && r->dropped && from < oldest) {
		session->got = from + TLS_HEADER + n + session->part;
		return from + 1;
	}
	r->dropped = 0;
	for (__u32 i = 0; i < RECORDS_KEPT; i++) {
		struct data_record *d = &r->records[(r->taken + i) % RECORDS_KEPT];

		if (r->taken + i == r->filled)
			break;
		if (d->offset < from || !holds(d->length, n))
			continue;
		at = d->offset + 1;
		r->taken += i + 1;
		session->part = d->length - n;
		session->got = d->offset + TLS_HEADER + d->length;
		return at;
	}
	session->part = 0;
	return 0;
}

/* Where the first byte of the call is in the stream of its socket, plus 1; 0: not known. */
static __always_inline __u64 find_record(struct session *session, const struct thread *thread, __u64 n, struct tls_socket *t)
{
	__u64 sent = session->sent;

	if (thread->direction == DIRECTION_RECEIVE && thread->whole)
		return t ? take_whole(session, t, n) : 0;
	if (thread->direction == DIRECTION_RECEIVE)
		return t ? take_record(session, t, n, n < thread->asked) : 0;
	session->sent = 0;
	return sent;
}

/* The call has moved n bytes of plaintext. */
static __always_inline void plaintext_passes(struct operation *op, struct session *session, struct thread *thread, __u64 n)
{
	struct socket_state *s = &session->state;
	struct follower *f = &s->follower[op->direction & 1];
	struct tls_socket *t = 0;
	__u64 cookie;

#if defined(SOCKETS_BY_ADDRESS)
	op->session.object = thread->object;
	op->session.tgid = op->pid;
#endif
	if (!session->under && op->direction == DIRECTION_RECEIVE)
		find_socket(session, thread, op->pid, n);
	cookie = session->under;
	if (cookie)
		t = bpf_map_lookup_elem(&tls_sockets, &cookie);
	if (t) {
		op->rtt = t->rtt;
		op->retransmits = t->retransmits;
		if (!session->told)
			tell_session(session, t, ~0ULL, 0);
	} else if (!session->over) {
		count_add(COUNT_TLS_UNTIED, 1);
	}
	if (!s->cookie) {
		s->cookie = (__u64)PROVISIONAL << 56 | (__u64)bpf_get_prandom_u32() << 24 | (bpf_get_prandom_u32() & 0xffffff);
		s->session = 1;
		s->named = 1;
	}
	op->base = thread->base;
	op->size = n;
	op->unread = thread->unread;
	if (thread->unread && thread->unread < UNREAD_REASONS) {
		count_add(COUNT_UNREAD + thread->unread, 1);
		count_add(COUNT_UNREAD_BYTES + thread->unread, n);
	}
	op->position = f->through;
	op->wire = find_record(session, thread, n, t);
	if (session->calls < 0xff)
		session->calls++;
	if (op->direction == DIRECTION_SEND && !thread->inner && !thread->pending) {
		thread->pending = thread->object;
		thread->pending_length = n;
		thread->pending_offset = op->position;
	}
	follow_bytes(op, s, f);
}

/* How much plaintext the call has moved; result is what the function returned. */
static __always_inline __u64 moved(const struct thread *thread, __s64 result)
{
	__u64 n = result;

	if (result <= 0 || (thread->count && bpf_probe_read_user(&n, sizeof(n), (void *)thread->count)))
		return 0;
	return n <= thread->asked && n <= 1U << 30 ? n : 0;
}

/* The session of a call that has moved plaintext. One that was there when the call used its socket, and is gone, has ended with that socket, and
 * another one would be of the next connection that has its object's address. */
static __always_inline struct session *session_of_call(const struct session_key *key, const struct thread *thread)
{
	bool over = thread->made && thread->inner, tied = thread->loose == LOOSE_TIED;
	struct session *session = over || tied ? bpf_map_lookup_elem(&sessions, key) : session_at(key, thread->loose);

	if (!session && (over || !tied))
		count_add(over ? COUNT_TLS_UNTIED : COUNT_TLS_REFUSED, 1);
	return session;
}

/* Tells what a call has moved. */
static __always_inline void tell_call(struct session *session, struct thread *thread, __u64 n)
{
	struct place *place;
	__u64 id = bpf_get_current_pid_tgid();

	if (session->state.muted) {
		count_add(COUNT_MUTED, 1);
		if (*(volatile __u32 *)&looping)
			moves_strange(session->under, 0, thread->direction & 1);
		return;
	}
	place = take_place(AREA_CALL + (thread->direction & 1));
	if (!place)
		return;
	count_add(COUNT_TLS_OPERATIONS, 1);
	place->operation.pid = id >> 32;
	place->operation.tid = id;
	place->operation.direction = thread->direction & 1;
	place->operation.now = thread->direction == DIRECTION_SEND ? thread->began : bpf_ktime_get_boot_ns();
	plaintext_passes(&place->operation, session, thread, n);
	place->taken = 0;
}

/* A write that has sent, and that has begun at that time, has returned. If its socket has ended meanwhile, that is told now. verifier: a
 * function of its own, for its stack. */
TAKES_POINTERS int write_returns(const struct session_key *key, __u64 began)
{
	struct close_record r = {};
	struct session *session;
	struct session_key at;

	if (!key)
		return 0;
	at = *key;
	session = bpf_map_lookup_elem(&sessions, &at);
	if (!session || session->writing != began)
		return 0;
	*(volatile __u64 *)&session->writing = 0;
	if (!*(volatile __u64 *)&session->over)
		return 0;
	fill_close(&r, &session->state, session->retransmits);
	if (r.previous < session->over)
		r.previous = session->over;
	if (!bpf_map_delete_elem(&sessions, &at))
		send_close(&r);
	return 0;
}

/* A read or write of a TLS object has ended; result is what the function returned. */
static __always_inline int call_ends(const struct thread_key *key, __s64 result)
{
	struct thread *thread = thread_of(key, false);
	struct session_key at = {};
	struct session *session;
	__u64 n;

	if (!thread || !thread->active)
		return 0;
	thread->active = 0;
	at.object = thread->object;
	at.tgid = bpf_get_current_pid_tgid() >> 32;
	n = moved(thread, result);
	session = n ? session_of_call(&at, thread) : 0;
	if (session)
		tell_call(session, thread, n);
	if (thread->inner)
		write_returns(&at, thread->began);
	return 0;
}

/* The object is gone; its socket may still have an end to tell. */
static __always_inline int object_ends(__u64 object)
{
	struct session_key key = {object, bpf_get_current_pid_tgid() >> 32};
	struct session *session = bpf_map_lookup_elem(&sessions, &key);
	struct tls_socket *t;
	__u64 cookie;

	if (!session)
		return 0;
	cookie = session->under;
	t = cookie ? bpf_map_lookup_elem(&tls_sockets, &cookie) : 0;
	if (t) {
		keep_end(t, session);
		t->object = 0;
	}
	bpf_map_delete_elem(&sessions, &key);
	return 0;
}
