package flow

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"unsafe"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"

	"weft/correlate/event"
)

// TestStreams: interleaved streams, whose records are cut anywhere, are paired by their numbers, at both ends.
func TestStreams(t *testing.T) {
	for _, server := range []bool{false, true} {
		for seed := range uint64(20) {
			s, table, client, srv := connection(t, server)
			r := rand.New(rand.NewPCG(seed, 2))
			client.cut, srv.cut = r, r
			const n = 300
			order := r.Perm(n)
			for from := 0; from < n; from += 50 {
				for i := from; i < from+50; i++ {
					client.request(uint32(2*i+1), false, fmt.Sprintf("/call/%d", i), "content-type:application/grpc")
				}
				for _, i := range order {
					if i >= from && i < from+50 {
						client.data(uint32(2*i+1), uint64(i), 1)
						srv.headers(uint32(2*i+1), false, ":status:200", "content-type:application/grpc")
						srv.headers(uint32(2*i+1), true, fmt.Sprintf("grpc-status:%d", i%17))
					}
				}
			}
			if len(s.ended) != n {
				t.Fatalf("%d exchanges ended of %d", len(s.ended), n)
			}
			for _, x := range s.ended {
				i := int(x.Stream / 2)
				if x.Target != fmt.Sprintf("/call/%d", i) || x.RPCStatus != uint32(i%17) || x.Status != 200 || x.Host != "shop:80" || x.Method != "POST" ||
					x.RequestBody != uint64(i) || x.RequestMessages != 1 || x.Major != 2 || x.Server != server || x.FirstByte <= x.Start || x.End <= x.FirstByte {
					t.Fatalf("stream %d: %+v", x.Stream, x)
				}
			}
			balance(t, s, table, 0)
		}
	}
}

// TestIndexedContext: a context that was sent once, and is only an index from then on, is read of every request. Whoever comes
// later does not know it, and does not take anything else for it, until it is sent again.
func TestIndexedContext(t *testing.T) {
	const parent = "traceparent:00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
	const n = 10000
	run := func(from int) []string {
		s, _, client, srv := connection(t, true)
		client.silent, srv.silent = from > 0, from > 0
		for i := range n {
			if i == from {
				client.silent, srv.silent = false, false
			}
			client.request(uint32(2*i+1), true, "/same", parent)
			srv.headers(uint32(2*i+1), true, ":status:204")
		}
		if len(s.ended) != n-from {
			t.Fatalf("from %d: %d exchanges of %d", from, len(s.ended), n-from)
		}
		for _, x := range s.ended {
			if from > 0 && (x.Target != "" || !x.Partial) || from == 0 && (x.Target != "/same" || x.Partial) || x.Method != "POST" {
				t.Fatalf("from %d: %+v", from, x)
			}
		}
		return s.traces
	}
	for i, trace := range run(0) {
		if trace != "b7ad6b7169203331" {
			t.Fatalf("request %d: %s", i, trace)
		}
	}
	for i, trace := range run(10) {
		if trace != "unknown" {
			t.Fatalf("request %d: %s", i, trace)
		}
	}
}

// TestLostFrames: what the ring refused makes no exchange wrong. Each is counted.
func TestLostFrames(t *testing.T) {
	for seed := range uint64(100) {
		s, table, client, srv := connection(t, seed%2 == 0)
		r := rand.New(rand.NewPCG(seed, 2))
		for i := range 200 {
			stream := uint32(2*i + 1)
			client.silent = r.IntN(20) == 0
			client.request(stream, true, fmt.Sprintf("/call/%d", i))
			client.silent = false
			srv.silent = r.IntN(20) == 0
			srv.headers(stream, true, fmt.Sprintf(":status:%d", 200+i), fmt.Sprintf("tag:%d", i%3))
		}
		table.Feed(&event.Event{Kind: event.KindClose, Time: 1e12, Socket: 7})
		for _, x := range s.ended {
			if i := x.Stream / 2; x.Target != "" && x.Target != fmt.Sprintf("/call/%d", i) || x.Status != 0 && int(x.Status) != int(200+i) {
				t.Fatalf("stream %d: %+v", x.Stream, x)
			}
		}
		balance(t, s, table, 0)
	}
}

