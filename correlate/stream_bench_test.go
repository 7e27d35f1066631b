package correlate

import (
	"bytes"
	"fmt"
	"runtime"
	"testing"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"

	"weft/correlate/event"
	"weft/correlate/span"
)

// streams makes the events of calls by gRPC, each seen at both ends: all but the context is an index from the second call on.
type streams struct {
	load
	out, block bytes.Buffer
	framer     *http2.Framer
	encoders   [][2]*hpack.Encoder
	next       []uint32
}

func newStreams(conns, rounds, under int) *streams {
	l := &streams{load: load{time: 1e9, offsets: make([][2]uint64, conns)}, next: make([]uint32, conns)}
	l.framer = http2.NewFramer(&l.out, nil)
	for _, pid := range []uint32{loadClient, loadServer} {
		l.add(event.Event{Kind: event.KindProcess, PID: pid, Process: &event.Process{Service: fmt.Sprint("service-", pid)}})
	}
	for c := range uint64(conns) {
		l.announce(2*c+1, event.Conn{Origin: event.Connected, NameLocal: c + 1, NamePeer: c + 1e6})
		l.announce(2*c+2, event.Conn{Origin: event.Accepted, NameLocal: c + 1e6, NamePeer: c + 1})
		l.encoders = append(l.encoders, [2]*hpack.Encoder{hpack.NewEncoder(&l.block), hpack.NewEncoder(&l.block)})
	}
	for r := range rounds {
		if r%10 == 0 {
			l.add(event.Event{Kind: event.KindClock, Wall: int64(l.time) + 1e18})
		}
		for c := range uint64(conns) {
			l.calls(c, under)
		}
	}
	return l
}

// calls makes some calls at the same time.
func (l *streams) calls(c uint64, n int) {
	first := l.next[c]
	for i := range uint32(n) {
		id := 2*(first+i) + 1
		l.fields(c, 0, id, false, ":method", "POST", ":scheme", "http", ":path", "/shop.Orders/Get", ":authority", "orders:9000",
			"content-type", "application/grpc", "user-agent", "grpc-go/1.83", "te", "trailers",
			"traceparent", fmt.Sprintf("00-%032x-%016x-01", l.time, l.time))
		if err := l.framer.WriteData(id, true, nil); err != nil {
			panic(err)
		}
		l.tell(c, 0)
	}
	for i := range uint32(n) {
		id := 2*(first+i) + 1
		l.fields(c, 1, id, false, ":status", "200", "content-type", "application/grpc")
		l.fields(c, 1, id, true, "grpc-status", "0", "grpc-message", "")
	}
	l.next[c] += uint32(n)
}

func (l *streams) fields(c uint64, way int, id uint32, end bool, fields ...string) {
	l.block.Reset()
	for i := 0; i < len(fields); i += 2 {
		if err := l.encoders[c][way].WriteField(hpack.HeaderField{Name: fields[i], Value: fields[i+1]}); err != nil {
			panic(err)
		}
	}
	if err := l.framer.WriteHeaders(http2.HeadersFrameParam{StreamID: id, BlockFragment: l.block.Bytes(), EndHeaders: true, EndStream: end}); err != nil {
		panic(err)
	}
	l.tell(c, way)
}

// tell tells the frame at both ends.
func (l *streams) tell(c uint64, way int) {
	frame := bytes.Clone(l.out.Bytes())
	l.out.Reset()
	m := event.Message{Flags: event.Frame | event.Start, Offset: l.offsets[c][way], Payload: frame, RTT: 50, Body: 100, Messages: 1}
	for end, pid := range []uint32{loadClient, loadServer} {
		if m.Direction = event.Receive; end == way {
			m.Direction = event.Send
		}
		l.add(event.Event{Kind: event.KindMessage, Socket: 2*c + 1 + uint64(end), PID: pid, TID: pid + uint32(c), Message: m})
	}
	l.offsets[c][way] += uint64(len(frame)) + 100
}

// BenchmarkStreams gives the exchanges of HTTP/2 per second of processor time, each connection seen at both ends: the load of others
// does not count.
func BenchmarkStreams(b *testing.B) {
	for _, under := range []int{1, 16, 128} {
		b.Run(fmt.Sprint(under), func(b *testing.B) {
			l := newStreams(4, 16000/under/4, under)
			b.ReportAllocs()
			var spans uint64
			took := 0.0 // ns
			runtime.LockOSThread()
			defer runtime.UnlockOSThread()
			for b.Loop() {
				b.StopTimer()
				p := pipeline(b)
				before := processorTime()
				b.StartTimer()
				for i := range l.events {
					p.Feed(&l.events[i])
				}
				b.StopTimer()
				took += processorTime() - before
				p.Close()
				c := p.Counts()
				spans += c.Server + c.Client
				b.StartTimer()
			}
			b.ReportMetric(float64(spans)/took*1e9, "exchanges/cpu-s")
		})
	}
}

func pipeline(t testing.TB) *Pipeline {
	s := &span.Span{}
	p, err := New(Options{Hold: 1e9, Sockets: 1 << 16}, func() *span.Span { return s }, func(*span.Span) {})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// TestStreamsBalance: all calls of the load become spans, with wire parents.
func TestStreamsBalance(t *testing.T) {
	l := newStreams(3, 40, 16)
	wired := 0
	p, err := New(Options{Hold: 1e9, Sockets: 1 << 16}, func() *span.Span { return &span.Span{} }, func(s *span.Span) {
		if s.Kind == span.Server && s.Evidence == span.Wire && s.RPC == span.GRPC && s.HasRPCStatus {
			wired++
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	for i := range l.events {
		p.Feed(&l.events[i])
	}
	p.Close()
	if c := p.Counts(); c.Client != 3*40*16 || c.Server != c.Client || uint64(wired) != c.Server {
		t.Errorf("%d clients, %d servers, %d by wire of %d", c.Client, c.Server, wired, 3*40*16)
	}
}

// TestIdleStreams: what a connection of HTTP/2 on which nothing happens takes, beyond its table of fields.
func TestIdleStreams(t *testing.T) {
	const conns, tables, most = 4000, 2 * 2 * 600, 2 * 2048
	l := newStreams(conns, 1, 1)
	p := pipeline(t)
	heap := func() uint64 {
		var m runtime.MemStats
		runtime.GC()
		runtime.GC()
		runtime.ReadMemStats(&m)
		return m.HeapAlloc
	}
	before := heap()
	for i := range l.events {
		p.Feed(&l.events[i])
	}
	p.Feed(&event.Event{Kind: event.KindClock, Time: l.time + 1e12, Wall: 1e18})
	used := heap() - before
	runtime.KeepAlive(l)
	t.Logf("%d bytes for the two ends of a connection, tables of fields included", used/conns)
	if used/conns > most+tables {
		t.Errorf("%d bytes for the two ends of a connection", used/conns)
	}
	runtime.KeepAlive(p)
}
