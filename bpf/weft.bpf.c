//go:build ignore

/* The hooks. Each line binds a moment in the kernel to the body that handles it. */
#include "handler.h"
#include "library.h"
#include "life.h"
#include "returns.h"
#include "rustls.h"
#include "start.h"

#include <bpf/bpf_tracing.h>

struct msghdr;

char LICENSE[] SEC("license") = "Dual MIT/GPL";

SEC("tp_btf/sock_send_length")
int BPF_PROG(sock_send_length, struct sock *sk, int ret, int flags)
{
	return operation_ends(sk, ret, DIRECTION_SEND, 0);
}

SEC("tp_btf/sock_recv_length")
int BPF_PROG(sock_recv_length, struct sock *sk, int ret, int flags)
{
	return operation_ends(sk, ret, DIRECTION_RECEIVE, flags);
}

/* The same moments where the kernel has no such tracepoints: its functions return. */
SEC("fexit/tcp_sendmsg")
int BPF_PROG(tcp_sendmsg, struct sock *sk, struct msghdr *msg, __u64 size, int ret)
{
	return operation_ends(sk, ret, DIRECTION_SEND, 0);
}

/* How many arguments tcp_recvmsg has: before 5.19 it was told apart from its flags whether to wait (commit ec095263a965), of late
 * no longer where to put an address. */
volatile const __u32 receive_arguments;

/* A slot of the context, by an instruction that the compiler can't merge with that of another slot into one at a computed place. */
#define SLOT(context, n)                                                                                                                   \
	({                                                                                                                                 \
		__u64 value;                                                                                                               \
		asm volatile("%0 = *(u64 *)(%1 + %2)" : "=r"(value) : "r"(context), "i"(8 * (n)));                                         \
		value;                                                                                                                     \
	})

SEC("fexit/tcp_recvmsg")
int tcp_recvmsg(__u64 *context)
{
	int flags, ret;

	if (receive_arguments == 6) {
		flags = SLOT(context, 4);
		ret = SLOT(context, 6);
	} else {
		flags = SLOT(context, 3);
		ret = receive_arguments == 5 ? SLOT(context, 5) : SLOT(context, 4);
	}
	return operation_ends((struct sock *)context[0], ret, DIRECTION_RECEIVE, flags);
}

SEC("fexit/unix_stream_sendmsg")
int BPF_PROG(unix_stream_sendmsg, struct socket *socket, struct msghdr *msg, __u64 size, int ret)
{
	return operation_ends(FIELD(socket, sk), ret, DIRECTION_SEND, 0);
}

SEC("fexit/unix_stream_recvmsg")
int BPF_PROG(unix_stream_recvmsg, struct socket *socket, struct msghdr *msg, __u64 size, int flags, int ret)
{
	return operation_ends(FIELD(socket, sk), ret, DIRECTION_RECEIVE, flags);
}

#if defined(SOCKETS_BY_ADDRESS)

/* The same where the kernel has no fexit: what a call returns is seen alone, so its arguments are kept. */
SEC("kprobe/tcp_sendmsg")
int tcp_sendmsg_begins(struct pt_regs *regs)
{
	return function_begins(CALL_ARG0(regs), 0);
}

SEC("kprobe/tcp_recvmsg")
int tcp_recvmsg_begins(struct pt_regs *regs)
{
	__u64 fourth = CALL_ARG3(regs), fifth = CALL_ARG4(regs);

	asm volatile("" : "+r"(fourth), "+r"(fifth)); /* verifier: two loads, and not one at a computed place */
	return function_begins(CALL_ARG0(regs), receive_arguments == 6 ? fifth : fourth);
}

SEC("kprobe/unix_stream_sendmsg")
int unix_stream_sendmsg_begins(struct pt_regs *regs)
{
	return function_begins((__u64)FIELD((struct socket *)CALL_ARG0(regs), sk), 0);
}

SEC("kprobe/unix_stream_recvmsg")
int unix_stream_recvmsg_begins(struct pt_regs *regs)
{
	return function_begins((__u64)FIELD((struct socket *)CALL_ARG0(regs), sk), CALL_ARG3(regs));
}

SEC("kretprobe")
int send_returns(struct pt_regs *regs)
{
	return function_returns(CALL_RESULT(regs), DIRECTION_SEND);
}

SEC("kretprobe")
int receive_returns(struct pt_regs *regs)
{
	return function_returns(CALL_RESULT(regs), DIRECTION_RECEIVE);
}

/* The end of a socket, behind which its address may be that of another one. */
SEC("tp_btf/tcp_destroy_sock")
int BPF_PROG(tcp_destroy_sock, struct sock *sk)
{
	return forget_socket(sk);
}

SEC("kprobe/unix_release")
int unix_release(struct pt_regs *regs)
{
	return forget_socket(FIELD((struct socket *)CALL_ARG0(regs), sk));
}

SEC("fentry/unix_release")
int BPF_PROG(unix_release_enters, struct socket *socket)
{
	return forget_socket(FIELD(socket, sk));
}

#endif

SEC("tp_btf/inet_sock_set_state")
int BPF_PROG(inet_sock_set_state, struct sock *sk, int old_state, int new_state)
{
	return state_changes(sk, old_state, new_state);
}

SEC("tp_btf/tcp_receive_reset")
int BPF_PROG(tcp_receive_reset, struct sock *sk)
{
	struct socket_state *s = socket_of(sk);

	if (s)
		s->reset = 1;
	return 0;
}

