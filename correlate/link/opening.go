package link

import (
	"weft/correlate/event"
	"weft/correlate/flow"
)

// The first call on a connection is sent when that is open: an event loop has read something else by then. But it has begun to open it in
// the turn of the request that the call is for, and the kernel side tells of that moment. Whether the connection is used for the one that it was opened
// for is learned as the steps are, by proofs of its own: a program may give it to whoever comes first, or open it in place of one that
// has failed, long after. So where one could not be opened, nothing is said for a while of those that are opened then.

// opening is a connection that a thread has begun to open.
type opening struct {
	in      turn           // in which it did
	sole    *flow.Exchange // the only request that was under way, if that thread has read it; held
	process *Process
	at      uint64 // boot time
}

// openingsMax bounds the connections that were opened and not used yet; openOdds is how many right proofs outweigh a wrong one.
const (
	openingsMax = 1 << 12
	openOdds    = 1000
)

// connects notes what a thread works on that begins to open a connection.
func (l *Linker) connects(p *Process, ev *event.Event) {
	o := opening{process: p, at: ev.Time}
	if t := p.turns.byThread[ev.TID]; t != nil && (t.via != nil || t.owner != nil && works(t.owner)) {
		o.in = *t
	}
	if p.open == 1 && p.requests[0].TID == ev.TID && works(p.requests[0]) {
		o.sole = p.requests[0]
	}
	if ev.Time < l.lossy {
		return
	}
	if l.openings == nil {
		l.openings = make(map[uint64]opening)
	} else if len(l.openings) >= openingsMax {
		l.dropOpenings()
	}
	for _, x := range [...]*flow.Exchange{o.in.owner, o.in.via, o.sole} {
		if x != nil {
			x.Hold()
		}
	}
	l.openings[ev.Socket] = o
}

// unused ends that, when the connection is over.
func (l *Linker) unused(p *Process, ev *event.Event) {
	if ev.Thread.Address == 0 {
		p.turns.refused = ev.Time
	}
	if o, known := l.openings[ev.Socket]; known {
		delete(l.openings, ev.Socket)
		l.giveBack(&o)
	}
}

// giveBack ends an opening.
func (l *Linker) giveBack(o *opening) {
	l.over(&o.in)
	if o.sole != nil {
		l.release(o.sole)
		o.sole = nil
	}
}

// opensConn tells that a call is the first one on a connection that was opened for it, or for another one.
func opensConn(x *flow.Exchange) bool { return x.Offset == 0 && x.Conn.Origin == event.Connected }

// guessOpened notes of the first call on a connection in which turn that was opened. The request may have been answered since.
func (l *Linker) guessOpened(p *Process, x *flow.Exchange) {
	socket := x.Conn.Socket
	if x.Conn.Under != 0 {
		socket = x.Conn.Under
	}
	o, known := l.openings[socket]
	if !known {
		return
	}
	delete(l.openings, socket)
	refused := p.turns.refused > 0 && o.at < p.turns.refused+lastAge
	if o.process == p && opensConn(x) {
		x.Cause.Opened = o.at
	}
	if x.Cause.Opened > 0 && !refused && x.Start <= o.at+lastAge && !x.Lost {
		p.guessIn(x, &o.in, true)
		if o.sole != nil {
			x.Cause.Sole = o.sole.Hold()
		}
	}
	l.giveBack(&o)
}

// dropOpenings forgets all of them.
func (l *Linker) dropOpenings() {
	for _, o := range l.openings {
		l.giveBack(&o)
	}
	clear(l.openings)
}
