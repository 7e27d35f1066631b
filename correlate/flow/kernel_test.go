package flow

import (
	"fmt"
	"strings"

	"weft/correlate/event"
)

// kernel is one end of a connection as the kernel side tells of it: it makes the events of whole messages and keeps back
// what a full ring would have refused, with the rules of bpf/follow.h.
type kernel struct {
	feed     func(*event.Event)
	refuse   func() bool // the ring is full for the next event
	socket   uint64
	pid      uint32
	server   bool
	unix     bool
	found    bool // the connection is older than weft
	now      *uint64
	offsets  [2]uint64
	previous uint64
	lost     uint32
	shed     bool
	missed   int // requests that the kernel counts as lost
	sent     int // requests
}

// name of a connection: the pair of first sequence numbers.
func (k *kernel) announce() {
	ev := event.Event{Kind: event.KindSocket, Time: *k.now, Socket: k.socket, PID: k.pid}
	ev.Conn = event.Conn{Family: 2, Origin: event.Connected, NameLocal: 2*k.socket + 1, NamePeer: 2*k.socket + 2}
	if k.server {
		ev.Conn.Origin = event.Accepted
	}
	if k.unix {
		ev.Conn.Family, ev.Conn.Origin = familyUnix, event.Opened
	}
	if k.found {
		ev.Conn.Origin = event.Found
	}
	k.feed(&ev)
}

// direction of requests, or of replies, at this end.
func (k *kernel) direction(request bool) event.Direction {
	if request == k.server {
		return event.Receive
	}
	return event.Send
}

// message is a head and how its body goes on.
type message struct {
	request bool
	head    string
	body    uint64
	chunked bool
	later   bool // the end of the body is told by a later event
	endless bool // it is not told
	pieces  int  // events that the head comes in
	flags   event.Flags
	refused bool // the events of the head are lost
	gone    int  // or only this one, from 1 on
	half    bool // the last piece is never sent
}

// tell makes the events of a message up to its end, or up to what comes later.
func (k *kernel) tell(m message) {
	d := k.direction(m.request)
	if m.request && !m.half {
		k.sent++
	}
	pieces := min(max(m.pieces, 1), len(m.head))
	for i := range pieces {
		if m.half && i == pieces-1 {
			return
		}
		*k.now += 10
		from, to := i*len(m.head)/pieces, (i+1)*len(m.head)/pieces
		ev := k.event(d)
		ev.Message.Flags = m.flags
		if i == 0 {
			ev.Message.Flags |= event.Start
		}
		ev.Message.Offset = k.offsets[d]
		ev.Message.Payload = []byte(m.head[from:to])
		k.offsets[d] += uint64(to - from)
		if i < pieces-1 {
			ev.Message.Flags |= event.Open
		} else if !m.later {
			k.offsets[d] += m.body
			if !m.endless && m.flags&(event.Cut|event.Tunnel) == 0 {
				ev.Message.Flags |= event.End
			}
		}
		k.emit(ev, m.request, m.refused || m.gone == i+1)
	}
}

// end tells that the body of the last message of a direction has ended.
func (k *kernel) end(request bool, body uint64, refused bool) {
	*k.now += 10
	d := k.direction(request)
	k.offsets[d] += body
	ev := k.event(d)
	ev.Message.Flags = event.End
	ev.Message.Offset = k.offsets[d]
	ev.Message.Body = body
	k.emit(ev, request, refused)
}

func (k *kernel) event(d event.Direction) *event.Event {
	ev := &event.Event{Kind: event.KindMessage, Time: *k.now, Socket: k.socket, PID: k.pid, TID: k.pid}
	ev.Message = event.Message{Direction: d, Previous: k.previous, Offset: k.offsets[d]}
	return ev
}

func (k *kernel) emit(ev *event.Event, request, refused bool) {
	m := &ev.Message
	k.previous = ev.Time
	starts := request && m.Flags&event.Start != 0
	if k.shed && !starts {
		k.lost++
		return
	}
	k.shed = false
	if m.Through = k.offsets[m.Direction]; k.lost > 0 {
		m.Flags |= event.Lost
		m.Lost = k.lost
	}
	if refused || (k.refuse != nil && k.refuse()) {
		k.lost++
		if starts {
			k.shed = true
			k.missed += max(1, strings.Count(string(m.Payload), "\r\n\r\n"))
		}
		return
	}
	k.lost = 0
	k.feed(ev)
}

