/* Go's net/http gives a request to a goroutine that owns the pooled connection: the only moment at which the two are seen
 * together is the entry of (*persistConn).roundTrip. Entry only: a return probe breaks Go's stacks. */
#pragma once
#include "ancestor.h"
#include "follow.h"
#include "waiter.h"

#if defined(__TARGET_ARCH_x86)
#define GO_RECEIVER(regs) ((regs)->ax)
#define GO_STACK(regs) ((regs)->sp)
#define C_ARGUMENT(regs) ((regs)->di)
#elif defined(__TARGET_ARCH_arm64)
#define GO_RECEIVER(regs) (((struct user_pt_regs *)(regs))->regs[0])
#define GO_STACK(regs) (((struct user_pt_regs *)(regs))->sp)
#define C_ARGUMENT(regs) GO_RECEIVER(regs)
#endif

/* The file descriptor under a persistConn, or -1: only a *net.TCPConn is followed, and one under a *tls.Conn, whose first field it is. */
static __always_inline __s64 fd_of_connection(const struct process *p, __u64 connection)
{
	__u64 tls = 0, interface[2] = {}, fd = 0, number = 0;
	__u32 hash = 0;

	if (bpf_probe_read_user(&tls, sizeof(tls), (void *)(connection + p->tls_state)))
		return -1;
	if (bpf_probe_read_user(interface, sizeof(interface), (void *)(connection + p->conn)))
		return -1;
	if (tls && bpf_probe_read_user(interface, sizeof(interface), (void *)interface[1]))
		return -1;
	if (bpf_probe_read_user(&hash, sizeof(hash), (void *)(interface[0] + p->itab_hash)) || hash != p->tcp_conn_hash)
		return -1;
	if (bpf_probe_read_user(&fd, sizeof(fd), (void *)(interface[1] + p->fd)))
		return -1;
	if (bpf_probe_read_user(&number, sizeof(number), (void *)(fd + p->sysfd)))
		return -1;
	return number;
}

struct caller {
	__u64 g; /* address of its struct g */
	__u64 id, parent;
};

/* Finds the goroutine that runs. Its own function, for the room that it takes. */
static __noinline int find_caller(const struct process *p, struct caller *c)
{
	struct operation op = {};

	find_goroutine(&op, current_task(), p);
	c->g = op.words[0];
	c->id = op.work;
	c->parent = op.origin;
	return 0;
}

/* The goroutine that makes a call, if it may be a worker for which somebody waits; else without depth. */
static __always_inline struct worker worker_at(const struct process *p, const struct caller *c, const struct handover_record *r, __u64 sp)
{
	struct worker w = {.g = c->g, .id = c->id};
	__u64 high = 0;

	if (!p->sudog_chan || !w.id || bpf_probe_read_user(&high, sizeof(high), (void *)(w.g + p->stack + 8)) || high <= sp)
		return w;
	if (calls_as_worker(r->head.pid, w.id, r->parent_goroutine))
		w.depth = high - sp;
	return w;
}

static __always_inline int hand_over(struct pt_regs *regs)
{
	struct task_struct *task = current_task();
	__u32 pid = bpf_get_current_pid_tgid() >> 32;
	struct process *p = bpf_map_lookup_elem(&processes, &pid);
	struct handover_record r = {};
	struct caller c = {};
	struct worker w;
	__s64 fd;
	__u64 sk;

	if (!p || !p->go || p->choice == CHOICE_IGNORE)
		return 0;
	fd = fd_of_connection(p, GO_RECEIVER(regs));
	if (fd < 0)
		return 0;
	sk = socket_of_fd(task, fd);
	if (!sk)
		return 0;
	find_caller(p, &c);
	r.head.kind = RECORD_HANDOVER;
	r.head.time = bpf_ktime_get_boot_ns();
	r.head.socket = number_at(sk);
	r.head.pid = pid;
	r.head.tid = bpf_get_current_pid_tgid();
	r.goroutine = c.id;
	r.parent_goroutine = serving_ancestor(p, pid, c.id, c.parent);
	w = worker_at(p, &c, &r, GO_STACK(regs));
	if (w.depth)
		note_ready(p, &w);
	if (r.head.socket && w.depth)
		remember_last(&workers, FORGETFUL_WORKERS, &r.head.socket, &w);
	if (!r.head.socket) {
		keep_handed(sk, &r, &w);
		return 0;
	}
	forget_handed(sk);
	if (bpf_ringbuf_output(&ring, &r, sizeof(r), wake_flags(sizeof(r))))
		count_add(COUNT_RING_FULL, 1);
	return 0;
}
