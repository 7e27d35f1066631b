/* rustls, which has no functions to read and write that every program keeps: what it inlines differs from build to build. Two kinds of
 * functions are always there, for they are called through a table: the encrypt of each MessageEncrypter, which gets every record that is
 * to be sent, and the handle of the state ExpectTraffic, which gets every record of data that was received. Neither needs a probe at
 * its return.
 *
 * A connection in Rust moves about in memory. What stays where it is until the keys change is the box with its encrypter: that is the
 * object of its session. encrypt is called with it; handle finds it in the connection's CommonState, where a pointer to it stands
 * beside that of its table of functions, which has encrypt in it. */
#pragma once
#include "plaintext.h"

#if defined(__TARGET_ARCH_x86)
#define RUST_ARG1(regs) ((regs)->si) /* the result is put where the first register says */
#define RUST_ARG2(regs) ((regs)->dx)
#define RUST_ARG3(regs) ((regs)->cx)
#define RUST_HERE(regs) ((regs)->ip)
#elif defined(__TARGET_ARCH_arm64)
#define RUST_ARG1(regs) (((struct user_pt_regs *)(regs))->regs[0])
#define RUST_ARG2(regs) (((struct user_pt_regs *)(regs))->regs[1])
#define RUST_ARG3(regs) (((struct user_pt_regs *)(regs))->regs[2])
#define RUST_HERE(regs) (((struct user_pt_regs *)(regs))->pc)
#endif

enum {
	ENCRYPTERS = 4,		  /* kinds of encrypters in one program: TLS 1.3, and two of 1.2 */
	COMMON_STATE = 1024,	  /* bytes of a CommonState in which the encrypter is looked for */
	ENCRYPT_SLOT = 24,	  /* of encrypt in the table: behind drop, size and alignment */
	SEARCHES_MAX = 32,	  /* for an encrypter, in one program */
	RUST_PLAIN_MAX = 1 << 15, /* bytes of plaintext that a record is taken to have, at most */
	USER_MIN = 1 << 16,
};

/* What is known of the rustls of a process. Key: thread group. Born at its first record, falls out when others come. */
struct rust_program {
	__u64 encrypts[ENCRYPTERS]; /* addresses of the functions that were seen to encrypt */
	__u64 tables[ENCRYPTERS];   /* and of the tables that they stand in, as far as they were found */
	__u32 encrypter_at;	    /* 1 + offset of the encrypter in CommonState; 0: not known */
	__u32 searches;
};
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 4096);
	__type(key, __u32);
	__type(value, struct rust_program);
} rust_programs SEC(".maps");

const struct rust_program no_rust_program = {};

/* One record: n bytes of plaintext at base, or from their byte `start` on in the io vectors there. */
struct rust_record {
	__u64 object, base, start, n;
	__u32 vectors;
	__u8 direction;
};

static __always_inline struct rust_program *rust_program_of(__u32 pid)
{
	struct rust_program *p = bpf_map_lookup_elem(&rust_programs, &pid);

	if (p)
		return p;
	remember(&rust_programs, FORGETFUL_RUST_PROGRAMS, &pid, &no_rust_program);
	return bpf_map_lookup_elem(&rust_programs, &pid);
}

/* A table of what is in a list, 0 behind its end; true when it is or could be put there. */
static __always_inline bool is_listed(const __u64 *list, __u64 one)
{
	for (__u32 i = 0; i < ENCRYPTERS; i++) {
		if (list[i] == one)
			return true;
	}
	return false;
}

static __always_inline void enlist(__u64 *list, __u64 one)
{
	for (__u32 i = 0; i < ENCRYPTERS; i++) {
		if (list[i] == one)
			return;
		if (!list[i]) {
			list[i] = one;
			return;
		}
	}
}

static __always_inline bool is_address(__u64 a)
{
	return a >= USER_MIN && a < 1ULL << 56 && !(a & 7);
}

/* Whether two words are an encrypter and its table. */
static __always_inline bool is_encrypter(struct rust_program *p, __u64 object, __u64 table)
{
	__u64 function = 0;

	if (!is_address(object) || !is_address(table))
		return false;
	if (is_listed(p->tables, table))
		return true;
	if (bpf_probe_read_user(&function, sizeof(function), (void *)(table + ENCRYPT_SLOT)) || !function ||
	    !is_listed(p->encrypts, function))
		return false;
	enlist(p->tables, table);
	return true;
}

