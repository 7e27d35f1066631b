package correlate

import (
	"fmt"
	"testing"

	"weft/correlate/event"
	"weft/correlate/span"
)

// load makes the events of a keep-alive load: each connection is seen at both ends, each request has ten headers.
type load struct {
	events  []event.Event
	time    uint64
	offsets [][2]uint64 // of requests and replies, by connection
}

const (
	loadClient = 100 // thread groups
	loadServer = 200
)

func newLoad(conns, rounds int, head string) *load {
	l := &load{time: 1e9, offsets: make([][2]uint64, conns)}
	for _, pid := range []uint32{loadClient, loadServer} {
		l.add(event.Event{Kind: event.KindProcess, PID: pid, Process: &event.Process{Service: fmt.Sprint("service-", pid)}})
	}
	for c := range uint64(conns) {
		l.announce(2*c+1, event.Conn{Origin: event.Connected, NameLocal: c + 1, NamePeer: c + 1e6})
		l.announce(2*c+2, event.Conn{Origin: event.Accepted, NameLocal: c + 1e6, NamePeer: c + 1})
	}
	for r := range rounds {
		if r%10 == 0 {
			l.add(event.Event{Kind: event.KindClock, Wall: int64(l.time) + 1e18})
		}
		for c := range uint64(conns) {
			l.exchange(c, head)
		}
	}
	return l
}

func (l *load) add(ev event.Event) {
	l.time += 1000
	ev.Time = l.time
	l.events = append(l.events, ev)
}

func (l *load) announce(socket uint64, conn event.Conn) {
	conn.Family = 2
	l.add(event.Event{Kind: event.KindSocket, Socket: socket, Conn: conn})
}

// exchange sends a request from end to end and its reply back.
func (l *load) exchange(c uint64, head string) {
	request := []byte(head)
	reply := []byte("HTTP/1.1 200 OK\r\nServer: test\r\nContent-Type: text/plain\r\nContent-Length: 100\r\n\r\n")
	at := &l.offsets[c]
	tid := loadServer + uint32(c)
	l.message(2*c+1, loadClient, loadClient, event.Send, at[0], request, 0)
	l.message(2*c+2, loadServer, tid, event.Receive, at[0], request, 0)
	l.message(2*c+2, loadServer, tid, event.Send, at[1], reply, 100)
	l.message(2*c+1, loadClient, loadClient, event.Receive, at[1], reply, 100)
	at[0] += uint64(len(request))
	at[1] += uint64(len(reply)) + 100
}

func (l *load) message(socket uint64, pid, tid uint32, d event.Direction, offset uint64, head []byte, body uint64) {
	l.add(event.Event{Kind: event.KindMessage, Socket: socket, PID: pid, TID: tid, Message: event.Message{
		Direction: d, Flags: event.Start | event.End, Offset: offset, Through: offset + uint64(len(head)) + body, Payload: head, RTT: 50,
	}})
}

// heads of requests: of a browser without a carrier, and of an instrumented client.
const (
	plainHead = "GET /api/items?limit=10 HTTP/1.1\r\nHost: shop.example:8080\r\nUser-Agent: Mozilla/5.0 (X11; Linux x86_64)\r\n" +
		"Accept: text/html,application/xhtml+xml\r\nAccept-Language: en-US,en;q=0.5\r\nAccept-Encoding: gzip, deflate\r\n" +
		"Connection: keep-alive\r\nCookie: session=0123456789abcdef\r\nReferer: http://shop.example/\r\nCache-Control: max-age=0\r\n" +
		"X-Request-Id: 4711\r\n\r\n"
	carrierHead = "GET /api/items HTTP/1.1\r\nHost: shop.example:8080\r\nUser-Agent: client/1.0\r\nAccept: */*\r\n" +
		"Accept-Encoding: gzip\r\nConnection: keep-alive\r\nX-A: 1\r\nX-B: 2\r\nX-C: 3\r\n" +
		"traceparent: 00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01\r\ntracestate: a=b\r\n\r\n"
)

// BenchmarkPipeline feeds a keep-alive load over a thousand connections with both ends; exchanges are counted at each end.
func BenchmarkPipeline(b *testing.B) {
	for _, bench := range []struct{ name, head string }{{"plain", plainHead}, {"carrier", carrierHead}} {
		b.Run(bench.name, func(b *testing.B) {
			l := newLoad(1000, 40, bench.head)
			var s span.Span
			spans := 0
			p, err := New(Options{Hold: 1e9, Sockets: 1 << 16}, func() *span.Span { return &s }, func(*span.Span) { spans++ })
			if err != nil {
				b.Fatal(err)
			}
			feed := func() {
				for i := range l.events {
					p.Feed(&l.events[i])
				}
			}
			feed() // until rooms and pools have their size
			spans = 0
			b.ReportAllocs()
			b.ResetTimer()
			for b.Loop() {
				feed()
			}
			b.ReportMetric(float64(spans)/b.Elapsed().Seconds(), "exchanges/s")
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(len(l.events)), "ns/event")
		})
	}
}