func (k *kernel) close(reset bool) {
	*k.now += 10
	k.feed(&event.Event{Kind: event.KindClose, Time: *k.now, Socket: k.socket, Close: event.Close{
		Sent: k.offsets[event.Send], Received: k.offsets[event.Receive], Previous: k.previous, Lost: k.lost, Reset: reset,
	}})
}

// requestHead and replyHead carry a tag, so that each pair can be checked.
func requestHead(method, target string, length int, chunked bool) string {
	return fmt.Sprintf("%s %s HTTP/1.1\r\nHost: h\r\n%s\r\n", method, target, framing(length, chunked))
}

func replyHead(status, tag string, length int, chunked bool) string {
	return fmt.Sprintf("HTTP/1.1 %s X\r\nX-Tag: %s\r\n%s\r\n", status, tag, framing(length, chunked))
}

func framing(length int, chunked bool) string {
	switch {
	case chunked:
		return "Transfer-Encoding: chunked\r\n"
	case length >= 0:
		return fmt.Sprintf("Content-Length: %d\r\n", length)
	}
	return ""
}

// book notes what a Table gives out and holds it to its contract.
type book struct {
	table   *Table
	open    map[*Exchange]bool
	ended   []string
	wrong   []string // broken promises
	pairs   int
	started int
	placed  func(*Exchange)
}

func newBook(o Options) *book {
	b := &book{open: make(map[*Exchange]bool)}
	o.Response = append(o.Response, "x-tag")
	b.table = New(o, b)
	return b
}

func (b *book) Started(x *Exchange) {
	if b.open[x] {
		b.fault(x, "started twice")
	}
	b.open[x] = true
	b.started++
}

func (b *book) Abandoned(x *Exchange) {
	if !b.open[x] {
		b.fault(x, "abandoned but not open")
	}
	delete(b.open, x)
}

func (b *book) Touched(*Exchange, Touch) {}

func (b *book) Placed(x *Exchange) {
	if b.placed != nil {
		b.placed(x)
	}
}

func (b *book) Ended(x *Exchange) {
	if !b.open[x] {
		b.fault(x, "ended but not open")
	}
	delete(b.open, x)
	b.pairs++
	for _, h := range x.Headers {
		if h.Value != x.Target && h.Value != "" {
			b.fault(x, "has the reply to "+h.Value)
		}
	}
	if x.End < x.Start || x.FirstByte != 0 && (x.FirstByte < x.Start || x.End < x.FirstByte) {
		b.fault(x, fmt.Sprintf("times %d %d %d", x.Start, x.FirstByte, x.End))
	}
	b.ended = append(b.ended, describe(x))
}

func (b *book) fault(x *Exchange, what string) {
	b.wrong = append(b.wrong, fmt.Sprintf("%s %s: %s", x.Method, x.Target, what))
}

// describe gives an exchange as the tests write it: method, target, status, bodies if any, and what is special.
func describe(x *Exchange) string {
	s := fmt.Sprintf("%s %s %d", x.Method, x.Target, x.Status)
	if x.RequestBody != 0 {
		s += fmt.Sprintf(" >%d", x.RequestBody)
	}
	if x.ReplyBody != 0 {
		s += fmt.Sprintf(" <%d", x.ReplyBody)
	}
	for _, f := range []struct {
		on   bool
		name string
	}{
		{x.Fault == Reset, "reset"}, {x.Fault == Closed, "closed"}, {x.Fault == Truncated, "truncated"},
		{x.HeadCut, "cut"}, {x.Upgraded, "upgraded"}, {x.Lost, "lost"},
	} {
		if f.on {
			s += " " + f.name
		}
	}
	return s
}

// account checks that nothing is missing: sent are the requests that were made, missed those that the kernel counts.
func (b *book) account(sent, missed int) string {
	c := b.table.Counts()
	var lost uint64
	for r := Reason(0); r < Reasons; r++ {
		if r.IsLoss() {
			lost += c.Reasons[r]
		}
	}
	switch {
	case len(b.open) != 0:
		return fmt.Sprintf("%d exchanges are still open", len(b.open))
	case c.Exchanges != uint64(b.pairs)+lost:
		return fmt.Sprintf("%d exchanges are not %d ended and %d lost: %v", c.Exchanges, b.pairs, lost, c.Reasons)
	case c.Exchanges+uint64(missed) != uint64(sent):
		return fmt.Sprintf("%d requests are not %d exchanges and %d missed by the kernel: %v", sent, c.Exchanges, missed, c.Reasons)
	}
	return ""
}