/* Looks for the encrypter in a CommonState, of which a copy is in the area. verifier: a function of its own, verified once. */
TAKES_POINTERS int search_encrypter(struct rust_program *p, struct scratch *area)
{
	if (!p || !area)
		return 0;
	for (__u32 i = 0; i + 16 <= COMMON_STATE; i += 8) {
		if (is_encrypter(p, load64(area->payload + i), load64(area->payload + i + 8))) {
			p->encrypter_at = i + 1;
			return 1;
		}
	}
	return 0;
}

/* The encrypter of a connection; 0: not known. */
static __always_inline __u64 find_encrypter(struct rust_program *p, __u64 common)
{
	__u32 key = AREA_CALL + DIRECTION_RECEIVE;
	struct scratch *area;
	__u64 words[2] = {};

	if (p->encrypter_at && !bpf_probe_read_user(words, sizeof(words), (void *)(common + p->encrypter_at - 1)) &&
	    is_encrypter(p, words[0], words[1]))
		return words[0];
	if (!p->encrypts[0] || p->searches >= SEARCHES_MAX)
		return 0;
	p->searches++;
	area = bpf_map_lookup_elem(&scratches, &key);
	if (!area || bpf_probe_read_user(area->payload, COMMON_STATE, (void *)common) || !search_encrypter(p, area))
		return 0;
	p->searches = 0;
	if (bpf_probe_read_user(words, sizeof(words), (void *)(common + p->encrypter_at - 1)))
		return 0;
	return words[0];
}

/* Whether records of this process are to be read. */
static __always_inline bool is_read(__u32 pid)
{
	struct process *p = bpf_map_lookup_elem(&processes, &pid);

	return pid != settings.self && (!p || (p->choice != CHOICE_IGNORE && (p->choice != CHOICE_OTHER || settings.ports)));
}

/* The object has another address than it had when its connection was seen last: its keys have changed. The session goes on. */
static __always_inline void rename_session(const struct session_key *key, const struct thread *thread)
{
	__u64 cookie = thread->received;
	struct tls_socket *t = cookie ? bpf_map_lookup_elem(&tls_sockets, &cookie) : 0;
	struct session_key before = {};
	struct session *session;

	if (!t || !t->object || t->tgid != key->tgid || t->object == key->object)
		return;
	before.object = t->object;
	before.tgid = t->tgid;
	session = bpf_map_lookup_elem(&sessions, &before);
	if (!session || session->loose != LOOSE_AT_ONCE || session->under != cookie)
		return;
	if (bpf_map_update_elem(&sessions, key, session, BPF_NOEXIST))
		return;
	t->object = key->object;
	bpf_map_delete_elem(&sessions, &before);
}

/* The session of an object, made when there is none. One that is made for a write is forgotten when the socket that the thread writes to
 * next is not its own, and so is one whose write was followed by none. */
static __always_inline struct session *session_of(const struct session_key *key, struct thread *thread, __u8 direction)
{
	struct session *session = bpf_map_lookup_elem(&sessions, key);
	struct session_key pending = {thread->pending, key->tgid};

	if (session)
		return session;
	if (direction == DIRECTION_RECEIVE) {
		rename_session(key, thread);
	} else if (thread->pending) {
		forget_loose(&pending, bpf_map_lookup_elem(&sessions, &pending));
		thread->pending = 0;
	}
	bpf_map_update_elem(&sessions, key, &rust_session, BPF_NOEXIST);
	session = bpf_map_lookup_elem(&sessions, key);
	if (!session)
		count_add(COUNT_TLS_REFUSED, 1);
	return session;
}

/* Follows a record. Its place is taken by the caller. */
static __always_inline void record_passes(struct operation *op, const struct rust_record *r)
{
	struct session_key key = {r->object, op->pid};
	struct thread_key of = {};
	struct session *session;
	struct thread *thread;

	native_thread(&of);
	thread = thread_of(&of, true);
	if (!thread)
		return;
	session = session_of(&key, thread, r->direction);
	if (!session)
		return;
	thread->object = r->object;
	thread->base = r->base;
	thread->asked = r->n;
	thread->count = 0;
	thread->direction = r->direction;
	thread->inner = 0;
	thread->unread = 0;
	thread->whole = 1;
	if (r->direction == DIRECTION_RECEIVE && session->under != thread->received)
		find_socket(session, thread, op->pid, r->n);
	op->vectors = r->vectors;
	op->passed = -r->start;
	if (r->direction == DIRECTION_RECEIVE && !session->under) { /* the runtime reads in a way that is not seen */
		count_add(COUNT_TLS_UNTIED, 1);
		forget_loose(&key, session);
	} else if (session->state.muted) {
		count_add(COUNT_MUTED, 1);
	} else {
		count_add(COUNT_TLS_OPERATIONS, 1);
		plaintext_passes(op, session, thread, r->n);
	}
	thread->whole = 0;
}

