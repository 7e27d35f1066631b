/* One completed socket operation: where the user's bytes are, found from the saved registers of the current task. */
#pragma once
#include "head.h"

static __always_inline bool is_free(__u32 area)
{
	struct place *place = bpf_map_lookup_elem(&places, &area);

	return place && !place->taken;
}

/* The area for an operation; AREAS: there is none. Where a hook lets the kernel preempt programs, as those on functions and, in the newest
 * kernels, on tracepoints, another operation may be under way on the CPU. verifier: a function of its own, for what it finds is not to
 * multiply the states of its callers. */
__noinline int find_area(__u32 area)
{
	area &= AREA_SPARE - 1;
	if (is_free(area))
		return area;
	if (is_free(area + AREA_SPARE))
		return area + AREA_SPARE;
	count_add(COUNT_OVERLAPPED, 1);
	return AREAS;
}

/* The place of an operation, emptied; 0: there is none. It is taken first, so that nobody takes it meanwhile. */
static __always_inline struct place *take_place(__u32 area)
{
	__u32 key = find_area(area);
	struct place *place;

	if (key >= AREAS)
		return 0;
	place = bpf_map_lookup_elem(&places, &key);
	if (!place)
		return 0;
	place->taken = 1;
	__asm__ volatile("" : : : "memory");
	__builtin_memset(&place->operation, 0, sizeof(place->operation));
	place->operation.area = key;
	return place;
}

struct vector {
	__u64 base, length;
};

/* struct user_msghdr and struct mmsghdr of the kernel's user interface, 64-bit. */
struct message_header {
	__u64 name;
	__u32 name_length, pad;
	__u64 vectors, vector_count, control, control_length;
	__u32 flags, pad2;
};
struct multiple_message_header {
	struct message_header header;
	__u32 length, pad;
};

enum { VECTORS_MAX = 128 }; /* looked at in one copy */

#if defined(__TARGET_ARCH_x86)
enum {
	NR_read = 0,
	NR_write = 1,
	NR_readv = 19,
	NR_writev = 20,
	NR_sendfile = 40,
	NR_sendto = 44,
	NR_recvfrom = 45,
	NR_sendmsg = 46,
	NR_recvmsg = 47,
	NR_futex = 202,
	NR_restart_syscall = 219,
	NR_splice = 275,
	NR_vmsplice = 278,
	NR_recvmmsg = 299,
	NR_sendmmsg = 307,
	NR_preadv2 = 327,
	NR_pwritev2 = 328,
	NR_io_uring_enter = 426,
};
#define SYSCALL_NUMBER(regs) ((long)FIELD(regs, orig_ax))
#define SYSCALL_ARG0(regs) FIELD(regs, di)
#define SYSCALL_ARG1(regs) FIELD(regs, si)
#define SYSCALL_ARG2(regs) FIELD(regs, dx)
#define SYSCALL_ARG3(regs) FIELD(regs, r10)
#define TASK_IS_32BIT(task, regs) (FIELD(task, thread_info.status) & 2) /* TS_COMPAT */
#elif defined(__TARGET_ARCH_arm64)
enum {
	NR_read = 63,
	NR_write = 64,
	NR_readv = 65,
	NR_writev = 66,
	NR_sendfile = 71,
	NR_vmsplice = 75,
	NR_splice = 76,
	NR_sendto = 206,
	NR_recvfrom = 207,
	NR_sendmsg = 211,
	NR_recvmsg = 212,
	NR_futex = 98,
	NR_restart_syscall = 128,
	NR_recvmmsg = 243,
	NR_sendmmsg = 269,
	NR_preadv2 = 286,
	NR_pwritev2 = 287,
	NR_io_uring_enter = 426,
};
#define SYSCALL_NUMBER(regs) ((long)FIELD(regs, syscallno))
#define SYSCALL_ARG0(regs) FIELD(regs, regs[0])
#define SYSCALL_ARG1(regs) FIELD(regs, regs[1])
#define SYSCALL_ARG2(regs) FIELD(regs, regs[2])
#define SYSCALL_ARG3(regs) FIELD(regs, regs[3])
#define TASK_IS_32BIT(task, regs) (FIELD(regs, pstate) & 0x10) /* PSR_MODE32_BIT */
#endif

