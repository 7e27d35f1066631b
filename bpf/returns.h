/* The calls of the kernel's functions that are under way, where only their beginning and their return can be seen (kprobe, kretprobe). */
#pragma once
#include "capture.h"

#if defined(SOCKETS_BY_ADDRESS)

struct function_call {
	__u64 sk;
	__u32 flags;
	__u32 pad;
};

/* Key: thread. Born when the function begins, dies when it returns, or with the thread. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 32768);
	__type(key, __u64);
	__type(value, struct function_call);
} function_calls SEC(".maps");

static __always_inline int function_begins(__u64 sk, __u32 flags)
{
	struct function_call call = {.sk = sk, .flags = flags};
	__u64 thread = bpf_get_current_pid_tgid();

	if (bpf_map_update_elem(&function_calls, &thread, &call, BPF_ANY))
		count_add(COUNT_OVERLAPPED, 1);
	return 0;
}

static __always_inline int function_returns(int ret, __u8 direction)
{
	__u64 thread = bpf_get_current_pid_tgid();
	struct function_call *known = bpf_map_lookup_elem(&function_calls, &thread), call;

	if (!known)
		return 0;
	call = *known;
	bpf_map_delete_elem(&function_calls, &thread);
	return operation_ends((struct sock *)call.sk, ret, direction, call.flags);
}

/* A thread has ended, perhaps inside of a function whose return was missed. */
static __always_inline void forget_call(void)
{
	__u64 thread = bpf_get_current_pid_tgid();

	bpf_map_delete_elem(&function_calls, &thread);
}

#endif
