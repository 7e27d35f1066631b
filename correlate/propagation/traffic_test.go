package propagation_test

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"testing"

	"weft/correlate"
	"weft/correlate/event"
	"weft/correlate/propagation"
	"weft/correlate/span"
)

// traffic makes the events of a service under load: each connection has one request under way, and what happens on different
// connections is mixed at random. The same seed makes the same events.
type traffic struct {
	p       *correlate.Pipeline
	r       *rand.Rand
	now     uint64
	service event.Process
	plan    func(*rand.Rand) visit
	lines   []line
	sockets uint64
	head    []byte
	spans   uint64
	misled  float64 // share of calls that the thread of another request makes
	loop    bool    // one thread does all
	late    bool    // calls are told after their requests, for records are missing
	own     float64 // chance that the service makes a call of its own account before something else happens
	alone   [3]uint64
	idle    uint64 // ns before the first request
}

// visit is what one request is and does.
type visit struct {
	route     string
	unsampled bool
	status    int
	calls     []errand
	busy      int // calls that have begun, by half
	trace     uint64
}

// errand is one call.
type errand struct {
	host, target string
	status       int
	drops        bool
	late         bool // behind the reply, by a goroutine of its own
}

// line is a connection with its client connections.
type line struct {
	socket, offsets [2]uint64 // requests and replies
	calls           map[string]*[3]uint64
	visit           visit
	open, replied   bool
}

const trafficPID = 500

// newTraffic makes a service that works with threads, or with goroutines.
func newTraffic(t testing.TB, seed uint64, lines int, goroutines bool, o propagation.Options, plan func(*rand.Rand) visit) *traffic {
	t.Helper()
	f := &traffic{r: rand.New(rand.NewPCG(seed, 3)), now: 1e12, idle: 1e11, plan: plan, lines: make([]line, lines)}
	var s span.Span
	p, err := correlate.New(correlate.Options{Hold: 1e6, Sockets: 1 << 14, Propagation: o}, func() *span.Span { s = span.Span{}; return &s },
		func(*span.Span) { f.spans++ })
	if err != nil {
		t.Fatal(err)
	}
	f.p = p
	f.service = event.Process{Service: "shop", Go: goroutines}
	f.feed(event.Event{Kind: event.KindProcess, PID: trafficPID, Process: &f.service})
	for i := range f.lines {
		f.lines[i].calls = map[string]*[3]uint64{}
		f.lines[i].socket[0] = f.connect(event.Accepted, "client:1")
	}
	return f
}

func (f *traffic) feed(ev event.Event) {
	f.now += 5000
	ev.Time = f.now
	f.p.Feed(&ev)
}

func (f *traffic) connect(origin event.Origin, host string) uint64 {
	f.sockets += 2
	f.feed(event.Event{Kind: event.KindSocket, PID: trafficPID, Socket: f.sockets, Conn: event.Conn{
		Family: 2, Origin: origin, Local: netip.MustParseAddrPort("10.0.1.1:80"), Peer: addressOf(host), NameLocal: f.sockets, NamePeer: f.sockets + 1,
	}})
	return f.sockets
}

// by says who does something: the thread or goroutine of a connection, or a child of the latter.
type by struct{ line, child uint64 }

func (f *traffic) message(socket uint64, who by, d event.Direction, offset *uint64) {
	m := event.Message{Direction: d, Flags: event.Start | event.End, Offset: *offset, Payload: f.head}
	if f.service.Go {
		m.Work = who.line
		if who.child != 0 {
			m.Work, m.Origin = who.child, who.line
		}
	}
	*offset += uint64(len(f.head))
	m.Through = *offset
	tid := trafficPID + uint32(who.line)
	if f.loop {
		tid = trafficPID
	}
	f.feed(event.Event{Kind: event.KindMessage, Socket: socket, PID: trafficPID, TID: tid, Message: m})
}

func (f *traffic) reply(status int) {
	f.head = fmt.Appendf(f.head[:0], "HTTP/1.1 %d Reason\r\nContent-Length: 0\r\n\r\n", status)
}

