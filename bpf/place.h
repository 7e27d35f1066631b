/* The operation that is under way, the bytes that are looked at, and how both are handed to the functions that the verifier looks at once,
 * each by itself. */
#pragma once
#include "reach.h"
#include "tls.h"

/* What a scan found. verifier: kept in the map, so that its values do not multiply the states of the loop. */
struct found {
	__u32 from, to; /* the range to look at; from moves through it */
	__u32 end;	/* area index behind the empty line; 0: not found */
	__u32 newline;	/* area index of the last line feed; 0: none */
	__u32 length;	/* area index of Content-Length's value; 0: none */
	__u32 coding;	/* area index of Transfer-Encoding's value; 0: none */
};

/* An area of bytes: up to CARRY_MAX bytes of the piece before end where the record ends, the piece follows. */
struct scratch {
	struct message_record record;
	__u8 payload[2 * PIECE_MAX + 128] __attribute__((aligned(8)));
	struct found found;
};
enum { AREA_PAYLOAD = sizeof(struct message_record), AREA_LIMIT = AREA_PAYLOAD + PIECE_MAX };

struct operation {
	__u64 now;
	__u64 sk;	/* address of the socket */
	__u64 base;	/* user address of the buffer, or of the io vectors */
	__u64 position; /* stream offset of the next byte to follow */
	__u64 first;	/* stream offset of the first byte */
	__u32 vectors;	/* 0: base is the buffer */
	__u32 done;	/* bytes followed so far */
	__u32 size;	/* bytes that the operation moved */
	__u32 pid, tid;
	__u32 rtt, retransmits;
	__u32 unread; /* enum unread_reason */
	__u32 vector; /* the io vector that was looked at last */
	__u64
	    passed;  /* bytes in the io vectors before it; less than 0: the operation begins so far behind the beginning of the first one */
	__u64 start; /* its address and length, when found */
	__u64 length;
	__u8 found;
	__u8 direction;
	__u8 area;	     /* index of its scratch area */
	__u8 asked;	     /* the running task was looked for */
	__u8 sought;	     /* the running job was */
	__u8 task;	     /* work and origin are tasks */
	__u8 timed;	     /* its cost is told */
	__u8 turned;	     /* that its thread begins with something else was told, where that is; see bpf/birth.h */
	__u16 messages;	     /* of gRPC that ended in it */
	__u16 flags;	     /* of its first step: enum message_flag */
	__u64 work, origin;  /* as in struct message_record */
	__u64 words[5];	     /* room for what is read of a program's memory; see bpf/task.h */
	__u64 wire;	     /* of plaintext: see struct message_record */
	__u64 record;	     /* of ciphertext: 1 + offset of the first record of data that begins in it */
	__u64 record_length; /* and its length */
	__u64 overhead;	   /* bytes that the kernel's TLS has on the wire beyond those of the operation; 0: not known, or it is not there */
	__u64 tell_offset; /* of a frame that is to be told, with the flags and the length of its record; no flags: none */
	__u32 tell_flags, tell_length;
#if defined(SOCKETS_BY_ADDRESS)
	struct session_key session; /* whose plaintext it moves; without an object: the socket's bytes */
#endif
};

/* The areas of a CPU: DIRECTION_RECEIVE and DIRECTION_SEND are those of socket operations, the next two of calls to TLS libraries. The others
 * are for the same once more: what is looked for in the memory of a program is not looked for there, which saves 100 KB for each CPU. */
enum { AREA_CALL = 2, AREA_SPARE = 4, AREAS = 8 };

/* The operation under way, one of each area on a CPU. Not on the stack: all frames of a program together have 512 bytes of
 * it, and kernels before 6.13 count each frame in steps of 32. */
struct place {
	struct operation operation;
	__u32 taken, pad;
};
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, AREAS);
	__type(key, __u32);
	__type(value, struct place);
} places SEC(".maps");

