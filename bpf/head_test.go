package bpf

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"weft/correlate/event"
)

// move sends b and receives it in pieces of at most size bytes.
func move(t testing.TB, from, to int, b string, size int) {
	t.Helper()
	for len(b) > 0 {
		n := min(len(b), size)
		sendAll(t, sends["write"], from, []byte(b[:n]))
		receiveAll(t, receives["read"], to, n, 1<<20)
		b = b[n:]
	}
}

// TestCuts cuts a head at every byte, on one side and on both.
func TestCuts(t *testing.T) {
	k := start(t)
	post := "POST /p HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\nX: y\r\n\r\nabc"
	answer := "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nxyz\r\n0\r\nT: t\r\n\r\n"
	want := ended{method: "POST", target: "/p", status: 200, requestBody: 3, replyBody: 3}
	p := families["ipv4"](t)
	offset := uint64(0)
	run := func(cut func(s string, from, to int)) {
		t.Helper()
		k.forget()
		cut(post, p.client, p.server)
		cut(answer, p.server, p.client)
		want.offset = offset
		offset += uint64(len(post))
		compare(t, []ended{want}, k.exchanges(true), true)
		compare(t, []ended{want}, k.exchanges(false), false)
	}
	for size := 1; size < len(answer); size++ {
		run(func(s string, from, to int) { move(t, from, to, s, size) })
		run(func(s string, from, to int) {
			at := min(size, len(s)-1)
			move(t, from, to, s[:at], at)
			move(t, from, to, s[at:], len(s))
		})
		run(func(s string, from, to int) { // whole at the sender
			sendAll(t, sends["write"], from, []byte(s))
			receiveAll(t, receives["read"], to, len(s), size)
		})
	}
}

// TestLongHeads: a head up to 64 KiB is read whole, a longer one is marked as cut, and its connection goes on.
func TestLongHeads(t *testing.T) {
	k := start(t)
	for _, size := range []int{1000, 4096, 4097, 8192, 30 << 10, 64<<10 - 1, 64 << 10, 64<<10 + 1, 100 << 10} {
		for _, piece := range []int{1 << 20, 1448, 4096, 9000} {
			t.Run(fmt.Sprint(size, "/", piece), func(t *testing.T) {
				k.forget()
				p := families["ipv4"](t)
				for range 2 {
					move(t, p.client, p.server, head("GET /long HTTP/1.1", size), piece)
					move(t, p.server, p.client, okReply, piece)
				}
				got := k.exchanges(true)
				if len(got) != 2 {
					t.Fatalf("%d exchanges: %+v", len(got), got)
				}
				for _, x := range got {
					if x.target != "/long" || x.status != 200 || x.headCut != (size > 64<<10) {
						t.Errorf("%+v", x)
					}
				}
			})
		}
	}
}

// TestPipelines: 1 to 200 requests and replies in one operation each.
func TestPipelines(t *testing.T) {
	k := start(t)
	p := families["ipv4"](t)
	chunked := "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n3\r\ncde\r\n0\r\n\r\n"
	for n := 1; n <= 200; n += 1 + n/10 {
		for _, reply := range []string{okReply, chunked} {
			k.forget()
			for range 2 { // the second time after heads of the same size
				move(t, p.client, p.server, strings.Repeat(get, n), 1<<20)
				move(t, p.server, p.client, strings.Repeat(reply, n), 1<<20)
			}
			for _, server := range []bool{true, false} {
				got := k.exchanges(server)
				if len(got) != 2*n {
					t.Fatalf("%d requests twice, server %v: %d exchanges", n, server, len(got))
				}
				for _, x := range got {
					if x.replyBody != 5 || x.target != "/x" || x.lost {
						t.Fatalf("%+v", x)
					}
				}
			}
		}
	}
}