// step lets one thing happen on one connection. It gives how many more or fewer requests are under way.
func (f *traffic) step(begin bool) int {
	n := f.r.IntN(len(f.lines))
	l, who := &f.lines[n], by{line: uint64(n) + 1}
	v := &l.visit
	switch {
	case !l.open && !begin:
	case !l.open:
		*v = f.plan(f.r)
		v.trace, l.open, l.replied = f.r.Uint64()|1, true, false
		flags := 1
		if v.unsampled {
			flags = 0
		}
		f.head = fmt.Appendf(f.head[:0], "GET %s HTTP/1.1\r\nHost: shop\r\ntraceparent: 00-%016x%016x-00000000000000aa-%02d\r\n\r\n", v.route, v.trace, v.trace, flags)
		f.message(l.socket[0], who, event.Receive, &l.offsets[0])
		return 1
	case v.busy < 2*len(v.calls) && (l.replied || !v.calls[v.busy/2].late):
		f.call(l, who, &v.calls[v.busy/2])
		v.busy++
	case !l.replied:
		f.reply(max(v.status, 200))
		f.message(l.socket[0], who, event.Send, &l.offsets[1])
		l.replied = true
	default:
		l.open = false
		return -1
	}
	return 0
}

// call sends a request, or gets the reply to it.
func (f *traffic) call(l *line, who by, e *errand) {
	v := &l.visit
	key := e.host
	if e.late {
		key, who.child = "late", f.now
	}
	c := l.calls[key]
	if c == nil || e.late && v.busy%2 == 0 {
		c = &[3]uint64{f.connect(event.Connected, e.host)}
		l.calls[key] = c
	}
	if v.busy%2 == 1 {
		f.reply(max(e.status, 200))
		f.message(c[0], who, event.Receive, &c[2])
		if e.late {
			f.feed(event.Event{Kind: event.KindClose, Socket: c[0], Close: event.Close{Sent: c[1], Received: c[2]}})
		}
		return
	}
	f.head = fmt.Appendf(f.head[:0], "GET %s HTTP/1.1\r\nHost: %s\r\n", e.target, e.host)
	if !e.drops {
		f.head = fmt.Appendf(f.head, "traceparent: 00-%016x%016x-%016x-%02d\r\n", v.trace, v.trace, f.r.Uint64()|1, map[bool]int{false: 1}[v.unsampled])
	}
	f.head = append(f.head, "\r\n"...)
	if f.misled > 0 && f.r.Float64() < f.misled {
		who.line = uint64(f.r.IntN(len(f.lines))) + 1
	}
	f.message(c[0], who, event.Send, &c[1])
}

// background makes a call that no request has caused.
func (f *traffic) background() {
	if f.alone[0] == 0 {
		f.alone[0] = f.connect(event.Connected, "payments:80")
	}
	f.head = append(f.head[:0], "GET /charge HTTP/1.1\r\nHost: payments:80\r\n\r\n"...)
	f.message(f.alone[0], by{}, event.Send, &f.alone[1])
	f.reply(200)
	f.message(f.alone[0], by{}, event.Receive, &f.alone[2])
}

// run makes so many requests and gives the report.
func (f *traffic) run(requests int) propagation.Report {
	f.now += f.idle
	for steps, open := 0, 0; requests > 0 || open > 0; steps++ {
		if f.own > 0 && f.r.Float64() < f.own {
			f.background()
		}
		change := f.step(requests > 0)
		open += change
		requests -= max(change, 0)
		if f.late && steps%100_000 == 0 {
			f.feed(event.Event{Kind: event.KindLoss, Loss: event.Loss{Records: 1}})
		}
		if steps%500 == 0 {
			f.now += 1e6
			f.feed(event.Event{Kind: event.KindClock, Wall: int64(f.now) + 1.7e18})
		}
	}
	f.now += 1e9
	f.feed(event.Event{Kind: event.KindClock, Wall: int64(f.now) + 1.7e18})
	f.p.Close()
	return f.p.Report()
}
