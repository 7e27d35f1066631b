package link

import (
	"weft/correlate/event"
	"weft/correlate/flow"
)

// heirs are the goroutines whose calls were linked by whom they descend from, each with the request of its first call. A goroutine
// that calls again when its ancestor works on another request is a worker that was started once and stays: it works for anybody.
// A process that has such workers keeps its calls apart only by the first one of each goroutine.
type heirs struct {
	first map[uint64]started
	pools bool // there are such workers
}

// started names the request of a first call, so that it need not be held.
type started struct {
	socket, start uint64
	others        uint8 // later calls in the time of other requests
}

// heirsMax bounds the goroutines that are remembered; worksFor is how many calls in the time of others make a worker: what a
// request has left running can make some, too.
const (
	heirsMax = 1 << 12
	worksFor = 3
)

// inherits tells whether a goroutine can work for a request that its ancestor works on.
func (h *heirs) inherits(goroutine uint64, x *flow.Exchange) bool {
	now := started{socket: x.Conn.Socket, start: x.Start}
	before, known := h.first[goroutine]
	switch {
	case !known && len(h.first) >= heirsMax:
		clear(h.first)
		fallthrough
	case !known:
		if h.first == nil {
			h.first = make(map[uint64]started)
		}
		h.first[goroutine] = now
		return true
	case before.socket != now.socket || before.start != now.start:
		before.others++
		h.first[goroutine] = before
		h.pools = h.pools || before.others >= worksFor
		return false
	}
	return !h.pools
}

// writesItself tells whether the goroutine that sends a call is the one that works on what the call is for. net/http has one for each
// connection that writes for all; where other goroutines wrote on the connection before, there is none.
func writesItself(x *flow.Exchange) bool {
	before := x.Conn.Writer
	return x.Conn.Origin == event.Connected && x.Offset == 0 || before != 0 && before != x.Goroutine
}

// awaitWriter keeps the first call back that is seen on a connection older than weft: when another goroutine writes the next one, each has
// written its own.
func (l *Linker) awaitWriter(p *Process, x *flow.Exchange) {
	c, before := &x.Cause, x.Conn.Writer
	if before != 0 && before != x.Goroutine && len(p.early) > 0 {
		l.redeem(p, wrote, func(call *flow.Exchange) float64 {
			if call.Conn != x.Conn {
				return later
			}
			return 0.95
		})
	}
	_, handed := l.handovers[x.Conn.Socket]
	if x.Goroutine == 0 || x.Stream != 0 || before != 0 || handed || c.Parent != nil || x.Start < l.lossy || hasHeader(x) || writesItself(x) {
		return
	}
	found, sure := p.onGoroutine(x.Goroutine), 0.99
	if found == nil {
		found, sure = l.ofAncestor(p, x, x.Goroutine, x.ParentGoroutine)
	}
	if len(found) != 1 || sure < threshold {
		return
	}
	if !c.Open {
		c.Open = true
		l.opened++
	}
	c.Unwritten = true
	l.promise(p, x, found[0], wrote)
}