// TestBigBody: 100 MB by Content-Length, and by chunks of 64 KiB; only the heads and the ends are told.
func TestBigBody(t *testing.T) {
	const size = 100 << 20
	k := start(t)
	p := families["ipv4"](t)
	flow := func(reply string, n int, last string) {
		t.Helper()
		k.forget()
		move(t, p.client, p.server, get, 1<<20)
		move(t, p.server, p.client, reply, 1<<20)
		done := make(chan bool)
		go func() {
			defer close(done)
			receiveAll(t, receives["read"], p.client, n*(1<<16+len(last)), 1<<18)
		}()
		block := make([]byte, 1<<16, 1<<17)
		block = append(block, last...)
		for range n {
			sendAll(t, sends["write"], p.server, block)
		}
		<-done
	}
	flow(fmt.Sprintf("HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n", size), size>>16, "")
	for _, server := range []bool{true, false} {
		if got := k.exchanges(server); len(got) != 1 || got[0].replyBody != size {
			t.Errorf("server %v: %+v", server, got)
		}
	}
	if n := len(k.records); n > 8 {
		t.Errorf("%d records for one request", n)
	}
	flow("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n10000\r\n", 160, "\r\n10000\r\n")
	move(t, p.server, p.client, strings.Repeat("x", 1<<16)+"\r\n0\r\n\r\n", 1<<20)
	for _, server := range []bool{true, false} {
		if got := k.exchanges(server); len(got) != 1 || got[0].replyBody != 161<<16 {
			t.Errorf("server %v: %+v", server, got)
		}
	}
}

// TestTunnels: behind 101 and behind a CONNECT that succeeded nothing is read any more.
func TestTunnels(t *testing.T) {
	k := start(t)
	for request, reply := range map[string]string{
		"GET /chat HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n": "HTTP/1.1 101 Switching Protocols\r\n" +
			"Connection: Upgrade\r\nUpgrade: websocket\r\n\r\n",
		"CONNECT h:443 HTTP/1.1\r\nHost: h:443\r\n\r\n": "HTTP/1.1 200 Connected\r\n\r\n",
	} {
		k.forget()
		p := families["ipv4"](t)
		move(t, p.client, p.server, request, 1<<20)
		move(t, p.server, p.client, reply, 1<<20)
		before := k.count(WeftCountCOUNT_MUTED)
		for range 3 {
			move(t, p.client, p.server, get, 1<<20)
			move(t, p.server, p.client, okReply, 1<<20)
		}
		// The first one behind a 101 could be the beginning of HTTP/2.
		if n := k.count(WeftCountCOUNT_MUTED) - before; n < 10 {
			t.Errorf("%d operations muted of 12", n)
		}
		// A WebSocket is told when it ends.
		check(t, unix.Shutdown(p.client, unix.SHUT_RDWR))
		check(t, unix.Shutdown(p.server, unix.SHUT_RDWR))
		time.Sleep(20 * time.Millisecond)
		for _, server := range []bool{true, false} {
			if got := k.exchanges(server); len(got) != 1 || !got[0].upgraded {
				t.Errorf("server %v: %+v", server, got)
			}
		}
	}
}

// TestRefusedTunnel: a CONNECT that failed leaves the connection as it was.
func TestRefusedTunnel(t *testing.T) {
	k := start(t)
	p := families["ipv4"](t)
	move(t, p.client, p.server, "CONNECT h:443 HTTP/1.1\r\nHost: h:443\r\n\r\n", 1<<20)
	move(t, p.server, p.client, "HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\n\r\nno", 1<<20)
	move(t, p.client, p.server, get, 1<<20)
	move(t, p.server, p.client, okReply, 1<<20)
	if got := k.exchanges(true); len(got) != 2 || got[0].status != 403 || got[0].upgraded || got[1].status != 200 {
		t.Errorf("%+v", got)
	}
}

