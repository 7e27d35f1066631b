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

/* Wakes the reader only when this record crosses the threshold; what stays below it is fetched by the reader's timer. */
static __always_inline __u64 wake_flags(__u32 size)
{
	__u64 waiting = bpf_ringbuf_query(&ring, BPF_RB_AVAIL_DATA);

	return waiting < settings.wake && waiting + size >= settings.wake ? BPF_RB_FORCE_WAKEUP : BPF_RB_NO_WAKEUP;
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

/* Tells Go about a socket, once, before its first message. Tried again when the ring was full. */
static __always_inline void announce(const struct operation *op, struct socket_state *s)
{
	struct socket_record r = {};

	fill_record(&r.head, RECORD_SOCKET, op, s);
	fill_addresses(&r, (struct sock *)op->sk);
	r.cgroup = bpf_get_current_cgroup_id();
	r.connect_ns = s->connect_ns;
	r.name_local = s->name_local;
	r.name_peer = s->name_peer;
	r.origin = s->origin;
	if (bpf_ringbuf_output(&ring, &r, sizeof(r), BPF_RB_NO_WAKEUP)) {
		count_add(COUNT_RING_FULL, 1);
		return;
	}
	s->announced = 1;
}

/* Whether the process is traced; a Go process's goroutine is read on the way. */
static __always_inline bool chosen(struct operation *op, struct socket_state *s)
{
	__u32 pid = op->pid;
	struct process *p = bpf_map_lookup_elem(&processes, &pid);
	__u8 choice = p ? p->choice : CHOICE_NONE;

	if (choice == CHOICE_IGNORE || (!s->included && (choice == CHOICE_OTHER || (choice == CHOICE_NONE && settings.ignore_unknown)))) {
		s->ignored_epoch = epoch;
		return false;
	}
	if (p && p->go && !op->goroutine)
		find_goroutine(op, bpf_get_current_task_btf(), p);
	return true;
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
	if (!area || !chosen(op, s))
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

static __always_inline void skip_body(struct operation *op, struct socket_state *s, struct follower *f)
{
	__u32 left = op->size - op->done;
	__u32 n = f->skip < left ? f->skip : left;

	advance(op, f, n);
	f->skip -= n;
	if (f->skip)
		return;
	if (f->phase == PHASE_CHUNK) {
		f->phase = PHASE_CHUNK_SIZE;
		f->chunk = 0;
		f->extension = 0;
		return;
	}
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
}

/* Reads a window of a chunk-size line or of the trailer section. */
static __always_inline void read_chunk_line(struct operation *op, struct socket_state *s, struct follower *f)
{
	__u32 left = op->size - op->done;
	__u32 n = left < LINE_MAX ? left : LINE_MAX;
	bool trailer = f->phase == PHASE_TRAILER, ended = false;
	struct scratch *area = scratch_of(op->direction);
	__u32 used = 0;

	if (!area || op->unread || (op->unread = copy_bytes(op, op->done, area, n))) {
		give_up(op, s, f);
		return;
	}
	for (__u32 i = 0; i < LINE_MAX; i++) {
		__u8 c;

		if (i >= n)
			break;
		used = i + 1;
		c = area->payload[i];
		if (c == '\n') {
			ended = true;
			break;
		}
		if (trailer) {
			f->extension |= c != '\r';
		} else if (!f->extension) {
			int digit = hex_digit(c);
			if (digit < 0)
				f->extension = 1;
			else
				f->chunk = f->chunk << 4 | digit;
		}
	}
	advance(op, f, used);
	if (!ended)
		return;
	if (!trailer) {
		chunk_line_ends(f);
	} else if (f->extension) {
		f->extension = 0; /* a trailer field; the next line may be the empty one */
	} else {
		message_ends(f);
		emit(op, s, MESSAGE_END, 0, op->position);
	}
}

/* Keeps the first bytes of a message together when they come in several pieces. */
static __always_inline void keep_line(struct follower *f, const __u8 *payload, __u32 n)
{
	if (!f->line_length) {
		__builtin_memcpy(f->line, payload, LINE_MAX);
		f->line_length = n < LINE_MAX ? n : LINE_MAX;
		return;
	}
	for (__u32 i = 0; i < LINE_MAX; i++) {
		__u64 at = f->line_length;

		if (i >= n || at >= LINE_MAX)
			return;
		/* verifier: the index once more, as one register */
		asm volatile("" : "+r"(at));
		f->line[at & (LINE_MAX - 1)] = payload[i];
		f->line_length = at + 1;
	}
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
	s->head_request = word == WORD('H', 'E', 'A', 'D');
	s->connect_request = word == WORD('C', 'O', 'N', 'N');
}

/* How the body behind a whole head is framed: RFC 9112 section 6.3. Sets phase and skip. */
static __always_inline void frame_body(struct socket_state *s, struct follower *f)
{
	__u32 status = 0;

	f->body = 0;
	f->skip = 0;
	f->phase = PHASE_BOUNDARY;
	if (!f->request) {
		status = (f->line[9] - '0') * 100 + (f->line[10] - '0') * 10 + (f->line[11] - '0');
		if (status == 101 || (s->connect_request && status >= 200 && status < 300)) {
			s->muted = 1;
			f->phase = PHASE_REST;
			return;
		}
		if (status < 200 || status == 204 || status == 304 || s->head_request)
			return;
	}
	if (f->chunked) {
		f->phase = PHASE_CHUNK_SIZE;
		f->chunk = 0;
		f->extension = 0;
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
	__u32 left;

	s->known = 1;
	s->strikes = 0;
	advance(op, f, n);
	frame_body(s, f);
	left = op->size - op->done;
	if (f->phase == PHASE_BODY) {
		__u32 part = f->skip < left ? f->skip : left;
		f->skip -= part;
		advance(op, f, part);
		if (!f->skip)
			message_ends(f);
	}
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
	f->chunked = 0;
	f->has_length = 0;
	f->length = 0;
	f->body = 0;
	f->request = s->role == ROLE_UNKNOWN || (s->role == ROLE_SERVER) == (op->direction == DIRECTION_RECEIVE);
}

/* GET and its like without a body: an operation that ends in an empty line holds whole heads and nothing else. Go
 * finds the heads in it if they are several. */
static __always_inline bool only_heads(const struct scratch *area, const struct follower *f, __u32 n, __u32 left)
{
	__u64 size = clamp(n, PIECE_MAX);

	if (n != left || size < 16 || load32(f->line) != WORD('G', 'E', 'T', ' '))
		return false;
	return load32(area->payload + size - 4) == WORD('\r', '\n', '\r', '\n');
}

/* Copies a piece of a head. */
static __always_inline void read_head(struct operation *op, struct socket_state *s, struct follower *f)
{
	__u32 left = op->size - op->done, n = left < PIECE_MAX ? left : PIECE_MAX;
	bool starting = f->phase == PHASE_BOUNDARY;
	struct scratch *area = scratch_of(op->direction);
	__u32 flags = starting ? MESSAGE_START : 0;
	__u64 offset = op->position;
	__u32 from, first;
	__u64 scanned, end;

	if (starting)
		message_starts(op, s, f);
	/* A socket that is not known yet is looked at before a whole piece is copied. */
	first = starting && !s->known && n > LINE_MAX ? LINE_MAX : n;
	if (!area || op->unread || (op->unread = copy_bytes(op, op->done, area, first))) {
		give_up(op, s, f);
		return;
	}
	if (f->line_length < LINE_MAX) {
		keep_line(f, area->payload, first);
		if (!looks_like_http(f->line, f->line_length)) {
			not_http(op, s, f);
			return;
		}
		if (f->line_length >= LINE_KNOWN)
			know_line(op, s, f);
	}
	if (first != n && (op->unread = copy_bytes(op, op->done, area, n))) {
		give_up(op, s, f);
		return;
	}
	if (starting && only_heads(area, f, n, left)) {
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
	/* The head goes on. The piece is as long as what was scanned; its unfinished line is looked at again. */
	f->carry_length = 0;
	scanned = clamp(area->found.scanned, AREA_LIMIT);
	if (scanned > AREA_PAYLOAD) {
		n = scanned - AREA_PAYLOAD;
		__u64 line = scanned - area->found.newline;
		if (area->found.newline && line <= CARRY_MAX) {
			f->carry_length = line;
			bpf_probe_read_kernel(f->carry, CARRY_MAX, (__u8 *)area + scanned - CARRY_MAX);
		}
	}
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
	case PHASE_CHUNK:
		skip_body(op, s, f);
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
