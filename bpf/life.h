/* The life of sockets and processes. */
#pragma once
#include "capture.h"
#include "thread.h"

/* A connection of weft's own is known by its ports before its first byte. */
static __always_inline void remember_own(const struct sock *sk)
{
	__u32 key = (__u32)FIELD(sk, __sk_common.skc_num) << 16 | port_of(FIELD(sk, __sk_common.skc_dport));
	__u8 one = 1;

	remember(&own, FORGETFUL_OWN, &key, &one);
}

static __always_inline void connection_opens(struct sock *sk, int old_state)
{
	struct socket_state *s = state_of(sk);
	struct tcp_sock *tcp = tcp_of(sk);

	if (!s || !tcp)
		return;
	name_newborn(s, tcp);
	if (old_state != TCP_SYN_SENT) {
		s->origin = ORIGIN_ACCEPTED;
		return;
	}
	s->origin = ORIGIN_CONNECTED;
	if (s->connecting)
		s->connect_ns = bpf_ktime_get_boot_ns() - s->connecting;
	if (s->owner == settings.self)
		remember_own(sk);
}

/* connect() runs in the caller's context: the moment to note who opens and when. */
static __always_inline void connection_starts(struct sock *sk)
{
	struct socket_state *s = state_of(sk);

	if (!s)
		return;
	s->connecting = bpf_ktime_get_boot_ns();
	s->owner = bpf_get_current_pid_tgid() >> 32;
	thread_connects(s);
}

/* A connection of which both directions were shut down is closed before its owner has read the last bytes: then the end of
 * the stream, as the owner reads it, is told as the end. */
/* The owner itself closes, with bytes unread: __tcp_close goes from an open state straight to TCP_CLOSE, and nobody is left
 * to read them. */
static __always_inline bool owner_closes(const struct sock *sk, int old_state)
{
	return (FIELD(sk, sk_shutdown) & SHUTDOWN_MASK) == SHUTDOWN_MASK && (old_state == TCP_ESTABLISHED || old_state == TCP_CLOSE_WAIT);
}

/* A reset that comes while a write is under way closes the connection before the write has returned, which is when it is told. Where
 * sendfile passes unseen, it can't be told from a write. */
static __always_inline bool write_untold(const struct sock *sk, const struct socket_state *s, const struct tcp_sock *tcp)
{
	__u32 fin = !!(FIELD(sk, sk_shutdown) & SEND_SHUTDOWN);

	return !bpf_core_field_exists(((struct proto___page *)0)->sendpage) && s->named &&
	       (__s32)(FIELD(tcp, write_seq) - s->name_local - fin - (__u32)s->follower[DIRECTION_SEND].through) > 0;
}

static __always_inline void connection_closes(struct sock *sk, int old_state)
{
	struct socket_state *s = socket_of(sk);
	struct tcp_sock *tcp;

	if (!s)
		return;
	if (!s->announced) {
		if (s->opening)
			connection_unused(s);
		return;
	}
	tcp = tcp_of(sk);
	/* Under TLS nearly always a last alert is left, which nobody reads. */
	if (tcp && FIELD(sk, sk_socket) && !s->tls && !s->reset && !s->muted && !owner_closes(sk, old_state) &&
	    (__s32)(FIELD(tcp, rcv_nxt) - FIELD(tcp, copied_seq)) > 1) {
		s->closing = CLOSING_READ;
		return;
	}
	if (tcp && FIELD(sk, sk_socket) && !s->tls && s->reset && !s->muted && write_untold(sk, s, tcp)) {
		s->closing = CLOSING_WRITE;
		return;
	}
	if (s->tls) {
		s->muted = 1; /* what is left is of no session any more */
		if (ciphertext_closes(s, tcp ? FIELD(tcp, total_retrans) : 0))
			return;
	}
	tell_close(s, tcp ? FIELD(tcp, total_retrans) : 0);
}

static __always_inline int state_changes(struct sock *sk, int old_state, int new_state)
{
	if (!is_stream(sk))
		return 0;
	if (new_state == TCP_SYN_SENT) {
		forget_handed((__u64)sk);
		connection_starts(sk);
	} else if (new_state == TCP_ESTABLISHED)
		connection_opens(sk, old_state);
	else if (new_state == TCP_CLOSE)
		connection_closes(sk, old_state);
	return 0;
}

