/* The capture body: the end of a socket operation, whatever hook saw it. */
#pragma once
#include "ciphertext.h"
#include "close.h"
#include "cost.h"
#include "follow.h"
#include "waiter.h"

/* Only stream sockets of the families that carry requests. */
static __always_inline bool is_stream(const struct sock *sk)
{
	__u16 family = FIELD(sk, __sk_common.skc_family);

	if (family == AF_INET || family == AF_INET6)
		return FIELD(sk, sk_protocol) == IPPROTO_TCP;
	return family == AF_UNIX && FIELD(sk, sk_type) == SOCK_STREAM;
}

/* A receive that reads up to the peer's FIN moves copied_seq over it as if it were a byte. */
static __always_inline bool passed_fin(const struct sock *sk, const struct tcp_sock *tcp)
{
	__u8 state = FIELD(sk, __sk_common.skc_state);

	if (state == TCP_ESTABLISHED || state == TCP_FIN_WAIT1 || state == TCP_FIN_WAIT2)
		return false;
	return (FIELD(sk, sk_shutdown) & RCV_SHUTDOWN) && FIELD(tcp, copied_seq) == FIELD(tcp, rcv_nxt);
}

/* This end has queued its FIN, which takes a sequence number behind the last byte. */
static __always_inline bool has_finished(const struct sock *sk)
{
	__u8 state = FIELD(sk, __sk_common.skc_state);

	return state == TCP_FIN_WAIT1 || state == TCP_FIN_WAIT2 || state == TCP_LAST_ACK || state == TCP_CLOSING;
}

/* The name of a TCP connection that opens, while the kernel holds the socket. Both ends compute the same: what this end has sent, without
 * what it sent again, leads back to the first sequence number, and so does what it received. */
static __always_inline void name_newborn(struct socket_state *s, const struct tcp_sock *tcp)
{
	s->name_local = FIELD(tcp, snd_nxt) - (__u32)(FIELD(tcp, bytes_sent) - FIELD(tcp, bytes_retrans));
	s->name_peer = FIELD(tcp, rcv_nxt) - (__u32)FIELD(tcp, bytes_received);
}

/* Whether a thread or a softirq has the socket, and may be about to change it. */
static __always_inline bool is_held(const struct sock *sk)
{
	if (bpf_core_field_exists(sk->sk_lock.slock.rlock.raw_lock.val) && FIELD(sk, sk_lock.slock.rlock.raw_lock.val.counter))
		return true;
	return FIELD(sk, sk_lock.owned);
}

/* The name of a connection that is older than the programs, by what was acknowledged, for what another thread sends just now is counted
 * long before snd_nxt moves (__tcp_transmit_skb, tcp_event_new_data_sent). The acknowledgement of a SYN counts as a byte at the end that has sent
 * it first, which the bytes sent show. False when the connection may have moved meanwhile: the numbers move a moment after their counts
 * (tcp_snd_una_update, tcp_rcv_nxt_update), while the socket is held. So nobody may have it after the first look, and the second must show the
 * same. */
static __always_inline bool name_found(struct socket_state *s, const struct sock *sk, const struct tcp_sock *tcp)
{
	__u32 una = FIELD(tcp, snd_una), rcv = FIELD(tcp, rcv_nxt), nxt = FIELD(tcp, snd_nxt);
	__u64 acked = FIELD(tcp, bytes_acked), received = FIELD(tcp, bytes_received);
	__u32 first =
	    nxt - (has_finished(sk) && nxt == FIELD(tcp, write_seq)) - (__u32)(FIELD(tcp, bytes_sent) - FIELD(tcp, bytes_retrans));

	s->name_local = una - (__u32)acked + (first - una + (__u32)acked == 1);
	s->name_peer = rcv - (__u32)received;
	return !is_held(sk) && una == FIELD(tcp, snd_una) && acked == FIELD(tcp, bytes_acked) && rcv == FIELD(tcp, rcv_nxt) &&
	       received == FIELD(tcp, bytes_received);
}

/* Where both streams are, 64-bit: the name says it but for what is above 2^32, which the counts say. */
static __always_inline void place_streams(struct socket_state *s, const struct tcp_sock *tcp, bool fin)
{
	__u64 sent = FIELD(tcp, bytes_acked), received = FIELD(tcp, bytes_received);

	s->follower[DIRECTION_SEND].through = sent + (__s32)(FIELD(tcp, write_seq) - fin - s->name_local - (__u32)sent);
	s->follower[DIRECTION_RECEIVE].through = received + (__s32)(FIELD(tcp, copied_seq) - s->name_peer - (__u32)received);
}

/* False when it can't be told now, which it can be a moment later: this operation is not followed. */
INLINE_WITH_ROOM bool name_socket(struct socket_state *s, const struct sock *sk, const struct tcp_sock *tcp)
{
	if (s->origin == ORIGIN_FOUND && !name_found(s, sk, tcp) && !name_found(s, sk, tcp))
		return false;
	place_streams(s, tcp, has_finished(sk));
	s->named = 1;
	return true;
}

