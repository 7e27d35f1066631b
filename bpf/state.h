/* What is kept between operations: the maps, the configuration and the record of one socket. */
#pragma once
#include "kernel.h"

#include <bpf/bpf_helpers.h>

#include "wire.h"

enum {
	PIECE_MAX = 4096,     /* bytes of a head that one record carries */
	HEAD_MAX = 64 * 1024, /* bytes of a head that are copied at all */
	CARRY_MAX = 64,	      /* bytes of an unfinished line kept for the next piece of a head */
	LINE_MAX = 32,	      /* bytes of a start line that the kernel looks at */
	AGAIN_MAX = 2048,     /* bytes of a head that is taken for the one before it, come again */
	LINE_ENDS = 1 << 16,
	LINE_KNOWN = 8,	 /* bytes that tell a request from a response */
	LOOK_MAX = 256,	 /* bytes of a socket's first message that are copied before it is known to be HTTP */
	HEAD_SLACK = 64, /* how much a head differs in length from the one before it, usually */
	ENV_MAX = 8192,
	ARGS_MAX = 2048,
	STEPS_MAX = 1024, /* messages, chunks and pieces followed in one operation */
	PORT_OTLP = 4317, /* OTLP by gRPC */
	PORT_SKYWALKING = 11800,
	STRIKES_MAX = 3, /* turns of direction that look like no protocol before a socket is muted */
};

/* Set once by Go before the programs are loaded. */
struct setting {
	__u32 self;	     /* weft's own thread group */
	__u32 wake;	     /* bytes that one CPU puts on the ring before it wakes the reader */
	__u8 ignore_unknown; /* a process that was not decided on is not traced */
	__u8 ports;	     /* the map `ports` is not empty */
	__u8 tls;	     /* sockets that carry TLS are followed */
	__u8 pad[5];
};
const volatile struct setting settings;

/* Where a direction of a stream stands. */
enum phase {
	PHASE_BOUNDARY = 0, /* a message may start with the next byte */
	PHASE_HEAD,	    /* inside a head */
	PHASE_BODY,	    /* `skip` body bytes are left */
	PHASE_CHUNK_SIZE,   /* inside a chunk-size line */
	PHASE_CHUNK,	    /* `skip` bytes of a chunk and its CRLF are left */
	PHASE_TRAILER,	    /* behind the last chunk */
	PHASE_REST,	    /* until the direction turns or the connection ends */
	PHASE_FRAME,	    /* HTTP/2: at or in the header of a frame */
	PHASE_FRAME_COPY,   /* `skip` bytes of a frame that leaves the kernel are left */
	PHASE_FRAME_SKIP,   /* `skip` bytes of another one */
	PHASE_DATA,	    /* `skip` bytes of DATA */
	PHASE_PREFACE,	    /* `skip` bytes of what a client of HTTP/2 says first */
};

/* What a connection carries. */
enum protocol {
	PROTOCOL_HTTP1 = 0, /* or nothing that is known */
	PROTOCOL_HTTP2,
	PROTOCOL_TUNNEL, /* behind a 101: what comes next tells */
	PROTOCOL_WEBSOCKET,
	PROTOCOL_FASTCGI,
};

/* One direction of a stream. In WebSocket line is the header of the current frame, and chunk counts messages. In HTTP/2 line is the header of the current frame, of which line_length bytes are there; head_bytes
 * are those of a header block that were copied; chunk is the highest stream; body and length are the bytes and the messages of
 * the stream that the frame ends. */
struct follower {
	__u64 through; /* stream offset followed so far */
	__u64 skip;
	__u64 body;	   /* body bytes of the current message */
	__u64 chunk;	   /* size of the chunk as read so far */
	__u64 length;	   /* value of Content-Length, with has_length; of a chunked body, the chunks so far */
	__u32 head_bytes;  /* of the open head, as copied so far */
	__u16 head_before; /* length of the head before, capped at PIECE_MAX; 0: none yet */
	__u16 length_at;   /* where the value of Content-Length began in it; 0: not known */
	__u8 phase;
	__u8 carry_length;
	__u8 line_length;
	__u8 extension;					 /* in CHUNK_SIZE: past the digits; in TRAILER: the line is not empty */
	__u8 request;					 /* the current message is a request */
	__u8 coded;					 /* Transfer-Encoding was seen in the open head */
	__u8 chunked;					 /* and its last coding is chunked */
	__u8 has_length;				 /* seen in the open head */
	__u8 line_known;				 /* line was looked at */
	__u8 length_digits;				 /* of the value at length_at */
	__u8 line[LINE_MAX] __attribute__((aligned(8))); /* the first bytes of the current message */
	__u8 carry[CARRY_MAX] __attribute__((aligned(8)));
};

