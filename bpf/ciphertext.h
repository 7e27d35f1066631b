/* The ciphertext of TLS on a socket: its records are followed by their headers, the first of each direction is copied, and the TLS
 * object that reads or writes them is tied to the socket. RFC 8446 section 5.1. */
#pragma once
#include "close.h"
#include "emit.h"
#include "tls.h"

static __always_inline struct tls_socket *tls_socket_of(const struct operation *op, struct socket_state *s)
{
	__u64 cookie = s->cookie;
	struct tls_socket *t = bpf_map_lookup_elem(&tls_sockets, &cookie);

	if (t)
		return t;
	bpf_map_update_elem(&tls_sockets, &cookie, &no_tls_socket, BPF_NOEXIST);
	t = bpf_map_lookup_elem(&tls_sockets, &cookie);
	if (!t) {
		count_add(COUNT_TLS_REFUSED, 1);
		return 0;
	}
	count_add(COUNT_TLS_SOCKETS, 1);
	t->cookie = cookie;
	t->name_local = s->name_local;
	t->name_peer = s->name_peer;
	t->origin = s->origin;
	if (s->origin != ORIGIN_FOUND)
		t->asking = 1 + (s->origin == ORIGIN_CONNECTED ? DIRECTION_SEND : DIRECTION_RECEIVE);
	t->included = s->included;
	t->connect_ns = s->connect_ns;
	return t;
}

/* Counts what is encrypted and no alert: of TLS 1.2 the last message of the handshake, of 1.3 what looks like data. */
static __always_inline void record_says(struct record_stream *r, __u8 type, __u64 length)
{
	if (type == TLS_CHANGE_CIPHER)
		r->ciphered = 1;
	else if (((type == TLS_HANDSHAKE && r->ciphered) || (type == TLS_DATA && length > ALERT_LENGTH)) && r->said < 0xff)
		r->said++;
}

/* Notes a record whose header is whole. */
static __always_inline void record_begins(struct operation *op, struct tls_socket *t, struct record_stream *r, __u8 type, __u64 length)
{
	struct data_record *d;

	if (!r->begun && type == TLS_HANDSHAKE) {
		r->hello_left = TLS_HEADER + length < HELLO_MAX ? TLS_HEADER + length : HELLO_MAX;
		if (!t->hello)
			t->hello = op->now;
	}
	r->begun = 1;
	record_says(r, type, length);
	if (type != TLS_DATA) {
		if (!r->data && (type == TLS_HANDSHAKE || type == TLS_CHANGE_CIPHER))
			r->handshake = op->now;
		return;
	}
	if (!r->data) {
		r->data = op->now;
		/* In TLS 1.3 a client's Finished looks like data, and a request may be as long. Before, it has a type of its own and was counted. */
		if (r->said == 1 && t->asking == 1 + op->direction)
			return;
	}
	d = &r->records[r->filled % RECORDS_KEPT];
	d->offset = r->next;
	d->length = length;
	r->filled++;
	if (r->filled - r->taken > RECORDS_KEPT) {
		r->taken = r->filled - RECORDS_KEPT;
		r->dropped = 1;
	}
	if (!op->record) {
		op->record = r->next + 1;
		op->record_length = length;
	}
}

/* verifier: a function of its own, verified once and not for every turn of the loop. */
__noinline int read_header(TAKES_STREAM, __u64 from, __u64 n)
{
	FIND_STREAM;
	struct scratch *area;

	if (!op || !r)
		return 1;
	area = scratch_of(op);
	if (!area || copy_bytes(op, from, area, n))
		return 1;
	for (__u32 k = 0; k < TLS_HEADER; k++) {
		if (k < n)
			r->header |= (__u64)area->payload[k] << ((r->have + k) * 8 & 63);
	}
	r->have += n;
	return 0;
}

