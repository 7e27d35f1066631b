/* What is told of the end of a connection. */
#pragma once
#include "emit.h"
#include "tls.h"

/* The chunks so far of a body that is under way. */
static __always_inline __u32 chunks_of(const struct follower *f)
{
	return f->phase == PHASE_CHUNK || f->phase == PHASE_CHUNK_SIZE ? f->length : 0;
}

/* The messages of a WebSocket in one direction; of HTTP/1 the chunks of a body. */
static __always_inline __u32 messages_of(const struct socket_state *s, __u8 direction)
{
	const struct follower *f = &s->follower[direction & 1];

	if (s->protocol == PROTOCOL_WEBSOCKET)
		return f->chunk;
	return s->protocol == PROTOCOL_HTTP1 ? chunks_of(f) : 0;
}

static __always_inline void fill_close(struct close_record *r, const struct socket_state *s, __u32 retransmits)
{
	r->head.kind = RECORD_CLOSE;
	r->head.time = bpf_ktime_get_boot_ns();
	r->head.socket = s->cookie;
	r->sent = s->follower[DIRECTION_SEND].through;
	r->received = s->follower[DIRECTION_RECEIVE].through;
	r->previous = s->previous;
	r->reset = s->reset;
	r->lost = s->lost;
	r->retransmits = retransmits;
	r->sent_messages = messages_of(s, DIRECTION_SEND);
	r->received_messages = messages_of(s, DIRECTION_RECEIVE);
}

static __always_inline void send_close(const struct close_record *r)
{
	if (bpf_ringbuf_output(&ring, (void *)r, sizeof(*r), BPF_RB_NO_WAKEUP))
		count_add(COUNT_RING_FULL, 1);
}

/* Tells Go that a connection is over. */
TAKES_POINTERS int tell_close(struct socket_state *s, __u32 retransmits)
{
	struct close_record r = {};

	if (!s)
		return 0;
	s->closing = 0;
	fill_close(&r, s, retransmits);
	send_close(&r);
	return 0;
}

/* Keeps what is to be told of the end of a TLS session until its socket ends. */
static __always_inline void keep_end(struct tls_socket *t, const struct session *session)
{
	for (__u8 i = 0; i < 2; i++) {
		t->through[i] = session->state.follower[i].through;
		t->messages[i] = messages_of(&session->state, i);
	}
	t->previous = session->state.previous;
}

/* Has the record of a socket's end tell what was kept. */
static __always_inline void take_end(struct socket_state *s, const struct tls_socket *t)
{
	for (__u8 i = 0; i < 2; i++) {
		s->follower[i].through = t->through[i];
		s->follower[i].chunk = t->messages[i];
	}
	s->protocol = PROTOCOL_WEBSOCKET; /* whose count is told as it stands */
	s->previous = t->previous;
	s->cookie = t->id;
}
