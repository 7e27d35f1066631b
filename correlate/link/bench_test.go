package link

import (
	"fmt"
	"net/netip"
	"testing"

	"weft/correlate/event"
	"weft/correlate/flow"
	"weft/correlate/tracecontext"
)

// crowdOf holds a process with n requests under way and replaces the oldest one with each step: a new request, a call for it,
// the reply to the call, and the reply to the oldest request.
type crowdOf struct {
	l     *Linker
	open  []*flow.Exchange
	conns []*flow.Conn
	call  *flow.Exchange
	peer  *flow.Conn
	next  int
	now   uint64
	given event.Event // who gives its request to the connection of the call, and who waits; of no kind: nobody
	waits event.Event
	shape func(x *flow.Exchange, i int)
}

func newCrowd(n int, shape func(*flow.Exchange, int)) *crowdOf {
	c := &crowdOf{shape: shape, now: 1e9}
	c.l = New(Options{Hold: 1}, func(*flow.Exchange) {}, func(*flow.Exchange, *Process) {})
	c.peer = &flow.Conn{Socket: 1, Conn: event.Conn{Family: 2, Peer: netip.MustParseAddrPort("10.0.0.1:80"), NameLocal: 1, NamePeer: 2}}
	c.call = &flow.Exchange{}
	for i := range n {
		c.conns = append(c.conns, &flow.Conn{Socket: uint64(i) + 2, Conn: event.Conn{Family: 2, NameLocal: uint64(i) + 10, NamePeer: uint64(i) + 1e6}})
		c.open = append(c.open, &flow.Exchange{})
		c.serve(i)
	}
	return c
}

func (c *crowdOf) serve(i int) {
	x := c.open[i]
	head, words, carriers := x.Head[:0], x.Words[:0], x.Carriers
	carriers.Reset()
	c.now += 1000
	*x = flow.Exchange{Conn: c.conns[i], Server: true, PID: 7, TID: 7, Start: c.now, Offset: c.now, Method: "GET", Target: "/orders/all", Words: words, Carriers: carriers}
	x.Head = fmt.Appendf(head, "GET /orders/all HTTP/1.1\r\nHost: a\r\nUser-Agent: bench\r\nX-Id: %016x\r\n\r\n", c.now)
	c.shape(x, i)
	c.l.Started(x)
}

func (c *crowdOf) step() {
	i := c.next
	c.next = (c.next + 1) % len(c.open)
	x := c.open[i]
	x.FirstByte, x.End = c.now, c.now
	c.l.Touched(x, flow.Touch{TID: x.TID, Time: c.now, Sent: true})
	c.l.Ended(x)
	c.serve(i)
	y := c.call
	c.now += 1000
	carriers := y.Carriers
	carriers.Reset()
	*y = flow.Exchange{Carriers: carriers, Conn: c.peer, PID: 7, TID: 7, Start: c.now, Offset: c.now, Method: "GET", Target: "/stock", Head: y.Head[:0]}
	y.Head = append(y.Head, "GET /stock HTTP/1.1\r\nHost: b\r\nUser-Agent: bench\r\n\r\n"...)
	c.shape(y, i)
	if c.given.Kind != 0 {
		c.waits.Waiters.Of[0].Goroutine = y.Goroutine
		y.Goroutine = 1
		c.l.Feed(&c.given)
		c.l.Feed(&c.waits)
	}
	c.l.Started(y)
	y.FirstByte, y.End = c.now, c.now
	c.l.Touched(y, flow.Touch{TID: y.TID, Time: c.now})
	c.l.Ended(y)
	c.l.Feed(&event.Event{Kind: event.KindClock, Time: c.now})
}

// BenchmarkInFlight measures two exchanges, a request and its call, by how many requests the process has under way.
func BenchmarkInFlight(b *testing.B) {
	reader, err := tracecontext.NewReader(nil)
	if err != nil {
		b.Fatal(err)
	}
	byGoroutine := func(x *flow.Exchange, i int) { x.Goroutine = uint64(i) + 10 }
	shapes := []struct {
		name  string
		shape func(*flow.Exchange, int)
	}{
		{"loop", func(*flow.Exchange, int) {}},
		{"threads", func(x *flow.Exchange, i int) { x.TID = uint32(i) + 10 }},
		{"goroutines", byGoroutine},
		{"workers", byGoroutine},
		{"trace", func(x *flow.Exchange, i int) {
			reader.Field(&x.Carriers, []byte("traceparent"), fmt.Appendf(nil, "00-%032x-%016x-01", 1, i+1))
			reader.Settle(&x.Carriers, true)
		}},
	}
	for _, s := range shapes {
		for _, n := range []int{1, 10, 100, 1000, 10000} {
			b.Run(fmt.Sprintf("%s/%d", s.name, n), func(b *testing.B) {
				c := newCrowd(n, s.shape)
				if s.name == "workers" {
					c.given = event.Event{Kind: event.KindHandover, Socket: c.peer.Socket, Message: event.Message{Work: 2}}
					c.waits = event.Event{Kind: event.KindWaiters, Socket: c.peer.Socket, Waiters: event.Waiters{Worker: 2, Count: 1}}
					c.l.Feed(&event.Event{Kind: event.KindProcess, PID: 7, Process: &event.Process{Go: true}})
				}
				for range 2 * n {
					c.step()
				}
				b.ReportAllocs()
				for b.Loop() {
					c.step()
				}
			})
		}
	}
}
