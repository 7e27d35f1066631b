package link

import (
	"weft/correlate/event"
	"weft/correlate/flow"
)

// Clients of Go differ in who writes. net/http has a goroutine for each connection, which writes what others hand to it; in
// fasthttp, and in most that speak HTTP on their own, the goroutine that calls writes itself. The connection tells: once two
// goroutines have sent requests on it, none of them is the connection's own, and the one that sends is the one that calls.

// senders are the goroutines that have sent requests. One that sends for the first time was started for that; a later request
// may be work that it was given.
type senders struct{ now, before map[uint64]struct{} }

const sendersMax = 4096 // of a process, twice

// add notes a goroutine; fresh: it was not seen before.
func (s *senders) add(id uint64) (fresh bool) {
	_, now := s.now[id]
	_, before := s.before[id]
	if s.now == nil || len(s.now) >= sendersMax {
		s.now, s.before = s.before, s.now
		clear(s.now)
	}
	if s.now == nil {
		s.now = make(map[uint64]struct{})
	}
	s.now[id] = struct{}{}
	return !now && !before
}

// sends notes who sends a call, and whether it can be a child of what serves the request: on a connection that was opened
// for this call, or that belongs to nobody.
func (p *Process) sends(x *flow.Exchange) {
	if x.Goroutine == 0 {
		return
	}
	c := x.Conn
	c.Shared = c.Shared || c.Sender != 0 && c.Sender != x.Goroutine
	c.Sender = x.Goroutine
	fresh := p.senders.add(x.Goroutine)
	x.Cause.OfChild = c.Origin == event.Connected && x.Offset == 0 || c.Shared && fresh
}
