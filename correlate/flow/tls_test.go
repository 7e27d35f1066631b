package flow

import (
	"crypto/tls"
	"net"
	"net/netip"
	"slices"
	"testing"

	"weft/correlate/event"
)

// clientHello is the first record of a real handshake.
func clientHello(t *testing.T) []byte {
	t.Helper()
	near, far := net.Pipe()
	go tls.Client(near, &tls.Config{ServerName: "shop.example"}).Handshake() //nolint:errcheck // the other end hangs up
	defer near.Close()
	defer far.Close()
	b := make([]byte, 1<<14)
	n, err := far.Read(b)
	if err != nil {
		t.Fatal(err)
	}
	return b[:n]
}

// serverHello agrees on a version of TLS, in the old form or that of TLS 1.3.
func serverHello(version byte) []byte {
	body := append([]byte{2, 0, 0, 0, 3, 3}, make([]byte, 32)...)
	body = append(body, 0, 0x13, 1, 0)
	if version == 4 {
		body = append(body, 0, 6, 0, 43, 0, 2, 3, 4)
	}
	body[3] = byte(len(body) - 4)
	return append([]byte{22, 3, 3, 0, byte(len(body))}, body...)
}

func hello(d event.Direction, at uint64, b []byte) *event.Event {
	return &event.Event{Kind: event.KindHello, Time: 1000 + at, Socket: 7, PID: 9, Message: event.Message{Direction: d, Offset: at, Payload: b}}
}

// TestSealed has a connection of which only the handshake is seen, in pieces.
func TestSealed(t *testing.T) {
	b := newBook(Options{Max: 10})
	peer := netip.MustParseAddrPort("192.0.2.1:443")
	first := clientHello(t)
	for _, ev := range []*event.Event{
		{Kind: event.KindSocket, Time: 1, Socket: 7, PID: 9, Conn: event.Conn{Peer: peer, NameLocal: 1, NamePeer: 2, Origin: event.Connected}},
		hello(event.Send, 0, first[:5]), hello(event.Send, 5, first[5:]), hello(event.Receive, 0, serverHello(4)),
		{Kind: event.KindClose, Time: 9000, Socket: 7, Close: event.Close{Sent: 600, Received: 4000, Previous: 5000}},
	} {
		b.table.Feed(ev)
	}
	got := b.table.Sealed()
	want := Sealed{PID: 9, Server: peer, ServerName: "shop.example", Version: "1.3", Connections: 1, Sent: 600, Received: 4000, Time: 4000}
	if len(got) != 1 || got[0] != want {
		t.Errorf("%+v, want %+v", got, want)
	}
	b.table.Feed(&event.Event{Kind: event.KindExit, PID: 9})
	if got := b.table.Sealed(); len(got) != 0 {
		t.Errorf("the process is gone: %+v", got)
	}
}

// TestSession has a request that is told before it is known which connection it is on and where.
func TestSession(t *testing.T) {
	for version, want := range map[byte]TLS{
		3: {Version: "1.2", Handshake: 300},
		4: {Version: "1.3", Handshake: 400},
	} {
		b := newBook(Options{Max: 10})
		placed := 0
		b.placed = func(x *Exchange) {
			placed++
			if x.Wire != 701 || x.Conn.NameLocal != 1 || x.Conn.TLS.Version != want.Version || x.Conn.TLS.Handshake != want.Handshake {
				t.Errorf("%+v of %+v", x, x.Conn)
			}
		}
		b.table.Feed(hello(event.Receive, 0, serverHello(version)))
		b.table.Feed(&event.Event{Kind: event.KindMessage, Time: 2000, Socket: 1<<63 | 5, PID: 9, Message: event.Message{
			Direction: event.Send, Flags: event.Start | event.End | event.TLS, Through: 30, Payload: []byte("GET /a HTTP/1.1\r\nHost: h\r\n\r\n"),
		}})
		b.table.Feed(&event.Event{Kind: event.KindSocket, Time: 2001, Socket: 1<<63 | 5, PID: 9, Conn: event.Conn{NameLocal: 1, NamePeer: 2}})
		session := event.Session{Under: 7, Hello: 100, Handshake: [2]uint64{400, 300}, Data: [2]uint64{450, 500}, Offset: 0, Wire: 700}
		b.table.Feed(&event.Event{Kind: event.KindSession, Time: 2002, Socket: 1<<63 | 5, PID: 9, Session: session})
		if placed != 1 {
			t.Errorf("placed %d times", placed)
		}
	}
}

// TestUnseenRequest has a client whose first request was sent before there were probes: its reply is that of no other, while one that
// was told before the write of its own request is.
func TestUnseenRequest(t *testing.T) {
	b := newBook(Options{Max: 10})
	offsets := map[event.Direction]uint64{}
	tell := func(at uint64, d event.Direction, head string) {
		from := offsets[d]
		offsets[d] += uint64(len(head))
		b.table.Feed(&event.Event{Kind: event.KindMessage, Time: at, Socket: 5, PID: 9, Message: event.Message{
			Direction: d, Flags: event.Start | event.End | event.TLS, Offset: from, Through: offsets[d], Payload: []byte(head),
		}})
	}
	b.table.Feed(&event.Event{Kind: event.KindSocket, Time: 1, Socket: 5, PID: 9, Conn: event.Conn{NameLocal: 1, NamePeer: 2, Origin: event.Connected}})
	tell(1000, event.Receive, "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n")
	tell(2000, event.Send, "GET /2 HTTP/1.1\r\nHost: h\r\n\r\n")
	tell(3000, event.Receive, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
	tell(5000, event.Receive, "HTTP/1.1 201 Created\r\nContent-Length: 0\r\n\r\n")
	tell(4000, event.Send, "GET /3 HTTP/1.1\r\nHost: h\r\n\r\n")
	if want := []string{"GET /2 200", "GET /3 201"}; !slices.Equal(b.ended, want) || b.table.Counts().Reasons[Orphans] != 1 || len(b.wrong) > 0 {
		t.Errorf("%q, want %q; %d orphans, %q", b.ended, want, b.table.Counts().Reasons[Orphans], b.wrong)
	}
}
