/* What crosses from the kernel to Go, written once: bpf2go makes the Go types from these structs and enums.
 * Every record on the ring opens with struct record; `length` payload bytes follow its fixed part. */
#pragma once

enum record_kind {
	RECORD_MESSAGE = 1, /* bytes of a message, or progress of one */
	RECORD_SOCKET,	    /* a socket seen for the first time: its name, addresses and origin */
	RECORD_CLOSE,	    /* a TCP connection reached TCP_CLOSE */
	RECORD_EXEC,
	RECORD_FORK,
	RECORD_EXIT,
	RECORD_HANDOVER,     /* a goroutine hands its next request to a pooled connection */
	RECORD_HELLO = 16,   /* a message record with bytes of a direction's first TLS record */
	RECORD_SESSION,	     /* what is known of a TLS session */
	RECORD_STREAM = 20,  /* a goroutine works on a stream of HTTP/2, or has opened one */
	RECORD_WAITERS = 24, /* who waits for the goroutine that has made a call, before the reply to it; of Java, before the call: who has
				allocated what its thread holds */
	RECORD_THREAD = 28,  /* what a thread does to another one of its process */
	RECORD_HELD = 32,    /* what a thread of Java that works on several requests has allocated, and what it holds */
};

enum direction {
	DIRECTION_RECEIVE = 0,
	DIRECTION_SEND = 1,
};

/* Flags of a message record. */
enum message_flag {
	MESSAGE_START = 1 << 0,	   /* a message starts with the payload's first byte */
	MESSAGE_OPEN = 1 << 1,	   /* the head goes on in the next record of this direction */
	MESSAGE_CUT = 1 << 2,	   /* the head was longer than HEAD_MAX, the rest was not copied */
	MESSAGE_END = 1 << 3,	   /* a message ends at `through` */
	MESSAGE_EOF = 1 << 4,	   /* the peer shut its direction down: a receive returned 0 */
	MESSAGE_LOST = 1 << 5,	   /* records of this socket were lost before this one */
	MESSAGE_UNREAD = 1 << 6,   /* bytes that were needed could not be read, see `unread` */
	MESSAGE_PORT = 1 << 8,	   /* the connection was chosen by its port */
	MESSAGE_TLS = 1 << 12,	   /* the bytes are the plaintext of a TLS session */
	MESSAGE_TUNNEL = 1 << 7,   /* from here on the connection carries another protocol and is only counted */
	MESSAGE_FRAME = 1 << 9,	   /* of HTTP/2: MESSAGE_START, _OPEN and _CUT are of a frame, whose header opens the payload. Without
				    a payload: frames of this direction are missing before it */
	MESSAGE_FASTCGI = 1 << 11, /* the payload is of the parameters of FastCGI, or the head of an answer to them */
	MESSAGE_TASK = 1 << 10,	   /* work and origin are tasks of an event loop, or greenlets, see bpf/task.h */
};

/* Why the contents of an operation could not be read. */
enum unread_reason {
	UNREAD_NONE = 0,
	UNREAD_SENDFILE, /* sendfile: the bytes never were in user memory */
	UNREAD_SPLICE,	 /* splice, or a gap in the sequence numbers that a splice or zero-copy receive leaves */
	UNREAD_IO_URING,
	UNREAD_COMPAT,	  /* 32-bit caller */
	UNREAD_FAULT,	  /* the page was not resident */
	UNREAD_IOVEC,	  /* more io vectors than are followed */
	UNREAD_SYSCALL,	  /* the operation ran in a system call that is not known */
	UNREAD_TRUNCATED, /* MSG_TRUNC: the kernel dropped the bytes */
	UNREAD_REASONS,
};

/* How a socket came to be known. */
enum socket_origin {
	ORIGIN_FOUND = 0, /* older than weft, or AF_UNIX */
	ORIGIN_CONNECTED,
	ORIGIN_ACCEPTED,
};