/* Goes from header to header through an operation, whose first byte is at op->position. Where the headers are is not known on a
 * connection that is older than weft, or behind bytes that passed unseen: then an operation is taken to begin with one, as long as
 * what stands there looks like it. verifier: a function of its own, verified once. */
__noinline int follow_records(TAKES_RECORDS)
{
	FIND_RECORDS;
	struct record_stream *r;

	if (!op || !t)
		return 0;
	r = &t->streams[op->direction & 1];
	if (!r->aligned || r->next + r->have < op->position) {
		r->next = op->position;
		r->have = 0;
		r->header = 0;
	}
	r->aligned = 0;
	for (__u32 i = 0; i < RECORDS_WALKED; i++) {
		__u64 from = r->next + r->have - op->position, n = TLS_HEADER - r->have, length;

		if (from >= op->size) {
			r->aligned = 1;
			return 0;
		}
		if (r->have >= TLS_HEADER)
			return 0;
		if (n > op->size - from)
			n = op->size - from;
		if (read_header(GIVE_STREAM(op, r), from, n))
			return 0;
		if (r->have < TLS_HEADER) {
			r->aligned = 1;
			return 0;
		}
		if (!is_record(r->header))
			return 0;
		length = (r->header >> 16 & 0xff00) | (r->header >> 32 & 0xff);
		record_begins(op, t, r, r->header, length);
		r->next += TLS_HEADER + length;
		r->have = 0;
		r->header = 0;
	}
	return 0;
}

/* The kernel's own TLS: the operation is of plaintext, and its first record begins where the operation before has ended on the wire. That is not
 * known where the kernel has read ahead. verifier: a function of its own, verified once. */
__noinline int kernel_seals(TAKES_RECORDS)
{
	FIND_RECORDS;
	struct record_stream *r;

	if (!op || !t)
		return 0;
	r = &t->streams[op->direction & 1];
	r->sealed = 1;
	r->aligned = 0;
	r->have = 0;
	r->header = 0;
	r->hello_left = 0;
	if (op->overhead <= TLS_HEADER)
		return 0;
	r->next = op->position - op->overhead;
	record_begins(op, t, r, TLS_DATA, op->size + op->overhead - TLS_HEADER);
	return 0;
}

/* Sends what the operation has of the first record of its direction: the hellos of a handshake are in clear. */
static __always_inline void tell_hello(struct operation *op, struct socket_state *s, struct record_stream *r)
{
	struct scratch *area = scratch_of(op);
	struct message_record *m;
	__u64 n = op->size;

	if (r->begun && n > r->hello_left)
		n = r->hello_left;
	if (r->begun)
		r->hello_left -= n;
	n = clamp(n, PIECE_MAX);
	if (!area || copy_bytes(op, 0, area, n))
		return;
	m = &area->record;
	__builtin_memset(m, 0, sizeof(*m));
	fill_record(&m->head, RECORD_HELLO, op, s);
	m->head.length = n;
	m->offset = op->position;
	if (bpf_ringbuf_output(&ring, m, sizeof(*m) + n, BPF_RB_FORCE_WAKEUP))
		count_add(COUNT_RING_FULL, 1);
}

/* The thread, or in Go the goroutine, that runs the operation. */
static __always_inline void find_thread(struct thread_key *key, const struct operation *op, struct task_struct *task)
{
	__u32 pid = op->pid;
	struct process *p = bpf_map_lookup_elem(&processes, &pid);
	__u64 g = 0;

	key->thread = (__u64)pid << 32 | op->tid;
	key->tgid = 0;
	if (!p || (!p->go && !p->g_at))
		return;
#if defined(__TARGET_ARCH_x86)
	bpf_probe_read_user(&g, sizeof(g), (void *)(FIELD(task, thread.fsbase) + (p->go ? p->tls : p->g_at)));
#elif defined(__TARGET_ARCH_arm64)
	g = FIELD(registers_of(task), regs[28]);
#endif
	if (!g)
		return;
	key->thread = g;
	key->tgid = pid;
}

