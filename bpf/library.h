/* The functions of TLS libraries, as probes see their arguments. */
#pragma once
#include "plaintext.h"

#if defined(__TARGET_ARCH_x86)
#define CALL_ARG0(regs) ((regs)->di)
#define CALL_ARG1(regs) ((regs)->si)
#define CALL_ARG2(regs) ((regs)->dx)
#define CALL_ARG3(regs) ((regs)->cx)
#define CALL_ARG4(regs) ((regs)->r8)
#define CALL_RESULT(regs) ((regs)->ax)
#elif defined(__TARGET_ARCH_arm64)
#define CALL_ARG0(regs) (((struct user_pt_regs *)(regs))->regs[0])
#define CALL_ARG1(regs) (((struct user_pt_regs *)(regs))->regs[1])
#define CALL_ARG2(regs) (((struct user_pt_regs *)(regs))->regs[2])
#define CALL_ARG3(regs) (((struct user_pt_regs *)(regs))->regs[3])
#define CALL_ARG4(regs) (((struct user_pt_regs *)(regs))->regs[4])
#define CALL_RESULT(regs) (((struct user_pt_regs *)(regs))->regs[0])
#endif

/* int SSL_read(SSL *, void *, int), int SSL_write(SSL *, const void *, int). */
static __always_inline int openssl_begins(struct pt_regs *regs, __u8 direction, __u8 loose)
{
	struct call call = {CALL_ARG0(regs), CALL_ARG1(regs), (__u32)CALL_ARG2(regs), 0, direction, loose};
	struct thread_key key;

	native_thread(&key);
	return call_begins(&key, &call);
}

/* int SSL_read_ex(SSL *, void *, size_t, size_t *), and so SSL_write_ex: the result says whether it went well. */
static __always_inline int openssl_ex_begins(struct pt_regs *regs, __u8 direction)
{
	struct call call = {CALL_ARG0(regs), CALL_ARG1(regs), CALL_ARG2(regs), CALL_ARG3(regs), direction};
	struct thread_key key;

	native_thread(&key);
	return call_begins(&key, &call);
}

/* ossl_ssize_t SSL_sendfile(SSL *, int fd, off_t offset, size_t size, int flags): of TLS in the kernel, which takes the plaintext from the file. */
static __always_inline int openssl_sends_file(struct pt_regs *regs)
{
	struct call call = {.object = CALL_ARG0(regs), .asked = CALL_ARG3(regs), .direction = DIRECTION_SEND, .unread = UNREAD_SENDFILE};
	struct thread_key key;

	native_thread(&key);
	return call_begins(&key, &call);
}

/* PRInt32 PR_Recv(PRFileDesc *, void *, PRInt32, PRIntn flags, PRIntervalTime), and so PR_Send; PR_Read and PR_Write have the first three. Files and
 * sockets in clear have the same functions as what NSS reads and writes. What a look at the next bytes gives comes again. */
enum { NSPR_SENDS = 1, NSPR_HAS_FLAGS = 2, /* bits of the probe's cookie */ NSPR_PEEK = 2 };

static __always_inline int nspr_begins(struct pt_regs *regs, __u64 cookie)
{
	struct call call = {CALL_ARG0(regs), CALL_ARG1(regs), (__u32)CALL_ARG2(regs)};
	struct thread_key key;

	if (cookie & NSPR_HAS_FLAGS && CALL_ARG3(regs) & NSPR_PEEK)
		call.asked = 0;
	call.direction = cookie & NSPR_SENDS ? DIRECTION_SEND : DIRECTION_RECEIVE;
	call.loose = LOOSE_TIED;
	native_thread(&key);
	return call_begins(&key, &call);
}

/* (*Conn).Read(b []byte) (n int, err error) and (*Conn).Write of Go's crypto/tls, by Go's ABI: the receiver, the buffer and its length are in
 * the first three registers, n comes back in the first one, and g is in a register of its own, by which the goroutine is known: it
 * may be on another thread when it returns. */
#if defined(__TARGET_ARCH_x86)
#define GO_ARG0(regs) ((regs)->ax)
#define GO_ARG1(regs) ((regs)->bx)
#define GO_ARG2(regs) ((regs)->cx)
#define GO_G(regs) ((regs)->r14)
#elif defined(__TARGET_ARCH_arm64)
#define GO_ARG0(regs) CALL_ARG0(regs)
#define GO_ARG1(regs) CALL_ARG1(regs)
#define GO_ARG2(regs) CALL_ARG2(regs)
#define GO_G(regs) (((struct user_pt_regs *)(regs))->regs[28])
#endif

/* A program that has just been executed may be here before weft has looked at it. Its g is where Go's own linker puts it, if what stands
 * there is the g that the register holds. */
static __always_inline void know_goroutine(__u64 g)
{
	__u32 pid = bpf_get_current_pid_tgid() >> 32;
	struct process *p = bpf_map_lookup_elem(&processes, &pid);
#if defined(__TARGET_ARCH_x86)
	__u64 base = FIELD(current_task(), thread.fsbase), found = 0;
#endif

	if (p && (p->go || p->g_at))
		return;
#if defined(__TARGET_ARCH_x86)
	if (bpf_probe_read_user(&found, sizeof(found), (void *)(base - 8)) || found != g)
		return;
#endif
	if (!p) {
		bpf_map_update_elem(&processes, &pid, &no_process, BPF_NOEXIST);
		p = bpf_map_lookup_elem(&processes, &pid);
	}
	if (p)
		p->g_at = -8;
}

static __always_inline int go_tls_begins(struct pt_regs *regs, __u8 direction)
{
	struct call call = {GO_ARG0(regs), GO_ARG1(regs), GO_ARG2(regs), 0, direction};
	struct thread_key key = {GO_G(regs), bpf_get_current_pid_tgid() >> 32};

	know_goroutine(key.thread);
	return call_begins(&key, &call);
}

static __always_inline int go_tls_ends(struct pt_regs *regs)
{
	struct thread_key key = {GO_G(regs), bpf_get_current_pid_tgid() >> 32};

	return call_ends(&key, GO_ARG0(regs));
}

static __always_inline int openssl_ends(struct pt_regs *regs)
{
	struct thread_key key;

	native_thread(&key);
	return call_ends(&key, (__s32)CALL_RESULT(regs));
}