/* The socket behind a file descriptor of the current task, as an address. */
static __always_inline __u64 socket_of_fd(struct task_struct *task, __u32 fd)
{
	struct fdtable *table = BPF_CORE_READ(task, files, fdt);
	struct file **slots = BPF_CORE_READ(table, fd);
	struct file *file = 0;
	struct socket *socket;

	if (!slots || fd >= BPF_CORE_READ(table, max_fds))
		return 0;
	bpf_probe_read_kernel(&file, sizeof(file), slots + fd);
	if (!file)
		return 0;
	socket = BPF_CORE_READ(file, private_data);
	return socket ? (__u64)BPF_CORE_READ(socket, sk) : 0;
}

/* Whether the io vectors hold more than was sent: then the kernel ends a sendmmsg here.
 * verifier: a function of its own, verified once. */
__noinline int is_partial(TAKES_OPERATION)
{
	FIND_OPERATION;
	__u64 total = 0;

	if (!op)
		return 0;
	for (__u32 i = 0; i < VECTORS_MAX && i < op->vectors; i++) {
		struct vector v;

		if (bpf_probe_read_user(&v, sizeof(v), (void *)(op->base + i * sizeof(v))))
			return 1;
		total += v.length;
		if (total > op->size)
			return 1;
	}
	return 0;
}

/* sendmmsg and recvmmsg run one operation per element of an array; which one this is follows from the operations of
 * the same call seen before: the kernel stops the call at the first error and at the first partial send. */
static __always_inline void find_multiple(struct operation *op, struct socket_state *s, __u64 array, __u32 count)
{
	struct multiple_message_header m;
	__u32 index = 0;

	if (s->vector == array && s->vector_thread == op->tid && s->vector_next < count)
		index = s->vector_next;
	s->vector = array;
	s->vector_thread = op->tid;
	s->vector_next = index + 1;
	if (bpf_probe_read_user(&m, sizeof(m), (void *)(array + (__u64)index * sizeof(m)))) {
		op->unread = UNREAD_FAULT;
		return;
	}
	op->base = m.header.vectors;
	op->vectors = m.header.vector_count;
	if (op->direction == DIRECTION_SEND && is_partial(GIVE_OPERATION(op)))
		s->vector = 0;
}

static __always_inline void find_message(struct operation *op, __u64 header)
{
	struct message_header m;

	if (bpf_probe_read_user(&m, sizeof(m), (void *)header)) {
		op->unread = UNREAD_FAULT;
		return;
	}
	op->base = m.vectors;
	op->vectors = m.vector_count;
}

/* Where the bytes of the operation are in user memory, or why they can't be had. */
INLINE_WITH_ROOM void find_buffer(struct operation *op, struct socket_state *s, struct task_struct *task)
{
	struct pt_regs *regs = registers_of(task);
	long number = SYSCALL_NUMBER(regs);

	if (FIELD(task, flags) & PF_IO_WORKER) {
		op->unread = UNREAD_IO_URING;
		return;
	}
	if (TASK_IS_32BIT(task, regs)) {
		op->unread = UNREAD_COMPAT;
		return;
	}
	/* io_uring's work also runs at the end of any other system call of its task. */
	if (FIELD(task, io_uring) && socket_of_fd(task, SYSCALL_ARG0(regs)) != op->sk) {
		op->unread = UNREAD_IO_URING;
		return;
	}
	if (number == NR_read || number == NR_write || number == NR_sendto || number == NR_recvfrom) {
		op->base = SYSCALL_ARG1(regs);
	} else if (number == NR_readv || number == NR_writev || number == NR_preadv2 || number == NR_pwritev2) {
		op->base = SYSCALL_ARG1(regs);
		op->vectors = SYSCALL_ARG2(regs);
	} else if (number == NR_sendmsg || number == NR_recvmsg) {
		find_message(op, SYSCALL_ARG1(regs));
	} else if (number == NR_sendmmsg || number == NR_recvmmsg) {
		find_multiple(op, s, SYSCALL_ARG1(regs), SYSCALL_ARG2(regs));
	} else if (number == NR_sendfile) {
		op->unread = UNREAD_SENDFILE;
	} else if (number == NR_splice || number == NR_vmsplice) {
		op->unread = UNREAD_SPLICE;
	} else if (number == NR_io_uring_enter) {
		op->unread = UNREAD_IO_URING;
	} else {
		op->unread = UNREAD_SYSCALL;
	}
}

/* Copies n bytes of the operation from its byte `from` on, out of its io vectors; it goes on where the copy before began.
 * verifier: a function of its own, verified once. */
