/* Follows the frames of HTTP/2 through the operations of a stream: RFC 9113. Heads of messages, and what ends a stream, leave the
 * kernel; DATA is counted by stream, all else is passed over. */
#pragma once
#include "fastcgi.h"

/* Copies what is there of a frame whose payload is wanted, but no more than HEAD_MAX of a block. `with`: the header stands
 * before it, at op->done; else it was told before. Returns 0 when the bytes could not be read.
 * verifier: a function of its own, verified once. */
__noinline int copy_frame(TAKES_STATE, __u32 with)
{
	FIND_STATE;
	__u32 flags = MESSAGE_FRAME | (with ? MESSAGE_START : 0), left, n;
	struct scratch *area;
	struct follower *f;
	__u64 offset;

	if (!op || !s)
		return 0;
	f = &s->follower[op->direction & 1];
	area = scratch_of(op);
	left = op->size - op->done - with;
	n = f->skip < left ? f->skip : left;
	offset = op->position;
	if (n > PIECE_MAX - FRAME_HEADER)
		n = PIECE_MAX - FRAME_HEADER;
	if (!area || op->unread || (op->unread = copy_bytes(op, op->done, area, n + with)))
		return 0;
	advance(op, f, n + with);
	f->skip -= n;
	f->head_bytes += n;
	if (f->skip && f->head_bytes >= HEAD_MAX) {
		flags |= MESSAGE_CUT;
		f->phase = PHASE_FRAME_SKIP;
		count_add(COUNT_HEADS_CUT, 1);
	} else if (f->skip) {
		flags |= MESSAGE_OPEN;
	} else {
		frame_ends(f);
	}
	tell_later(op, flags, n + with, offset);
	return 1;
}

/* Whether a header block opens a stream by a request. */
static __always_inline bool opens_stream(const struct operation *op, const struct socket_state *s, struct follower *f)
{
	__u32 stream = frame_stream(f->line);

	if (f->line[3] != FRAME_HEADERS || stream <= (__u32)f->chunk)
		return false;
	f->chunk = stream;
	return s->role == ROLE_UNKNOWN || (s->role == ROLE_SERVER) == (op->direction == DIRECTION_RECEIVE);
}

/* A frame's header is whole. with: it is at op->done; else it is behind. */
static __always_inline void frame_starts(struct operation *op, struct socket_state *s, struct follower *f, __u32 with)
{
	__u32 type = f->line[3];
	struct scratch *area;

	f->skip = frame_length(f->line);
	if (type != FRAME_CONTINUATION) {
		f->body = 0;
		f->length = 0;
	}
	if (type == FRAME_HEADERS || type == FRAME_PUSH_PROMISE || type == FRAME_RST_STREAM || type == FRAME_GOAWAY)
		f->head_bytes = 0;
	if (type != FRAME_HEADERS && type != FRAME_CONTINUATION && type != FRAME_PUSH_PROMISE && type != FRAME_RST_STREAM &&
	    type != FRAME_GOAWAY) {
		advance(op, f, with);
		f->phase = type == FRAME_DATA ? PHASE_DATA : PHASE_FRAME_SKIP;
		if (f->skip)
			return;
		if (type == FRAME_DATA)
			follow_data(GIVE_STATE(op, s));
		else
			frame_ends(f);
		return;
	}
	f->phase = PHASE_FRAME_COPY;
	f->request = opens_stream(op, s, f);
	if (type == FRAME_RST_STREAM || (type == FRAME_HEADERS && f->line[4] & FLAG_END_STREAM))
		take_counts(GIVE_STATE(op, s));
	if (with) {
		if (!copy_frame(GIVE_STATE(op, s), with))
			give_up(op, s, f);
		return;
	}
	/* The header came in pieces: it is told by itself. */
	area = scratch_of(op);
	if (!area)
		return;
	put_header(area, f);
	tell_later(op, MESSAGE_FRAME | MESSAGE_START | (f->skip ? MESSAGE_OPEN : 0), FRAME_HEADER, op->position - FRAME_HEADER);
	if (!f->skip)
		frame_ends(f);
}