/* Tells when the handshake was, and, of a request that was told before it was on the wire, where it is there. */
TAKES_POINTERS int tell_session(struct session *session, struct tls_socket *t, __u64 offset, __u64 wire)
{
	struct session_record *r;

	if (!session || !t)
		return 0;
	r = bpf_ringbuf_reserve(&ring, sizeof(*r), 0);
	if (!r) {
		count_add(COUNT_RING_FULL, 1);
		return 0;
	}
	__builtin_memset(r, 0, sizeof(*r));
	r->head.kind = RECORD_SESSION;
	r->head.time = bpf_ktime_get_boot_ns();
	r->head.socket = session->state.cookie;
	r->head.pid = t->tgid;
	r->under = t->cookie;
	r->hello = t->hello;
	r->handshake[0] = t->streams[0].handshake;
	r->handshake[1] = t->streams[1].handshake;
	r->data[0] = t->streams[0].data;
	r->data[1] = t->streams[1].data;
	r->offset = offset;
	r->wire = wire;
	bpf_ringbuf_submit(r, BPF_RB_NO_WAKEUP);
	session->told = 1;
	return 0;
}

/* A session that was told under an id of its own, or whose socket could not be told: once more, with what is known now. */
static __always_inline void announce_session(struct operation *op, struct session *session)
{
	if (!session->state.announced)
		announce(op, &session->state);
}

/* 1 + the offset of the first record in an operation that sends which holds exactly n bytes, or as much of them as one record can; 0: there
 * is none. */
static __always_inline __u64 find_sent(const struct operation *op, const struct tls_socket *t, __u64 n)
{
	const struct record_stream *r = &t->streams[DIRECTION_SEND];

	if (n > TLS_PLAIN_MAX)
		n = TLS_PLAIN_MAX;
	if (op->record && holds(op->record_length, n)) /* it may not be kept any more */
		return op->record;
	for (__u32 i = RECORDS_KEPT; i > 0; i--) {
		const struct data_record *d = &r->records[(r->filled - i) % RECORDS_KEPT];

		if (i <= r->filled && d->offset >= op->position && holds(d->length, n))
			return d->offset + 1;
	}
	return 0;
}

/* The operation is inside of a call to a TLS library: the call's object is tied to the socket. */
static __always_inline void inside_call(struct operation *op, struct tls_socket *t, struct thread *thread)
{
	struct session_key key = {thread->object, op->pid};
	struct session *session = session_at(&key, thread->loose);

	if (!session)
		return;
	tie(session, t, thread->object, op->pid);
	announce_session(op, session);
	if (op->direction != DIRECTION_SEND || thread->direction != DIRECTION_SEND)
		return;
	thread->inner = 1;
	session->writing = thread->began;
	if (session->sent || !op->record)
		return;
	session->sent = find_sent(op, t, thread->asked);
	if (!session->sent)
		session->sent = op->record; /* a part of it */
}

/* A thread has written plaintext and then the ciphertext: that of an object with memory BIOs. Taken for that only if the record is
 * as long as it has to be. */
static __always_inline void behind_call(struct operation *op, struct tls_socket *t, struct thread *thread)
{
	struct session_key key = {thread->pending, op->pid};
	struct session *session = bpf_map_lookup_elem(&sessions, &key);
	__u64 sent = op->record ? find_sent(op, t, thread->pending_length) : 0;

	thread->pending = 0;
	if (!session || !sent || (session->under && session->under != t->cookie)) {
		forget_loose(&key, session);
		return;
	}
	forget_other(&key, t);
	tie(session, t, key.object, op->pid);
	announce_session(op, session);
	if (session->state.role == ROLE_CLIENT)
		tell_session(session, t, thread->pending_offset, sent - 1);
}