__noinline int copy_vectors(TAKES_BYTES, __u32 from, __u32 n)
{
	FIND_BYTES;
	__u64 filled = 0, left;

	if (!op || !area)
		return UNREAD_FAULT;
	left = from - op->passed; /* copies only go forward */
	for (__u32 turn = 0; turn < VECTORS_MAX; turn++) {
		struct vector v;
		__u64 part, at, i = op->vector + turn;

		if (filled >= n)
			return 0;
		if (i >= op->vectors)
			return UNREAD_FAULT;
		if (bpf_probe_read_user(&v, sizeof(v), (void *)(op->base + i * sizeof(v))))
			return UNREAD_FAULT;
		if (left >= v.length) {
			left -= v.length;
			continue;
		}
		part = v.length - left;
		if (part > n - filled)
			part = n - filled;
		/* verifier: as unknowns with one bound each, so that all ways to here are one state. */
		part += unknown_zero;
		at = filled + unknown_zero;
		if (part > PIECE_MAX || at > PIECE_MAX)
			return UNREAD_IOVEC;
		if (bpf_probe_read_user(area->payload + at, part, (void *)(v.base + left)))
			return UNREAD_FAULT;
		filled = at + part + unknown_zero;
		left = unknown_zero;
	}
	return filled >= n ? 0 : UNREAD_IOVEC;
}

/* Moves op->vector to the io vector that holds the byte `from`: what is behind does not have to be passed again.
 * verifier: a function of its own, verified once. */
__noinline int pass_vectors(TAKES_OPERATION, __u32 from)
{
	FIND_OPERATION;
	if (!op)
		return 0;
	for (__u32 turn = 0; turn < VECTORS_MAX; turn++) {
		struct vector v;

		if (op->found) {
			if ((__s64)(op->passed + op->length) > from)
				return 0;
			op->passed += op->length;
			op->vector++;
			op->found = 0;
		}
		if (op->vector >= op->vectors)
			return 0;
		if (bpf_probe_read_user(&v, sizeof(v), (void *)(op->base + (__u64)op->vector * sizeof(v))))
			return 0;
		op->start = v.base;
		op->length = v.length;
		op->found = 1;
	}
	return 0;
}

/* How many bytes from the byte `from` on are in one piece in user memory: all, or those of an io vector. */
static __always_inline __u64 together(struct operation *op, __u32 from)
{
	if (!op->vectors)
		return op->size - from;
	if (!op->found || (__s64)(op->passed + op->length) <= from)
		pass_vectors(GIVE_OPERATION(op), from);
	return op->found ? op->passed + op->length - from : 0;
}

/* Copies n bytes, at most PIECE_MAX, of the operation from its byte `from` on. Returns 0, or the reason why not. */
static __always_inline __u32 copy_bytes(struct operation *op, __u32 from, struct scratch *area, __u32 n)
{
	__u64 size = clamp(n, PIECE_MAX), at = op->base + from;

	if (op->vectors) {
		if (together(op, from) < size)
			return copy_vectors(GIVE_BYTES(op, area), from, size);
		at = op->start + (from - op->passed);
	}
	return bpf_probe_read_user(area->payload, size, (void *)at) ? UNREAD_FAULT : 0;
}

/* Go keeps the running goroutine, struct g, in thread-local storage; on g0 (cgo) the user's one is g.m.curg. */
static __always_inline void find_goroutine(struct operation *op, struct task_struct *task, const struct process *p)
{
	__u64 g = 0, m = 0, id = 0;

#if defined(__TARGET_ARCH_x86)
	__u64 base = FIELD(task, thread.fsbase);
	if (bpf_probe_read_user(&g, sizeof(g), (void *)(base + p->tls)))
		return;
#elif defined(__TARGET_ARCH_arm64)
	struct pt_regs *regs = registers_of(task);
	g = FIELD(regs, regs[28]);
#endif
	bpf_probe_read_user(&id, sizeof(id), (void *)(g + p->goid));
	if (!id) {
		if (bpf_probe_read_user(&m, sizeof(m), (void *)(g + p->m)) || bpf_probe_read_user(&g, sizeof(g), (void *)(m + p->curg)))
			return;
		bpf_probe_read_user(&id, sizeof(id), (void *)(g + p->goid));
	}
	op->work = id;
	op->words[0] = g;
	if (p->has_parent)
		bpf_probe_read_user(&op->origin, sizeof(__u64), (void *)(g + p->parent_goid));
}
