/* Follows the messages of a stream through its operations: where heads begin and end, and what comes behind them. */
#pragma once
#include "multiplex.h"

/* Keeps the first bytes of a message. */
static __always_inline void keep_line(struct operation *op, struct follower *f, struct scratch *area, __u32 n)
{
	if (f->line_length) {
		extend_line(GIVE_FOLLOWER(op, f, area), n);
		return;
	}
	__builtin_memcpy(f->line, area->payload, LINE_MAX);
	f->line_length = n < LINE_MAX ? n : LINE_MAX;
}

/* The first line is whole: who is server and who is client, and what the answer's framing will depend on. */
static __always_inline void know_line(struct operation *op, struct socket_state *s, struct follower *f)
{
	__u32 word = load32(f->line);

	f->request = !is_response(f->line);
	if (s->role == ROLE_UNKNOWN)
		s->role = f->request == (op->direction == DIRECTION_RECEIVE) ? ROLE_SERVER : ROLE_CLIENT;
	if (!f->request)
		return;
	s->connect_request = word == WORD('C', 'O', 'N', 'N');
	if (s->last != op->direction + 1) {
		s->heads = 0;
		s->heads_length = 0;
	}
	if (s->heads_length >= 64)
		return;
	s->heads |= (__u64)(word == WORD('H', 'E', 'A', 'D')) << (s->heads_length & 63);
	s->heads_length++;
}

/* Whether the request that a final response answers was HEAD. */
static __always_inline bool answers_head(struct socket_state *s)
{
	bool head = s->heads & 1;

	if (!s->heads_length)
		return false;
	s->heads >>= 1;
	s->heads_length--;
	return head;
}

/* How the body behind a whole head is framed: RFC 9112 section 6.3. Sets phase and skip. */
static __always_inline void frame_body(struct socket_state *s, struct follower *f)
{
	__u32 status = 0;
	bool head;

	f->body = 0;
	f->skip = 0;
	f->phase = PHASE_BOUNDARY;
	if (!f->request) {
		status = (f->line[9] - '0') * 100 + (f->line[10] - '0') * 10 + (f->line[11] - '0');
		if (status < 200 && status != 101)
			return;
		head = answers_head(s);
		if (status == 101 || (s->connect_request && status < 300)) {
			s->muted = status != 101;
			s->protocol = PROTOCOL_TUNNEL;
			f->phase = PHASE_REST;
			return;
		}
		if (status == 204 || status == 304 || head)
			return;
	}
	if (f->chunked) {
		f->phase = PHASE_CHUNK_SIZE;
		f->chunk = 0;
		f->length = 0;
		f->extension = 0;
	} else if (f->coded) {
		f->phase = PHASE_REST;
	} else if (f->has_length) {
		f->skip = f->length;
		f->body = f->length;
		f->phase = f->length ? PHASE_BODY : PHASE_BOUNDARY;
	} else if (!f->request) {
		f->phase = PHASE_REST;
	}
}

/* A head is whole with the n bytes in the scratch area, whose first byte is at `offset`. */
static __always_inline void head_ends(struct operation *op, struct socket_state *s, struct follower *f, __u32 flags, __u32 n, __u64 offset)
{
	s->known = 1;
	s->strikes = 0;
	f->head_bytes += n;
	f->head_before = f->head_bytes < PIECE_MAX ? f->head_bytes : PIECE_MAX;
	advance(op, f, n);
	frame_body(s, f);
	if (f->phase == PHASE_BODY && skip_bytes(op, f))
		message_ends(f);
	if (f->phase == PHASE_BOUNDARY)
		flags |= MESSAGE_END;
	if (s->protocol == PROTOCOL_TUNNEL)
		flags |= MESSAGE_TUNNEL;
	emit(GIVE_STATE(op, s), flags, n, offset);
}

/* Spans of a program's own leave it by protocols that are not followed: OTLP by gRPC, SkyWalking. That it has such a connection
 * is told all the same. */
__noinline int tell_exporter(TAKES_STATE)
{
	FIND_STATE;
	const struct sock *sk;
	__u16 port;

	if (!op || !s || s->announced)
		return 0;
	sk = (const struct sock *)op->sk;
	port = port_of(BPF_CORE_READ(sk, __sk_common.skc_dport));
	if ((port == PORT_OTLP || port == PORT_SKYWALKING) && (is_judged(s, op->pid) || judge(op, s)))
		announce(op, s);
	return 0;
}

/* Whether the first bytes of a message are the header of a TLS record, as far as they are there. */
static __always_inline bool looks_like_tls(const struct follower *f)
{
	__u8 type = f->line[0];

	if ((f->line_length > 1 && f->line[1] != 3) || (f->line_length > 2 && f->line[2] > 4))
		return false;
	return type == 22 || (type == 23 && f->line_length >= 5 && f->line[2] == 3 && f->line[3] <= 72);
}

