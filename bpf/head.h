/* HTTP/1 heads as far as the kernel has to know them: where one starts, where it ends, and how long its body is.
 * RFC 9112. Pure: no helper is called here. */
#pragma once
#include "place.h"

static __always_inline __u32 load32(const __u8 *p)
{
	return *(const __u32 *)p;
}

static __always_inline __u64 load64(const __u8 *p)
{
	return *(const __u64 *)p;
}

#define HTTP_1_1 0x312e312f50545448ULL /* "HTTP/1.1" in memory order */

#define WORD(a, b, c, d) ((__u32)(a) | (__u32)(b) << 8 | (__u32)(c) << 16 | (__u32)(d) << 24)

/* tchar of RFC 9110 section 5.6.2, one bit per character. */
static __always_inline bool is_token(__u8 c)
{
	__u64 bits = c < 64 ? 0x03ff6cfa00000000ULL : 0x57ffffffc7fffffeULL;

	return c < 128 && (bits >> (c & 63) & 1);
}

static __always_inline bool is_response(const __u8 *line)
{
	return load32(line) == WORD('H', 'T', 'T', 'P') && line[4] == '/';
}

/* Whether the first bytes of a message, f->line, can be an HTTP/1 start line.
 * verifier: a function of its own, verified once. */
__noinline int looks_like_http(TAKES_LINE)
{
	FIND_LINE;
	bool token = false;
	const __u8 *line;
	__u32 n;

	if (!f)
		return 0;
	line = f->line;
	n = f->line_length;
	if (n >= 8 && is_response(line))
		return line[5] == '1' && line[6] == '.';
	if (n >= 8 && load32(line) == WORD('G', 'E', 'T', ' ') && line[4] == '/')
		return true;
	/* The preface of HTTP/2 is made to look like a request: what it is shows when it is long enough. */
	if (n >= 4 && load32(line) == WORD('P', 'R', 'I', ' '))
		return n < 8;
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

/* What nearly all first lines begin with: decided without the call. */
static __always_inline bool is_usual(const struct follower *f)
{
	__u64 word = load64(f->line);

	if (f->line_length < 8)
		return false;
	return word == HTTP_1_1 || ((__u32)word == WORD('G', 'E', 'T', ' ') && f->line[4] == '/');
}

#define LOWER32 0x20202020U
#define LOWER64 0x2020202020202020ULL
#define SFER_ENC 0x636e652d72656673ULL	  /* "sfer-enc" in memory order */
#define ENT_LENG 0x676e656c2d746e65ULL	  /* "ent-leng" */
#define LF_CONTENT 0x746e65746e6f632aULL  /* a line feed and "content", with the bits of LOWER64 */
#define DASH_LENGTH 0x3a6874676e656c2dULL /* "-length:" */
#define CHUNKED 0x64656b6e75686300ULL	  /* "chunked", in the upper seven bytes */

enum {
	LENGTH_DIGITS = 20,
	CODING_MAX = 64, /* bytes of a Transfer-Encoding that are looked at */
	SCAN_STRIDE = 32,
	SCAN_TURNS = 192, /* one per line and one per full stride; a piece ends where they ran out */
};

/* The value of Content-Length, whose digits may start at `at`. Taken only when the line is whole.
 * verifier: a function of its own, verified once and not for every way out of the loop that found it. */
__noinline int read_length(TAKES_HEAD, __u32 direction)
{
	FIND_HEAD;
	const __u8 *area = (const __u8 *)scratch;
	struct follower *f;
	__u64 value = 0, digits = 0, at, to;

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
			digits += 1 + unknown_zero; /* verifier: unknown, so that the turns differ in nothing but their number */
		} else if (c == '\r' || c == '\n') {
			f->length = value;
			f->has_length = digits > 0;
			f->length_digits = digits;
			return 0;
		} else if (c != ' ' && c != '\t') {
			return 0;
		}
	}
	return 0;
}

/* Marks the line feeds of a word in the top bits of their bytes; what stands above the lowest mark may be false. */
static __always_inline __u64 line_feeds(const __u8 *p)
{
	__u64 x = load64(p) ^ 0x0a0a0a0a0a0a0a0aULL;

	return (x - 0x0101010101010101ULL) & ~x & 0x8080808080808080ULL;
}

/* Index of the first byte that is marked in a mask that is not 0. */
static __always_inline __u64 first_byte(__u64 mask)
{
	return (((mask & -mask) - 1) & 0x0101010101010101ULL) * 0x0101010101010101ULL >> 56;
}

/* Whether the value of Transfer-Encoding ends in "chunked". A list of codings longer than is looked at counts as such.
 * verifier: a function of its own, as read_length. */
