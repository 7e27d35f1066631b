/* Follows the frames of HTTP/2 through the operations of a stream: RFC 9113. Heads of messages, and what ends a stream, leave the
 * kernel; DATA is counted by stream, and so are the messages of gRPC in it; all else is passed over. */
#pragma once
#include "websocket.h"

enum {
	FRAME_HEADER = 9,
	FRAME_LOOK = 16,       /* bytes that are copied to see a frame's header */
	FRAME_USUAL = 1 << 14, /* the longest payload that a peer takes without having said so */
	FRAME_TURNS = 32,      /* frames followed in one step */
	PREFACE = 24,	       /* bytes that a client sends before its first frame */
	SETTING_SIZE = 6,
	PREFIX = 5,		/* bytes before each message of gRPC: whether it is compressed, and its length */
	PREFIX_TRAILERS = 0x80, /* gRPC-Web: trailers follow */
	PREFIX_END = 0x02,	/* Connect: how the call has ended follows */
	STREAMS_MAX = 16384,
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
enum { FLAG_END_STREAM = 1, FLAG_PADDED = 8 };

/* What is counted of one direction of a stream that has DATA outstanding. Born with its first DATA, dies with its end; the
 * ones that were not used for the longest time fall out when there are too many, and their counts with them. */
struct stream_key {
	__u64 socket; /* cookie */
	__u32 stream;
	__u32 direction;
};
struct stream_count {
	__u64 bytes;
	__u32 messages;
	__u32 left; /* bytes of the current message to come */
	__u8 have;  /* bytes of a prefix that were seen */
	__u8 blind; /* it is no gRPC, or bytes of it could not be read */
	__u8 kind;  /* first byte of the prefix */
	__u8 pad;
	__u32 length; /* of the message, as far as its prefix was seen */
};
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, STREAMS_MAX);
	__type(key, struct stream_key);
	__type(value, struct stream_count);
} streams SEC(".maps");

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
 * client says first. Where it is not the beginning of the stream, user space is told that something is missing before it.
 * verifier: a function of its own, verified once. */
__noinline int find_frame(struct operation *op, struct socket_state *s)
{
	struct scratch *area;
	struct follower *f;
	__u32 left, length;

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
	if (left != length) {
		if (left < length + FRAME_HEADER || copy_bytes(op, op->done + length, area, FRAME_HEADER))
			return 0;
		copy_again(op);
		if (!looks_like_frame(area->payload))
			return 0;
	}
	frame_ends(f);
	f->chunk = 0;
	if (op->position && s->protocol == PROTOCOL_HTTP2)
		emit(op, s, MESSAGE_FRAME | MESSAGE_CUT, 0, op->position);
	return 1;
}

/* Looks whether a connection that is no HTTP/1 is HTTP/2. */
__noinline int find_http2(struct operation *op, struct socket_state *s)
{
	bool missing;

	if (!op || !s)
		return 0;
	if (!find_frame(op, s))
		return 0;
	/* Its beginning was not seen, or it has changed its protocol. */
	if (s->protocol == PROTOCOL_HTTP2)
		return 1;
	missing = op->position && s->protocol != PROTOCOL_TUNNEL;
	other_starts(op, s, missing ? PHASE_REST : PHASE_PREFACE);
	if (missing)
		emit(op, s, MESSAGE_FRAME | MESSAGE_CUT, 0, op->position);
	return 1;
}

/* The key of the frame's stream, and an empty count, behind what is used of the area for pieces: they would be much for the
 * stack. */
static __always_inline struct stream_key *key_of(const struct operation *op, const struct socket_state *s, struct scratch *area)
{
	struct stream_key *k = (struct stream_key *)(area->payload + 2 * PIECE_MAX);

	k->socket = s->cookie;
	k->stream = frame_stream(s->follower[op->direction & 1].line);
	k->direction = op->direction & 1;
	return k;
}
static __always_inline struct stream_count *empty_count(struct scratch *area)
{
	struct stream_count *c = (struct stream_count *)(area->payload + 2 * PIECE_MAX + sizeof(struct stream_key));

	__builtin_memset(c, 0, sizeof(*c));
	return c;
}

/* Takes what was counted of the frame's stream in this direction, for the record that ends it. */
__noinline int take_counts(struct operation *op, struct socket_state *s)
{
	struct stream_count *c;
	struct scratch *area;
	struct stream_key *k;
	struct follower *f;

	if (!op || !s)
		return 0;
	area = scratch_of(op);
	if (!area)
		return 0;
	f = &s->follower[op->direction & 1];
	k = key_of(op, s, area);
	c = bpf_map_lookup_elem(&streams, k);
	f->body = c ? c->bytes : 0;
	f->length = c && !c->blind ? c->messages : 0;
	if (c)
		bpf_map_delete_elem(&streams, k);
	return 0;
}

/* Has a record of the area put on the ring when the frame was followed: the stack is short, and emit takes much of it. */
static __always_inline void tell_later(struct operation *op, __u32 flags, __u32 length, __u64 offset)
{
	op->tell_flags = flags;
	op->tell_length = length;
	op->tell_offset = offset;
}

/* Puts the frame's header at the front of the area. */
static __always_inline void put_header(struct scratch *area, const struct follower *f)
{
	__builtin_memcpy(area->payload, f->line, 16);
}