/* A turn of direction that starts with something else. Bulk traffic of no known protocol ends up muted. */
static __always_inline void not_http(struct operation *op, struct socket_state *s, struct follower *f)
{
	bool turned = s->last != op->direction + 1;

	if (f->line_length >= 8 && load64(f->line) == PREFACE_WORD) {
		preface_starts(op, s, f, f->head_bytes);
		return;
	}
	if (!s->known && begins_cgi(f)) {
		cgi_starts(op, s);
		return;
	}
	if (!s->known && find_http2(GIVE_STATE(op, s)))
		return;
	f->phase = PHASE_REST;
	advance(op, f, op->size - op->done);
	if (s->known || !turned)
		return;
	if (settings.tls && !s->session && looks_like_tls(f)) {
		s->tls = 1;
		return;
	}
	if (++s->strikes < (s->origin == ORIGIN_FOUND ? STRIKES_MAX + 1 : 2))
		return;
	s->muted = 1;
	count_add(COUNT_SOCKETS_MUTED, 1);
	tell_exporter(GIVE_STATE(op, s));
}

/* Starts the bookkeeping of a new message. */
static __always_inline void message_starts(const struct operation *op, const struct socket_state *s, struct follower *f)
{
	f->head_bytes = 0;
	f->carry_length = 0;
	f->line_length = 0;
	f->line_known = 0;
	f->coded = 0;
	f->chunked = 0;
	f->has_length = 0;
	f->length = 0;
	f->body = 0;
	f->request = s->role == ROLE_UNKNOWN || (s->role == ROLE_SERVER) == (op->direction == DIRECTION_RECEIVE);
}

/* A GET as the one before it: an operation as long as that head, give or take a little, that ends in an empty line behind
 * a line that is no last chunk, is one head and nothing else. Saves the scan; several requests in one operation are as
 * good as never of that length. */
static __always_inline bool is_get_again(const struct scratch *area, const struct follower *f, __u32 n, __u32 left)
{
	__u64 size = clamp(n, PIECE_MAX);

	if (n != left || size < 16 || size > AGAIN_MAX || n > f->head_before + HEAD_SLACK || n + HEAD_SLACK < f->head_before)
		return false;
	if (load32(f->line) != WORD('G', 'E', 'T', ' ') || load32(area->payload + size - 4) != WORD('\r', '\n', '\r', '\n'))
		return false;
	return !line_feeds(area->payload + size - 12);
}

/* A reply as the one before it: Content-Length is where it was, and as far behind it as then the head ends in an empty line
 * behind a line that is none. Saves the scan. Gives the length of the head, and that of the body in f; or 0. A reply with
 * another head, and all this in its body, would be read wrongly; user space reads it rightly all the same.
 * verifier: a function of its own, verified once. */
__noinline int reply_again(TAKES_FOLLOWER, __u32 n)
{
	FIND_FOLLOWER;
	__u64 at, end, value = 0, digits = 0;

	if (!f || !area)
		return 0;
	at = clamp(f->length_at, AGAIN_MAX);
	if (at < 32 || load64(area->payload) != HTTP_1_1 || area->payload[9] == '1')
		return 0;
	if ((load64(area->payload + at - 16) | LOWER64) != LF_CONTENT || (load64(area->payload + at - 8) | LOWER64) != DASH_LENGTH ||
	    area->payload[at] != ' ')
		return 0;
	for (__u32 i = 1; i < LENGTH_DIGITS; i++) {
		__u8 c = area->payload[at + i];

		if (c == '\r')
			break;
		if (c < '0' || c > '9')
			return 0;
		value = value * 10 + (c - '0');
		digits += 1 + unknown_zero; /* verifier: as in read_length */
	}
	end = f->head_before + digits - f->length_digits;
	if (!digits || end > n || end > PIECE_MAX || end < at + digits + 5)
		return 0;
	asm volatile("" : "+r"(end));
	if (end > PIECE_MAX || end < 16)
		return 0;
	if (load32(area->payload + end - 4) != WORD('\r', '\n', '\r', '\n') || line_feeds(area->payload + end - 12))
		return 0;
	f->length = value;
	f->has_length = 1;
	f->length_digits = digits;
	return end;
}

/* How much of the rest of an operation is copied as a piece of a head: not the body behind it, where the head before
 * was that short. Many programs give the body an io vector of its own. */
static __always_inline __u32 piece_of(struct operation *op, const struct follower *f, __u32 left)
{
	__u64 vector;

	if (left > PIECE_MAX)
		left = PIECE_MAX;
	if (f->phase == PHASE_BOUNDARY && f->head_before && f->head_before + HEAD_SLACK < left) {
		left = f->head_before + HEAD_SLACK;
		vector = op->unread ? 0 : together(op, op->done);
		if (vector < left && vector + 2 * HEAD_SLACK > left)
			left = vector;
	}
	if (f->phase == PHASE_HEAD && HEAD_MAX - f->head_bytes < left)
		left = HEAD_MAX - f->head_bytes;
	return left;
}

/* Keeps the unfinished line of a piece, to be looked at again with the next one. end: area index behind the piece. */
static __always_inline void carry_line(struct follower *f, const struct scratch *area, __u64 end)
{
	__u64 newline = area->found.newline, line = end - newline;

	f->carry_length = 0;
	if (!newline || line > CARRY_MAX)
		return;
	f->carry_length = line;
	__builtin_memcpy(f->carry, (const __u8 *)area + end - CARRY_MAX, CARRY_MAX);
}