/* Finds whose call the operation belongs to. */
static __always_inline void find_call(struct operation *op, struct tls_socket *t)
{
	struct thread_key key;
	struct thread *thread;

	find_thread(&key, op, current_task());
	thread = thread_of(&key, op->direction == DIRECTION_RECEIVE);
	if (!thread)
		return;
	if (op->direction == DIRECTION_RECEIVE)
		thread->received = t->cookie;
	if (thread->active)
		inside_call(op, t, thread);
	else if (op->direction == DIRECTION_SEND && thread->pending)
		behind_call(op, t, thread);
}

/* One operation on a socket that carries TLS; its first byte is at op->position. verifier: a function of its own, verified once. */
__noinline int ciphertext_passes(TAKES_STATE)
{
	FIND_STATE;
	struct tls_socket *t;
	struct record_stream *r;

	if (!op || !s)
		return 0;
	if (!is_judged(s, op->pid) && !judge(op, s))
		return 0;
	t = tls_socket_of(op, s);
	if (!t)
		return 0;
	r = &t->streams[op->direction & 1];
	t->rtt = op->rtt;
	t->retransmits = op->retransmits;
	if (!s->announced)
		announce(op, s);
	t->announced = s->announced;
	if (op->overhead || r->sealed) {
		kernel_seals(GIVE_RECORDS(op, t));
	} else if (op->unread) {
		r->aligned = 0;
	} else {
		follow_records(GIVE_RECORDS(op, t));
		if (r->hello_left || (!r->begun && (__u8)r->header == TLS_HANDSHAKE))
			tell_hello(op, s, r);
	}
	find_call(op, t);
	/* Only now: a read that goes on beside it may tie the session first, and would take this for what it has not seen. */
	r = &t->streams[op->direction & 1];
	if (r->said != r->turned && r->turns < 0xff)
		r->turns++;
	r->turned = r->said;
	return 0;
}

/* Whether the end of a socket waits for a write that has sent all or a part of its plaintext there and has not returned: a peer may answer and
 * close before that, and then another thread the socket. A process that ends does not return. */
static __always_inline bool awaits_write(struct session *session, const struct socket_state *s, __u32 pid, __u32 retransmits)
{
	__u64 began = session->writing;

	if (!began || bpf_ktime_get_boot_ns() - began > WRITE_MAX_NS || !bpf_map_lookup_elem(&processes, &pid))
		return false;
	session->retransmits = retransmits;
	session->state.reset = s->reset;
	session->state.lost += s->lost;
	/* The two sides look in turn: whatever the order, one of them sees what the other has written, and who deletes the session tells. */
	*(volatile __u64 *)&session->over = session->state.previous + 1;
	return *(volatile __u64 *)&session->writing != 0;
}

/* What is told of the end of a connection is its plaintext. True when that is done, or will be. */
static __always_inline bool ciphertext_closes(struct socket_state *s, __u32 retransmits)
{
	__u64 cookie = s->cookie;
	struct tls_socket *t = bpf_map_lookup_elem(&tls_sockets, &cookie);
	struct session_key key = {};
	struct session *session;

	if (!t)
		return false;
	if (!t->id && t->streams[0].said > 1 && t->streams[1].said > 1)
		count_add(COUNT_TLS_UNREAD, 1);
	key.object = t->object;
	key.tgid = t->tgid;
	session = t->object ? bpf_map_lookup_elem(&sessions, &key) : 0;
	if (session && session->under == cookie) {
		if (awaits_write(session, s, key.tgid, retransmits)) {
			bpf_map_delete_elem(&tls_sockets, &cookie);
			return true;
		}
		keep_end(t, session);
		s->lost = session->over ? session->state.lost : s->lost + session->state.lost;
		if (bpf_map_delete_elem(&sessions, &key))
			return true; /* the write has returned just now, and has told it */
	}
	if (t->id)
		take_end(s, t);
	bpf_map_delete_elem(&tls_sockets, &cookie);
	return false;
}
