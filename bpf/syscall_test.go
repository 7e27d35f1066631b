package bpf

import (
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"weft/correlate/event"
)

const (
	get     = "GET /x HTTP/1.1\r\nHost: h\r\n\r\n"
	okReply = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"
)

// one is what get and okReply are, seen from either end.
var one = ended{method: "GET", target: "/x", status: 200, replyBody: 5}

// TestOperations moves a request and its reply by every pair of system calls, over every family.
func TestOperations(t *testing.T) {
	k := start(t)
	for family, open := range families {
		for _, out := range slices.Sorted(maps.Keys(sends)) {
			for _, in := range slices.Sorted(maps.Keys(receives)) {
				t.Run(family+"/"+out+"/"+in, func(t *testing.T) {
					k.forget()
					p := open(t)
					sendAll(t, sends[out], p.client, []byte(get))
					receiveAll(t, receives[in], p.server, len(get), 100)
					sendAll(t, sends[out], p.server, []byte(okReply))
					receiveAll(t, receives[in], p.client, len(okReply), 100)
					compare(t, []ended{one}, k.exchanges(true), true)
					compare(t, []ended{one}, k.exchanges(false), false)
				})
			}
		}
	}
}

// TestReceiveMany receives by recvmmsg, whose elements are one operation each.
func TestReceiveMany(t *testing.T) {
	k := start(t)
	p := families["ipv4"](t)
	receive := many(unix.SYS_RECVMMSG, 4)
	sendAll(t, sends["sendmmsg"], p.client, []byte(get))
	// 27 bytes in elements of 6, 6, 7 and 8: all of them are there, so that the call returns.
	if n, err := receive(p.server, make([]byte, len(get)), 0); err != nil || n != len(get) {
		t.Fatalf("recvmmsg: %d, %v", n, err)
	}
	sendAll(t, sends["write"], p.server, []byte(okReply))
	if n, err := receive(p.client, make([]byte, len(okReply)), 0); err != nil || n != len(okReply) {
		t.Fatalf("recvmmsg: %d, %v", n, err)
	}
	compare(t, []ended{one}, k.exchanges(true), true)
	compare(t, []ended{one}, k.exchanges(false), false)
}

// TestPeek holds that bytes which were looked at, or came out of band, are not part of the stream, and that an
// operation which moved nothing changes nothing.
func TestPeek(t *testing.T) {
	k := start(t)
	p := families["ipv4"](t)
	buf := make([]byte, 100)
	receive := receives["recvfrom"]
	must := func(want int) func(int, error) {
		return func(n int, err error) {
			t.Helper()
			if err != nil || n != want {
				t.Fatalf("%d bytes, %v; want %d", n, err, want)
			}
		}
	}
	sendAll(t, sends["write"], p.client, []byte(get))
	must(10)(receive(p.server, buf[:10], unix.MSG_PEEK))
	must(len(get))(receive(p.server, buf, unix.MSG_PEEK))
	must(0)(receive(p.server, buf[:0], 0))
	must(0)(sends["sendto"](p.server, buf[:0], 0))
	must(5)(receive(p.server, buf[:5], unix.MSG_WAITALL))
	must(len(get) - 5)(receive(p.server, buf[:len(get)-5], unix.MSG_WAITALL))
	if n, err := receive(p.server, buf, unix.MSG_DONTWAIT); err != unix.EAGAIN {
		t.Fatalf("%d, %v", n, err)
	}
	sendAll(t, sends["write"], p.server, []byte(okReply))
	must(len(okReply))(receive(p.client, buf, unix.MSG_PEEK))
	must(len(okReply))(receive(p.client, buf, 0))
	compare(t, []ended{one}, k.exchanges(true), true)
	compare(t, []ended{one}, k.exchanges(false), false)
}

// TestTruncate drops a body in the kernel: it is counted, and followed.
func TestTruncate(t *testing.T) {
	k := start(t)
	p := families["ipv4"](t)
	for range 3 {
		sendAll(t, sends["write"], p.client, []byte(get))
		receiveAll(t, receives["read"], p.server, len(get), 100)
		sendAll(t, sends["write"], p.server, []byte(okReply))
		receiveAll(t, receives["read"], p.client, len(okReply)-5, len(okReply)-5)
		n, err := receives["recvfrom"](p.client, make([]byte, 5), unix.MSG_TRUNC)
		if err != nil || n != 5 {
			t.Fatal(n, err)
		}
	}
	if got := k.exchanges(false); len(got) != 3 || got[2].replyBody != 5 {
		t.Fatalf("%+v", got)
	}
	if n := k.count(WeftCountCOUNT_UNREAD_BYTES + WeftCount(WeftUnreadReasonUNREAD_TRUNCATED)); n < 15 {
		t.Errorf("%d bytes counted as dropped", n)
	}
}

