/* Puts records on the ring, and decides whose. */
#pragma once
#include "ancestor.h"
#include "birth.h"
#include "hand.h"
#include "handed.h"
#include "head.h"
#include "operation.h"
#include "pressure.h"
#include "task.h"
#include "tokio.h"
#include "turn.h"

/* Wakes the reader once for many records; those that are too few for that are fetched by the reader's timer. */
static __always_inline __u64 wake_flags(__u32 size)
{
	__u32 zero = 0;
	struct tally *t = bpf_map_lookup_elem(&tallies, &zero);

	if (!t)
		return BPF_RB_FORCE_WAKEUP;
	t->unwoken += size;
	t->unweighed += size;
	if (t->unweighed >= settings.wake / 8) {
		t->unweighed = 0;
		weigh_ring();
	}
	if (t->unwoken < settings.wake)
		return BPF_RB_NO_WAKEUP;
	t->unwoken = 0;
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

/* Tells Go about a socket, once, before its first message. Tried again when the ring was full. */
TAKES_POINTERS int announce(struct operation *op, struct socket_state *s)
{
	struct socket_record *r;

	if (!op || !s || !op->sk)
		return 0;
	r = bpf_ringbuf_reserve(&ring, sizeof(*r), 0);
	if (!r) {
		count_add(COUNT_RING_FULL, 1);
		return 0;
	}
	__builtin_memset(r, 0, sizeof(*r));
	fill_record(&r->head, RECORD_SOCKET, op, s);
	fill_addresses(r, (struct sock *)op->sk);
	r->cgroup = bpf_get_current_cgroup_id();
	r->connect_ns = s->connect_ns;
	r->name_local = s->name_local;
	r->name_peer = s->name_peer;
	r->origin = s->origin;
	bpf_ringbuf_submit(r, BPF_RB_NO_WAKEUP);
	s->announced = 1;
	return 0;
}

/* Tells of the request that was given to a connection before it had a number. */
static __noinline int tell_handed(struct operation *op, struct socket_state *s)
{
	struct handover_record r = {};

	if (take_handed(op, s->cookie, &r))
		bpf_ringbuf_output(&ring, &r, sizeof(r), BPF_RB_NO_WAKEUP);
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
	s->tasks = p ? p->tasks : 0;
	s->loops = p && p->loops;
	s->seldom = p && p->seldom;
	s->judged = now;
	s->judged_pid = pid;
	if (s->ignored)
		s->named = 0; /* its place in the stream is lost until it is looked at again */
	if (s->go && !s->ignored && !op->work)
		find_goroutine(op, current_task(), p);
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
	s->shed = !(flags & MESSAGE_FRAME); /* of HTTP/2 other streams go on */
	count_add(s->role == ROLE_SERVER ? COUNT_LOST_SERVER : COUNT_LOST_CLIENT, 1);
}

/* Holds back what belongs to a request that was lost or left out, and leaves requests out. */
static __always_inline bool holds_back(const struct operation *op, struct socket_state *s, const struct follower *f, __u64 flags,
				       __u64 offset)
{
	bool begins = (flags & MESSAGE_START) && f->request;

	if (begins && !(flags & MESSAGE_FRAME) && is_left_out(op, s, offset, flags & MESSAGE_FASTCGI)) {
		s->shed = 1;
		s->lost++;
		count_add(s->role == ROLE_SERVER ? COUNT_LEFT_OUT_SERVER : COUNT_LEFT_OUT_CLIENT, 1);
		return true;
	}
	if (s->shed && !begins) {
		s->lost++;
		count_add(COUNT_SHED, 1);
		if ((flags & MESSAGE_START) && f->line[9] == '5')
			count_add(COUNT_LEFT_OUT_ERRORS, 1);
		return true;
	}
	s->shed = 0;
	return false;
}

/* Puts the record of one step on the ring; the payload is in the scratch area already. flags: enum message_flag. */
__noinline int emit(TAKES_STATE, __u32 flags, __u32 length, __u64 offset)
{
	FIND_STATE;
	struct message_record *r;
	struct scratch *area;
	struct follower *f;
	__u64 size;
	bool begins;

	if (!op || !s)
		return 0;
	area = scratch_of(op);
	if (!area)
		return 0;
	if (((s->go && !op->work) || !is_judged(s, op->pid)) && !judge(op, s))
		return 0;
	if (s->ignored)
		return 0; /* as the step before in the same operation has found */
	f = &s->follower[op->direction & 1];
	if (s->tasks == TASKS_OF_TOKIO) {
		if (find_future(GIVE_STATE(op, s), flags) && reach_future(GIVE_OPERATION(op)) && reach_waiting(GIVE_OPERATION(op)) &&
		    find_awaiting(GIVE_OPERATION(op)) && find_awaiting(GIVE_OPERATION(op)))
			find_awaiting(GIVE_OPERATION(op));
	} else if (s->tasks) {
		int reads = f->request && (flags & MESSAGE_START) && op->direction == DIRECTION_RECEIVE;

		find_task(GIVE_OPERATION(op), reads);
		find_job(GIVE_OPERATION(op), reads);
	}
	if (holds_back(op, s, f, flags, offset))
		return 0;
	if (s->loops && op->direction == DIRECTION_RECEIVE)
		turn_is_known(op->pid, op->tid);
	begins = s->tasks == TASKS_OF_INTERPRETER && (flags & (MESSAGE_START | MESSAGE_FRAME)) == MESSAGE_START && f->request;
	if (!s->announced) {
		announce(op, s);
		if (s->go)
			tell_handed(op, s);
	}
	if (begins && op->direction == DIRECTION_SEND) {
		note_hand(op->pid, op->tid, HAND_CALLS);
		if (!passes_birth_over(s) && hold_stack(GIVE_OPERATION(op)))
			tell_birth(GIVE_STATE(op, s));
	}
	if (s->tasks && op->direction == DIRECTION_RECEIVE && !op->turned) {
		op->turned = 1;
		op->flags = flags;
		tell_turn(GIVE_STATE(op, s));
	}
	size = sizeof(*r) + clamp(length, PIECE_MAX);
	r = &area->record;
	fill_record(&r->head, RECORD_MESSAGE, op, s);
	r->head.flags = flags | (s->lost ? MESSAGE_LOST : 0) | (s->included ? MESSAGE_PORT : 0) | (s->session ? MESSAGE_TLS : 0) |
			(op->task ? MESSAGE_TASK : 0);
	r->head.length = length;
	r->offset = offset;
	r->through = f->through;
	r->body = f->body;
	r->previous = s->previous;
	r->work = op->work;
	r->origin = op->origin;
	r->rtt = op->rtt;
	r->retransmits = op->retransmits;
	r->unread = flags & MESSAGE_FRAME || (flags & MESSAGE_END && f->chunked) ? f->length : op->unread;
	r->lost = s->lost;
	r->wire = offset == op->first ? op->wire : 0;
	if (bpf_ringbuf_output(&ring, r, size, wake_flags(size))) {
		refused(op, s, flags);
		return 0;
	}
	s->lost = 0;
	count_add(COUNT_RECORDS, 1);
	if (!(flags & MESSAGE_START))
		return 0;
	if (!f->request) {
		if (s->cradle && op->direction == DIRECTION_SEND)
			rest_cradle(GIVE_STATE(op, s));
		return 0;
	}
	if (!s->go && !(begins && op->direction == DIRECTION_SEND))
		note_hand(op->pid, op->tid, op->direction == DIRECTION_RECEIVE ? HAND_SERVES : HAND_CALLS);
	else if (op->direction == DIRECTION_RECEIVE && op->work)
		note_serving(op->pid, op->work);
	if (begins && op->direction == DIRECTION_RECEIVE)
		note_cradle(GIVE_STATE(op, s));
	return 0;
}