// TestStreamsThatFail: resets, a server that goes away, and a connection that is closed.
func TestStreamsThatFail(t *testing.T) {
	for _, server := range []bool{false, true} {
		s, table, client, srv := connection(t, server)
		ask := func(stream uint32) {
			client.request(stream, false, "/a.B/C", "content-type:application/grpc", "grpc-timeout:150m")
		}
		ask(1)
		check(t, client.framer.WriteRSTStream(1, http2.ErrCodeCancel))
		client.tell(0, 0)
		ask(3)
		srv.headers(3, false, ":status:200")
		check(t, srv.framer.WriteRSTStream(3, http2.ErrCodeInternal))
		srv.tell(99, 4)
		ask(5)
		ask(7)
		check(t, srv.framer.WriteGoAway(5, http2.ErrCodeNo, nil))
		srv.tell(0, 0)
		srv.headers(5, true, ":status:200", "grpc-status:5") // trailers only
		srv.headers(5, true, "grpc-status:0")                // of a stream that is closed
		ask(9)
		ask(11)
		srv.headers(11, false, ":status:200")
		table.Feed(&event.Event{Kind: event.KindClose, Time: 1e12, Socket: 7})
		want := []struct {
			stream, status uint32
			fault          Fault
		}{{1, 1, Cancelled}, {3, 13, StreamReset}, {7, 0, Refused}, {5, 5, NoFault}, {9, 0, Closed}, {11, 0, Truncated}}
		if len(s.ended) != len(want) {
			t.Fatalf("%d ended: %+v", len(s.ended), s.ended)
		}
		for i, x := range s.ended {
			if x.Stream != want[i].stream || x.RPCStatus != want[i].status || x.Fault != want[i].fault || x.Timeout != 150e6 {
				t.Errorf("%d: stream %d, status %d, fault %d", i, x.Stream, x.RPCStatus, x.Fault)
			}
		}
		if x := s.ended[1]; x.ReplyBody != 99 || x.ReplyMessages != 4 {
			t.Errorf("%d bytes, %d messages", x.ReplyBody, x.ReplyMessages)
		}
		balance(t, s, table, 0)
	}
}

// TestBlocks: padding, priority and continuations; informational replies, promises and trailers of requests.
func TestBlocks(t *testing.T) {
	s, table, client, srv := connection(t, false)
	block := bytes.Clone(client.fields(":method:GET", ":path:/padded", "x:"+strings.Repeat("y", 3000)))
	check(t, client.framer.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, BlockFragment: block[:7], PadLength: 200,
		Priority: http2.PriorityParam{StreamDep: 9, Weight: 3}}))
	client.tell(0, 0)
	for i := 7; i < len(block); i += 700 {
		check(t, client.framer.WriteContinuation(1, i+700 >= len(block), block[i:min(i+700, len(block))]))
		client.tell(0, 0)
	}
	srv.headers(1, false, ":status:103", "link:x")
	check(t, srv.framer.WritePushPromise(http2.PushPromiseParam{StreamID: 1, PromiseID: 2, BlockFragment: srv.fields(":method:GET", ":path:/pushed", "a:b"),
		EndHeaders: true, PadLength: 3}))
	srv.tell(0, 0)
	srv.headers(2, false, ":status:200", "a:b")
	client.headers(1, true, "checksum:1")
	srv.headers(1, false, ":status:200", "a:b")
	srv.data(2, 5, 0)
	srv.data(1, 12, 0)
	if len(s.ended) != 1 || s.ended[0].Target != "/padded" || s.ended[0].Status != 200 || s.ended[0].ReplyBody != 12 || s.ended[0].Partial {
		t.Errorf("%+v", s.ended)
	}
	balance(t, s, table, 0)
	if c := table.Counts(); c.Reasons[Orphans] != 0 || c.Reasons[PartlyKnown] != 0 {
		t.Errorf("%+v", c)
	}
}

// TestOvertaking: the thread of a client that reads may be quicker than the one that sends.
func TestOvertaking(t *testing.T) {
	s, table, client, srv := connection(t, false)
	client.request(1, true, "/first")
	srv.headers(1, true, ":status:200")
	srv.headers(3, true, ":status:201")
	client.request(3, true, "/second")
	srv.headers(5, false, ":status:202")
	client.request(5, true, "/third")
	srv.data(5, 3, 0)
	if len(s.ended) != 3 || s.ended[1].Target != "/second" || s.ended[1].Status != 201 || s.ended[2].Target != "/third" || s.ended[2].Status != 202 {
		t.Errorf("%+v", s.ended)
	}
	balance(t, s, table, 0)
}