/* As the places: the programs may hold one each on a CPU. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, AREAS);
	__type(key, __u32);
	__type(value, struct scratch);
} scratches SEC(".maps");

static __always_inline struct scratch *scratch_of(const struct operation *op)
{
	__u32 key = op->area & (AREAS - 1);
	return bpf_map_lookup_elem(&scratches, &key);
}

#if !defined(SOCKETS_BY_ADDRESS)

/* What such a function takes, by its name, is given to it, and is found by it. Kernels from 5.12 on let it take pointers. */
#define TAKES_OPERATION struct operation *op
#define TAKES_STATE struct operation *op, struct socket_state *s
#define TAKES_BYTES struct operation *op, struct scratch *area
#define TAKES_FOLLOWER struct follower *f, struct scratch *area
#define TAKES_HEAD struct socket_state *s, struct scratch *scratch
#define TAKES_AREA struct scratch *scratch
#define TAKES_LINE struct follower *f
#define TAKES_RECORDS struct operation *op, struct tls_socket *t
#define TAKES_STREAM struct operation *op, struct record_stream *r
#define GIVE_OPERATION(op) op
#define GIVE_STATE(op, s) op, s
#define GIVE_BYTES(op, area) op, area
#define GIVE_FOLLOWER(op, f, area) f, area
#define GIVE_HEAD(op, s, scratch) s, scratch
#define GIVE_AREA(op, scratch) scratch
#define GIVE_LINE(op, f) f
#define GIVE_RECORDS(op, t) op, t
#define GIVE_STREAM(op, r) op, r
#define FIND_OPERATION
#define FIND_STATE
#define FIND_BYTES
#define FIND_FOLLOWER
#define FIND_HEAD
#define FIND_AREA
#define FIND_LINE
#define FIND_RECORDS
#define FIND_STREAM

/* A function that takes other pointers. */
#define TAKES_POINTERS __noinline

#else

/* Before, it takes numbers: that of the area, by which it finds all else. */
static __always_inline struct operation *operation_at(__u32 at)
{
	struct place *place;
	__u32 key = at & (AREAS - 1);

	place = bpf_map_lookup_elem(&places, &key);
	return place ? &place->operation : 0;
}

/* The state of the socket, or of the session, whose bytes an operation moves. */
static __always_inline struct socket_state *state_at(const struct operation *op)
{
	struct session *session;

	if (!op)
		return 0;
	if (!op->session.object)
		return bpf_map_lookup_elem(&sockets, &op->sk);
	session = bpf_map_lookup_elem(&sessions, &op->session);
	return session ? &session->state : 0;
}

/* The ciphertext of the socket of an operation. */
static __always_inline struct tls_socket *records_at(const struct operation *op)
{
	struct socket_state *s = op ? bpf_map_lookup_elem(&sockets, &op->sk) : 0;

	return s ? bpf_map_lookup_elem(&tls_sockets, &s->cookie) : 0;
}

static __always_inline struct follower *follower_at(const struct operation *op)
{
	struct socket_state *s = state_at(op);

	return s ? &s->follower[op->direction & 1] : 0;
}

#define TAKES_OPERATION __u32 at_area
#define TAKES_STATE __u32 at_area
#define TAKES_BYTES __u32 at_area
#define TAKES_FOLLOWER __u32 at_area
#define TAKES_HEAD __u32 at_area
#define TAKES_AREA __u32 at_area
#define TAKES_LINE __u32 at_area
#define TAKES_RECORDS __u32 at_area
#define TAKES_STREAM __u32 at_area
#define GIVE_OPERATION(op) (op)->area
#define GIVE_STATE(op, s) (op)->area
#define GIVE_BYTES(op, area) (op)->area
#define GIVE_FOLLOWER(op, f, area) (op)->area
#define GIVE_HEAD(op, s, scratch) (op)->area
#define GIVE_AREA(op, scratch) (op)->area
#define GIVE_LINE(op, f) (op)->area
#define GIVE_RECORDS(op, t) (op)->area
#define GIVE_STREAM(op, r) (op)->area
#define FIND_OPERATION struct operation *op = operation_at(at_area)
#define FIND_STATE                                                                                                                         \
	FIND_OPERATION;                                                                                                                    \
	struct socket_state *s = state_at(op)
#define FIND_BYTES                                                                                                                         \
	FIND_OPERATION;                                                                                                                    \
	struct scratch *area = op ? scratch_of(op) : 0
#define FIND_FOLLOWER                                                                                                                      \
	FIND_BYTES;                                                                                                                        \
	struct follower *f = follower_at(op)
#define FIND_HEAD                                                                                                                          \
	FIND_STATE;                                                                                                                        \
	struct scratch *scratch = op ? scratch_of(op) : 0
#define FIND_AREA                                                                                                                          \
	FIND_OPERATION;                                                                                                                    \
	struct scratch *scratch = op ? scratch_of(op) : 0
#define FIND_LINE                                                                                                                          \
	FIND_OPERATION;                                                                                                                    \
	struct follower *f = follower_at(op)

#define FIND_RECORDS                                                                                                                       \
	FIND_OPERATION;                                                                                                                    \
	struct tls_socket *t = records_at(op)
#define FIND_STREAM                                                                                                                        \
	FIND_RECORDS;                                                                                                                      \
	struct record_stream *r = t ? &t->streams[op->direction & 1] : 0

#define TAKES_POINTERS static __noinline

#endif
