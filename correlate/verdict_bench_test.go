package correlate

import (
	"bytes"
	"fmt"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

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
	p      *Pipeline
	events []event.Event
	round  uint64 // ns from one time to the next
	spans  int
}

func newFeeder(b *testing.B, events []event.Event, last uint64) *feeder {
	f := &feeder{events: events, round: last + 1e8}
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

// feed gives the time of the processor that the load has taken, ns. A short one is fed several times.
func (f *feeder) feed() (took float64) {
	from := processorTime()
	for fed := 0; fed < 20_000; fed += len(f.events) {
		for i := range f.events {
			f.p.Feed(&f.events[i])
			f.events[i].Time += f.round
		}
	}
	return processorTime() - from
}

// processorTime is that of this thread, ns.
func processorTime() float64 {
	var t unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_THREAD_CPUTIME_ID, &t); err != nil {
		panic(err)
	}
	return float64(t.Nano())
}

// compare feeds two loads that differ in their carriers only, in turn. own is what an exchange, one end of a request, takes without
// carriers; more-% the median of what it takes more with them.
func compare(b *testing.B, without, with *feeder) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
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
	if with.spans != without.spans {
		b.Fatalf("%d spans with carriers, %d without", with.spans, without.spans)
	}
	b.ReportMetric(own[len(own)/2]*float64(len(own))/float64(without.spans), "own-ns/exchange")
	b.ReportMetric(100*more[len(more)/2], "more-%")
	b.ReportMetric(float64(with.p.Report().Totals.Pairs)/float64(with.spans)*float64(len(own))/float64(len(own)+20), "verdicts/exchange")
}

// BenchmarkVerdicts feeds requests each of which makes a call, on 250 connections, of which this end is seen: each second exchange
// gets a verdict, which is the most that can be.
func BenchmarkVerdicts(b *testing.B) {
	for _, bench := range relays {
		b.Run(bench.verdict, func(b *testing.B) {
			load := func(in, out string) *feeder {
				l := relay(250, 20, relayHead+in+"\r\n", relayHead+out+"\r\n")
				return newFeeder(b, l.events, l.time)
			}
			with := load(bench.in, bench.out)
			compare(b, load(plain, plain), with)
			if with.p.Report().Totals.Verdicts[bench.verdict] == 0 {
				b.Fatalf("%+v", with.p.Report().Totals)
			}
		})
	}
}

// BenchmarkRecordings feeds the recordings of testdata as they are, and with the names of their carriers spelled in another way.
func BenchmarkRecordings(b *testing.B) {
	carriers := regexp.MustCompile(`(?i)\n(traceparent|tracestate|baggage|b3|x-b3-|uber-trace|x-request-id)`)
	for _, path := range recordings(b) {
		b.Run(strings.TrimSuffix(filepath.Base(path), ".weft"), func(b *testing.B) {
			var with, without []event.Event
			var last uint64
			each(b, path, func(ev *event.Event) {
				one := *ev
				one.Message.Payload = slices.Clone(ev.Message.Payload)
				with = append(with, one)
				one.Message.Payload = carriers.ReplaceAllFunc(slices.Clone(ev.Message.Payload), func(name []byte) []byte {
					return bytes.Replace(name, name[:2], []byte("\nq"), 1)
				})
				without = append(without, one)
				last = max(last, ev.Time)
			})
			compare(b, newFeeder(b, without, last), newFeeder(b, with, last))
		})
	}
}