/* Whether the configuration's ports, or weft's own connections, rule the socket out. */
static __always_inline bool ruled_out(struct socket_state *s, const struct sock *sk)
{
	__u16 local = FIELD(sk, __sk_common.skc_num), peer = port_of(FIELD(sk, __sk_common.skc_dport));
	__u32 key = (__u32)peer << 16 | local;
	__u8 *l, *p;

	if (FIELD(sk, __sk_common.skc_family) == AF_UNIX)
		return false;
	if (bpf_map_lookup_elem(&own, &key))
		return true;
	if (!settings.ports)
		return false;
	l = bpf_map_lookup_elem(&ports, &local);
	p = bpf_map_lookup_elem(&ports, &peer);
	if ((l && *l == 2) || (p && *p == 2))
		return true;
	s->included = (l && *l == 1) || (p && *p == 1);
	return false;
}

/* Raised by Go when all hooks are there. They come one by one: of an exchange that began before, only one direction would be seen, and what
 * comes later on its connection could not be paired. */
__u32 attached;

static __always_inline struct socket_state *state_of(struct sock *sk)
{
	struct socket_state *s;

	if (!*(volatile __u32 *)&attached)
		return 0;
	s = make_socket(sk);
	if (!s) {
		count_add(COUNT_SOCKETS_REFUSED, 1);
		return 0;
	}
	if (!s->cookie) {
		s->cookie = new_number(sk);
		count_add(COUNT_SOCKETS, 1);
	}
	return s;
}

/* Finds where the operation is in its stream. A gap before it are bytes that passed without an operation: splice and zero-copy
 * receives. */
static __always_inline void locate(struct operation *op, struct socket_state *s, const struct sock *sk, const struct tcp_sock *tcp)
{
	struct follower *f = &s->follower[op->direction & 1];
	__s32 gap = 0;
	__u32 end;

	op->position = f->through;
	if (!tcp)
		return;
	if (op->direction == DIRECTION_SEND)
		end = FIELD(tcp, write_seq) - s->name_local;
	else
		end = FIELD(tcp, copied_seq) - s->name_peer - passed_fin(sk, tcp);
	gap = end - op->size - (__u32)f->through;
	op->position += gap;
	op->rtt = FIELD(tcp, srtt_us) >> 3;
	op->retransmits = FIELD(tcp, total_retrans);
	if (gap <= 0) {
		f->through = op->position;
		return;
	}
	if (s->tls && BPF_CORE_READ((struct inet_connection_sock *)sk, icsk_ulp_ops)) {
		op->overhead = gap;
		f->through = op->position;
		return;
	}
	count_add(COUNT_UNREAD + UNREAD_SPLICE, 1);
	count_add(COUNT_UNREAD_BYTES + UNREAD_SPLICE, gap);
	f->through = op->position;
	if ((f->phase == PHASE_DATA || f->phase == PHASE_FRAME_SKIP) && (__u64)gap < f->skip) {
		f->skip -= gap;
		f->line[4] |= FLAG_PADDED; /* its messages can't be counted */
		return;
	}
	if ((f->phase == PHASE_BODY || f->phase == PHASE_CHUNK) && (__u64)gap <= f->skip) {
		f->skip -= gap;
		if (!f->skip && f->phase == PHASE_BODY) {
			message_ends(f);
			emit(GIVE_STATE(op, s), MESSAGE_END, 0, op->position);
		} else if (!f->skip) {
			f->phase = PHASE_CHUNK_SIZE;
			f->chunk = 0;
			f->extension = 0;
		}
		return;
	}
	f->phase = PHASE_REST;
}

/* Bytes of no known protocol have passed. The peers of a process are told apart by a port and an address, of IPv6 a part of it.
 * verifier: a function of its own, for its caller has no room. */
static __noinline int strange_passes(const struct socket_state *s, struct sock *sk, __u32 direction)
{
	__u32 address = FIELD(sk, __sk_common.skc_family) == AF_INET6 ? FIELD(sk, __sk_common.skc_v6_daddr.in6_u.u6_addr32[3])
								      : FIELD(sk, __sk_common.skc_daddr);

	moves_strange(s->cookie, (__u64)FIELD(sk, __sk_common.skc_dport) << 32 | address, direction);
	return 0;
}

/* Nothing that is told was seen to pass yet. */
static __always_inline bool looks_strange(const struct socket_state *s)
{
	return *(volatile __u32 *)&looping && !s->known && !s->tls;
}

