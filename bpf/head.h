/* HTTP/1 heads as far as the kernel has to know them: where one starts, where it ends, and how long its body is.
 * RFC 9112. Pure: no helper is called here. */
#pragma once
#include "state.h"

/* What a scan found. verifier: kept in the map, so that its values do not multiply the states of the loop. */
struct found {
	__u32 from, to; /* the range to look at */
	__u32 end;     /* area index behind the empty line; 0: not found */
	__u32 scanned; /* area index up to which the piece was looked at */
	__u32 newline; /* area index of the last line feed; 0: none */
	__u32 length;  /* area index of Content-Length's value; 0: none */
};

/* An area of bytes: up to CARRY_MAX bytes of the piece before end where the record ends, the piece follows. */
struct scratch {
	struct message_record record;
	__u8 payload[2 * PIECE_MAX + 128] __attribute__((aligned(8)));
	struct found found;
};
enum { AREA_PAYLOAD = sizeof(struct message_record), AREA_LIMIT = AREA_PAYLOAD + PIECE_MAX };

static __always_inline __u32 load32(const __u8 *p)
{
	return *(const __u32 *)p;
}

static __always_inline __u64 load64(const __u8 *p)
{
	return *(const __u64 *)p;
}

#define WORD(a, b, c, d) ((__u32)(a) | (__u32)(b) << 8 | (__u32)(c) << 16 | (__u32)(d) << 24)

/* tchar of RFC 9110 section 5.6.2. */
static __always_inline bool is_token(__u8 c)
{
	if ((c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9'))
		return true;
	/* !#$%&'*+-.^_`|~ */
	if (c >= 33 && c < 64)
		return (1ULL << c) & ((1ULL << '!') | (1ULL << '#') | (1ULL << '$') | (1ULL << '%') | (1ULL << '&') | (1ULL << '\'') | (1ULL << '*') |
				      (1ULL << '+') | (1ULL << '-') | (1ULL << '.'));
	return c == '^' || c == '_' || c == '`' || c == '|' || c == '~';
}

static __always_inline bool is_response(const __u8 *line)
{
	return load32(line) == WORD('H', 'T', 'T', 'P') && line[4] == '/';
}

/* Whether the first n bytes of a message can be an HTTP/1 start line; line has LINE_MAX bytes. */
static __always_inline bool looks_like_http(const __u8 *line, __u32 n)
{
	bool token = false;

	if (n >= 8 && is_response(line))
		return line[5] == '1' && line[6] == '.';
	/* The preface of HTTP/2 is made to look like a request. */
	if (n >= 4 && load32(line) == WORD('P', 'R', 'I', ' '))
		return false;
	for (__u32 i = 0; i < LINE_MAX - 1; i++) {
		if (i >= n)
			return token; /* so far so good: decided when more is there */
		if (line[i] == ' ') {
			__u8 next = line[i + 1];
			if (!token)
				return false;
			if (i + 1 >= n || next == '/' || next == '*' || next == 'h' || next == 'H')
				return true;
			return load32(line) == WORD('C', 'O', 'N', 'N');
		}
		if (!is_token(line[i]) && !(i == 4 && n < 8 && line[i] == '/'))
			return false;
		token = true;
	}
	return false;
}

#define LOWER32 0x20202020U
#define LOWER64 0x2020202020202020ULL
#define SFER_ENC 0x636e652d72656673ULL /* "sfer-enc" in memory order */
#define ENT_LENG 0x676e656c2d746e65ULL /* "ent-leng" */

enum { LENGTH_DIGITS = 20 };

/* The value of Content-Length, whose digits may start at `at`. Taken only when the line is whole.
 * verifier: a function of its own, verified once and not for every way out of the loop that found it. */
__noinline int read_length(struct socket_state *s, struct scratch *scratch, __u32 direction)
{
	const __u8 *area = (const __u8 *)scratch;
	struct follower *f;
	__u64 value = 0, at, to;
	bool digits = false;

	if (!s || !scratch)
		return 0;
	f = &s->follower[direction & 1];
	at = clamp(scratch->found.length, AREA_LIMIT);
	to = clamp(scratch->found.to, AREA_LIMIT);

	for (__u32 i = 0; i < LENGTH_DIGITS + 4; i++) {
		__u64 k = at + i;
		__u8 c;

		if (k >= to || k >= AREA_LIMIT)
			return 0;
		c = area[k];
		if (c >= '0' && c <= '9') {
			value = value * 10 + (c - '0');
			digits = true;
		} else if (c == '\r' || c == '\n') {
			f->length = value;
			f->has_length = digits;
			return 0;
		} else if (c != ' ' && c != '\t') {
			return 0;
		}
	}
	return 0;
}

/* Reads the header line that starts at `at`. Only the two fields that frame a body matter here. */
static __always_inline void read_field(struct follower *f, const __u8 *area, __u32 at, __u32 to, struct found *found)
{
	__u32 name = load32(area + at) | LOWER32;
	__u64 rest = load64(area + at + 4) | LOWER64;

	if (at + 16 > to)
		return;
	if (name == WORD('t', 'r', 'a', 'n') && rest == SFER_ENC)
		f->chunked = 1; /* whatever the coding is: Content-Length does not tell the end then */
	else if (name == WORD('c', 'o', 'n', 't') && rest == ENT_LENG && area[at + 14] == ':')
		found->length = at + 15; /* read behind the loop: a loop inside it is too much for the verifier */
}

/* Index of the first line feed in a word that holds one, from the mask that marks it. */
static __always_inline __u32 first_byte(__u64 mask)
{
	__u32 at = 0;

	if (!(__u32)mask) {
		mask >>= 32;
		at = 4;
	}
	if (!(mask & 0xffff)) {
		mask >>= 16;
		at += 2;
	}
	return (mask & 0xff) ? at : at + 1;
}

/* Looks for the empty line in area[found.from, found.to), eight bytes at a time, reading the framing fields on the way. */
__noinline int scan_head(struct socket_state *s, struct scratch *scratch, __u32 direction)
{
	const __u8 *area = (const __u8 *)scratch;
	struct found *found;
	struct follower *f;
	__u64 i, to;

	if (!s || !scratch)
		return 0;
	f = &s->follower[direction & 1];
	found = &scratch->found;
	i = found->from;
	to = found->to;
	found->end = 0;
	found->newline = 0;
	found->length = 0;
	for (__u32 turn = 0; turn < PIECE_MAX / 8 + 320; turn++) {
		__u64 x, mask, at;

		/* verifier: unknown again at each turn, so that the turns differ in nothing but their number */
		to = *(volatile __u32 *)&found->to;
		i += unknown_zero;
		if (i >= to || i >= AREA_LIMIT)
			break;
		x = load64(area + i) ^ 0x0a0a0a0a0a0a0a0aULL;
		mask = (x - 0x0101010101010101ULL) & ~x & 0x8080808080808080ULL;
		if (!mask) {
			i += 8;
			continue;
		}
		at = i + first_byte(mask) + unknown_zero;
		if (at >= to || at >= AREA_LIMIT)
			break;
		found->newline = at;
		i = at + 1;
		if (i < to && area[at + 1] == '\n')
			found->end = at + 2;
		else if (i + 1 < to && area[at + 1] == '\r' && area[at + 2] == '\n')
			found->end = at + 3;
		else
			read_field(f, area, at + 1, to, found);
		if (found->end)
			break;
	}
	found->scanned = i < to ? i : to;
	if (found->length)
		read_length(s, scratch, direction);
	return 0;
}