// TestOvertakingBody: a reply that has overtaken its request ends the exchange when the body of the request is told, or else with the
// connection, and its end is that of the reply.
func TestOvertakingBody(t *testing.T) {
	s, table, client, srv := connection(t, false)
	overtake := func(stream uint32) {
		srv.headers(stream, false, ":status:200")
		srv.headers(stream, true, "grpc-status:5")
		client.request(stream, false, "/a.B/C", "content-type:application/grpc")
	}
	client.request(1, true, "/first")
	srv.headers(1, true, ":status:200")
	overtake(3)
	answered := *client.now
	overtake(5)
	balance(t, s, table, 2)
	client.data(3, 12, 2)
	check(t, srv.framer.WriteRSTStream(5, http2.ErrCodeNo))
	srv.tell(0, 0)
	overtake(7)
	overtake(9)
	table.Feed(&event.Event{Kind: event.KindClose, Time: 1e12, Socket: 7})
	if len(s.ended) != 5 {
		t.Fatalf("%d ended: %+v", len(s.ended), s.ended)
	}
	for i, x := range s.ended[1:] {
		if x.Stream != uint32(2*i+3) || x.Fault != NoFault || x.Lost || x.RPCStatus != 5 || x.End >= 1e12 {
			t.Errorf("%+v", x)
		}
	}
	if x := s.ended[1]; x.RequestBody != 12 || x.RequestMessages != 2 || x.End > answered {
		t.Errorf("%+v", x)
	}
	balance(t, s, table, 0)
}

// TestBodyToldLate: what a client's thread has sent may be told after another one has read the reply to it.
func TestBodyToldLate(t *testing.T) {
	s, table, client, srv := connection(t, false)
	for stream := uint32(1); stream < 7; stream += 2 {
		client.request(stream, false, "/a.B/C", "content-type:application/grpc")
		srv.headers(stream, false, ":status:200")
		srv.headers(stream, true, "grpc-status:5")
		balance(t, s, table, 1)
		if stream < 5 {
			client.data(stream, 12, 7)
		}
	}
	*client.now += 2e9
	client.request(7, true, "/next") // by now nothing more comes of the one before
	balance(t, s, table, 1)
	if len(s.ended) != 3 {
		t.Fatalf("%d ended: %+v", len(s.ended), s.ended)
	}
	for i, x := range s.ended {
		if want := uint32(7 * (1 - i/2)); x.RequestMessages != want || x.RPCStatus != 5 || x.Fault != NoFault || x.Lost || x.End >= *client.now-1e9 {
			t.Errorf("%+v", x)
		}
	}
}

// TestRelease: a client that has all of a reply may reset the stream before the server's write of the reply is told. No reply within a
// second is a stream that was reset.
func TestRelease(t *testing.T) {
	s, table, client, srv := connection(t, true)
	ask := func(stream uint32) {
		client.request(stream, true, "/404")
		check(t, client.framer.WriteRSTStream(stream, http2.ErrCodeStreamClosed))
		client.tell(0, 0)
	}
	ask(1)
	srv.headers(1, true, ":status:404")
	ask(3)
	srv.headers(3, false, ":status:404")
	ask(5)
	*client.now += 2e9
	ask(7)
	balance(t, s, table, 1)
	table.Feed(&event.Event{Kind: event.KindClose, Time: 1e12, Socket: 7})
	want := []struct {
		stream, status uint32
		fault          Fault
	}{{1, 404, NoFault}, {5, 0, StreamReset}, {3, 404, NoFault}, {7, 0, StreamReset}}
	if len(s.ended) != len(want) {
		t.Fatalf("%d ended: %+v", len(s.ended), s.ended)
	}
	for i, x := range s.ended {
		if x.Stream != want[i].stream || uint32(x.Status) != want[i].status || x.Fault != want[i].fault || x.End >= 1e12 {
			t.Errorf("%+v, want %+v", x, want[i])
		}
	}
	if n := table.Counts().Reasons[Orphans]; n != 0 {
		t.Errorf("%d orphans", n)
	}
	balance(t, s, table, 0)
}

