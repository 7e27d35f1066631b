/* Go's servers of HTTP/2 read frames in one goroutine and work on each request in another, and its gRPC writes all frames of a
 * connection in one: which goroutine a stream belongs to is only seen in the function that has both. The layout of what is read
 * may be another than thought: each time something in it is compared with what it has to be. */
#pragma once
#include "handover.h"

#if defined(__TARGET_ARCH_x86)
#define GO_SECOND(regs) ((regs)->bx)
#define GO_THIRD(regs) ((regs)->cx)
#define GO_FOURTH(regs) ((regs)->di)
#define GO_STACK(regs) ((regs)->sp)
#elif defined(__TARGET_ARCH_arm64)
#define GO_SECOND(regs) (((struct user_pt_regs *)(regs))->regs[1])
#define GO_THIRD(regs) (((struct user_pt_regs *)(regs))->regs[2])
#define GO_FOURTH(regs) (((struct user_pt_regs *)(regs))->regs[3])
#define GO_STACK(regs) (((struct user_pt_regs *)(regs))->sp)
#endif

/* Where the fields of a stream of gRPC are, in the cookie of the probe: bits 0 to 15 of its number, 32 to 47 of the connection in its
 * transport; bit 48: the number is behind a pointer at 0. */
enum { GRPC_BEHIND_BIT = 48 };
#define COOKIE_ID(c) ((c)&0xffff)
#define COOKIE_CONN(c) ((c) >> 32 & 0xffff)

enum { STREAM_WORDS = 8, STREAM_PARTS = 8 }; /* of a stream that are looked through: it has about 400 bytes */

enum { WRAPPERS = 4 }; /* connections around a *net.TCPConn that are looked through: of TLS, of credentials */

/* The file descriptor under a net.Conn at an address, or -1. What wraps a connection has it in its first field. */
static __always_inline __s64 fd_under(const struct process *p, __u64 at)
{
	__u64 interface[2] = {}, fd = 0, number = 0;
	__u32 hash;

	for (int i = 0; i < WRAPPERS; i++) {
		hash = 0;
		if (bpf_probe_read_user(interface, sizeof(interface), (void *)at) ||
		    bpf_probe_read_user(&hash, sizeof(hash), (void *)(interface[0] + p->itab_hash)))
			return -1;
		at = interface[1];
		if (hash == p->tcp_conn_hash)
			break;
	}
	if (hash != p->tcp_conn_hash || bpf_probe_read_user(&fd, sizeof(fd), (void *)(at + p->fd)) ||
	    bpf_probe_read_user(&number, sizeof(number), (void *)(fd + p->sysfd)))
		return -1;
	return number;
}

/* What is known of the current process, if its goroutines are told apart and it is not left out. */
static __always_inline struct process *go_process(void)
{
	__u32 pid = bpf_get_current_pid_tgid() >> 32;
	struct process *p = bpf_map_lookup_elem(&processes, &pid);

	return p && p->go && p->choice != CHOICE_IGNORE ? p : 0;
}

static __always_inline int tell_stream(struct stream_record *r)
{
	r->head.kind = RECORD_STREAM;
	r->head.time = bpf_ktime_get_boot_ns();
	r->head.tid = bpf_get_current_pid_tgid();
	if (bpf_ringbuf_output(&ring, r, sizeof(*r), wake_flags(sizeof(*r))))
		count_add(COUNT_RING_FULL, 1);
	return 0;
}

/* Whether a goroutine is known to have read a request. */
static __always_inline bool serves(__u32 pid, __u64 id)
{
	struct goroutine_key key = {.pid = pid, .id = id};
	struct goroutine_value *known = bpf_map_lookup_elem(&goroutines, &key);

	return known && known->serves;
}

/* The number of the socket under a net.Conn at an address, 0 if there is none or it has no number yet. */
static __always_inline __u64 socket_under(const struct process *p, __u64 at)
{
	__s64 fd = fd_under(p, at);
	__u64 sk = fd < 0 ? 0 : socket_of_fd(current_task(), fd);

	return sk ? number_at(sk) : 0;
}

/* The current goroutine begins to work on a request that has come on a stream of the connection at an address, 0 if it is not known. If
 * it was started by the goroutine that reads the connection, that one names it. */
static __always_inline int handler_starts(const struct process *p, __u32 stream, __u64 conn)
{
	struct operation op = {};
	struct stream_record r = {};

	find_goroutine(&op, current_task(), p);
	if (!op.work)
		return 0;
	r.head.direction = DIRECTION_RECEIVE;
	r.head.pid = bpf_get_current_pid_tgid() >> 32;
	if (conn && !serves(r.head.pid, op.origin))
		r.head.socket = socket_under(p, conn);
	r.goroutine = op.work;
	r.parent_goroutine = op.origin;
	r.stream = stream;
	note_serving(r.head.pid, op.work);
	return tell_stream(&r);
}