enum role { ROLE_UNKNOWN = 0, ROLE_SERVER, ROLE_CLIENT };

/* What a socket that is closed waits for before its end is told. */
enum closing {
	CLOSING_NOT = 0,
	CLOSING_READ,  /* bytes that its owner has still to read */
	CLOSING_WRITE, /* a write that is under way */
};

struct socket_state {
	__u64 cookie;
	__u64 previous; /* time of the last operation */
	__u32 judged;	/* the generation in which judged_pid was looked up; 0: never */
	__u32 judged_pid;
	__u8 ignored; /* what was found: not to be traced */
	__u8 go;      /* what was found: a Go process */
	__u8 origin;
	__u8 named;
	__u8 announced;
	__u8 muted;
	__u8 known; /* a whole head was seen */
	__u8 strikes;
	__u8 last; /* direction of the last operation + 1 */
	__u8 role;
	__u8 heads_length;    /* requests in heads */
	__u8 connect_request; /* the last request was CONNECT */
	__u8 shed;	      /* the last request was refused by the ring, or left out: its answer is held back */
	__u8 reset;
	__u8 self;
	__u8 ended;    /* the peer has shut down, and it was told */
	__u8 included; /* by its port */
	__u8 closing;  /* enum closing */
	__u8 protocol; /* enum protocol */
	__u8 tls;      /* carries TLS: its own bytes are not read */
	__u8 session;  /* this is the state of a TLS session's plaintext */
	__u8 tasks;    /* what was found: a process whose tasks are told, enum tasks_of */
	__u8 opening;  /* it was told who opens it */
	__u8 loops;    /* what was found: a process of which bpf/turn.h tells */
	__u8 cradle;   /* of the thread of Java that has read the last request, see bpf/birth.h; 0: none */
	__u8 seldom;   /* what was found: a process with that set */
	__u8 pad[6];
	__u64 heads; /* which of the requests since the last turn were HEAD, oldest lowest */
	__u32 lost;  /* records refused since the last one that was not */
	__u32 name_local;
	__u32 name_peer;
	__u32 owner;
	struct follower follower[2];
	__u64 connecting; /* time of the SYN */
	__u64 connect_ns;
	__u64 vector; /* sendmmsg, recvmmsg: the call that is under way */
	__u32 vector_thread;
	__u32 vector_next;
};

/* One record per stream socket. Born at connect, establishment or the first operation, dies with the socket. */
#if !defined(SOCKETS_BY_ADDRESS)
struct {
	__uint(type, BPF_MAP_TYPE_SK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, int);
	__type(value, struct socket_state);
} sockets SEC(".maps");
#else
/* The same by the address of the socket, see bpf/reach.h. Of too many the one goes first that was not used for the longest time. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 32768);
	__type(key, __u64);
	__type(value, struct socket_state);
} sockets SEC(".maps");
#endif

/* All records. Resized by Go before loading. */
struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 8 << 20);
	__type(value, struct message_record);
} ring SEC(".maps");

/* The maps that forget what was not used for the longest time, by their names. */
enum forgetful {
	FORGETFUL_OWN,
	FORGETFUL_GOROUTINES,
	FORGETFUL_GIVEN,
	FORGETFUL_WORKERS,
	FORGETFUL_HANDS,
	FORGETFUL_CRADLES,
	FORGETFUL_CREWS,
	FORGETFUL_WORDS,
	FORGETFUL_TASKS,
	FORGETFUL_FUTURES,
	FORGETFUL_WRITTEN,
	FORGETFUL_STREAMS,
	FORGETFUL_THREADS,
	FORGETFUL_RUST_PROGRAMS,
	FORGETFUL_SOCKETS, /* where they are by address */
	FORGETFULS
};
/* Entries put into each of these, less those taken out: what of them is not there was forgotten. */
__s64 kept[FORGETFULS];

/* What each CPU counts. One entry, so that what every operation adds to is near together. */
struct tally {
	/* Bytes put on the ring since this CPU last woke the reader. Asking the ring itself how full it is costs a cache line that
	 * the reader keeps writing to. */
	__u64 unwoken;
	__u64 unweighed;      /* the same, since it last asked all the same */
	__u64 counts[COUNTS]; /* by enum count; summed over the CPUs by Go */
	__u64 costs[COSTS];   /* see bpf/cost.h */
	__u64 numbered;	      /* the last number that it gave to a socket, see bpf/reach.h */
};
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct tally);
} tallies SEC(".maps");

