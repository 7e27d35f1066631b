package link

import (
	"math"

	"weft/correlate/event"
	"weft/correlate/flow"
	"weft/correlate/span"
)

// Which places on the stacks of Java's loops are believed, see loop.go.

// apart tells that the threads keep to their own work.
func (s *loops) apart() bool { return s.ours >= loopLeast && s.others*loopOthers <= s.ours }

// rests tells that nothing is looked for in a call: the threads hand work to each other, and of such ones one call of many is looked at, in case
// that they no longer do.
func (s *loops) rests() bool {
	s.seen++
	return s.others >= loopEnough && !s.apart() && s.seen%loopSeldom != 0
}

// decide gives the request that places say which are believed, if those that may become so hardly say another one; nil: there is none.
func (s *loops) decide(c *loopCall) (found *flow.Exchange, sure float64) {
	if !s.apart() {
		return nil, 0
	}
	best, next := 0.0, -1.0
	for _, one := range c.of {
		if spot := s.places[one.key]; s.believes(one.key, spot) && works(one.of) && spot.proof > best {
			found, sure, best = one.of, min(spot.sure(), birthSure), spot.proof
		}
	}
	for _, one := range c.of {
		if spot := s.places[one.key]; one.of != found && works(one.of) && spot != nil && !spot.refuted() {
			next = max(next, spot.proof)
		}
	}
	if next >= 0 && best < birthHope*(next+1) {
		return nil, 0
	}
	return found, sure
}

// heldBy gives the request that places say which are believed, with how sure that is.
func (l *Linker) heldBy(p *Process, x *flow.Exchange, c *loopCall) ([]*flow.Exchange, float64) {
	if x.Stream != 0 || x.Start < l.lossy {
		return nil, 0 // of what is missing the turn before was taken for
	}
	found, sure := p.loops.decide(c)
	if found == nil {
		return nil, 0
	}
	l.same = append(l.same[:0], found)
	return l.same, sure
}

// believes tells whether a place has proven itself. It takes many proofs: what was just read is under way for a while, whoever calls. And where
// at some depth one place has told nearly all, another one that tells now and then holds something else.
func (s *loops) believes(key uint32, o *spot) bool {
	return o.proven() && o.right >= loopRight && o.older >= loopOlder && o.proof >= loopProof && o.proof*loopRare >= s.best[key>>loopPlace]
}

// awaitHeld keeps what was told of a call until its reply.
func (l *Linker) awaitHeld(p *Process, x *flow.Exchange) {
	c, ok := l.held[x.Conn.Socket]
	if !ok {
		return
	}
	delete(l.held, x.Conn.Socket)
	if x.Stream != 0 || x.Start < l.lossy || p.ended {
		l.dropHeld(c)
		return
	}
	s := &p.loops
	found, _ := s.decide(&c)
	l.looked(p, found != nil)
	if s.calls == nil {
		s.calls = make(map[*flow.Exchange]loopCall)
	}
	if len(s.calls) >= loopCallMax {
		l.dropLoopCalls(s)
	}
	c.closed, c.newest = p.births.closed, p.newest()
	s.calls[x] = c
	l.taughtHeld(p, x, c)
	if cause := &x.Cause; cause.Guess != nil && cause.Parent != nil && span.Evidence(cause.Evidence) == span.Birth {
		p.turns.steps.learn(&cause.Chain, cause.Guess == cause.Parent, p.open)
	}
}

// taughtHeld: what a call is part of is known. Places that say another request are wrong, although that one may still be under way.
func (l *Linker) taughtHeld(p *Process, x *flow.Exchange, c loopCall) {
	y := x.Cause.Parent
	if kind := span.Evidence(x.Cause.Evidence); y == nil || kind == span.Turn || kind == span.Order {
		return
	}
	for _, one := range c.of {
		if one.of != y {
			p.loops.learn(one.key, one.of, false, 0, false)
		}
	}
}

// provesHeld: the reply to a call is there. The request that it is part of is not answered yet.
func (l *Linker) provesHeld(p *Process, x *flow.Exchange) {
	s := &p.loops
	c, ok := s.calls[x]
	if !ok {
		return
	}
	delete(s.calls, x)
	if n := float64(x.Cause.Beside); x.FirstByte != 0 && !x.Lost && x.Start >= l.lossy && n >= 2 {
		proof := math.Log(n / max(n-float64(p.births.closed-c.closed), 1))
		for _, one := range c.of {
			if y := one.of; works(y) || y.FirstByte != 0 {
				s.learn(one.key, y, works(y), proof, y.Start != c.newest)
			}
		}
	}
	l.dropHeld(c)
}

// learn takes what a call has shown of one place; older: of a request that was not read last.
func (s *loops) learn(key uint32, y *flow.Exchange, right bool, proof float64, older bool) {
	if s.places == nil || len(s.places) >= birthPlaces {
		s.places, s.best = make(map[uint32]*spot), make(map[uint32]float64)
	}
	o := s.places[key]
	if o == nil {
		o = &spot{}
		s.places[key] = o
	}
	is := event.Waiter{Goroutine: uint64(y.TID), Parent: y.Start, Place: y.Conn.Socket}
	if right && o.last == is {
		return
	}
	o.last = is
	o.add(right)
	if right {
		o.proof += proof
	}
	if right && older && proof > 0 {
		o.older++
	}
	if depth := key >> loopPlace; !o.refuted() {
		s.best[depth] = max(s.best[depth], o.proof)
	}
}