/* First sight of a socket by an operation, or the first one after it was ignored: true when it is to be followed. */
static __always_inline bool first_sight(struct operation *op, struct socket_state *s, struct sock *sk, const struct tcp_sock *tcp)
{
	if (op->pid == settings.self || ruled_out(s, sk)) {
		s->self = op->pid == settings.self;
		s->muted = 1;
		return false;
	}
	s->follower[DIRECTION_SEND].phase = PHASE_BOUNDARY;
	s->follower[DIRECTION_RECEIVE].phase = PHASE_BOUNDARY;
	if (!tcp) {
		s->named = 1;
		return true;
	}
	if (!name_socket(s, sk, tcp))
		return false;
	if (op->direction == DIRECTION_RECEIVE)
		s->follower[DIRECTION_RECEIVE].through -= passed_fin(sk, tcp);
	s->follower[op->direction & 1].through -= op->size;
	return true;
}

/* Follows the bytes of an operation, from where its socket stands. */
static __always_inline void follow(struct operation *op, struct socket_state *s, struct sock *sk, const struct tcp_sock *tcp, int flags)
{
	struct follower *f = &s->follower[op->direction & 1];

	if (op->size == 0) {
		op->position = f->through;
		/* Once: some programs ask again and again. */
		if (op->direction == DIRECTION_RECEIVE && s->known && !s->ended && (FIELD(sk, sk_shutdown) & RCV_SHUTDOWN)) {
			s->ended = 1;
			emit(GIVE_STATE(op, s), MESSAGE_EOF, 0, f->through);
		}
		if (s->closing && op->direction == DIRECTION_RECEIVE)
			tell_close(s, tcp ? FIELD(tcp, total_retrans) : 0);
		return;
	}
	locate(op, s, sk, tcp);
	if (flags & MSG_TRUNC)
		op->unread = UNREAD_TRUNCATED;
	/* A file that the kernel encrypts is counted with the call that sends it. */
	if (op->unread && op->unread < UNREAD_REASONS && !op->overhead) {
		count_add(COUNT_UNREAD + op->unread, 1);
		count_add(COUNT_UNREAD_BYTES + op->unread, op->size);
	}
	if (!s->tls)
		follow_bytes(op, s, f);
	if (s->tls) {
		op->position -= op->done;
		f->through = op->position + op->size;
		s->previous = op->now;
		ciphertext_passes(GIVE_STATE(op, s));
	}
}

/* Whether an operation may bring the beginning of a reply. */
static __always_inline bool awaits_reply(const struct operation *op, const struct socket_state *s)
{
	return op->direction == DIRECTION_RECEIVE && op->size && s->role == ROLE_CLIENT &&
	       s->follower[DIRECTION_RECEIVE].phase == PHASE_BOUNDARY;
}

/* The end of one operation: `ret` is its result, `flags` are those of the receive call. */
static __always_inline int operation_ends(struct sock *sk, int ret, __u8 direction, int flags)
{
	struct socket_state *s;
	struct operation *op;
	struct place *place;
	struct task_struct *task;
	struct tcp_sock *tcp = 0;

	if (!is_stream(sk))
		return 0;
	s = socket_of(sk);
	if (s && s->muted) {
		count_add(COUNT_MUTED, 1);
		if (*(volatile __u32 *)&looping && ret > 0)
			strange_passes(s, sk, direction);
		return 0;
	}
	task = current_task();
	if (s && s->ignored && is_judged(s, FIELD(task, tgid))) {
		count_add(COUNT_MUTED, 1);
		return 0;
	}
	if (ret < 0) {
		if (s)
			s->vector = 0;
		if (direction == DIRECTION_SEND && s && s->closing == CLOSING_WRITE)
			tell_close(s, 0);
		return 0;
	}
	if (flags & (MSG_OOB | MSG_PEEK | MSG_ERRQUEUE))
		return 0;
	if (FIELD(task, flags) & PF_KTHREAD)
		return 0;
	if (FIELD(sk, __sk_common.skc_family) != AF_UNIX && !(tcp = tcp_of(sk)))
		return 0;
	if ((!s && !(s = state_of(sk))) || !(place = take_place(direction)))
		return 0;
	if (direction == DIRECTION_RECEIVE && looks_strange(s) && ret > 0)
		strange_passes(s, sk, direction); /* if it is a message after all, it is told next */
	op = &place->operation;
	op->sk = (__u64)sk;
	op->pid = FIELD(task, tgid);
	op->tid = FIELD(task, pid);
	op->size = ret;
	op->direction = direction;
	op->now = bpf_ktime_get_boot_ns();
	if (s->named || first_sight(op, s, sk, tcp)) {
		op->timed = count_operation();
		if (s->go && awaits_reply(op, s))
			tell_waiters(GIVE_STATE(op, s));
		find_buffer(op, s, task);
		follow(op, s, sk, tcp, flags);
		if (direction == DIRECTION_SEND && s->closing == CLOSING_WRITE)
			tell_close(s, tcp ? FIELD(tcp, total_retrans) : 0);
		if (op->timed)
			note_cost(op->now);
	}
	place->taken = 0;
	return 0;
}