/* Everything the kernel side counts, by reason. Index into the per-CPU array `counts`. */
enum count {
	COUNT_OPERATIONS = 0,  /* operations on followed sockets */
	COUNT_MUTED,	       /* operations on muted sockets */
	COUNT_RECORDS,	       /* records on the ring */
	COUNT_RING_FULL,       /* records refused by a full ring */
	COUNT_LOST_SERVER,     /* incoming requests whose first record was refused */
	COUNT_LOST_CLIENT,     /* outgoing requests whose first record was refused */
	COUNT_HEADS_CUT,       /* heads longer than HEAD_MAX */
	COUNT_SOCKETS,	       /* sockets seen */
	COUNT_SOCKETS_MUTED,   /* sockets that matched no protocol */
	COUNT_SOCKETS_REFUSED, /* sockets for which no storage could be had */
	COUNT_OVERLAPPED,      /* operations left out: another one was under way on the CPU */
	COUNT_SHED,	       /* records held back because the request that they answer was lost or left out */
	COUNT_LEFT_OUT_SERVER, /* incoming requests left out because the ring was filling */
	COUNT_LEFT_OUT_CLIENT, /* outgoing ones */
	COUNT_LEFT_OUT_ERRORS, /* replies with a status from 500 on among what is held back */
	COUNT_TASK_UNREAD,     /* operations of an event loop whose running task could not be read */
	COUNT_TLS_OPERATIONS,  /* reads and writes of plaintext */
	COUNT_TLS_SOCKETS,     /* sockets that carry TLS */
	COUNT_TLS_UNTIED,      /* reads and writes of plaintext whose socket was not known */
	COUNT_TLS_REFUSED,     /* sessions and sockets for which no room could be had */
	COUNT_TLS_UNREAD,      /* sockets that carried data under TLS and have ended without a session that was read */
	COUNT_TLS_LATE,	       /* sockets whose first data was not read: there were no probes yet */
	COUNT_UNREAD,	       /* + enum unread_reason: operations whose bytes could not be read */
	COUNT_UNREAD_BYTES = COUNT_UNREAD + UNREAD_REASONS, /* + enum unread_reason */
	COUNTS = COUNT_UNREAD_BYTES + UNREAD_REASONS,
};

/* The time of an operation is told in powers of two: entry i of `costs` counts those from 2^i ns to twice that, the last one also
 * longer ones. */
enum cost { COSTS = 24 };

struct record {
	__u8 kind;	/* enum record_kind */
	__u8 direction; /* enum direction */
	__u16 flags;	/* enum message_flag */
	__u32 length;	/* payload bytes after the fixed part */
	__u64 time;	/* CLOCK_BOOTTIME, ns */
	__u64 socket;	/* the kernel's socket cookie, 0 for process records */
	__u32 pid;	/* thread group of the current task */
	__u32 tid;
};

struct message_record {
	struct record head;
	__u64 offset;	   /* stream offset of the payload's first byte, in this direction */
	__u64 through;	   /* stream offset up to which the kernel has followed this direction */
	__u64 body;	   /* with MESSAGE_END: body bytes of the message, chunk framing taken off; with MESSAGE_FRAME: DATA bytes of the
			   stream in this direction, where the frame ends it */
	__u64 previous;	   /* time of the operation before this one on the socket, either direction */
	__u64 work;	   /* what the runtime worked on: Go's goroutine, or with MESSAGE_TASK a task; 0: not known */
	__u64 origin;	   /* the goroutine that started it, or the outermost task */
	__u32 rtt;	   /* smoothed round trip time, us */
	__u32 retransmits; /* segments retransmitted since the connection began */
	__u32 unread;	   /* enum unread_reason, with MESSAGE_UNREAD; with MESSAGE_FRAME: messages of gRPC, as body, or with PIECES_FRAMES
			      frames of DATA; with MESSAGE_END: chunks of the body */
	__u32 lost;	   /* records of this socket refused by the ring since the last one that was not */
	__u64 wire;	   /* with MESSAGE_TLS: 1 + offset in the socket's stream of the record that the payload begins; 0: not known */
};

struct socket_record {
	struct record head;
	__u64 netns;	  /* inode of the network namespace */
	__u64 inode;	  /* of the socket; AF_UNIX only */
	__u64 peer_inode; /* AF_UNIX only */
	__u64 cgroup;
	__u64 connect_ns; /* from SYN to established, for ORIGIN_CONNECTED */
	__u32 name_local; /* sequence number of the first byte that this end sends */
	__u32 name_peer;  /* sequence number of the first byte that the other end sends */
	__u16 family;	  /* AF_INET, AF_INET6, AF_UNIX */
	__u16 local_port;
	__u16 peer_port;
	__u8 origin; /* enum socket_origin */
	__u8 pad;
	__u8 local[16]; /* IPv4 in the first four bytes */
	__u8 peer[16];
};

struct close_record {
	struct record head;
	__u64 sent; /* stream offsets at the end */
	__u64 received;
	__u64 previous; /* time of the last operation */
	__u32 retransmits;
	__u32 reset; /* 1: ended by a reset */
	__u32 lost;
	__u32 sent_messages; /* of WebSocket; of HTTP/1, chunks of the body under way */
	__u32 received_messages;
	__u32 pad;
};