static __always_inline void read_frame(struct operation *op, struct socket_state *s, struct follower *f)
{
	struct scratch *area = scratch_of(op);
	__u32 left = op->size - op->done, have = f->line_length, n = FRAME_HEADER - have;
	bool whole = !have && left >= FRAME_HEADER;

	if (have >= FRAME_HEADER)
		n = 0;
	if (n > left)
		n = left;
	if (!area || op->unread || (op->unread = copy_bytes(op, op->done, area, n))) {
		give_up(op, s, f);
		return;
	}
	if (whole) {
		__builtin_memcpy(f->line, area->payload, 16);
	} else {
		extend_line(GIVE_FOLLOWER(op, f, area), n);
		advance(op, f, n);
		if (f->line_length < FRAME_HEADER)
			return;
	}
	if (!is_frame(f->line)) {
		give_up(op, s, f);
		return;
	}
	frame_starts(op, s, f, whole ? FRAME_HEADER : 0);
}

/* Mutes a connection that is neither HTTP/2 nor WebSocket. */
static __always_inline int leave_tunnel(struct operation *op, struct socket_state *s)
{
	s->muted = 1;
	op->done = op->size;
	return 0;
}

/* A frame of WebSocket, as far as it is there. */
static __always_inline int follow_socket(struct operation *op, struct socket_state *s)
{
	if (s->follower[op->direction & 1].phase != PHASE_FRAME || !read_socket_frame(GIVE_STATE(op, s)))
		return leave_tunnel(op, s);
	return op->done < op->size;
}

/* What follows a 101: HTTP/2, or else WebSocket, if it looks like that. */
static __always_inline void enter_tunnel(struct operation *op, struct socket_state *s)
{
	if (find_http2(GIVE_STATE(op, s)))
		return;
	s->protocol = PROTOCOL_WEBSOCKET;
	for (int i = 0; i < 2; i++) {
		s->follower[i].phase = PHASE_FRAME;
		s->follower[i].line_length = 0;
		s->follower[i].chunk = 0;
	}
}

/* Whether what the operation goes on with can be the beginning of what a client says first. Of a TLS session that was said before the library had its
 * probes, if the server's settings are the first that was seen. verifier: a function of its own, verified once. */
__noinline int may_be_preface(TAKES_OPERATION)
{
	FIND_OPERATION;
	struct scratch *area;
	__u32 n;

	if (!op)
		return 1;
	n = op->size - op->done;
	if (n > sizeof(__u64))
		n = sizeof(__u64);
	area = scratch_of(op);
	if (!area || !n || op->unread || copy_bytes(op, op->done, area, n))
		return 1;
	return (load64(area->payload) ^ PREFACE_WORD) << (64 - 8 * n) == 0;
}

/* One frame, or what the operation has of it. verifier: a function of its own, verified once. */
__noinline int follow_frame(TAKES_STATE)
{
	FIND_STATE;
	struct follower *f;

	if (!op || !s || op->done >= op->size)
		return 0;
	f = &s->follower[op->direction & 1];
	if (f->phase == PHASE_PREFACE && f->skip == PREFACE && !may_be_preface(GIVE_OPERATION(op)))
		f->phase = PHASE_REST;
	switch (f->phase) {
	case PHASE_FRAME:
		if (s->protocol == PROTOCOL_WEBSOCKET)
			return follow_socket(op, s);
		read_frame(op, s, f);
		break;
	case PHASE_FRAME_COPY:
		if (!copy_frame(GIVE_STATE(op, s), 0))
			give_up(op, s, f);
		break;
	case PHASE_DATA:
		follow_data(GIVE_STATE(op, s));
		break;
	case PHASE_PREFACE:
	case PHASE_FRAME_SKIP:
		if (skip_bytes(op, f))
			frame_ends(f);
		break;
	default:
		/* The place was lost: it may be found again at the beginning of an operation. */
		if (s->protocol == PROTOCOL_WEBSOCKET)
			return follow_socket(op, s);
		if (!find_frame(GIVE_STATE(op, s))) {
			f->phase = PHASE_REST;
			advance(op, f, op->size - op->done);
		}
	}
	return op->done < op->size;
}

/* The bytes of a connection that carries frames. */
__noinline int follow_frames(TAKES_STATE)
{
	FIND_STATE;
	if (!op || !s || op->done >= op->size)
		return 0;
	if (s->protocol == PROTOCOL_TUNNEL)
		enter_tunnel(op, s);
	for (__u32 i = 0; i < FRAME_TURNS; i++) {
		int more = s->protocol == PROTOCOL_FASTCGI ? follow_record(GIVE_STATE(op, s)) : follow_frame(GIVE_STATE(op, s));

		if (op->tell_flags)
			emit(GIVE_STATE(op, s), op->tell_flags, op->tell_length, op->tell_offset);
		op->tell_flags = 0;
		if (!more)
			break;
	}
	return op->done < op->size;
}
