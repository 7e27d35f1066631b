package bpf

import (
	"path/filepath"
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"
)

// pair is a connection, both ends of it in this process, as plain blocking descriptors.
type pair struct{ client, server int }

func (p pair) close() {
	unix.Close(p.client)
	unix.Close(p.server)
}

// families are the kinds of connections that carry requests.
var families = map[string]func(testing.TB) pair{
	"ipv4": func(t testing.TB) pair {
		return connect(t, unix.AF_INET, &unix.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}})
	},
	"ipv6": func(t testing.TB) pair {
		return connect(t, unix.AF_INET6, &unix.SockaddrInet6{Addr: [16]byte{15: 1}})
	},
	"mapped": func(t testing.TB) pair {
		return connect(t, unix.AF_INET6, &unix.SockaddrInet6{Addr: [16]byte{10: 0xff, 11: 0xff, 12: 127, 15: 1}})
	},
	"unix": func(t testing.TB) pair {
		return connect(t, unix.AF_UNIX, &unix.SockaddrUnix{Name: filepath.Join(t.TempDir(), "s")})
	},
	"socketpair": func(t testing.TB) pair {
		fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
		check(t, err)
		p := pair{fds[0], fds[1]}
		t.Cleanup(p.close)
		return p
	},
}

func check(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func listen(t testing.TB, family int, address unix.Sockaddr) (fd int, bound unix.Sockaddr) {
	t.Helper()
	fd, err := unix.Socket(family, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	check(t, err)
	t.Cleanup(func() { unix.Close(fd) })
	check(t, unix.Bind(fd, address))
	check(t, unix.Listen(fd, 16))
	bound, err = unix.Getsockname(fd)
	check(t, err)
	return fd, bound
}

func connect(t testing.TB, family int, address unix.Sockaddr) pair {
	t.Helper()
	listener, bound := listen(t, family, address)
	client, err := unix.Socket(family, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	check(t, err)
	check(t, unix.Connect(client, bound))
	server, _, err := unix.Accept4(listener, unix.SOCK_CLOEXEC)
	check(t, err)
	p := pair{client, server}
	t.Cleanup(p.close)
	// A test that waits for bytes that do not come ends with an error.
	for _, fd := range []int{client, server} {
		check(t, unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &unix.Timeval{Sec: 5}))
	}
	if family != unix.AF_UNIX {
		check(t, unix.SetsockoptInt(client, unix.IPPROTO_TCP, unix.TCP_NODELAY, 1))
		check(t, unix.SetsockoptInt(server, unix.IPPROTO_TCP, unix.TCP_NODELAY, 1))
	}
	return p
}

// operation moves bytes in one direction by one system call; flags are those of the call, where it has some.
type operation func(fd int, b []byte, flags int) (int, error)

// vectors cuts b into at most n io vectors of uneven sizes, empty ones among them.
func vectors(b []byte, n int) []unix.Iovec {
	var out []unix.Iovec
	for i := 0; i < n; i++ {
		size := len(b) / (n - i)
		if i%3 == 1 && i < n-1 {
			size = 0
		}
		v := unix.Iovec{Base: unsafe.SliceData(b)}
		v.SetLen(size)
		out = append(out, v)
		b = b[size:]
	}
	return out
}

func call(number uintptr, a ...uintptr) (int, error) {
	var full [6]uintptr
	copy(full[:], a)
	for {
		n, _, e := unix.Syscall6(number, full[0], full[1], full[2], full[3], full[4], full[5])
		switch e {
		case 0:
			return int(n), nil
		case unix.EINTR: // a signal of Go's scheduler; sockets with a timeout are not taken up again by the kernel
		default:
			return int(n), e
		}
	}
}

func plain(number uintptr, hasFlags bool) operation {
	return func(fd int, b []byte, flags int) (int, error) {
		p := unsafe.Pointer(unsafe.SliceData(b))
		if hasFlags {
			return call(number, uintptr(fd), uintptr(p), uintptr(len(b)), uintptr(flags))
		}
		return call(number, uintptr(fd), uintptr(p), uintptr(len(b)))
	}
}

func vectored(number uintptr, count int) operation {
	return func(fd int, b []byte, _ int) (int, error) {
		v := vectors(b, count)
		// preadv2 and pwritev2: an offset of -1 is the current position; the others take no notice.
		return call(number, uintptr(fd), uintptr(unsafe.Pointer(&v[0])), uintptr(len(v)), ^uintptr(0), ^uintptr(0), 0)
	}
}

func messaged(number uintptr, count int) operation {
	return func(fd int, b []byte, flags int) (int, error) {
		v := vectors(b, count)
		m := unix.Msghdr{Iov: &v[0], Iovlen: uint64(len(v))}
		return call(number, uintptr(fd), uintptr(unsafe.Pointer(&m)), uintptr(flags))
	}
}

// multiple is struct mmsghdr.
type multiple struct {
	unix.Msghdr
	length uint32
	_      uint32
}

// many cuts b into messages of one call.
func many(number uintptr, count int) operation {
	return func(fd int, b []byte, flags int) (int, error) {
		v := make([]unix.Iovec, count)
		m := make([]multiple, count)
		for i, left := 0, b; i < count; i++ {
			size := len(left) / (count - i)
			v[i].Base = unsafe.SliceData(left)
			v[i].SetLen(size)
			m[i].Iov, m[i].Iovlen = &v[i], 1
			left = left[size:]
		}
		done, err := call(number, uintptr(fd), uintptr(unsafe.Pointer(&m[0])), uintptr(count), uintptr(flags), 0)
		if err != nil {
			return done, err
		}
		n := 0
		for i := range done {
			n += int(m[i].length)
		}
		return n, nil
	}
}

var sends = map[string]operation{
	"write":    plain(unix.SYS_WRITE, false),
	"sendto":   plain(unix.SYS_SENDTO, true),
	"writev":   vectored(unix.SYS_WRITEV, 7),
	"pwritev2": vectored(unix.SYS_PWRITEV2, 3),
	"sendmsg":  messaged(unix.SYS_SENDMSG, 5),
	"sendmmsg": many(unix.SYS_SENDMMSG, 3),
}

var receives = map[string]operation{
	"read":     plain(unix.SYS_READ, false),
	"recvfrom": plain(unix.SYS_RECVFROM, true),
	"readv":    vectored(unix.SYS_READV, 7),
	"preadv2":  vectored(unix.SYS_PREADV2, 3),
	"recvmsg":  messaged(unix.SYS_RECVMSG, 5),
}

// sendAll sends all of b, in as many calls as it takes.
func sendAll(t testing.TB, send operation, fd int, b []byte) {
	t.Helper()
	for len(b) > 0 {
		n, err := send(fd, b, 0)
		if err != nil {
			t.Fatal(err)
		}
		b = b[n:]
	}
}

// receiveAll receives exactly n bytes, at most size in a call.
func receiveAll(t testing.TB, receive operation, fd, n, size int) {
	t.Helper()
	buf := make([]byte, size)
	for n > 0 {
		got, err := receive(fd, buf[:min(size, n)], 0)
		if err != nil || got == 0 {
			t.Fatalf("receive: %d bytes, %v", got, err)
		}
		n -= got
	}
}
