/* Counts the messages of WebSocket: RFC 6455. Nothing of them leaves the kernel; what was counted is told when the connection ends. */
#pragma once
#include "body.h"

enum {
	SOCKET_FINAL = 0x80,	/* first byte of a frame */
	SOCKET_RESERVED = 0x30, /* but for the bit of compression */
	SOCKET_MASKED = 0x80,	/* second byte */
	SOCKET_LENGTH = 0x7f,
	SOCKET_DATA = 2,    /* the highest opcode of data */
	SOCKET_CONTROL = 8, /* the lowest one of control */
	SOCKET_OPCODES = 11,
	SOCKET_HEADER = 14, /* at most */
};

/* Whether two bytes open a frame: only a client masks. */
static __always_inline bool opens_frame(const __u8 *h, const struct operation *op, const struct socket_state *s)
{
	__u8 opcode = h[0] & 0xf;
	bool client = (s->role == ROLE_CLIENT) == (op->direction == DIRECTION_SEND);

	if (h[0] & SOCKET_RESERVED || (opcode > SOCKET_DATA && opcode < SOCKET_CONTROL) || opcode >= SOCKET_OPCODES)
		return false;
	return !!(h[1] & SOCKET_MASKED) == client;
}

/* How long a frame's header is, by its first two bytes. */
static __always_inline __u32 header_size(const __u8 *h)
{
	__u32 length = h[1] & SOCKET_LENGTH, size = 2;

	if (length == 126)
		size += 2;
	else if (length == 127)
		size += 8;
	return h[1] & SOCKET_MASKED ? size + 4 : size;
}

/* The header is whole. */
static __always_inline void count_frame(struct follower *f)
{
	__u8 opcode = f->line[0] & 0xf;
	__u64 length = f->line[1] & SOCKET_LENGTH;

	if (length == 126)
		length = (__u64)f->line[2] << 8 | f->line[3];
	else if (length == 127)
		length = __builtin_bswap64(load64(f->line) >> 16 | load64(f->line + 8) << 48);
	if (opcode <= SOCKET_DATA && f->line[0] & SOCKET_FINAL)
		f->chunk++;
	f->skip = length;
	f->phase = PHASE_FRAME_SKIP;
	if (length)
		return;
	f->phase = PHASE_FRAME;
	f->line_length = 0;
}

/* Reads as much of a frame's header as is there. Returns 0 where it is none, and the connection is no longer looked at.
 * verifier: a function of its own, verified once. */
__noinline int read_socket_frame(TAKES_STATE)
{
	FIND_STATE;
	__u32 left, have, want, n;
	struct scratch *area;
	struct follower *f;

	if (!op || !s)
		return 0;
	f = &s->follower[op->direction & 1];
	area = scratch_of(op);
	left = op->size - op->done;
	have = f->line_length;
	want = have < 2 ? 2 : header_size(f->line);
	n = want > have ? want - have : 0;
	if (n > left)
		n = left;
	if (!area || !n || n > SOCKET_HEADER || op->unread || copy_bytes(op, op->done, area, n))
		return 0;
	extend_line(GIVE_FOLLOWER(op, f, area), n);
	advance(op, f, n);
	if (f->line_length < 2)
		return 1;
	if (!opens_frame(f->line, op, s))
		return 0;
	if (f->line_length >= header_size(f->line))
		count_frame(f);
	return 1;
}