/* A DATA frame is over. The one that ends its side of the stream is told, with what was counted. */
static __always_inline void data_ends(struct operation *op, struct socket_state *s, struct follower *f)
{
	struct scratch *area = scratch_of(op);
	bool last = f->line[4] & FLAG_END_STREAM;

	if (last && area) {
		take_counts(op, s);
		put_header(area, f);
		f->request = 0;
		tell_later(op, MESSAGE_FRAME | MESSAGE_START, FRAME_HEADER, op->position);
	}
	frame_ends(f);
}

/* Reads what is there of the prefix of a gRPC message. Returns how many bytes that is. */
static __always_inline __u32 read_prefix(struct operation *op, struct stream_count *c, __u32 left)
{
	struct scratch *area = scratch_of(op);
	__u32 want = PREFIX - c->have, n = left < want ? left : want;

	if (!area || copy_bytes(op, op->done, area, n)) {
		c->blind = 1;
		return left;
	}
	for (__u32 i = 0; i < PREFIX; i++) {
		if (i >= n)
			break;
		if (c->have > 0)
			c->length = c->length << 8 | area->payload[i];
		else
			c->kind = area->payload[i];
		if (c->kind & ~(PREFIX_TRAILERS | PREFIX_END | 1)) {
			c->blind = 1;
			return left;
		}
		c->have++;
	}
	if (c->have >= PREFIX) {
		c->messages += c->kind <= 1;
		c->left = c->length;
		c->have = 0;
		c->length = 0;
	}
	return n;
}

/* Counts DATA, up to the end of a message of gRPC, of the frame or of the operation. */
__noinline int follow_data(struct operation *op, struct socket_state *s)
{
	struct stream_count *c = 0;
	struct scratch *area;
	struct stream_key *k;
	struct follower *f;
	__u32 n, left;

	if (!op || !s)
		return 0;
	f = &s->follower[op->direction & 1];
	left = op->size - op->done;
	n = f->skip < left ? f->skip : left;
	area = scratch_of(op);
	if (area && n) {
		k = key_of(op, s, area);
		c = bpf_map_lookup_elem(&streams, k);
		if (!c) {
			bpf_map_update_elem(&streams, k, empty_count(area), BPF_NOEXIST);
			c = bpf_map_lookup_elem(&streams, k);
		}
	}
	if (c) {
		if (op->unread || f->line[4] & FLAG_PADDED)
			c->blind = 1;
		if (c->blind)
			c->left = 0;
		else if (!c->left)
			n = read_prefix(op, c, n);
		else
			c->left -= n = c->left < n ? c->left : n;
		c->bytes += n;
	}
	advance(op, f, n);
	f->skip -= n < f->skip ? n : f->skip;
	if (!f->skip)
		data_ends(op, s, f);
	return 0;
}

/* Copies what is there of a frame whose payload is wanted, but no more than HEAD_MAX of a block. `with`: the header stands
 * before it, at op->done; else it was told before. Returns 0 when the bytes could not be read.
 * verifier: a function of its own, verified once. */
__noinline int copy_frame(struct operation *op, struct socket_state *s, __u32 with)
{
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
			follow_data(op, s);
		else
			frame_ends(f);
		return;
	}
	f->phase = PHASE_FRAME_COPY;
	f->request = opens_stream(op, s, f);
	if (type == FRAME_RST_STREAM || (type == FRAME_HEADERS && f->line[4] & FLAG_END_STREAM))
		take_counts(op, s);
	if (with) {
		if (!copy_frame(op, s, with))
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
		extend_line(f, area, n);
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
	if (s->follower[op->direction & 1].phase != PHASE_FRAME || !read_socket_frame(op, s))
		return leave_tunnel(op, s);
	return op->done < op->size;
}

/* What follows a 101: HTTP/2, or else WebSocket, if it looks like that. */
static __always_inline void enter_tunnel(struct operation *op, struct socket_state *s)
{
	if (find_http2(op, s))
		return;
	s->protocol = PROTOCOL_WEBSOCKET;
	for (int i = 0; i < 2; i++) {
		s->follower[i].phase = PHASE_FRAME;
		s->follower[i].line_length = 0;
		s->follower[i].chunk = 0;
	}
}

/* One frame, or what the operation has of it. verifier: a function of its own, verified once. */
__noinline int follow_frame(struct operation *op, struct socket_state *s)
{
	struct follower *f;

	if (!op || !s || op->done >= op->size)
		return 0;
	f = &s->follower[op->direction & 1];
	switch (f->phase) {
	case PHASE_FRAME:
		if (s->protocol == PROTOCOL_WEBSOCKET)
			return follow_socket(op, s);
		read_frame(op, s, f);
		break;
	case PHASE_FRAME_COPY:
		if (!copy_frame(op, s, 0))
			give_up(op, s, f);
		break;
	case PHASE_DATA:
		follow_data(op, s);
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
		if (!find_frame(op, s)) {
			f->phase = PHASE_REST;
			advance(op, f, op->size - op->done);
		}
	}
	return op->done < op->size;
}

/* The bytes of a connection that carries frames. */
__noinline int follow_frames(struct operation *op, struct socket_state *s)
{
	if (!op || !s || op->done >= op->size)
		return 0;
	if (s->protocol == PROTOCOL_TUNNEL)
		enter_tunnel(op, s);
	for (__u32 i = 0; i < FRAME_TURNS; i++) {
		int more = follow_frame(op, s);

		if (op->tell_flags)
			emit(op, s, op->tell_flags, op->tell_length, op->tell_offset);
		op->tell_flags = 0;
		if (!more)
			break;
	}
	return op->done < op->size;
}
