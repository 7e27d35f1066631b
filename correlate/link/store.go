package link

import (
	"weft/correlate/event"
	"weft/correlate/flow"
)

// An event loop also goes on with what weft does not read: a timer that is due, or what a database says on a connection of its own protocol.
// The kernel side tells of Node.js when it does. What a timer goes on with is not known, but may be later. A connection to a store mostly
// has one question under way: then what is read from it goes on with the request in whose turn it was written to. That is held against
// the same proofs as everything in a turn, counted apart.

// stores are the connections of a process whose messages are not told.
type stores struct {
	asked map[uint64]*asked // by socket
	pools map[uint64]*pool  // by peer
	since uint64            // boot time from which all that is written to them is told
}

// asked is what was written to such a connection last.
type asked struct {
	in        turn   // in which it was; owner and via are held
	peer      uint64 // of the connection
	at        uint64 // boot time
	under     bool   // nothing was read since
	shared    bool   // a second turn has written before the first one got something to read: it has several questions under way
	unsettled bool   // it may have waited for the connection, which another request has used, or that was opened
}

const (
	untold     = 1 // in place of a peer, without a socket: what the thread does is not told for now
	allTold    = 2 // from now on it is
	storesMax  = 1 << 12
	storePlace = "\x00" // of what is read from a store, in steps; no path begins so
)

// asks notes what a thread works on that writes to a store.
func (l *Linker) asks(p *Process, ev *event.Event) {
	t := p.turns.byThread[ev.TID]
	if t == nil || ev.Socket == 0 {
		return
	}
	s := &p.turns.stores
	a := s.of(l, p, ev)
	if a.under && a.at >= max(s.since, l.lossy) {
		a.shared = a.shared || a.in.at != t.at
		return
	}
	a.unsettled = t.store == ev.Socket && s.busy(a.peer) || l.greets(ev.Socket)
	s.uses(a.peer, 1)
	l.over(&a.in)
	a.in, a.at, a.under = *t, ev.Time, true
	for _, x := range [...]*flow.Exchange{t.owner, t.via} {
		if x != nil {
			x.Hold()
		}
	}
}

// of gives what is known of a connection.
func (s *stores) of(l *Linker, p *Process, ev *event.Event) *asked {
	a := s.asked[ev.Socket]
	if a != nil {
		return a
	}
	if s.asked == nil || len(s.asked) >= storesMax {
		l.dropStores(p)
		s.asked, s.pools = make(map[uint64]*asked), make(map[uint64]*pool)
	}
	a = &asked{peer: ev.Thread.Address}
	s.asked[ev.Socket] = a
	return a
}

// busy tells that no other connection to a peer was idle.
func (s *stores) busy(peer uint64) bool {
	o := s.pools[peer]
	return o == nil || o.busy+1 >= o.most
}

// greets tells that the connection was opened and not written to yet: it is used for whoever comes first when both sides have greeted. What is
// written in the turns of their greetings is of no request, too.
func (l *Linker) greets(socket uint64) bool {
	o, opened := l.openings[socket]
	if opened {
		delete(l.openings, socket)
		l.giveBack(&o)
	}
	return opened
}

// uses counts the connections to a peer on which a question is under way.
func (s *stores) uses(peer uint64, more int) {
	o := s.pools[peer]
	if o == nil {
		o = &pool{}
		s.pools[peer] = o
	}
	o.busy = max(o.busy+more, 0)
	o.most = max(o.most, o.busy)
}

// turnsAway begins a turn of which no request or reply tells: a timer, or what a store has said.
func (l *Linker) turnsAway(p *Process, ev *event.Event) {
	o := p.turns.byThread[ev.TID]
	if ev.Socket == 0 && ev.Thread.Address == allTold {
		if !p.turns.told {
			l.toldFrom(p, ev.Time)
		}
		return
	}
	if o == nil {
		return
	}
	s := &p.turns.stores
	if ev.Socket == 0 && ev.Thread.Address == untold {
		s.since = ev.Time
	}
	if !p.turns.told {
		l.toldFrom(p, ev.Time)
	}
	next := turn{store: ev.Socket, at: ev.Time}
	if a := s.asked[ev.Socket]; a != nil {
		if a.under {
			a.under = false
			s.uses(a.peer, -1)
		}
		if !a.shared && !a.unsettled && a.at >= max(s.since, l.lossy) {
			next.owner, next.via, next.chain = a.in.owner, a.in.via, a.in.chain
			next.from = stepKey{place: storePlace}
			if !next.chain.Asks && !next.chain.Opens {
				next.chain.From = next.chain.N
			}
			next.chain.Asks = true
		}
	}
	for _, x := range [...]*flow.Exchange{next.owner, next.via} {
		if x != nil {
			x.Hold()
		}
	}
	l.over(o)
	*o = next
}

// toldFrom forgets what was thought till now: not all turns were told.
func (l *Linker) toldFrom(p *Process, at uint64) {
	p.turns.told, p.turns.stores.since = true, at
	p.turns.steps.forget()
	l.dropEarly(p)
}

// dropStores forgets what was asked.
func (l *Linker) dropStores(p *Process) {
	for _, a := range p.turns.stores.asked {
		l.over(&a.in)
	}
	p.turns.stores = stores{since: p.turns.stores.since}
}
