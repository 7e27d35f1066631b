package correlate

import (
	"fmt"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"testing"

	"weft/correlate/event"
	"weft/correlate/propagation"
	"weft/correlate/span"
)

// relay makes the events of a service that makes one call for each request, with the heads as given, where %s is another id for
// each connection. Of both connections one end is seen.
func relay(conns, rounds int, in, out string) *load {
	l := &load{time: 1e9, offsets: make([][2]uint64, 2*conns)}
	l.add(event.Event{Kind: event.KindProcess, PID: loadServer, Process: &event.Process{Service: "shop"}})
	reply := []byte("HTTP/1.1 200 OK\r\nServer: test\r\nContent-Type: text/plain\r\nContent-Length: 100\r\n\r\n")
	heads := make([][2][]byte, conns)
	for c := range uint64(conns) {
		l.announce(2*c+1, event.Conn{Origin: event.Accepted, NameLocal: c + 1, NamePeer: c + 1e6})
		l.announce(2*c+2, event.Conn{Origin: event.Connected, NameLocal: c + 2e6, NamePeer: c + 3e6})
		for i, head := range []string{in, out} {
			heads[c][i] = []byte(strings.ReplaceAll(head, "%s", fmt.Sprintf("%016x", c+1)))
		}
	}
	message := func(socket, n uint64, tid uint32, d event.Direction, offset *uint64, head []byte, body uint64) {
		l.message(socket, loadServer, tid, d, *offset, head, body)
		*offset += uint64(len(head)) + body
	}
	for r := range rounds {
		if r%10 == 0 {
			l.add(event.Event{Kind: event.KindClock, Wall: int64(l.time) + 1e18})
		}
		for c := range uint64(conns) {
			tid, server, client := loadServer+uint32(c), &l.offsets[2*c], &l.offsets[2*c+1]
			message(2*c+1, c, tid, event.Receive, &server[0], heads[c][0], 0)
			message(2*c+2, c, tid, event.Send, &client[0], heads[c][1], 0)
			message(2*c+2, c, tid, event.Receive, &client[1], reply, 100)
			message(2*c+1, c, tid, event.Send, &server[1], reply, 100)
		}
	}
	return l
}

const relayHead = "GET /api/items HTTP/1.1\r\nHost: shop.example:8080\r\nUser-Agent: client/1.0\r\nAccept: */*\r\n" +
	"Accept-Encoding: gzip\r\nConnection: keep-alive\r\nX-A: 1\r\nX-B: 2\r\n"

// relays are what became of the carriers.
var relays = []struct{ verdict, in, out string }{
	{"propagated", "traceparent: 00-4bf92f3577b34da6%s-00f067aa0ba902b7-01\r\ntracestate: a=b\r\n", "traceparent: 00-4bf92f3577b34da6%s-%s-01\r\ntracestate: a=b\r\n"},
	{"passed_through", "traceparent: 00-4bf92f3577b34da6%s-00f067aa0ba902b7-01\r\ntracestate: a=b\r\n", "traceparent: 00-4bf92f3577b34da6%s-00f067aa0ba902b7-01\r\ntracestate: a=b\r\n"},
	{"dropped", "traceparent: 00-4bf92f3577b34da6%s-00f067aa0ba902b7-01\r\ntracestate: a=b\r\n", plain},
	{"restarted", "traceparent: 00-4bf92f3577b34da6%s-00f067aa0ba902b7-01\r\ntracestate: a=b\r\n", "traceparent: 00-%s4bf92f3577b34da6-%s-01\r\ntracestate: a=b\r\n"},
}

// plain are fields that only look like carriers, of the same length. With them in both heads an exchange costs what it does without
// carriers and verdicts.
const plain = "tracepatrol: 00-4bf92f3577b34da6%s-00f067aa0ba902b7-01\r\ntracestuff: a=b\r\n"

// feeder is a pipeline with a load that can be fed to it again and again.
type feeder struct {
	p     *Pipeline
	l     *load
	spans int
}

func newFeeder(b *testing.B, in, out string) *feeder {
	f := &feeder{l: relay(250, 20, relayHead+in+"\r\n", relayHead+out+"\r\n")}
	var s span.Span
	var err error
	f.p, err = New(Options{Hold: 1e6, Sockets: 1 << 16, Propagation: propagation.Options{Repair: true}},
		func() *span.Span { s = span.Span{Headers: s.Headers[:0], Notes: s.Notes[:0]}; return &s }, func(*span.Span) { f.spans++ })
	if err != nil {
		b.Fatal(err)
	}
	for range 20 { // until rooms and pools have their size
		f.feed()
	}
	f.spans = 0
	return f
}

// feed gives the time of the processor that the load has taken, ns.
func (f *feeder) feed() float64 {
	from := processorTime()
	for i := range f.l.events {
		f.p.Feed(&f.l.events[i])
	}
	took := processorTime() - from
	for i := range f.l.events {
		f.l.events[i].Time += 1e8
	}
	return took
}

func processorTime() float64 {
	const thread = 1
	var u syscall.Rusage
	if err := syscall.Getrusage(thread, &u); err != nil {
		panic(err)
	}
	return float64(u.Utime.Nano() + u.Stime.Nano())
}

// BenchmarkVerdicts feeds requests each of which makes a call, on 250 connections, with carriers and without, in turn. An exchange
// is one end of a request or of a call. more-% is the median of what a load with carriers takes more than the one just before.
func BenchmarkVerdicts(b *testing.B) {
	for _, bench := range relays {
		b.Run(bench.verdict, func(b *testing.B) {
			runtime.LockOSThread()
			defer runtime.UnlockOSThread()
			without, with := newFeeder(b, plain, plain), newFeeder(b, bench.in, bench.out)
			var more, own []float64
			b.ReportAllocs()
			b.ResetTimer()
			for b.Loop() {
				base := without.feed()
				more, own = append(more, with.feed()/base-1), append(own, base)
			}
			b.StopTimer()
			slices.Sort(more)
			slices.Sort(own)
			b.ReportMetric(own[len(own)/2]*float64(len(own))/float64(without.spans), "own-ns/exchange")
			b.ReportMetric(100*more[len(more)/2], "more-%")
			if with.spans != without.spans || with.p.Report().Totals.Verdicts[bench.verdict] == 0 {
				b.Fatalf("%+v", with.p.Report().Totals)
			}
		})
	}
}
