/* Follows the records of FastCGI, by which web servers ask PHP-FPM and the like: section 3.3 and 8 of its specification 1.0. The parameters
 * of a request and the head of its answer leave the kernel; bodies are counted. One request at a time: no server of today
 * multiplexes.
 *
 * In a follower line is the header of the current record, skip what is left of its contents and padding, chunk the offset at which the
 * message began, head_bytes what was told of its head. */
#pragma once
#include "stream.h"

enum { CGI_HEADER = 8, CGI_VERSION = 1, CGI_TYPES = 12 };

enum cgi_type {
	CGI_BEGIN_REQUEST = 1,
	CGI_ABORT_REQUEST,
	CGI_END_REQUEST,
	CGI_PARAMS,
	CGI_STDIN,
	CGI_STDOUT,
};

/* The header of a BEGIN_REQUEST, of which all but the id and the padding is fixed: 01 01 id id 00 08 padding 00. */
#define CGI_BEGIN 0x0000080000000101ULL
#define CGI_BEGIN_MASK 0xff00ffff0000ffffULL

static __always_inline bool begins_cgi(const struct follower *f)
{
	return f->line_length >= CGI_HEADER && !f->head_bytes && (load64(f->line) & CGI_BEGIN_MASK) == CGI_BEGIN;
}

static __always_inline __u32 cgi_length(const struct follower *f)
{
	return (__u32)f->line[4] << 8 | f->line[5];
}

static __always_inline __u32 cgi_padding(const struct follower *f)
{
	return f->line[6];
}

/* A web server has begun a request: both directions are at the beginning of a record. */
static __always_inline void cgi_starts(const struct operation *op, struct socket_state *s)
{
	s->role = op->direction == DIRECTION_RECEIVE ? ROLE_SERVER : ROLE_CLIENT;
	s->protocol = PROTOCOL_FASTCGI;
	s->known = 1;
	s->strikes = 0;
	for (int i = 0; i < 2; i++) {
		s->follower[i].phase = PHASE_FRAME;
		s->follower[i].line_length = 0;
		s->follower[i].head_bytes = 0;
	}
}

/* The contents of a record and its padding have passed. */
static __always_inline void record_ends(struct operation *op, struct follower *f)
{
	if (f->line[1] == CGI_END_REQUEST) {
		if (f->head_bytes)
			tell_later(op, MESSAGE_FASTCGI | MESSAGE_END, 0, op->position);
		f->head_bytes = 0;
	}
	frame_ends(f);
}

/* A header is whole. What is empty ends what it is of: the parameters, the body. */
static __always_inline void record_starts(struct operation *op, struct socket_state *s, struct follower *f)
{
	__u32 length = cgi_length(f), type = f->line[1];
	struct scratch *area = scratch_of(op);

	if (f->line[0] != CGI_VERSION || type >= CGI_TYPES || !area) {
		s->muted = 1;
		advance(op, f, op->size - op->done);
		return;
	}
	f->skip = length + cgi_padding(f);
	f->phase = PHASE_FRAME_SKIP;
	if (type == CGI_BEGIN_REQUEST) {
		f->chunk = op->position - CGI_HEADER;
		f->head_bytes = 0;
		f->body = 0;
		f->request = 1;
	} else if (type == CGI_PARAMS && length) {
		f->phase = PHASE_FRAME_COPY;
	} else if (type == CGI_PARAMS && f->head_bytes) {
		put_header(area, f);
		tell_later(op, MESSAGE_FASTCGI | (f->head_bytes >= HEAD_MAX ? MESSAGE_CUT : 0), CGI_HEADER, op->position - CGI_HEADER);
	} else if (type == CGI_STDIN && length) {
		f->body += length;
	} else if (type == CGI_STDIN && f->body) {
		tell_later(op, MESSAGE_FASTCGI | MESSAGE_END, 0, op->position);
	} else if (type == CGI_STDOUT && length && !f->head_bytes) {
		f->request = 0;
		f->body = 0;
		f->phase = PHASE_FRAME_COPY;
	} else if (type == CGI_STDOUT) {
		f->body += length;
	}
	if (!f->skip)
		record_ends(op, f);
}

static __always_inline void read_record(struct operation *op, struct socket_state *s, struct follower *f)
{
	struct scratch *area = scratch_of(op);
	__u32 left = op->size - op->done, n = CGI_HEADER - (f->line_length & (CGI_HEADER - 1));

	if (n > left)
		n = left;
	if (!area || op->unread || (op->unread = copy_bytes(op, op->done, area, n))) {
		give_up(op, s, f);
		return;
	}
	extend_line(GIVE_FOLLOWER(op, f, area), n);
	advance(op, f, n);
	if (f->line_length >= CGI_HEADER)
		record_starts(op, s, f);
}

/* How much of an answer's first bytes is its head, which ends in an empty line; all of it if there is none. */
static __always_inline __u32 answer_head(struct operation *op, struct socket_state *s, struct follower *f, struct scratch *area, __u32 n)
{
	__u64 end;

	area->found.from = AREA_PAYLOAD;
	area->found.to = AREA_PAYLOAD + n;
	scan_head(GIVE_HEAD(op, s, area), op->direction);
	f->chunked = 0;
	end = clamp(area->found.end, AREA_LIMIT);
	return end > AREA_PAYLOAD ? end - AREA_PAYLOAD : 0;
}

/* Copies what is there of parameters, or the head of an answer. */
static __always_inline void tell_contents(struct operation *op, struct socket_state *s, struct follower *f)
{
	__u32 left = op->size - op->done, flags = MESSAGE_FASTCGI | (f->head_bytes ? 0 : MESSAGE_START), n, head;
	__u64 contents = f->skip - cgi_padding(f), offset = f->head_bytes || !f->request ? op->position : f->chunk;
	struct scratch *area = scratch_of(op);

	n = contents < left ? contents : left;
	if (n > PIECE_MAX)
		n = PIECE_MAX;
	if (f->head_bytes >= HEAD_MAX || !n) {
		f->phase = PHASE_FRAME_SKIP;
		return;
	}
	if (!area || op->unread || (op->unread = copy_bytes(op, op->done, area, n))) {
		give_up(op, s, f);
		return;
	}
	if (f->request) {
		flags |= MESSAGE_OPEN;
	} else {
		head = answer_head(op, s, f, area, n);
		if (head)
			n = head;
		else
			flags |= MESSAGE_CUT;
		f->body = contents - n;
		f->phase = PHASE_FRAME_SKIP;
	}
	advance(op, f, n);
	f->skip -= n;
	f->head_bytes += n;
	if (f->skip == cgi_padding(f))
		f->phase = PHASE_FRAME_SKIP;
	tell_later(op, flags, n, offset);
	if (!f->skip)
		record_ends(op, f);
}

/* One record, or what the operation has of it. verifier: a function of its own, verified once. */
__noinline int follow_record(TAKES_STATE)
{
	FIND_STATE;
	struct follower *f;

	if (!op || !s || op->done >= op->size)
		return 0;
	f = &s->follower[op->direction & 1];
	switch (f->phase) {
	case PHASE_FRAME:
		read_record(op, s, f);
		break;
	case PHASE_FRAME_COPY:
		tell_contents(op, s, f);
		break;
	case PHASE_FRAME_SKIP:
		if (skip_bytes(op, f))
			record_ends(op, f);
		break;
	case PHASE_REST:
		advance(op, f, op->size - op->done);
		break;
	default:
		frame_ends(f); /* the direction has turned: a record begins */
	}
	return op->done < op->size;
}
