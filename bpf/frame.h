/* What a frame of HTTP/2 is, and where one begins: RFC 9113 section 4.1. */
#pragma once
#include "websocket.h"

enum {
	FRAME_HEADER = 9,
	FRAME_LOOK = 16,       /* bytes that are copied to see a frame's header */
	FRAME_USUAL = 1 << 14, /* the longest payload that a peer takes without having said so */
	FRAME_TURNS = 32,      /* frames followed in one step */
	PREFACE = 24,	       /* bytes that a client sends before its first frame */
	SETTING_SIZE = 6,
};

#define PREFACE_WORD 0x5448202a20495250ULL /* "PRI * HT" in memory order */

enum frame_type {
	FRAME_DATA = 0,
	FRAME_HEADERS,
	FRAME_PRIORITY,
	FRAME_RST_STREAM,
	FRAME_SETTINGS,
	FRAME_PUSH_PROMISE,
	FRAME_PING,
	FRAME_GOAWAY,
	FRAME_WINDOW_UPDATE,
	FRAME_CONTINUATION,
	FRAME_TYPES,
};
enum { FLAG_END_STREAM = 1, FLAG_ACK = 1, FLAG_PADDED = 8 };

static __always_inline __u32 frame_length(const __u8 *h)
{
	return (__u32)h[0] << 16 | (__u32)h[1] << 8 | h[2];
}

static __always_inline __u32 frame_stream(const __u8 *h)
{
	return (__u32)(h[5] & 0x7f) << 24 | (__u32)h[6] << 16 | (__u32)h[7] << 8 | h[8];
}

/* Types whose frames are of the connection and not of a stream. */
#define OF_CONNECTION (1 << FRAME_SETTINGS | 1 << FRAME_PING | 1 << FRAME_GOAWAY)

/* Whether a header can be one, where one is expected. A type that is not known may be anything. */
static __always_inline bool is_frame(const __u8 *h)
{
	__u32 length = frame_length(h), type = h[3];

	if (type >= FRAME_TYPES)
		return true;
	if (type == FRAME_RST_STREAM || type == FRAME_WINDOW_UPDATE)
		return length == 4;
	if (type == FRAME_PRIORITY)
		return length == 5;
	if (type == FRAME_PING && length != 8)
		return false;
	return !(OF_CONNECTION >> type & 1) == !!frame_stream(h);
}

/* Whether nine bytes of which nothing is known look like a header: all that a peer has to leave unset is. */
static __always_inline bool looks_like_frame(const __u8 *h)
{
	__u32 length = frame_length(h), type = h[3], flags = h[4], may = 0;

	if (type >= FRAME_TYPES || length > FRAME_USUAL || h[5] & 0x80 || !is_frame(h))
		return false;
	if (type == FRAME_DATA)
		may = 0x9;
	else if (type == FRAME_HEADERS)
		may = 0x2d;
	else if (type == FRAME_SETTINGS || type == FRAME_PING)
		may = 0x1;
	else if (type == FRAME_PUSH_PROMISE)
		may = 0xc;
	else if (type == FRAME_CONTINUATION)
		may = 0x4;
	if (type == FRAME_SETTINGS && length % SETTING_SIZE)
		return false;
	return !(flags & ~may);
}

/* Whether a header is of what a server says first: its settings. Another frame is none at the beginning of a stream, so that what a TLS
 * session is read from is not the beginning. RFC 9113 section 3.4. */
static __always_inline bool begins_server(const __u8 *h)
{
	return h[3] == FRAME_SETTINGS && !(h[4] & FLAG_ACK);
}

static __always_inline void frame_ends(struct follower *f)
{
	f->phase = PHASE_FRAME;
	f->line_length = 0;
	f->skip = 0;
}

/* The connection is HTTP/2, as this direction shows. The other one is at its beginning, in that phase; or it has to be found where
 * in its frames it is. */
static __always_inline void other_starts(struct operation *op, struct socket_state *s, __u8 phase)
{
	struct follower *f = &s->follower[!(op->direction & 1)];
	bool fresh = s->protocol == PROTOCOL_TUNNEL || !f->through;

	s->protocol = PROTOCOL_HTTP2;
	s->known = 1;
	s->strikes = 0;
	f->phase = fresh ? phase : PHASE_REST;
	f->skip = phase == PHASE_PREFACE ? PREFACE : 0;
	f->line_length = 0;
	f->chunk = 0;
}

/* A client has said, in `before` bytes that were passed and those that come, that it speaks HTTP/2. */
static __always_inline void preface_starts(struct operation *op, struct socket_state *s, struct follower *f, __u32 before)
{
	if (s->role == ROLE_UNKNOWN)
		s->role = op->direction == DIRECTION_RECEIVE ? ROLE_SERVER : ROLE_CLIENT;
	if (s->protocol != PROTOCOL_HTTP2)
		other_starts(op, s, PHASE_FRAME);
	f->phase = PHASE_PREFACE;
	f->skip = PREFACE - (before < PREFACE ? before : 0);
	f->chunk = 0;
	f->line_length = 0;
}

/* Takes back how far the copies have gone: the next one begins further ahead. */
static __always_inline void copy_again(struct operation *op)
{
	op->vector = 0;
	op->passed = 0;
	op->found = 0;
}

/* Whether a frame begins here, by what can be seen: it ends with the operation, or another one follows it, or it is what a
 * client says first. Where it is not the beginning of the stream, which is told by 2, user space is told that something is missing before
 * it. verifier: a function of its own, verified once. */
__noinline int find_frame(TAKES_STATE)
{
	FIND_STATE;
	struct scratch *area;
	struct follower *f;
	__u32 left, length;
	bool middle;

	if (!op || !s || op->unread)
		return 0;
	f = &s->follower[op->direction & 1];
	area = scratch_of(op);
	left = op->size - op->done;
	if (!area || left < FRAME_HEADER || copy_bytes(op, op->done, area, left < FRAME_LOOK ? left : FRAME_LOOK))
		return 0;
	if (load64(area->payload) == PREFACE_WORD) {
		preface_starts(op, s, f, 0);
		return 1;
	}
	if (!looks_like_frame(area->payload))
		return 0;
	length = FRAME_HEADER + frame_length(area->payload);
	middle = op->position || !begins_server(area->payload);
	if (left != length) {
		if (left < length + FRAME_HEADER || copy_bytes(op, op->done + length, area, FRAME_HEADER))
			return 0;
		copy_again(op);
		if (!looks_like_frame(area->payload))
			return 0;
	}
	frame_ends(f);
	f->chunk = 0;
	if (middle && s->protocol == PROTOCOL_HTTP2)
		emit(GIVE_STATE(op, s), MESSAGE_FRAME | MESSAGE_CUT, 0, op->position);
	return middle ? 2 : 1;
}

/* Looks whether a connection that is no HTTP/1 is HTTP/2. */
__noinline int find_http2(TAKES_STATE)
{
	FIND_STATE;
	bool missing;
	int found;

	if (!op || !s)
		return 0;
	found = find_frame(GIVE_STATE(op, s));
	if (!found)
		return 0;
	/* Its beginning was not seen, or it has changed its protocol. */
	if (s->protocol == PROTOCOL_HTTP2)
		return 1;
	missing = found == 2 && s->protocol != PROTOCOL_TUNNEL;
	other_starts(op, s, missing ? PHASE_REST : PHASE_PREFACE);
	if (missing)
		emit(GIVE_STATE(op, s), MESSAGE_FRAME | MESSAGE_CUT, 0, op->position);
	return 1;
}