SEC("tp_btf/sched_process_exec")
int BPF_PROG(sched_process_exec, struct task_struct *task, int old_pid, struct linux_binprm *binprm)
{
	return process_executes(task, binprm);
}

SEC("tp_btf/sched_process_fork")
int BPF_PROG(sched_process_fork, struct task_struct *parent, struct task_struct *child)
{
	return process_forks(parent, child);
}

SEC("tp_btf/sched_process_exit")
int BPF_PROG(sched_process_exit, struct task_struct *task)
{
#if defined(SOCKETS_BY_ADDRESS)
	forget_call();
#endif
	return process_exits(task);
}

SEC("tp_btf/sched_waking")
int BPF_PROG(sched_waking, struct task_struct *woken)
{
	return thread_wakes(woken);
}

SEC("uprobe")
int go_round_trip(struct pt_regs *regs)
{
	return hand_over(regs);
}

SEC("uprobe")
int go_http2_handler(struct pt_regs *regs)
{
	return http2_handler_starts(regs);
}

SEC("uprobe")
int go_grpc_handler(struct pt_regs *regs)
{
	return grpc_handler_starts(regs);
}

SEC("uprobe")
int go_http2_opens(struct pt_regs *regs)
{
	return http2_stream_opens(regs);
}

SEC("uprobe")
int go_grpc_opens(struct pt_regs *regs)
{
	return grpc_stream_opens(regs);
}

SEC("uprobe")
int asyncio_task_init(struct pt_regs *regs)
{
	return task_starts(C_ARGUMENT(regs));
}

SEC("uprobe")
int greenlet_init(struct pt_regs *regs)
{
	return greenlet_starts(C_ARGUMENT(regs));
}

SEC("uprobe")
int python_item_put(struct pt_regs *regs)
{
	return item_is_put(CALL_ARG1(regs));
}

SEC("uprobe")
int uvloop_stream_write(struct pt_regs *regs)
{
	return stream_writes(C_ARGUMENT(regs));
}

SEC("uprobe")
int node_turns(struct pt_regs *regs)
{
	return turns_away(C_ARGUMENT(regs));
}

SEC("uprobe")
int ssl_read_begins(struct pt_regs *regs)
{
	return openssl_begins(regs, DIRECTION_RECEIVE, 0);
}

SEC("uprobe")
int ssl_write_begins(struct pt_regs *regs)
{
	return openssl_begins(regs, DIRECTION_SEND, 0);
}

/* The same where SSL_free is not known. */
SEC("uprobe")
int ssl_read_loosely_begins(struct pt_regs *regs)
{
	return openssl_begins(regs, DIRECTION_RECEIVE, LOOSE_IDLE);
}

SEC("uprobe")
int ssl_write_loosely_begins(struct pt_regs *regs)
{
	return openssl_begins(regs, DIRECTION_SEND, LOOSE_IDLE);
}

SEC("uprobe")
int ssl_read_ex_begins(struct pt_regs *regs)
{
	return openssl_ex_begins(regs, DIRECTION_RECEIVE);
}

SEC("uprobe")
int ssl_write_ex_begins(struct pt_regs *regs)
{
	return openssl_ex_begins(regs, DIRECTION_SEND);
}

SEC("uprobe")
int ssl_sendfile_begins(struct pt_regs *regs)
{
	return openssl_sends_file(regs);
}

SEC("uprobe")
int nspr_call_begins(struct pt_regs *regs)
{
	return nspr_begins(regs, probe_cookie(regs));
}

SEC("uprobe")
int ssl_ends(struct pt_regs *regs)
{
	return openssl_ends(regs);
}

SEC("uprobe")
int tls_object_ends(struct pt_regs *regs)
{
	return object_ends(CALL_ARG0(regs));
}

SEC("uprobe")
int go_tls_read_begins(struct pt_regs *regs)
{
	return go_tls_begins(regs, DIRECTION_RECEIVE);
}

SEC("uprobe")
int go_tls_write_begins(struct pt_regs *regs)
{
	return go_tls_begins(regs, DIRECTION_SEND);
}

SEC("uprobe")
int go_tls_returns(struct pt_regs *regs)
{
	return go_tls_ends(regs);
}

SEC("uprobe")
int rustls_function(struct pt_regs *regs)
{
	return rustls_runs(regs, probe_cookie(regs) & 1);
}

/* Types that cross the boundary but that no map or function names: this keeps them in the object's type information. */
const enum record_kind *kind_type __attribute__((unused));
const enum direction *direction_type __attribute__((unused));
const enum message_flag *message_flag_type __attribute__((unused));
const enum unread_reason *unread_reason_type __attribute__((unused));
const enum socket_origin *socket_origin_type __attribute__((unused));
const enum piece_flag *piece_flag_type __attribute__((unused));
const enum count *count_type __attribute__((unused));
const enum forgetful *forgetful_type __attribute__((unused));
const enum cost *cost_type __attribute__((unused));
const enum job_kind *job_kind_type __attribute__((unused));
const enum tasks_of *tasks_of_type __attribute__((unused));
const enum choice *choice_type __attribute__((unused));
const struct socket_record *socket_record_type __attribute__((unused));
const struct close_record *close_record_type __attribute__((unused));
const struct handover_record *handover_record_type __attribute__((unused));
const struct stream_record *stream_record_type __attribute__((unused));
const enum deed *deed_type __attribute__((unused));
const struct thread_record *thread_record_type __attribute__((unused));
const struct waiters_record *waiters_record_type __attribute__((unused));
const struct held_record *held_record_type __attribute__((unused));
const struct session_record *session_record_type __attribute__((unused));
