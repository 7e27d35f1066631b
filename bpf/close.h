/* What is told of the end of a connection. */
#pragma once
#include "emit.h"

/* The chunks so far of a body that is under way. */
static __always_inline __u32 chunks_of(const struct follower *f)
{
	return f->phase == PHASE_CHUNK || f->phase == PHASE_CHUNK_SIZE ? f->length : 0;
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
	if (s->protocol == PROTOCOL_WEBSOCKET) {
		r->sent_messages = s->follower[DIRECTION_SEND].chunk;
		r->received_messages = s->follower[DIRECTION_RECEIVE].chunk;
	} else if (s->protocol == PROTOCOL_HTTP1) {
		r->sent_messages = chunks_of(&s->follower[DIRECTION_SEND]);
		r->received_messages = chunks_of(&s->follower[DIRECTION_RECEIVE]);
	}
}

static __always_inline void send_close(const struct close_record *r)
{
	if (bpf_ringbuf_output(&ring, (void *)r, sizeof(*r), BPF_RB_NO_WAKEUP))
		count_add(COUNT_RING_FULL, 1);
}

/* Tells Go that a connection is over. */
__noinline int tell_close(struct socket_state *s, __u32 retransmits)
{
	struct close_record r = {};

	if (!s)
		return 0;
	s->closing = 0;
	fill_close(&r, s, retransmits);
	send_close(&r);
	return 0;
}
