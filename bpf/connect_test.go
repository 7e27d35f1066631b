package bpf

import (
	"os"
	"slices"
	"testing"

	"golang.org/x/sys/unix"
)

// opened is a record of what became of a connection that a thread has opened.
type opened struct {
	deed WeftDeed
	tid  uint32
	open bool
}

// connections gives what was told of connections, and their sockets.
func (k *capture) connections(t *testing.T) (found []opened, sockets []uint64) {
	t.Helper()
	k.drain()
	for _, r := range k.threads {
		if deed := WeftDeed(r.Deed); deed == WeftDeedDEED_CONNECTS || deed == WeftDeedDEED_UNUSED {
			if r.Head.Pid != uint32(os.Getpid()) {
				t.Errorf("told of process %d", r.Head.Pid)
			}
			found = append(found, opened{deed, r.Head.Tid, r.Address != 0})
			sockets = append(sockets, r.Head.Socket)
		}
	}
	k.threads = nil
	return found, sockets
}

// listener gives a socket that listens, and its address.
func listener(t *testing.T) (int, unix.Sockaddr) {
	t.Helper()
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	check(t, err)
	t.Cleanup(func() { unix.Close(fd) })
	check(t, unix.Bind(fd, &unix.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}))
	check(t, unix.Listen(fd, 8))
	address, err := unix.Getsockname(fd)
	check(t, err)
	return fd, address
}

// dial connects in a thread, without waiting for the connection; what connect says is told by what follows.
func dial(t *testing.T, w *worker, to unix.Sockaddr) (fd int) {
	t.Helper()
	w.do(func() {
		var err error
		if fd, err = unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0); err == nil {
			_ = unix.Connect(fd, to)
		}
	})
	return fd
}

// TestConnects: a connection is told when a thread that has read a request begins to open it, and when it is over unused.
func TestConnects(t *testing.T) {
	k := start(t)
	listens, address := listener(t)
	closeBoth := func(fd int) {
		peer, _, err := unix.Accept(listens)
		check(t, err)
		unix.Close(fd)
		unix.Close(peer)
	}
	server := newWorker(t)
	closeBoth(dial(t, server, address))
	if got, _ := k.connections(t); len(got) != 0 {
		t.Errorf("of a thread that has read no request: %+v", got)
	}
	p := families["ipv4"](t)
	move(t, p.client, p.server, get, 1<<20)
	server.do(func() { _, _ = unix.Write(p.client, []byte(get)); _, _ = unix.Read(p.server, make([]byte, 100)) })
	k.connections(t)

	closeBoth(dial(t, server, address))
	unused, _ := k.connections(t)
	if want := []opened{{WeftDeedDEED_CONNECTS, server.tid, false}, {WeftDeedDEED_UNUSED, 0, true}}; !slices.Equal(unused, want) {
		t.Errorf("of a connection that is closed before it was used: %+v", unused)
	}

	fd := dial(t, server, address)
	server.do(func() { _, _ = unix.Write(fd, []byte(get)) })
	closeBoth(fd)
	used, sockets := k.connections(t)
	if want := []opened{{WeftDeedDEED_CONNECTS, server.tid, false}}; !slices.Equal(used, want) {
		t.Fatalf("of a connection that is used: %+v", used)
	}
	if _, known := k.sockets[sockets[0]]; !known {
		t.Error("it has another socket than what has passed on it")
	}

	shut, gone := listener(t)
	check(t, unix.Shutdown(shut, unix.SHUT_RDWR))
	unix.Close(dial(t, server, gone))
	refused, _ := k.connections(t)
	if want := []opened{{WeftDeedDEED_CONNECTS, server.tid, false}, {WeftDeedDEED_UNUSED, 0, false}}; !slices.Equal(refused, want) {
		t.Errorf("of a connection that is refused: %+v", refused)
	}
}
