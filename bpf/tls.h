/* What is kept of TLS: the ciphertext of a socket by its records, the plaintext of a TLS object as a stream of its own, and what
 * ties the two together. */
#pragma once
#include "state.h"

enum {
	TLS_CHANGE_CIPHER = 20, /* record types: RFC 8446 section 5.1 */
	TLS_HANDSHAKE = 22,
	TLS_DATA = 23,
	TLS_HEARTBEAT = 24,
	TLS_HEADER = 5,		       /* bytes of a record's header */
	TLS_RECORD_MAX = 16384 + 2048, /* of its contents: RFC 5246 section 6.2.3 */
	TLS_PLAIN_MAX = 16384,	       /* of the plaintext in it */
	HELLO_MAX = 4096,	       /* bytes of each direction's first record that are copied */
	RECORDS_KEPT = 8,	       /* records of a direction that were not read as plaintext yet */
	RECORDS_WALKED = 64,	       /* headers that are looked at in one operation */
	OVERHEAD_MIN = 9,	       /* bytes that a record is longer than its plaintext, at least */
	ALERT_LENGTH = 19,	       /* of an alert that TLS 1.3 hides as data */
	WRITE_MAX_NS = 1000000000,     /* how long a socket's end waits for a write, at most */
	HANDSHAKE_SENT = 1,	       /* operations in which a client sends what is encrypted of its handshake, at most */
	HANDSHAKE_READ = 3,	       /* in which a server reads it: certificate, its verification, Finished */
	PROVISIONAL = 1 << 7,	       /* top byte of an id that is no socket's cookie */
};

/* One record with application data, or with what TLS 1.3 hides as such. */
struct data_record {
	__u64 offset; /* stream offset of its header */
	__u64 length; /* of its contents */
};

/* The ciphertext of one direction of a socket. */
struct record_stream {
	__u64 next;	 /* stream offset of the next header, when aligned */
	__u64 header;	 /* `have` bytes of it */
	__u64 data;	 /* time of the first record with data */
	__u64 handshake; /* time of the last record of a handshake before that */
	__u32 have;
	__u32 hello_left; /* bytes of the first record that are still to be copied */
	__u32 filled;	  /* records that were put to `records`, and that were taken from it */
	__u32 taken;
	__u8 aligned;
	__u8 begun;
	__u8 dropped;  /* records were put out of `records` that had not been taken */
	__u8 ciphered; /* a ChangeCipherSpec was seen */
	__u8 said;     /* encrypted records but alerts: one ends the handshake, what follows is data; 255: or more */
	__u8 turns;    /* operations with such records; 255: or more */
	__u8 turned;   /* what `said` was behind the operation before */
	__u8 sealed;   /* the kernel encrypts: operations are of plaintext */
	struct data_record records[RECORDS_KEPT];
};

/* One per TCP connection that carries TLS. Key: the socket's cookie. Born with the first record that is recognised, dies at
 * TCP_CLOSE. */
struct tls_socket {
	__u64 cookie;
	__u64 hello;  /* time of the first record of a handshake */
	__u64 object; /* of the session that is tied to it; 0: none */
	__u64 id;     /* under which the session's messages are told */
	__u64 connect_ns;
	__u64 previous; /* of a session that is over */
	__u64 through[2];
	__u32 messages[2]; /* as a close record tells them */
	__u32 tgid;	   /* of the session */
	__u32 name_local, name_peer;
	__u32 rtt, retransmits;
	__u8 origin;
	__u8 included;
	__u8 announced;
	__u8 asking; /* 1 + the direction in which the client sends; 0: not known, for the socket is older than weft */
	struct record_stream streams[2];
};
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 65536);
	__type(key, __u64);
	__type(value, struct tls_socket);
} tls_sockets SEC(".maps");

struct session_key {
	__u64 object; /* address of the SSL, gnutls_session or tls.Conn */
	__u64 tgid;
};

/* What becomes of a session that no socket is known for, where nothing tells when its object is freed. */
enum looseness {
	LOOSE_NOT = 0, /* it is told */
	LOOSE_AT_ONCE, /* forgotten when the socket that is written to next is not its own */
	LOOSE_IDLE,    /* forgotten by Go when it was idle for long */
	LOOSE_TIED,    /* of a call: there is none but where a socket that carries TLS was used inside of one */
};

/* The plaintext of one TLS object. Born at its first read or write, dies when it is freed, with its socket, or, where neither is
 * seen, when Go has seen the process end. */
struct session {
	struct socket_state state; /* as of a socket, its offsets count plaintext */
	__u64 under;		   /* cookie of the socket that it is tied to; 0: none yet */
	__u64 sent;		   /* 1 + stream offset of the record that the write under way has begun */
	__u64 part;		   /* length of the record that was read in part, and its plaintext so far; of a loose one see take_whole */
	__u64 got;
	__u64 writing;	   /* when the write began that has sent on the socket and has not returned; 0: none */
	__u64 over;	   /* the socket has ended under that write: time of the last operation before it; 0: it has not */
	__u32 retransmits; /* of the socket, then */
	__u8 told;	   /* a session record was sent */
	__u8 loose;	   /* enum looseness */
	__u8 calls;	   /* that have moved plaintext; 255: or more */
	__u8 pad;
};
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 65536);
	__type(key, struct session_key);
	__type(value, struct session);
} sessions SEC(".maps");

