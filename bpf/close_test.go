package bpf

import (
	"testing"

	"golang.org/x/sys/unix"
)

// TestEnds: a reply that ends with its connection, read together with the end; and a client that has shut down its
// direction before the reply.
func TestEnds(t *testing.T) {
	k := start(t)
	for _, half := range []bool{false, true} {
		k.forget()
		p := families["ipv4"](t)
		move(t, p.client, p.server, get, 1<<20)
		if half {
			check(t, unix.Shutdown(p.client, unix.SHUT_WR))
			receiveEnd(t, p.server)
		}
		reply := "HTTP/1.0 200 OK\r\n\r\nuntil the end"
		sendAll(t, sends["write"], p.server, []byte(reply))
		unix.Close(p.server)
		receiveAll(t, receives["read"], p.client, len(reply), 10)
		receiveEnd(t, p.client)
		unix.Close(p.client)
		want := one
		want.replyBody = uint64(len("until the end"))
		compare(t, []ended{want}, k.exchanges(true), true)
		compare(t, []ended{want}, k.exchanges(false), false)
		if len(k.closed) != 2 {
			t.Errorf("half %v: %d ends closed", half, len(k.closed))
		}
	}
}

// TestClosedUnread: a client that closes with a part of its replies unread. Nobody will read them, so the end is told at once.
func TestClosedUnread(t *testing.T) {
	k := start(t)
	p := families["ipv4"](t)
	reply := "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
	for range 3 {
		move(t, p.client, p.server, get, 1<<20)
		sendAll(t, sends["write"], p.server, []byte(reply))
	}
	receiveAll(t, receives["read"], p.client, len(reply)+9, 1<<20)
	unix.Close(p.client)
	unix.Close(p.server)
	k.drain()
	if len(k.closed) != 2 {
		t.Errorf("%d of 2 ends were told", len(k.closed))
	}
}

func receiveEnd(t *testing.T, fd int) {
	t.Helper()
	if n, err := unix.Read(fd, make([]byte, 1)); n != 0 || err != nil {
		t.Fatal(n, err)
	}
}

// TestLateNames: the programs come when the peer has sent its last byte already, and its FIN is acknowledged.
func TestLateNames(t *testing.T) {
	p := families["ipv4"](t)
	move(t, p.client, p.server, get, 1<<20)
	sendAll(t, sends["write"], p.server, []byte("HTTP/1.0 200 OK\r\n\r\n"+get))
	check(t, unix.Shutdown(p.server, unix.SHUT_WR))
	k := start(t)
	receiveAll(t, receives["read"], p.client, len("HTTP/1.0 200 OK\r\n\r\n"), 100)
	receiveAll(t, receives["read"], p.client, len(get), 100)
	move(t, p.client, p.server, get, 1<<20)
	k.drain()
	if len(k.sockets) != 2 {
		t.Fatalf("%d sockets", len(k.sockets))
	}
	var names [][2]uint64
	for _, s := range k.sockets {
		names = append(names, [2]uint64{s.NameLocal, s.NamePeer})
	}
	if names[0][0] != names[1][1] || names[0][1] != names[1][0] {
		t.Errorf("names %x", names)
	}
}

// TestLosses: segments that are lost and sent again move neither names nor offsets.
func TestLosses(t *testing.T) {
	older := families["ipv4"](t)
	lossy(t, older)
	for range 5 {
		move(t, older.client, older.server, get, 11)
		move(t, older.server, older.client, okReply, 11)
	}
	k := start(t)
	younger := families["ipv4"](t)
	lossy(t, younger)
	var again uint32
	for _, p := range []pair{older, younger} {
		k.forget()
		clear(k.sockets)
		for range 20 {
			move(t, p.client, p.server, get, 11)
			move(t, p.server, p.client, okReply, 11)
		}
		server, client := k.exchanges(true), k.exchanges(false)
		if len(server) < 19 || len(client) < 19 {
			t.Fatalf("%d and %d exchanges", len(server), len(client))
		}
		s, c := k.sockets[server[0].socket], k.sockets[client[0].socket]
		if s.NameLocal != c.NamePeer || s.NamePeer != c.NameLocal {
			t.Errorf("server's name %x %x, client's %x %x", s.NameLocal, s.NamePeer, c.NameLocal, c.NamePeer)
		}
		if a, b := server[len(server)-1].offset, client[len(client)-1].offset; a != b {
			t.Errorf("offset %d at the server, %d at the client", a, b)
		}
		for _, r := range k.records {
			again = max(again, r.Retransmits)
		}
	}
	if again == 0 {
		t.Error("no segment was sent again")
	}
}

// lossy makes both ends drop one segment of eight.
func lossy(t *testing.T, p pair) {
	t.Helper()
	const random = 0xfffff000 + 56 // SKF_AD_OFF + SKF_AD_RANDOM of linux/filter.h
	filter := []unix.SockFilter{
		{Code: unix.BPF_LD | unix.BPF_W | unix.BPF_ABS, K: random},
		{Code: unix.BPF_JMP | unix.BPF_JGE | unix.BPF_K, K: 1 << 29, Jf: 1},
		{Code: unix.BPF_RET | unix.BPF_K, K: 1 << 16},
		{Code: unix.BPF_RET | unix.BPF_K, K: 0},
	}
	for _, fd := range []int{p.client, p.server} {
		check(t, unix.SetsockoptSockFprog(fd, unix.SOL_SOCKET, unix.SO_ATTACH_FILTER, &unix.SockFprog{Len: 4, Filter: &filter[0]}))
	}
}

// TestResetWhileWriting: a client goes away in the midst of a reply that is one long write. The end of the connection comes before that of
// the write, which is when the reply is seen.
func TestResetWhileWriting(t *testing.T) {
	k := start(t)
	p := families["ipv4"](t)
	move(t, p.client, p.server, get, 1<<20)
	head := "HTTP/1.1 200 OK\r\nContent-Length: 67108864\r\n\r\n"
	reply := append([]byte(head), make([]byte, 64<<20)...)
	written := make(chan int)
	go func() {
		n, err := unix.Write(p.server, reply)
		if err != nil {
			t.Error(err)
		}
		written <- n
	}()
	receiveAll(t, receives["read"], p.client, 1<<20, 1<<16)
	unix.Close(p.client) // with bytes unread: a reset
	n := <-written
	if n < 1<<20 || n >= len(reply) {
		t.Fatalf("%d bytes were written, which is no part of a reply", n)
	}
	if _, err := unix.Write(p.server, []byte("more")); err == nil {
		t.Error("the connection was not reset")
	}
	unix.Close(p.server)
	for _, end := range []bool{true, false} {
		x := k.exchanges(end)
		if len(x) != 1 || x[0].status != 200 || x[0].replyBody < 1<<20-1024 {
			t.Errorf("server %v: %+v", end, x)
		}
	}
	if len(k.closed) != 2 || !k.closed[0].Close.Reset && !k.closed[1].Close.Reset {
		t.Errorf("ends told: %+v", k.closed)
	}
}
