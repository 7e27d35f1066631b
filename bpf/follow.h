/* Follows the messages of a stream through its operations: copies heads, counts bodies, finds the ends. */
#pragma once
#include "operation.h"

/* One area per direction: the two capture programs may hold one each on a CPU. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 2);
	__type(key, __u32);
	__type(value, struct scratch);
} scratches SEC(".maps");

static __always_inline struct scratch *scratch_of(__u32 direction)
{
	__u32 key = direction & 1;
	return bpf_map_lookup_elem(&scratches, &key);
}

/* Wakes the reader once for many records; those that are too few for that are fetched by the reader's timer. */
static __always_inline __u64 wake_flags(__u32 size)
{
	__u32 zero = 0;
	__u64 *bytes = bpf_map_lookup_elem(&unwoken, &zero);

	if (!bytes)
		return BPF_RB_FORCE_WAKEUP;
	*bytes += size;
	if (*bytes < settings.wake)
		return BPF_RB_NO_WAKEUP;
	*bytes = 0;
	return BPF_RB_FORCE_WAKEUP;
}

static __always_inline void fill_record(struct record *r, __u8 kind, const struct operation *op, const struct socket_state *s)
{
	r->kind = kind;
	r->direction = op->direction;
	r->time = op->now;
	r->socket = s->cookie;
	r->pid = op->pid;
	r->tid = op->tid;
}

static __always_inline __u16 port_of(__be16 port)
{
	return port << 8 | port >> 8;
}

static __always_inline __u64 inode_of(struct sock *sk)
{
	struct socket_alloc *alloc = (struct socket_alloc *)BPF_CORE_READ(sk, sk_socket);

	return alloc ? BPF_CORE_READ(alloc, vfs_inode.i_ino) : 0;
}

static __always_inline void fill_addresses(struct socket_record *r, struct sock *sk)
{
	r->family = BPF_CORE_READ(sk, __sk_common.skc_family);
	r->netns = BPF_CORE_READ(sk, __sk_common.skc_net.net, ns.inum);
	if (r->family == AF_UNIX) {
		struct sock *peer = BPF_CORE_READ((struct unix_sock *)sk, peer);
		r->inode = inode_of(sk);
		r->peer_inode = peer ? inode_of(peer) : 0;
		return;
	}
	r->local_port = BPF_CORE_READ(sk, __sk_common.skc_num);
	r->peer_port = port_of(BPF_CORE_READ(sk, __sk_common.skc_dport));
	if (r->family == AF_INET) {
		*(__u32 *)r->local = BPF_CORE_READ(sk, __sk_common.skc_rcv_saddr);
		*(__u32 *)r->peer = BPF_CORE_READ(sk, __sk_common.skc_daddr);
		return;
	}
	BPF_CORE_READ_INTO(&r->local, sk, __sk_common.skc_v6_rcv_saddr.in6_u.u6_addr8);
	BPF_CORE_READ_INTO(&r->peer, sk, __sk_common.skc_v6_daddr.in6_u.u6_addr8);
}

/* Tells Go about a socket, once, before its first message. Tried again when the ring was full.
 * A function of its own for its stack. */
__noinline int announce(struct operation *op, struct socket_state *s)
{
	struct socket_record r = {};

	if (!op || !s)
		return 0;
	fill_record(&r.head, RECORD_SOCKET, op, s);
	fill_addresses(&r, (struct sock *)op->sk);
	r.cgroup = bpf_get_current_cgroup_id();
	r.connect_ns = s->connect_ns;
	r.name_local = s->name_local;
	r.name_peer = s->name_peer;
	r.origin = s->origin;
	if (bpf_ringbuf_output(&ring, &r, sizeof(r), BPF_RB_NO_WAKEUP)) {
		count_add(COUNT_RING_FULL, 1);
		return 0;
	}
	s->announced = 1;
	return 0;
}

/* Asks what was decided of the process and keeps the answer with the socket, until something else is decided or another
 * process uses it. A Go process's goroutine is read on the way. */
static __always_inline bool judge(struct operation *op, struct socket_state *s)
{
	__u32 pid = op->pid, now = generation();
	struct process *p = bpf_map_lookup_elem(&processes, &pid);
	__u8 choice = p ? p->choice : CHOICE_NONE;

	s->ignored =
	    choice == CHOICE_IGNORE || (!s->included && (choice == CHOICE_OTHER || (choice == CHOICE_NONE && settings.ignore_unknown)));
	s->go = p && p->go;
	s->judged = now;
	s->judged_pid = pid;
	if (s->ignored)
		s->named = 0; /* its place in the stream is lost until it is looked at again */
	if (s->go && !s->ignored && !op->goroutine)
		find_goroutine(op, bpf_get_current_task_btf(), p);
	return !s->ignored;
}

static __always_inline bool is_judged(const struct socket_state *s, __u32 pid)
{
	return s->judged == generation() && s->judged_pid == pid;
}

static __always_inline void refused(struct operation *op, struct socket_state *s, __u64 flags)
{
	struct follower *f = &s->follower[op->direction & 1];

	s->lost++;
	count_add(COUNT_RING_FULL, 1);
	if (!(flags & MESSAGE_START) || !f->request)
		return;
	s->shed = 1;
	count_add(s->role == ROLE_SERVER ? COUNT_LOST_SERVER : COUNT_LOST_CLIENT, 1);
}