/* Copied to make an entry. */
const struct session no_session = {};
const struct session idle_session = {.loose = LOOSE_IDLE};
const struct session rust_session = {.loose = LOOSE_AT_ONCE};
const struct tls_socket no_tls_socket = {};
const struct process no_process = {};

/* The session of an object, made if there is none. The kernel may be out of memory for it for a moment: those who find none later try again. */
static __always_inline struct session *session_at(const struct session_key *key, __u8 loose)
{
	struct session *session = bpf_map_lookup_elem(&sessions, key);

	if (session)
		return session;
	bpf_map_update_elem(&sessions, key, loose ? &idle_session : &no_session, BPF_NOEXIST);
	return bpf_map_lookup_elem(&sessions, key);
}

struct thread_key {
	__u64 thread; /* pid_tgid, or the address of a goroutine's g */
	__u64 tgid;   /* 0 for a thread, else of the goroutine's process */
};

/* What a thread or goroutine is doing with TLS. Key: struct thread_key. Old ones fall out. */
struct thread {
	__u64 object; /* of the call under way, with active */
	__u64 base;   /* user's buffer */
	__u64 asked;  /* its length */
	__u64 count;  /* address of the result's length, of the _ex functions; 0: none */
	__u64 began;
	__u64 received;	      /* cookie of the TLS socket that was read last */
	__u64 pending;	      /* object of a write after which no socket was written to yet: memory BIOs */
	__u64 pending_length; /* of the plaintext */
	__u64 pending_offset; /* in the plaintext */
	__u8 active;
	__u8 direction;
	__u8 inner;  /* the call has written to a socket */
	__u8 whole;  /* the call is one record, all of it */
	__u8 loose;  /* of the call's object, see enum looseness */
	__u8 made;   /* there was a session when the call began */
	__u8 unread; /* enum unread_reason: the plaintext is not in memory */
	__u8 pad;
};
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 16384);
	__type(key, struct thread_key);
	__type(value, struct thread);
} threads SEC(".maps");

const struct thread no_thread = {};

static __always_inline struct thread *thread_of(const struct thread_key *key, bool make)
{
	struct thread *t = bpf_map_lookup_elem(&threads, key);

	if (t || !make)
		return t;
	remember(&threads, FORGETFUL_THREADS, key, &no_thread);
	return bpf_map_lookup_elem(&threads, key);
}

/* Whether a record of that length can hold exactly n bytes of plaintext under one of the AEAD ciphers: TLS 1.3 adds a byte of type
 * and a tag of 16 or 8 (RFC 8446 section 5.2), TLS 1.2 the tag and, but for ChaCha20, a nonce of 8 (RFC 5288, RFC 7905). */
static __always_inline bool holds(__u64 length, __u64 n)
{
	__u64 more = length - n;

	return more == 17 || more == 24 || more == 16 || more == 9;
}

/* Whether the bytes begin a TLS record. */
static __always_inline bool is_record(__u64 header)
{
	__u8 type = header, major = header >> 8, minor = header >> 16;
	__u32 length = (header >> 16 & 0xff00) | (header >> 32 & 0xff);

	return type >= TLS_CHANGE_CIPHER && type <= TLS_HEARTBEAT && major == 3 && minor <= 4 && length && length <= TLS_RECORD_MAX;
}

/* Forgets a session that no socket was found for, if nothing else would. */
static __always_inline void forget_loose(const struct session_key *key, const struct session *session)
{
	if (session && session->loose == LOOSE_AT_ONCE && !session->under)
		bpf_map_delete_elem(&sessions, key);
}

/* Forgets the session that a socket had until now, if its object has been replaced by another one. */
static __always_inline void forget_other(const struct session_key *key, const struct tls_socket *t)
{
	struct session_key other = {t->object, t->tgid};
	struct session *session;

	if (!t->object || t->object == key->object || t->tgid != key->tgid)
		return;
	session = bpf_map_lookup_elem(&sessions, &other);
	if (session && session->loose && session->under == t->cookie)
		bpf_map_delete_elem(&sessions, &other);
}

/* Whether a client has sent more than its handshake on a socket before the operation under way. What is older than weft is not asked. */
static __always_inline bool has_asked(const struct tls_socket *t)
{
	__u8 client = t->asking == 1 + DIRECTION_SEND;
	__u8 turns = t->streams[client].turns;

	return t->asking && turns > (client == DIRECTION_SEND ? HANDSHAKE_SENT : HANDSHAKE_READ);
}

/* Ties a session to the socket that carries it. */
static __always_inline void tie(struct session *session, struct tls_socket *t, __u64 object, __u32 tgid)
{
	struct socket_state *s = &session->state;

	if (session->under == t->cookie)
		return;
	/* The object is used again for another connection: of the one before, the socket is known, or has ended before a read of it was told. */
	if (session->under || (s->previous && s->previous < t->hello)) {
		__u8 loose = session->loose;

		__builtin_memset(session, 0, sizeof(*session));
		session->loose = loose;
	}
	session->under = t->cookie;
	/* A call that is told before its socket is known is told in the operation behind it. */
	if (!t->id && session->calls <= 1 && has_asked(t))
		count_add(COUNT_TLS_LATE, 1);
	if (!s->cookie) {
		s->cookie = t->cookie;
		s->announced = t->announced;
	}
	s->session = 1;
	s->named = 1;
	s->origin = t->origin;
	s->included = t->included;
	s->connect_ns = t->connect_ns;
	s->name_local = t->name_local;
	s->name_peer = t->name_peer;
	t->object = object;
	t->tgid = tgid;
	t->id = s->cookie;
}