/* What tells which task runs in a process: its entry in the map `interpreters`, or that in `runtimes`. */
enum tasks_of { TASKS_OF_NONE = 0, TASKS_OF_INTERPRETER = 1, TASKS_OF_TOKIO = 2 };

/* One per traced, ignored or Go process. Key: thread group. Written by Go when it has decided, inherited at fork,
 * removed by Go when the process is gone. */
struct process {
	__u8 choice; /* enum choice */
	__u8 go;
	__u8 has_parent;
	__u8 tasks; /* enum tasks_of */
	__s32 tls;  /* of g, from the thread pointer */
	__u32 goid, parent_goid, m, curg;
	__s32 g_at;  /* of g, from the thread pointer, as a probe has found it before Go has told; 0: not */
	__u8 loops;  /* its threads that read requests run event loops, of which bpf/turn.h tells */
	__u8 seldom; /* who has made what its threads hold is looked for at one call of SELDOM: it was of no use; see bpf/birth.h */
	__u8 pad2[2];
	/* From net/http.persistConn to the file descriptor of a plain TCP connection. */
	__u32 conn, tls_state, fd, sysfd, itab_hash, tcp_conn_hash;
	/* From a channel to the goroutine that waits to receive from it; see agent/golang. */
	__u32 stack, sched, waiting, receivers, sudog_g, sudog_next, sudog_chan; /* 0: not known */
	/* From a thread to the goroutine that the one which runs on it has made ready last. */
	__u32 processor, runnext; /* 0: not known */
	__u32 pad3;
	__u64 all_goroutines; /* address of runtime.allgs, a slice of all goroutines; 0: not known */
};
enum choice {
	CHOICE_NONE = 0, /* not decided */
	CHOICE_TRACE,
	CHOICE_IGNORE, /* excluded: nothing of it is traced */
	CHOICE_OTHER,  /* matches no rule that includes: only its connections with an included port are traced */
};
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 65536);
	__type(key, __u32);
	__type(value, struct process);
} processes SEC(".maps");

/* Ports named by the configuration. Key: port. Value: 1 include, 2 exclude. Never changed after the start. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 1024);
	__type(key, __u16);
	__type(value, __u8);
} ports SEC(".maps");

/* Connections that weft itself has opened. Key: client port << 16 | server port. Old ones fall out. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 1024);
	__type(key, __u32);
	__type(value, __u8);
} own SEC(".maps");

/* Raised by Go whenever a choice changes, so that sockets of ignored processes are looked at again. */
__u32 epoch = 1;

/* Raised by the kernel side whenever it drops a choice itself. */
__u32 drops;

/* Names the moment for which a verdict on a process holds. */
static __always_inline __u32 generation(void)
{
	return *(volatile __u32 *)&epoch + *(volatile __u32 *)&drops;
}

/* verifier: an unknown that is 0 at run time; added to a cursor it makes the states of all turns of a loop equal. */
volatile __u64 unknown_zero;

static __always_inline void count_add(__u32 which, __u64 n)
{
	__u32 zero = 0;
	struct tally *t = bpf_map_lookup_elem(&tallies, &zero);
	__u64 at = which;

	if (!__builtin_constant_p(which))
		asm volatile("" : "+r"(at)); /* verifier: the index in one register, as it is checked */
	if (t && at < COUNTS)
		t->counts[at] += n;
}

/* Puts an entry into a map that forgets, if there is none under that key. Returns 0 if it did. */
static __always_inline long remember(void *map, enum forgetful which, const void *key, const void *value)
{
	long failed = bpf_map_update_elem(map, key, value, BPF_NOEXIST);

	if (!failed)
		__sync_fetch_and_add(&kept[which], 1);
	return failed;
}

/* The same, or writes over what is there. */
static __always_inline void remember_last(void *map, enum forgetful which, const void *key, const void *value)
{
	if (remember(map, which, key, value))
		bpf_map_update_elem(map, key, value, BPF_EXIST);
}

static __always_inline void take_out(void *map, enum forgetful which, const void *key)
{
	if (!bpf_map_delete_elem(map, key))
		__sync_fetch_and_add(&kept[which], -1);
}

/* verifier: a length that is known to be at most max, in one register that the compiler can't split. */
static __always_inline __u64 clamp(__u64 v, __u64 max)
{
	if (v > max)
		v = max;
	asm volatile("" : "+r"(v));
	if (v > max)
		v = max;
	return v;
}
