/* Counts bodies: what is skipped by length, and what is framed in chunks (RFC 9112 section 7.1). */
#pragma once
#include "emit.h"

/* Adds to the first bytes of a message, which come in several pieces. verifier: a function of its own, verified once. */
__noinline int extend_line(TAKES_FOLLOWER, __u32 n)
{
	FIND_FOLLOWER;
	if (!f || !area)
		return 0;
	for (__u32 i = 0; i < LINE_MAX; i++) {
		__u64 at = f->line_length;

		if (i >= n || at >= LINE_MAX)
			return 0;
		/* verifier: the index once more, as one register */
		asm volatile("" : "+r"(at));
		f->line[at & (LINE_MAX - 1)] = area->payload[i];
		f->line_length = at + 1;
	}
	return 0;
}

static __always_inline void advance(struct operation *op, struct follower *f, __u32 n)
{
	op->done += n;
	op->position += n;
	f->through = op->position;
}

static __always_inline void message_ends(struct follower *f)
{
	f->phase = PHASE_BOUNDARY;
	f->skip = 0;
}

/* The bytes that would have to be read can't be. */
static __always_inline void give_up(struct operation *op, struct socket_state *s, struct follower *f)
{
	__u64 offset = op->position;

	f->phase = PHASE_REST;
	advance(op, f, op->size - op->done);
	if (s->known)
		emit(GIVE_STATE(op, s), MESSAGE_UNREAD, 0, offset);
}

/* Skips what is there of the rest of a body or chunk; true when that was all of it. */
static __always_inline bool skip_bytes(struct operation *op, struct follower *f)
{
	__u32 left = op->size - op->done;
	__u32 n = f->skip < left ? f->skip : left;

	advance(op, f, n);
	f->skip -= n;
	return !f->skip;
}

static __always_inline void skip_chunk(struct operation *op, struct follower *f)
{
	if (!skip_bytes(op, f))
		return;
	f->phase = PHASE_CHUNK_SIZE;
	f->chunk = 0;
	f->extension = 0;
}

static __always_inline void skip_body(struct operation *op, struct socket_state *s, struct follower *f)
{
	if (!skip_bytes(op, f))
		return;
	message_ends(f);
	emit(GIVE_STATE(op, s), MESSAGE_END, 0, op->position);
}

static __always_inline int hex_digit(__u8 c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* Ends the line that holds a chunk's size: RFC 9112 section 7.1. */
static __always_inline void chunk_line_ends(struct follower *f)
{
	f->extension = 0;
	if (!f->chunk) {
		f->phase = PHASE_TRAILER;
		return;
	}
	f->body += f->chunk;
	f->length++;
	f->skip = f->chunk + 2;
	f->phase = PHASE_CHUNK;
	/* A hostile size: the sum would start again from 0. */
	if (f->skip < f->chunk)
		f->skip = ~0ULL;
}

/* Reads up to n bytes of a chunk-size line or a line of the trailer section. Returns how many belong to it, with the
 * top bit set when the line ends there. verifier: a function of its own, verified once. */
__noinline int scan_chunk_line(TAKES_FOLLOWER, __u32 n)
{
	FIND_FOLLOWER;
	bool trailer;

	if (!f || !area)
		return 0;
	trailer = f->phase == PHASE_TRAILER;
	for (__u32 i = 0; i < LINE_MAX; i++) {
		__u8 c;
		int digit;

		if (i >= n)
			return n;
		c = area->payload[i];
		if (c == '\n')
			return LINE_ENDS | (i + 1);
		if (trailer) {
			f->extension |= c != '\r';
			continue;
		}
		digit = f->extension ? -1 : hex_digit(c);
		if (digit < 0)
			f->extension = 1;
		else
			f->chunk = f->chunk << 4 | digit;
	}
	return LINE_MAX;
}

/* Reads a window of a chunk-size line or of the trailer section. */
static __always_inline void read_chunk_line(struct operation *op, struct socket_state *s, struct follower *f)
{
	__u32 left = op->size - op->done;
	__u32 n = left < LINE_MAX ? left : LINE_MAX;
	bool trailer = f->phase == PHASE_TRAILER;
	struct scratch *area = scratch_of(op);
	__u32 used;

	if (!area || op->unread || (op->unread = copy_bytes(op, op->done, area, n))) {
		give_up(op, s, f);
		return;
	}
	used = scan_chunk_line(GIVE_FOLLOWER(op, f, area), n);
	left = used & (LINE_ENDS - 1);
	advance(op, f, left < n ? left : n);
	if (!(used & LINE_ENDS))
		return;
	if (!trailer) {
		chunk_line_ends(f);
		if (f->phase == PHASE_CHUNK)
			skip_chunk(op, f);
	} else if (f->extension) {
		f->extension = 0; /* a trailer field; the next line may be the empty one */
	} else {
		message_ends(f);
		emit(GIVE_STATE(op, s), MESSAGE_END, 0, op->position);
	}
}