__noinline int read_coding(TAKES_HEAD, __u32 direction)
{
	FIND_HEAD;
	const __u8 *area = (const __u8 *)scratch;
	struct follower *f;

	if (!s || !scratch)
		return 0;
	f = &s->follower[direction & 1];
	f->coded = 1;
	f->chunked = 1;
	for (__u32 turn = 0; turn < CODING_MAX / 8; turn++) {
		__u64 at = scratch->found.coding + turn * 8, mask;

		if (at >= scratch->found.to || at >= AREA_LIMIT)
			return 0;
		mask = line_feeds(area + at);
		if (!mask)
			continue;
		at += first_byte(mask) - 1;
		if (at >= scratch->found.to || at < AREA_PAYLOAD || at >= AREA_LIMIT)
			return 0;
		at -= area[at - 1] == '\r';
		asm volatile("" : "+r"(at));
		if (at < AREA_PAYLOAD || at >= AREA_LIMIT)
			return 0;
		at -= area[at - 1] == ' ';
		asm volatile("" : "+r"(at));
		if (at < AREA_PAYLOAD || at >= AREA_LIMIT)
			return 0;
		f->chunked = (load64(area + at - 8) | LOWER64) >> 8 == CHUNKED >> 8;
		return 0;
	}
	return 0;
}

/* Reads the header line behind the last line feed. Only the two fields that frame a body matter here; their values are
 * read behind the loop. verifier: a function of its own, verified once and not for every turn. */
__noinline int read_field(TAKES_AREA)
{
	FIND_AREA;
	const __u8 *area = (const __u8 *)scratch;
	__u64 at, rest;
	__u32 name, more;

	if (!scratch)
		return 0;
	at = clamp(scratch->found.newline, AREA_LIMIT) + 1;
	if (at + 16 > scratch->found.to)
		return 0;
	name = load32(area + at) | LOWER32;
	rest = load64(area + at + 4) | LOWER64;
	more = load32(area + at + 12) | LOWER32;
	if (name == WORD('c', 'o', 'n', 't') && rest == ENT_LENG && (more & 0xffff) == ('t' | 'h' << 8) && area[at + 14] == ':')
		scratch->found.length = at + 15;
	if (name == WORD('t', 'r', 'a', 'n') && rest == SFER_ENC && more == WORD('o', 'd', 'i', 'n') && area[at + 17] == ':')
		scratch->found.coding = at + 18;
	return 0;
}

/* All ones for 0, else 0. verifier: the compiler would make a branch of it. */
static __always_inline __u64 if_zero(__u64 v)
{
	v |= -v;
	asm volatile("" : "+r"(v));
	return (v >> 63) - 1;
}

/* The first line feed of a stride whose four masks are not all 0, as an offset. verifier: without branches, so that
 * there is one way through. */
static __always_inline __u64 first_of(__u64 a, __u64 b, __u64 c, __u64 d)
{
	__u64 no_a = if_zero(a), no_b = no_a & if_zero(b), no_c = no_b & if_zero(c);
	__u64 mask = a | (b & no_a) | (c & no_b) | (d & no_c); /* only the first word that has a mark */

	return first_byte(mask) + (no_a & 8) + (no_b & 8) + (no_c & 8) - 1;
}

/* Looks for the empty line in area[found.from, found.to), reading the framing fields on the way. Leaves found.from where
 * it stopped: behind the empty line, at the end, or where its turns ran out. */
__noinline int scan_head(TAKES_HEAD, __u32 direction)
{
	FIND_HEAD;
	const __u8 *area = (const __u8 *)scratch;
	struct found *found;
	__u64 i, to;

	if (!s || !scratch)
		return 0;
	found = &scratch->found;
	found->end = 0;
	found->newline = 0;
	found->length = 0;
	found->coding = 0;
	i = found->from;
	for (__u32 turn = 0; turn < SCAN_TURNS; turn++) {
		__u64 a, b, c, d, at;
		__u32 word;

		/* verifier: unknown again at each turn, so that the turns differ in nothing but their number */
		to = *(volatile __u32 *)&found->to;
		i += unknown_zero;
		if (i >= to || i >= AREA_LIMIT)
			break;
		a = line_feeds(area + i);
		b = line_feeds(area + i + 8);
		c = line_feeds(area + i + 16);
		d = line_feeds(area + i + 24);
		if (!(a | b | c | d)) {
			i += SCAN_STRIDE;
			continue;
		}
		at = i + first_of(a, b, c, d);
		asm volatile("" : "+r"(at));
		if (at >= to || at >= AREA_LIMIT) {
			i = to;
			break;
		}
		found->newline = at;
		i = at + 1;
		word = load32(area + at + 1);
		if ((__u8)word == '\n' && at + 1 < to) {
			found->end = at + 2;
			break;
		}
		if ((__u16)word == 0x0a0d && at + 2 < to) {
			found->end = at + 3;
			break;
		}
		word |= LOWER32;
		if (word == WORD('c', 'o', 'n', 't') || word == WORD('t', 'r', 'a', 'n'))
			read_field(GIVE_AREA(op, scratch));
	}
	found->from = i < found->to ? i : found->to;
	if (found->length)
		read_length(GIVE_HEAD(op, s, scratch), direction);
	if (found->coding)
		read_coding(GIVE_HEAD(op, s, scratch), direction);
	return 0;
}