static __always_inline struct place *rust_place(__u32 pid, __u8 direction)
{
	struct place *place = take_place(AREA_CALL + direction);

	if (!place)
		return 0;
	place->operation.pid = pid;
	place->operation.tid = bpf_get_current_pid_tgid();
	place->operation.direction = direction;
	place->operation.now = bpf_ktime_get_boot_ns();
	return place;
}

/* A message to be encrypted: its plaintext, then what it is. In 0.23 the plaintext is in one piece, {0, address, length}, or in several,
 * {address of their addresses and lengths, their number, where it begins in them, where it ends}; before, in one: {address, length}.
 * What it is are the type, an enumeration with an eighth bit for those that are not known, and the version, another one. */
enum {
	KIND_MASK = 0xffff00ff,
	KIND_DATA = 4 << 16 | 3, /* TLS 1.2, which is also what 1.3 says; application data */
	KIND_AT_CHUNKS = 4,	 /* in words */
	KIND_AT_SLICE = 2,
};

/* False: it is no data, or not what it is taken for. */
static __always_inline bool read_outgoing(struct rust_record *r, __u64 message)
{
	__u64 words[5];

	if (bpf_probe_read_user(words, sizeof(words), (void *)message))
		return false;
	if ((words[KIND_AT_SLICE] & KIND_MASK) == KIND_DATA) {
		r->base = words[0];
		r->n = words[1];
	} else if ((words[KIND_AT_CHUNKS] & KIND_MASK) != KIND_DATA) {
		return false;
	} else if (!words[0]) {
		r->base = words[1];
		r->n = words[2];
	} else {
		r->base = words[0];
		r->vectors = clamp(words[1], 1 << 16);
		r->start = words[2];
		r->n = words[3] - words[2];
		if (!is_address(r->base) || !r->vectors || r->start > 1U << 30)
			return false;
	}
	return r->base >= USER_MIN && r->n && r->n <= RUST_PLAIN_MAX;
}

/* A message that was decrypted: what it is, and of data the capacity, or a number that is none, the address and the length. */
enum { INCOMING_DATA_FIRST = 3, INCOMING_DATA_LAST = 5 };

static __always_inline bool read_incoming(struct rust_record *r, __u64 message)
{
	__u64 words[4], kind;

	if (bpf_probe_read_user(words, sizeof(words), (void *)message))
		return false;
	kind = words[0] ^ 1ULL << 63;
	r->base = words[2];
	r->n = words[3];
	return kind >= INCOMING_DATA_FIRST && kind <= INCOMING_DATA_LAST && r->base >= USER_MIN && r->n && r->n <= RUST_PLAIN_MAX;
}

/*	fn encrypt(&mut self, msg: OutboundPlainMessage<'_>, seq: u64) -> Result<OutboundOpaqueMessage, Error>
 *	fn handle(self: Box<Self>, cx: &mut Context<'_>, m: Message<'_>) -> Result<Box<dyn State<Data>>, Error>
 *
 * The context begins with the address of the CommonState. The direction tells which it is, and is what the probe was attached with: one
 * program for both, which the kernel verifies once. */
static __always_inline int rustls_runs(struct pt_regs *regs, __u8 direction)
{
	struct rust_record r = {.object = RUST_ARG1(regs), .direction = direction};
	__u32 pid = bpf_get_current_pid_tgid() >> 32;
	struct rust_program *p;
	struct place *place;
	__u64 common = 0;

	if (!is_read(pid))
		return 0;
	p = rust_program_of(pid);
	if (!p)
		return 0;
	if (direction == DIRECTION_SEND) {
		enlist(p->encrypts, RUST_HERE(regs));
		if (!is_address(r.object) || !read_outgoing(&r, RUST_ARG2(regs)))
			return 0;
	} else if (!read_incoming(&r, RUST_ARG3(regs)) || bpf_probe_read_user(&common, sizeof(common), (void *)RUST_ARG2(regs)) ||
		   !is_address(common)) {
		return 0;
	}
	place = rust_place(pid, direction);
	if (!place)
		return 0;
	if (direction == DIRECTION_RECEIVE)
		r.object = find_encrypter(p, common);
	if (r.object)
		record_passes(&place->operation, &r);
	else
		count_add(COUNT_TLS_UNTIED, 1);
	place->taken = 0;
	return 0;
}
