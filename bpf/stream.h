/* Counts the DATA of HTTP/2 by stream, and the messages of gRPC in it; what ends a stream is told with the counts. */
#pragma once
#include "frame.h"

enum {
	PREFIX = 5,		/* bytes before each message of gRPC: whether it is compressed, and its length */
	PREFIX_TRAILERS = 0x80, /* gRPC-Web: trailers follow */
	PREFIX_END = 0x02,	/* Connect: how the call has ended follows */
	STREAMS_MAX = 16384,
	MESSAGES_MAX = 4096, /* counted in one operation */
	EMPTY_MAX = 256,     /* without bytes, in one frame; zeros, of which a download may be full, are one every five bytes */
	PIECES_MASK = PIECES_OTHER - 1,
};

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
	__u32 frames; /* of DATA, with bytes */
	__u32 empty;  /* messages without bytes in the current frame */
};
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, STREAMS_MAX);
	__type(key, struct stream_key);
	__type(value, struct stream_count);
} streams SEC(".maps");

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
__noinline int take_counts(TAKES_STATE)
{
	FIND_STATE;
	struct stream_count *c;
	struct scratch *area;
	struct stream_key *k;
	struct follower *f;
	__u32 flags = 0;

	if (!op || !s)
		return 0;
	area = scratch_of(op);
	if (!area)
		return 0;
	f = &s->follower[op->direction & 1];
	k = key_of(op, s, area);
	c = bpf_map_lookup_elem(&streams, k);
	if (!c && f->line[3] == FRAME_RST_STREAM) {
		k->direction ^= 1;
		c = bpf_map_lookup_elem(&streams, k);
		flags = PIECES_OTHER;
	}
	f->body = c ? c->bytes : 0;
	f->length = 0;
	if (!c)
		return 0;
	f->length = flags | (c->blind ? PIECES_FRAMES | (c->frames & PIECES_MASK) : c->messages & PIECES_MASK);
	take_out(&streams, FORGETFUL_STREAMS, k);
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
		take_counts(GIVE_STATE(op, s));
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
		c->empty += !c->length;
		c->blind = ++op->messages > MESSAGES_MAX || c->empty > EMPTY_MAX;
		c->have = 0;
		c->length = 0;
	}
	return n;
}

/* Counts DATA, up to the end of a message of gRPC, of the frame or of the operation. */
__noinline int follow_data(TAKES_STATE)
{
	FIND_STATE;
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
			remember(&streams, FORGETFUL_STREAMS, k, empty_count(area));
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
		if (n == f->skip) {
			c->frames++;
			c->empty = 0;
		}
	}
	advance(op, f, n);
	f->skip -= n < f->skip ? n : f->skip;
	if (!f->skip)
		data_ends(op, s, f);
	return 0;
}