/* func (sc *serverConn) runHandler(rw *responseWriter, ...) of net/http and of golang.org/x/net/http2: rw begins with a pointer to
 * its state, that with one to the stream, and that with sc and the number. */
static __always_inline int http2_handler_starts(struct pt_regs *regs)
{
	struct process *p = go_process();
	__u64 at = GO_SECOND(regs);
	struct {
		__u64 connection;
		__u32 number, pad;
	} stream = {};

	if (!p || bpf_probe_read_user(&at, sizeof(at), (void *)at) || bpf_probe_read_user(&at, sizeof(at), (void *)at) ||
	    bpf_probe_read_user(&stream, sizeof(stream), (void *)at) || stream.connection != GO_RECEIVER(regs))
		return 0;
	return handler_starts(p, stream.number, 0);
}

/* Whether a stream of gRPC is one of a transport: it has a pointer to it. */
static __noinline int is_of_transport(__u64 stream, __u64 transport)
{
	__u64 words[STREAM_WORDS];

	for (int i = 0; transport && i < STREAM_PARTS; i++) {
		if (bpf_probe_read_user(words, sizeof(words), (void *)(stream + i * sizeof(words))))
			return 0;
		for (int j = 0; j < STREAM_WORDS; j++)
			if (words[j] == transport)
				return 1;
	}
	return 0;
}

/* The number of a stream of gRPC, 0 if it can't be read or is not of that transport. */
static __always_inline __u32 grpc_stream(__u64 cookie, __u64 stream, __u64 transport)
{
	__u64 at = stream;
	__u32 number = 0;

	if (!is_of_transport(stream, transport))
		return 0;
	if (cookie >> GRPC_BEHIND_BIT & 1 && bpf_probe_read_user(&at, sizeof(at), (void *)stream))
		return 0;
	bpf_probe_read_user(&number, sizeof(number), (void *)(at + COOKIE_ID(cookie)));
	return number;
}

/* func (s *Server) handleStream(t transport.ServerTransport, stream *transport.ServerStream, ...) */
static __always_inline int grpc_handler_starts(struct pt_regs *regs)
{
	struct process *p = go_process();
	__u64 cookie = probe_cookie(regs), transport = GO_THIRD(regs);
	__u32 stream;

	if (!p)
		return 0;
	stream = grpc_stream(cookie, GO_FOURTH(regs), transport);
	return stream ? handler_starts(p, stream, transport + COOKIE_CONN(cookie)) : 0;
}

/* The current goroutine, or one for which it works, has opened a stream on the connection at an address. */
static __always_inline int stream_opens(const struct process *p, __u32 stream, __u64 conn)
{
	struct stream_record r = {};
	struct operation op = {};

	r.head.socket = socket_under(p, conn);
	find_goroutine(&op, current_task(), p);
	if (!stream || !r.head.socket || !op.work)
		return 0;
	r.head.direction = DIRECTION_SEND;
	r.head.pid = bpf_get_current_pid_tgid() >> 32;
	r.goroutine = op.work;
	r.parent_goroutine = serving_ancestor(p, r.head.pid, op.work, op.origin);
	r.stream = stream;
	return tell_stream(&r);
}

/* func (t *http2Client) NewStream(...) (*ClientStream, error) returns, in the goroutine that calls. Another one writes the frames,
 * perhaps earlier. Above the address to return to is where Go keeps the first argument, t. */
static __always_inline int grpc_stream_opens(struct pt_regs *regs)
{
	struct process *p = go_process();
	__u64 cookie = probe_cookie(regs), transport = 0;

	if (!p || !GO_RECEIVER(regs) || bpf_probe_read_user(&transport, sizeof(transport), (void *)(GO_STACK(regs) + 8)))
		return 0;
	return stream_opens(p, grpc_stream(cookie, GO_RECEIVER(regs), transport), transport + COOKIE_CONN(cookie));
}

enum { HTTP2_CLIENT_CONN = 8 }; /* tconn of a ClientConn: behind a pointer, since there is HTTP/2 in Go */

/* func (cc *ClientConn) writeHeaders(streamID uint32, ...), in a goroutine that was started for the call. */
static __always_inline int http2_stream_opens(struct pt_regs *regs)
{
	struct process *p = go_process();

	return p ? stream_opens(p, GO_SECOND(regs), GO_RECEIVER(regs) + HTTP2_CLIENT_CONN) : 0;
}