// TestFloods: what a hostile peer sends without end takes neither room nor time without end.
func TestFloods(t *testing.T) {
	s, table, client, srv := connection(t, true)
	for i := range 3 * streamsMax {
		client.request(uint32(2*i+1), false, "/never")
	}
	if n := len(table.conns[7].mux.streams); n > streamsMax {
		t.Errorf("%d streams open", n)
	}
	balance(t, s, table, streamsMax)
	check(t, client.framer.WriteHeaders(http2.HeadersFrameParam{StreamID: 99999, BlockFragment: client.fields(":method:GET")}))
	client.tell(0, 0)
	for range 1000 {
		check(t, client.framer.WriteContinuation(99999, false, bytes.Repeat([]byte{0}, 1000)))
		client.tell(0, 0)
	}
	if n := table.Counts().Errors; n[8] == 0 {
		t.Errorf("the flood is not counted: %v", n)
	}
	for i := range 20000 {
		check(t, client.framer.WriteRSTStream(uint32(2*i+1), http2.ErrCodeCancel))
		client.tell(0, 0)
	}
	if size := unsafe.Sizeof(*table.conns[7].mux); size > 1024 {
		t.Errorf("a connection takes %d bytes", size)
	}
	_ = srv
}

// TestUpgrade: the request that asks for HTTP/2 is answered on the first stream.
func TestUpgrade(t *testing.T) {
	s, table, client, srv := connection(t, false)
	for socket := range uint64(3) {
		client.socket, srv.socket = 7+socket, 7+socket
		client.fresh()
		srv.fresh()
		s.ended = nil
		upgradeOne(t, s, table, client, srv)
	}
	if c := table.Counts(); c.Exchanges != 6 {
		t.Errorf("%d exchanges", c.Exchanges)
	}
}

// fresh begins with an empty table of fields.
func (p *peer) fresh() {
	p.encoder = hpack.NewEncoder(&p.block)
	p.offset = 100
}

func upgradeOne(t *testing.T, s *seen, table *Table, client, srv *peer) {
	t.Helper()
	request := "GET /up HTTP/1.1\r\nHost: a\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQ\r\n\r\n"
	reply := "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n"
	table.Feed(&event.Event{Kind: event.KindMessage, Time: 100, Socket: client.socket, Message: event.Message{Direction: event.Send,
		Flags: event.Start | event.End, Through: uint64(len(request)), Payload: []byte(request)}})
	table.Feed(&event.Event{Kind: event.KindMessage, Time: 200, Socket: client.socket, Message: event.Message{Direction: event.Receive,
		Flags: event.Start | event.End | event.Tunnel, Through: uint64(len(reply)), Payload: []byte(reply)}})
	srv.headers(1, false, ":status:200", "a:b", "c:d", "e:f")
	srv.data(1, 9, 0)
	client.request(3, true, "/next")
	srv.headers(3, true, ":status:404")
	if len(s.ended) != 2 || s.ended[0].Target != "/up" || s.ended[0].Status != 200 || s.ended[0].ReplyBody != 9 || s.ended[1].Status != 404 {
		t.Errorf("socket %d: %+v", client.socket, s.ended)
	}
}

// FuzzFrames feeds frames of any content, in records of any flags.
func FuzzFrames(f *testing.F) {
	f.Add([]byte("\x00\x00\x05\x01\x05\x00\x00\x00\x01\x83\x86\x84\x41\x00"), uint8(0))
	f.Add([]byte("\x00\x00\x01\x01\x05\x00\x00\x00\x01\x88\x00\x00\x04\x03\x00\x00\x00\x00\x01\x00\x00\x00\x08"), uint8(4))
	f.Fuzz(func(t *testing.T, input []byte, seed uint8) {
		s, table, _, _ := connection(t, seed&1 != 0)
		r := rand.New(rand.NewPCG(uint64(seed), 3))
		for at := 0; at < len(input); {
			n := min(len(input)-at, 1+r.IntN(40))
			flags := event.Frame | event.Flags(r.IntN(16))
			if r.IntN(3) > 0 {
				flags = event.Frame | event.Start
			}
			table.Feed(&event.Event{Kind: event.KindMessage, Time: uint64(at), Socket: 7, Message: event.Message{
				Direction: event.Direction(r.IntN(2)), Flags: flags, Offset: uint64(at), Payload: input[at : at+n]}})
			at += n
		}
		table.Close()
		balance(t, s, table, 0)
		if table.Counts().Live != 0 {
			t.Errorf("%d exchanges are left", table.Counts().Live)
		}
	})
}