// TestSendfile sends a body by sendfile and by splice, and receives one by splice.
func TestSendfile(t *testing.T) {
	const size = 300_000
	k := start(t)
	file, err := os.CreateTemp(t.TempDir(), "")
	check(t, err)
	defer file.Close()
	_, err = file.Write(make([]byte, size))
	check(t, err)
	p := families["ipv4"](t)
	var pipe [2]int
	check(t, unix.Pipe(pipe[:]))
	body := map[string]func(n int) int{
		"sendfile": func(n int) int {
			var offset int64
			done, err := unix.Sendfile(p.server, int(file.Fd()), &offset, n)
			check(t, err)
			return done
		},
		"splice": func(n int) int {
			var offset int64
			done, err := unix.Splice(int(file.Fd()), &offset, pipe[1], nil, min(n, 60000), 0)
			check(t, err)
			moved, err := unix.Splice(pipe[0], nil, p.server, nil, int(done), 0)
			check(t, err)
			if moved != done {
				t.Fatal(moved, done)
			}
			return int(moved)
		},
	}
	rounds := 0
	for _, how := range []string{"sendfile", "splice", "sendfile"} {
		for _, in := range []string{"read", "splice"} {
			rounds++
			sendAll(t, sends["write"], p.client, []byte(get))
			receiveAll(t, receives["read"], p.server, len(get), 100)
			reply := fmt.Sprintf("HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n", size)
			sendAll(t, sends["write"], p.server, []byte(reply))
			receiveAll(t, receives["read"], p.client, len(reply), len(reply))
			for left := size; left > 0; {
				n := body[how](min(left, 100_000))
				left -= n
				if in == "read" || left == 0 { // the last one by an operation that is seen
					receiveAll(t, receives["read"], p.client, n, 1<<16)
					continue
				}
				drop(t, p.client, n)
			}
		}
	}
	for _, server := range []bool{true, false} {
		got := k.exchanges(server)
		if len(got) != rounds {
			t.Fatalf("server %v: %d exchanges of %d", server, len(got), rounds)
		}
		for _, x := range got {
			if x.replyBody != size || x.lost {
				t.Errorf("%+v", x)
			}
		}
	}
	for _, r := range []WeftUnreadReason{WeftUnreadReasonUNREAD_SENDFILE, WeftUnreadReasonUNREAD_SPLICE} {
		if n := k.count(WeftCountCOUNT_UNREAD_BYTES + WeftCount(r)); n < size {
			t.Errorf("reason %d: %d bytes counted", r, n)
		}
	}
}

// drop takes n bytes off a socket by splice.
func drop(t *testing.T, fd, n int) {
	t.Helper()
	var pipe [2]int
	check(t, unix.Pipe(pipe[:]))
	defer unix.Close(pipe[0])
	defer unix.Close(pipe[1])
	buf := make([]byte, 1<<16)
	for n > 0 {
		got, err := unix.Splice(fd, nil, pipe[1], nil, min(n, 1<<15), 0)
		check(t, err)
		if got == 0 {
			t.Fatal("splice: end of stream")
		}
		n -= int(got)
		for left := int(got); left > 0; {
			m, err := unix.Read(pipe[0], buf[:left])
			check(t, err)
			left -= m
		}
	}
}