// TestMuted: what is no HTTP is muted after a few turns, and costs no record.
func TestMuted(t *testing.T) {
	k := start(t)
	for _, turn := range []string{"\x16\x03\x01\x02\x00\x01", "\x00\x00\x00\x10abcdefgh", "*1\r\n$4\r\nPING\r\n"} {
		k.forget()
		before := k.count(WeftCountCOUNT_SOCKETS_MUTED)
		p := families["ipv4"](t)
		for range 10 {
			move(t, p.client, p.server, turn, 1<<20)
			move(t, p.server, p.client, turn, 1<<20)
		}
		k.drain()
		if n := k.count(WeftCountCOUNT_SOCKETS_MUTED) - before; n < 2 || len(k.records) != 0 {
			t.Errorf("%q: %d ends muted, records %+v", turn, n, k.records)
		}
	}
}

// TestNames: both ends give a connection the same name and a message the same offset, also when the programs came later,
// in the middle of a message.
func TestNames(t *testing.T) {
	older := families["ipv4"](t)
	move(t, older.client, older.server, get+get[:10], 1<<20)
	move(t, older.server, older.client, okReply+"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nin the middle", 1<<20)
	k := start(t)
	move(t, older.server, older.client, strings.Repeat("r", 100-len("in the middle")), 1<<20)
	for i, p := range []pair{older, families["ipv4"](t), families["ipv6"](t), families["unix"](t)} {
		k.forget()
		clear(k.sockets)
		for range 3 {
			move(t, p.client, p.server, get, 1<<20)
			move(t, p.server, p.client, okReply, 1<<20)
		}
		server, client := k.exchanges(true), k.exchanges(false)
		if len(server) < 2 || len(client) < 2 {
			t.Fatalf("connection %d: %d and %d exchanges", i, len(server), len(client))
		}
		s, c := k.sockets[server[0].socket], k.sockets[client[0].socket]
		if s.NameLocal != c.NamePeer || s.NamePeer != c.NameLocal || s.NameLocal == 0 || s.NameLocal == s.NamePeer {
			t.Errorf("connection %d: server's name %x %x, client's %x %x", i, s.NameLocal, s.NamePeer, c.NameLocal, c.NamePeer)
		}
		if a, b := server[len(server)-1].offset, client[len(client)-1].offset; a != b {
			t.Errorf("connection %d: offset %d at the server, %d at the client", i, a, b)
		}
		want := map[bool]event.Origin{true: event.Found, false: event.Connected}[i == 0]
		if c.Origin != want {
			t.Errorf("connection %d: origin %d, want %d", i, c.Origin, want)
		}
	}
}

// TestFarOffsets: stream offsets have 64 bits on both ends, where sequence numbers have 32.
func TestFarOffsets(t *testing.T) {
	const block, blocks = 4 << 20, 1050 // 4.1 GiB
	k := start(t)
	p := families["ipv4"](t)
	post := fmt.Sprintf("POST /far HTTP/1.1\r\nHost: h\r\nContent-Length: %d\r\n\r\n", block*blocks)
	move(t, p.client, p.server, post, 1<<20)
	done := make(chan bool)
	go func() {
		defer close(done)
		for left := block * blocks; left > 0; {
			n, err := call(unix.SYS_RECVFROM, uintptr(p.server), 0, uintptr(min(left, block)), unix.MSG_TRUNC)
			if err != nil {
				t.Error(err)
				return
			}
			left -= n
		}
	}()
	b := make([]byte, block)
	for range blocks {
		sendAll(t, sends["write"], p.client, b)
	}
	<-done
	move(t, p.server, p.client, okReply, 1<<20)
	move(t, p.client, p.server, get, 1<<20)
	move(t, p.server, p.client, okReply, 1<<20)
	far := one
	far.offset = uint64(len(post) + block*blocks)
	want := []ended{{method: "POST", target: "/far", status: 200, requestBody: block * blocks, replyBody: 5}, far}
	compare(t, want, k.exchanges(true), true)
	compare(t, want, k.exchanges(false), false)
}