/* Copies a piece of a head. */
static __always_inline void read_head(struct operation *op, struct socket_state *s, struct follower *f)
{
	__u32 left = op->size - op->done, n = piece_of(op, f, left);
	bool starting = f->phase == PHASE_BOUNDARY;
	struct scratch *area = scratch_of(op);
	__u32 flags = starting ? MESSAGE_START : 0;
	__u64 offset = op->position;
	__u32 from, first;
	__u64 end;

	if (starting)
		message_starts(op, s, f);
	/* A socket that is not known yet is looked at before a whole piece is copied. */
	first = starting && !s->known && n > LOOK_MAX ? LOOK_MAX : n;
	if (!area || op->unread || (op->unread = copy_bytes(op, op->done, area, first))) {
		give_up(op, s, f);
		return;
	}
	/* Empty lines before a message: RFC 9112 section 2.2. */
	if (starting && (area->payload[0] == '\r' || area->payload[0] == '\n')) {
		advance(op, f, 1);
		return;
	}
	if (f->line_length < LINE_MAX) {
		keep_line(op, f, area, first);
		if (!is_usual(f) && !looks_like_http(GIVE_LINE(op, f))) {
			not_http(op, s, f);
			return;
		}
		if (!f->line_known && f->line_length >= LINE_KNOWN) {
			f->line_known = 1;
			know_line(op, s, f);
		}
	}
	if (first != n && (op->unread = copy_bytes(op, op->done, area, n))) {
		give_up(op, s, f);
		return;
	}
	if (starting && f->head_before && is_get_again(area, f, n, left)) {
		head_ends(op, s, f, flags, n, offset);
		return;
	}
	if (starting && f->length_at && (end = reply_again(GIVE_FOLLOWER(op, f, area), n))) {
		head_ends(op, s, f, flags, clamp(end, PIECE_MAX), offset);
		return;
	}
	from = AREA_PAYLOAD;
	if (f->carry_length && f->carry_length <= CARRY_MAX) {
		__builtin_memcpy((__u8 *)area + AREA_PAYLOAD - CARRY_MAX, f->carry, CARRY_MAX);
		from -= f->carry_length;
	}
	area->found.from = from;
	area->found.to = AREA_PAYLOAD + n;
	scan_head(GIVE_HEAD(op, s, area), op->direction);
	end = clamp(area->found.end, AREA_LIMIT);
	f->length_at = 0;
	if (end > AREA_PAYLOAD) {
		if (starting && f->has_length && !f->coded)
			f->length_at = area->found.length - AREA_PAYLOAD;
		head_ends(op, s, f, flags, end - AREA_PAYLOAD, offset);
		return;
	}
	/* The head goes on. The piece is as long as what was scanned. */
	end = clamp(area->found.from, AREA_LIMIT);
	if (end <= AREA_PAYLOAD) {
		give_up(op, s, f);
		return;
	}
	carry_line(f, area, end);
	n = end - AREA_PAYLOAD;
	f->phase = PHASE_HEAD;
	f->head_bytes += n;
	advance(op, f, n);
	flags |= MESSAGE_OPEN;
	if (f->head_bytes >= HEAD_MAX) {
		f->phase = PHASE_REST;
		flags ^= MESSAGE_OPEN | MESSAGE_CUT;
		count_add(COUNT_HEADS_CUT, 1);
	}
	emit(GIVE_STATE(op, s), flags, n, offset);
}

/* One step through an operation: a message head or a piece of one, a body or the part that is there, a chunk line.
 * Returns 0 when all bytes have been followed. Verified once, as a function of its own. */
__noinline int step(TAKES_STATE)
{
	FIND_STATE;
	struct follower *f;

	if (!op || !s || op->done >= op->size)
		return 0;
	f = &s->follower[op->direction & 1];
	switch (f->phase) {
	case PHASE_BODY:
		skip_body(op, s, f);
		break;
	case PHASE_CHUNK:
		skip_chunk(op, f);
		break;
	case PHASE_CHUNK_SIZE:
	case PHASE_TRAILER:
		read_chunk_line(op, s, f);
		break;
	case PHASE_REST:
		advance(op, f, op->size - op->done);
		break;
	default:
		read_head(op, s, f);
	}
	return op->done < op->size;
}

/* Follows all bytes of an operation. Neither protocol calls the other one: that would need more stack than there is. */
static __always_inline void follow_bytes(struct operation *op, struct socket_state *s, struct follower *f)
{
	op->first = op->position;
	if (f->phase == PHASE_REST && s->last != op->direction + 1)
		f->phase = PHASE_BOUNDARY;
	for (int i = 0; i < STEPS_MAX; i++) {
		if (s->protocol || !step(GIVE_STATE(op, s)))
			break;
	}
	for (int i = 0; i < STEPS_MAX / 2; i++) {
		if (!s->protocol || !follow_frames(GIVE_STATE(op, s)))
			break;
	}
	if (op->done < op->size)
		give_up(op, s, f);
	s->last = op->direction + 1;
	s->previous = op->now;
}