/* Puts the record of one step on the ring; the payload is in the scratch area already. flags: enum message_flag. */
__noinline int emit(struct operation *op, struct socket_state *s, __u32 flags, __u32 length, __u64 offset)
{
	struct message_record *r;
	struct scratch *area;
	struct follower *f;
	__u64 size;

	if (!op || !s)
		return 0;
	area = scratch_of(op->direction);
	if (!area)
		return 0;
	if (((s->go && !op->goroutine) || !is_judged(s, op->pid)) && !judge(op, s))
		return 0;
	f = &s->follower[op->direction & 1];
	if (s->shed && !((flags & MESSAGE_START) && f->request)) {
		s->lost++;
		count_add(COUNT_SHED, 1);
		return 0;
	}
	s->shed = 0;
	if (!s->announced)
		announce(op, s);
	size = sizeof(*r) + clamp(length, PIECE_MAX);
	r = &area->record;
	fill_record(&r->head, RECORD_MESSAGE, op, s);
	r->head.flags = flags | (s->lost ? MESSAGE_LOST : 0) | (s->included ? MESSAGE_PORT : 0);
	r->head.length = length;
	r->offset = offset;
	r->through = f->through;
	r->body = f->body;
	r->previous = s->previous;
	r->goroutine = op->goroutine;
	r->parent_goroutine = op->parent_goroutine;
	r->rtt = op->rtt;
	r->retransmits = op->retransmits;
	r->unread = op->unread;
	r->lost = s->lost;
	if (bpf_ringbuf_output(&ring, r, size, wake_flags(size))) {
		refused(op, s, flags);
		return 0;
	}
	s->lost = 0;
	count_add(COUNT_RECORDS, 1);
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
		emit(op, s, MESSAGE_UNREAD, 0, offset);
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
	emit(op, s, MESSAGE_END, 0, op->position);
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
	f->skip = f->chunk + 2;
	f->phase = PHASE_CHUNK;
	/* A hostile size: the sum would start again from 0. */
	if (f->skip < f->chunk)
		f->skip = ~0ULL;
}

/* Reads up to n bytes of a chunk-size line or a line of the trailer section. Returns how many belong to it, with the
 * top bit set when the line ends there. verifier: a function of its own, verified once. */
__noinline int scan_chunk_line(struct follower *f, struct scratch *area, __u32 n)
{
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
	struct scratch *area = scratch_of(op->direction);
	__u32 used;

	if (!area || op->unread || (op->unread = copy_bytes(op, op->done, area, n))) {
		give_up(op, s, f);
		return;
	}
	used = scan_chunk_line(f, area, n);
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
		emit(op, s, MESSAGE_END, 0, op->position);
	}
}

/* Adds to the first bytes of a message, which come in several pieces. verifier: a function of its own, verified once. */
__noinline int extend_line(struct follower *f, struct scratch *area, __u32 n)
{
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

/* Keeps the first bytes of a message. */
static __always_inline void keep_line(struct follower *f, struct scratch *area, __u32 n)
{
	if (f->line_length) {
		extend_line(f, area, n);
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
			s->muted = 1;
			f->phase = PHASE_REST;
			return;
		}
		if (status == 204 || status == 304 || head)
			return;
	}
	if (f->chunked) {
		f->phase = PHASE_CHUNK_SIZE;
		f->chunk = 0;
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
	if (s->muted)
		flags |= MESSAGE_TUNNEL;
	emit(op, s, flags, n, offset);
}

/* A turn of direction that starts with something else. Bulk traffic of no known protocol ends up muted. */
static __always_inline void not_http(struct operation *op, struct socket_state *s, struct follower *f)
{
	bool turned = s->last != op->direction + 1;

	f->phase = PHASE_REST;
	advance(op, f, op->size - op->done);
	if (s->known || !turned)
		return;
	if (++s->strikes < (s->origin == ORIGIN_FOUND ? STRIKES_MAX + 1 : 2))
		return;
	s->muted = 1;
	count_add(COUNT_SOCKETS_MUTED, 1);
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

/* How much of the rest of an operation is copied as a piece of a head: not the body behind it, where the head before
 * was that short. */
static __always_inline __u32 piece_of(const struct follower *f, __u32 left)
{
	if (left > PIECE_MAX)
		left = PIECE_MAX;
	if (f->phase == PHASE_BOUNDARY && f->head_before && f->head_before + HEAD_SLACK < left)
		left = f->head_before + HEAD_SLACK;
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
	__u32 left = op->size - op->done, n = piece_of(f, left);
	bool starting = f->phase == PHASE_BOUNDARY;
	struct scratch *area = scratch_of(op->direction);
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
		keep_line(f, area, first);
		if (!looks_like_http(f)) {
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
	from = AREA_PAYLOAD;
	if (f->carry_length && f->carry_length <= CARRY_MAX) {
		__builtin_memcpy((__u8 *)area + AREA_PAYLOAD - CARRY_MAX, f->carry, CARRY_MAX);
		from -= f->carry_length;
	}
	area->found.from = from;
	area->found.to = AREA_PAYLOAD + n;
	scan_head(s, area, op->direction);
	end = clamp(area->found.end, AREA_LIMIT);
	if (end > AREA_PAYLOAD) {
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
	emit(op, s, flags, n, offset);
}

/* One step through an operation: a message head or a piece of one, a body or the part that is there, a chunk line.
 * Returns 0 when all bytes have been followed. Verified once, as a function of its own. */
__noinline int step(struct operation *op, struct socket_state *s)
{
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