/* Space for one process record with its arguments and environment. */
struct process_scratch {
	struct process_record record;
	__u8 payload[2 * ENV_MAX];
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct process_scratch);
} process_scratches SEC(".maps");

static __always_inline void fill_process(struct process_record *r, __u8 kind, struct task_struct *task)
{
	r->head.kind = kind;
	r->head.time = bpf_ktime_get_boot_ns();
	r->head.socket = 0;
	r->head.pid = FIELD(task, tgid);
	r->head.tid = FIELD(task, pid);
	r->head.length = 0;
	r->args_length = 0;
	r->env_length = 0;
	r->start = FIELD(task, start_boottime);
	r->parent = BPF_CORE_READ(task, real_parent, tgid);
	BPF_CORE_READ_INTO(&r->comm, task, comm);
}

static __always_inline void send_process(struct process_scratch *p, __u32 length)
{
	p->record.head.length = length;
	if (length > ENV_MAX + ARGS_MAX)
		return;
	/* Facts about a process are wanted while it lives: wake at once. */
	if (bpf_ringbuf_output(&ring, p, sizeof(p->record) + length, BPF_RB_FORCE_WAKEUP))
		count_add(COUNT_RING_FULL, 1);
}

static __always_inline void drop_choice(__u32 pid)
{
	bpf_map_delete_elem(&interpreters, &pid);
	bpf_map_delete_elem(&runtimes, &pid);
	take_out(&crews, FORGETFUL_CREWS, &pid);
	if (!bpf_map_delete_elem(&processes, &pid))
		__sync_fetch_and_add(&drops, 1);
}

static __always_inline int process_executes(struct task_struct *task, struct linux_binprm *binprm)
{
	__u32 zero = 0, pid = FIELD(task, tgid);
	struct process_scratch *p = bpf_map_lookup_elem(&process_scratches, &zero);
	__u64 args = 0, env = 0, args_length, env_length;

	/* What was decided of the program before does not hold for this one. */
	drop_choice(pid);
	if (!p)
		return 0;
	fill_process(&p->record, RECORD_EXEC, task);
	p->record.cgroup = bpf_get_current_cgroup_id();
	bpf_probe_read_kernel_str(p->record.file, sizeof(p->record.file), binprm->filename);
	args = BPF_CORE_READ(task, mm, arg_start);
	args_length = BPF_CORE_READ(task, mm, arg_end) - args;
	env = BPF_CORE_READ(task, mm, env_start);
	env_length = BPF_CORE_READ(task, mm, env_end) - env;
	if (args_length > ARGS_MAX)
		args_length = ARGS_MAX;
	if (env_length > ENV_MAX)
		env_length = ENV_MAX;
	if (bpf_probe_read_user(p->payload, args_length, (void *)args))
		args_length = 0;
	/* verifier: once more as a constant, the register was spilled. */
	if (args_length > ARGS_MAX)
		args_length = 0;
	if (bpf_probe_read_user(p->payload + args_length, env_length, (void *)env))
		env_length = 0;
	p->record.args_length = args_length;
	p->record.env_length = env_length;
	send_process(p, args_length + env_length);
	return 0;
}

static __always_inline int process_forks(struct task_struct *parent, struct task_struct *child)
{
	__u32 zero = 0, from = FIELD(parent, tgid), to = FIELD(child, tgid);
	struct process_scratch *p = bpf_map_lookup_elem(&process_scratches, &zero);
	struct process *choice;

	if (from == to) {
		thread_starts(parent, child);
		return 0;
	}
	if (!p)
		return 0;
	choice = bpf_map_lookup_elem(&processes, &from);
	if (choice) {
		struct process copy = *choice;
		bpf_map_update_elem(&processes, &to, &copy, BPF_ANY);
	}
	inherit_interpreter(from, to);
	fill_process(&p->record, RECORD_FORK, child);
	p->record.parent = from;
	send_process(p, 0);
	return 0;
}

static __always_inline int process_exits(struct task_struct *task)
{
	__u32 zero = 0, pid = FIELD(task, tgid);
	struct process_scratch *p = bpf_map_lookup_elem(&process_scratches, &zero);

	thread_ends(task);
	if (!p || BPF_CORE_READ(task, signal, live.counter))
		return 0;
	drop_choice(pid);
	fill_process(&p->record, RECORD_EXIT, task);
	send_process(p, 0);
	return 0;
}
