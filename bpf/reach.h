/* How the memory of the kernel is reached, and what is kept of a socket. A program on a tracepoint or on fexit is given typed pointers, which it
 * may follow, and the kernel keeps the state of a socket with the socket. A program on a kprobe, and any on kernels before 5.15, has
 * neither: then (SOCKETS_BY_ADDRESS) memory is copied, and the state is in a map, under the address of the socket. */
#pragma once
#include "state.h"

#include <bpf/bpf_core_read.h>

#if !defined(SOCKETS_BY_ADDRESS)

/* A field of a structure of the kernel. */
#define FIELD(pointer, field) ((pointer)->field)

/* A function that is put into those that call it, where the stack has room for that. */
#define INLINE_WITH_ROOM static __always_inline

static __always_inline struct task_struct *current_task(void)
{
	return bpf_get_current_task_btf();
}

/* The registers of a task as its system call has found them. */
static __always_inline struct pt_regs *registers_of(struct task_struct *task)
{
	return (struct pt_regs *)bpf_task_pt_regs(task);
}

/* A socket as one of TCP; 0 if it is none. */
static __always_inline struct tcp_sock *tcp_of(struct sock *sk)
{
	return bpf_skc_to_tcp_sock(sk);
}

/* The state of a socket; 0 if there is none. */
static __always_inline struct socket_state *socket_of(struct sock *sk)
{
	return bpf_sk_storage_get(&sockets, sk, 0, 0);
}

/* The same, made if there is none. */
static __always_inline struct socket_state *make_socket(struct sock *sk)
{
	return bpf_sk_storage_get(&sockets, sk, 0, BPF_SK_STORAGE_GET_F_CREATE);
}

/* A number for a socket that was not seen before. */
static __always_inline __u64 new_number(struct sock *sk)
{
	return bpf_get_socket_cookie(sk);
}

/* The number of a socket at an address; 0: it has none yet. */
static __always_inline __u64 number_at(__u64 sk)
{
	return BPF_CORE_READ((struct sock *)sk, __sk_common.skc_cookie.counter);
}

/* What a probe was attached with. */
static __always_inline __u64 probe_cookie(void *regs)
{
	return bpf_get_attach_cookie(regs);
}

#else

#define FIELD(pointer, field) BPF_CORE_READ(pointer, field)
#define INLINE_WITH_ROOM static __noinline

/* Calls that not every kernel has, by the kernel's type information. */
enum bpf_func_id___calls {
	BPF_FUNC_get_current_task_btf___calls = 158,
	BPF_FUNC_get_attach_cookie___calls = 174,
	BPF_FUNC_task_pt_regs___calls = 175,
};
#define KERNEL_HAS(call) bpf_core_enum_value_exists(enum bpf_func_id___calls, BPF_FUNC_##call##___calls)

static __always_inline struct task_struct *current_task(void)
{
	if (KERNEL_HAS(get_current_task_btf))
		return bpf_get_current_task_btf();
	return (struct task_struct *)bpf_get_current_task();
}

/* How much the stack of a task has: THREAD_SIZE, without KASAN and with pages of 4 KiB. */
enum { THREAD_SIZE = 16384 };

/* Where the kernel has no call for it, they are at the end of the task's stack: task_pt_regs of arch/x86/include/asm/processor.h and of
 * arch/arm64/include/asm/processor.h. */
static __always_inline struct pt_regs *registers_of(struct task_struct *task)
{
	if (KERNEL_HAS(task_pt_regs) && KERNEL_HAS(get_current_task_btf))
		return (struct pt_regs *)bpf_task_pt_regs(task);
	return (struct pt_regs *)((__u64)BPF_CORE_READ(task, stack) + THREAD_SIZE - bpf_core_type_size(struct pt_regs));
}

static __always_inline struct tcp_sock *tcp_of(struct sock *sk)
{
	return FIELD(sk, sk_protocol) == IPPROTO_TCP ? (struct tcp_sock *)sk : 0;
}

static __always_inline struct socket_state *socket_of(struct sock *sk)
{
	__u64 key = (__u64)sk;

	return bpf_map_lookup_elem(&sockets, &key);
}

const struct socket_state no_socket = {};

static __always_inline struct socket_state *make_socket(struct sock *sk)
{
	__u64 key = (__u64)sk;
	struct socket_state *s = bpf_map_lookup_elem(&sockets, &key);

	if (s)
		return s;
	remember(&sockets, FORGETFUL_SOCKETS, &key, &no_socket);
	return bpf_map_lookup_elem(&sockets, &key);
}

/* The socket is gone: its address may soon be that of another one. */
static __always_inline int forget_socket(struct sock *sk)
{
	__u64 key = (__u64)sk;

	take_out(&sockets, FORGETFUL_SOCKETS, &key);
	return 0;
}

enum { NUMBER_BITS = 52, NUMBER_CPUS = 2048 };

/* The kernel's own number of a socket can't be had. Each CPU counts from the microseconds since the boot on when it gives its first one, so
 * that none is given twice, by a weft that was started later either. */
static __always_inline __u64 new_number(struct sock *sk)
{
	__u32 zero = 0;
	struct tally *t = bpf_map_lookup_elem(&tallies, &zero);

	if (!t)
		return 0;
	if (!t->numbered)
		t->numbered = bpf_ktime_get_boot_ns() >> 10;
	return (__u64)(bpf_get_smp_processor_id() & (NUMBER_CPUS - 1)) << NUMBER_BITS | ++t->numbered;
}

static __always_inline __u64 number_at(__u64 sk)
{
	struct socket_state *s = bpf_map_lookup_elem(&sockets, &sk);

	return s ? s->cookie : 0;
}

/* 0 on kernels that can't tell it. */
static __always_inline __u64 probe_cookie(void *regs)
{
	return KERNEL_HAS(get_attach_cookie) ? bpf_get_attach_cookie(regs) : 0;
}

#endif