// TestUring sends and receives by io_uring: counted, not read, and nothing is made up.
func TestUring(t *testing.T) {
	k := start(t)
	p := families["ipv4"](t)
	r := newURing(t)
	for range 3 {
		if n := r.submit(t, opSend, p.client, []byte(get)); n != len(get) {
			t.Fatal(n)
		}
		if n := r.submit(t, opReceive, p.server, make([]byte, 100)); n != len(get) {
			t.Fatal(n)
		}
	}
	if n := k.count(WeftCountCOUNT_UNREAD_BYTES + WeftCount(WeftUnreadReasonUNREAD_IO_URING)); n < uint64(6*len(get)) {
		t.Errorf("%d bytes counted, %d moved", n, 6*len(get))
	}
	if got := append(k.exchanges(true), k.exchanges(false)...); len(got) != 0 {
		t.Errorf("made up: %+v", got)
	}
	// The same process, by calls that can be read.
	q := families["ipv4"](t)
	sendAll(t, sends["write"], q.client, []byte(get))
	receiveAll(t, receives["read"], q.server, len(get), 100)
	sendAll(t, sends["write"], q.server, []byte(okReply))
	receiveAll(t, receives["read"], q.client, len(okReply), 100)
	compare(t, []ended{one}, k.exchanges(true), true)
}

const (
	opSend    = 26 // IORING_OP_SEND of linux/io_uring.h
	opReceive = 27
)

// uring is a ring of io_uring with one entry.
type uring struct {
	fd      int
	rings   []byte
	entries []byte
	p       ringParameters
}

// ringParameters is struct io_uring_params.
type ringParameters struct {
	sqEntries, cqEntries, flags, sqThreadCPU, sqThreadIdle, features, wqFD uint32
	_                                                                      [3]uint32
	sq                                                                     struct {
		head, tail, mask, entries, flags, dropped, array, _ uint32
		_                                                   uint64
	}
	cq struct {
		head, tail, mask, entries, overflow, cqes, flags, _ uint32
		_                                                   uint64
	}
}

func newURing(t *testing.T) *uring {
	t.Helper()
	r := &uring{}
	fd, err := call(unix.SYS_IO_URING_SETUP, 1, uintptr(unsafe.Pointer(&r.p)))
	check(t, err)
	t.Cleanup(func() { unix.Close(fd) })
	r.fd = fd
	r.rings, err = unix.Mmap(fd, 0, 4096, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
	check(t, err)
	r.entries, err = unix.Mmap(fd, 0x10000000, 4096, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
	check(t, err)
	t.Cleanup(func() { unix.Munmap(r.rings); unix.Munmap(r.entries) })
	return r
}

// submit runs one operation and gives its result.
func (r *uring) submit(t *testing.T, op byte, fd int, b []byte) int {
	t.Helper()
	at := func(offset uint32) *uint32 { return (*uint32)(unsafe.Pointer(&r.rings[offset])) }
	clear(r.entries[:64])
	r.entries[0] = op
	*(*int32)(unsafe.Pointer(&r.entries[4])) = int32(fd)
	*(*uint64)(unsafe.Pointer(&r.entries[16])) = uint64(uintptr(unsafe.Pointer(unsafe.SliceData(b))))
	*(*uint32)(unsafe.Pointer(&r.entries[24])) = uint32(len(b))
	*at(r.p.sq.array) = 0
	*at(r.p.sq.tail)++
	const getEvents = 1
	if _, err := call(unix.SYS_IO_URING_ENTER, uintptr(r.fd), 1, 1, getEvents, 0, 0); err != nil {
		t.Fatal(err)
	}
	head := *at(r.p.cq.head)
	result := *at(r.p.cq.cqes + 16*(head&*at(r.p.cq.mask)) + 8)
	*at(r.p.cq.head) = head + 1
	return int(int32(result))
}

// TestOutOfBand sends an urgent byte inside a body.
func TestOutOfBand(t *testing.T) {
	k := start(t)
	p := families["ipv4"](t)
	for range 2 {
		sendAll(t, sends["write"], p.client, []byte(get))
		receiveAll(t, receives["read"], p.server, len(get), 100)
		sendAll(t, sends["write"], p.server, []byte(okReply))
		receiveAll(t, receives["read"], p.client, len(okReply), 100)
		if _, err := sends["sendto"](p.client, []byte("!"), unix.MSG_OOB); err != nil {
			t.Fatal(err)
		}
		time.Sleep(10 * time.Millisecond)
		if n, err := receives["recvfrom"](p.server, make([]byte, 1), unix.MSG_OOB); n != 1 || err != nil {
			t.Fatal(n, err)
		}
	}
	if got := k.exchanges(true); len(got) < 1 || got[0].target != "/x" || strings.Contains(got[0].method, "!") {
		t.Errorf("%+v", got)
	}
	for _, r := range k.records {
		if r.Flags&event.Unread != 0 {
			t.Errorf("unread: %+v", r)
		}
	}
}