/* Bits of message_record.unread with MESSAGE_FRAME. */
enum piece_flag {
	PIECES_FRAMES = 1 << 30, /* frames of DATA were counted: it is no gRPC */
	PIECES_OTHER = 1 << 29,	 /* body and pieces are those of the other direction: the frame gives the stream up */
};

struct handover_record {
	struct record head;	/* socket: the connection that will carry the request */
	__u64 goroutine;	/* that works on what the request is for */
	__u64 parent_goroutine; /* or the nearest ancestor that has read a request */
};

struct stream_record {
	struct record head;	/* direction: of the stream's request; socket: the connection that carries it, 0: not known */
	__u64 goroutine;	/* that works on a request which was received, or on what one that is sent is for */
	__u64 parent_goroutine; /* received: which has started it; sent: or the nearest ancestor that works on a request */
	__u32 stream;
	__u32 pad;
};

enum { WAITERS_MAX = 4 };

/* In a process of Java: a thread that reads requests and has allocated what the one that makes the call holds. */
struct waiter {
	__u64 goroutine; /* of Java: the thread */
	__u64 parent;	 /* that has started it; 0: not known. Of Java: the time of the head that the thread has read last */
	__u64 place;	 /* where the channel was found: words from the outermost end of the stack, times 32, and in a job 1 + the word. Of
			    Java: in the highest 16 bits how many words of its stack are Java's, and in bytes, lowest first, up to six of
			    these, from 1 on, the outermost first */
};

struct waiters_record {
	struct record head; /* socket: the connection of the call */
	__u64 worker;	    /* the goroutine that has made the call; 0: a thread of Java is about to make it */
	__u32 count;	    /* of waiters; those above WAITERS_MAX are not told */
	__u32 ready; /* 1: those told do not wait yet, but were made ready where the worker was to make its call, and share the channel */
	struct waiter waiters[WAITERS_MAX];
};

enum { HELD_MAX = 64, HELD_PLACE = 48 };

/* A thread of Java that works on several requests has read something, or is about to make a call. What it allocates it takes from
 * a buffer of its own from `top` on, so an address tells between which two of these records it was allocated. */
struct held_record {
	struct record head; /* direction: DIRECTION_SEND: it makes a call; flags: of what it has read; socket: the connection */
	__u64 start, top, end;
	__u32 collections; /* as many as there were: another one moves all */
	__u32 depth;	   /* words of Java on its stack; 0: not looked at */
	__u32 count;	   /* of the words of 64 bits that follow, HELD_MAX at most; with a call: what may be references among the outermost
			      words of its stack, the outermost first: the address, and from bit HELD_PLACE on which word that is */
	__u32 pad;
};

/* What a thread does to another one of its process, or to a connection. */
enum deed {
	DEED_STARTS = 1,
	DEED_WAKES,
	DEED_ENDS,     /* the thread itself ends */
	DEED_CONNECTS, /* it begins to open the connection of `head.socket` */
	DEED_UNUSED,   /* a connection that was told with DEED_CONNECTS is over before it was used; the thread is not known */
	DEED_TURNS,    /* it reads from a connection whose messages are not told: `head.socket`; 0: it goes on with timers, and the like */
	DEED_ASKS,     /* it writes to such a connection */
	DEED_CREW,     /* it has made a call and reads no requests, the first one of this machine: for weft itself */
};

struct thread_record {
	struct record head; /* pid and tid: the one that does it; socket: of a connection */
	__u32 deed;	    /* enum deed */
	__u32 other;	    /* the thread that it is done to */
	__u64 address;	    /* of a wake: the word on which the other one waits; lowest bit: for a limited time. Of a connection that
			       is over unused: 1: it was open. Of TURNS and ASKS: the peer, its port above its address; of TURNS
			       without a socket 1: what follows is not told any more, until the thread reads what is; 2: it does not go
			       on, but all that it does is told from now on */
};

/* Of a TLS session, before its first message. */
struct session_record {
	struct record head; /* socket: the id of the session's messages */
	__u64 under;	    /* cookie of the socket that carries it */
	__u64 hello;	    /* time of the handshake's first record; 0: not seen */
	__u64 handshake[2]; /* by direction: time of the last record of the handshake before the first one of data */
	__u64 data[2];	    /* by direction: time of the first record of data */
	__u64 offset;	    /* in the plaintext sent: where the bytes begin that are at `wire`; all ones: none */
	__u64 wire;
};

struct process_record {
	struct record head;
	__u64 cgroup;
	__u64 start; /* of the thread group, CLOCK_BOOTTIME, ns */
	__u32 parent;
	__u32 args_length; /* the payload is the arguments, then the environment, both NUL-separated, each cut at its limit */
	__u32 env_length;
	__u32 pad;
	char comm[16];
	char file[128]; /* the path given to execve */
};
