package link

import (
	"weft/correlate/flow"
	"weft/correlate/span"
)

// What a call is part of can become known after it was sent. In an event loop a call that has waited for its connection is sent
// in the turn of another request; but the turn that its own reply begins is that of its request again, and when the
// request is answered in that turn, or after further calls of the same kind, it is known which one it was. Until then, and for
// Options.Hold at most, such calls and all that they have caused are kept back: their identity hangs on it.

// leaveOpen notes that it may become known what a call is part of.
func (l *Linker) leaveOpen(p *Process, x *flow.Exchange) {
	c := &x.Cause
	if c.Parent == nil && p.open > 0 && x.Task.Root != 0 && x.Start >= l.lossy {
		l.awaitTask(p, x)
		l.promiseHanded(p, x)
		return
	}
	if c.Parent != nil || p.open == 0 || x.Start < l.lossy || !p.tellsLate(x) {
		return
	}
	c.Open = true
	l.opened++
	if c.Guess != nil && p.crew.trust(p.open) == 0 && p.turns.steps.mayHold(&c.Chain) {
		l.promise(p, x, c.Guess, turned)
	}
}

// tellsLate tells whether the process was seen to show later what a call like this is part of, or may turn out to do so.
func (p *Process) tellsLate(x *flow.Exchange) bool {
	if p.crew.byThread != nil && p.crew.holds() {
		return true
	}
	if !follows(p, x) {
		return false
	}
	if x.Cause.Queued != nil && p.lines.holds() {
		return true
	}
	return p.turns.steps.sound(p.open, len(p.turns.byThread))
}

// settled ends that.
func (l *Linker) settled(x *flow.Exchange) {
	if x.Cause.Open {
		x.Cause.Open = false
		l.opened--
	}
}

// chainMax bounds the calls that one reply explains.
const chainMax = 16

// tellLate: the turn that the reply to a call has begun is that of request x. So the call is part of it, and so are those before
// that are known to belong together.
func (l *Linker) tellLate(p *Process, call, x *flow.Exchange) {
	s, threads := &p.turns.steps, len(p.turns.byThread)
	sure := s.trustLate(p.open, threads)
	if sure < threshold && p.turns.told && threads == 1 && s.mayHold(&flow.Chain{}) {
		l.tellAlone(call, x)
		return
	}
	for range chainMax {
		if sure < threshold || !l.tell(call, x, span.Turn, sure) {
			return
		}
		sure = min(sure, s.trust(&flow.Chain{}, p.open, threads)) // of those before
		for _, hop := range [...]flow.Chain{{Opens: opensConn(call)}, {Asks: call.Cause.Chain.Asks}} {
			if hop.Opens || hop.Asks {
				sure = min(sure, s.trust(&hop, p.open, threads))
			}
		}
		if call = call.Cause.Via; call == nil {
			return
		}
	}
}

// tellAlone does so in an event loop of which is told what else it does, where hardly ever several requests were under way: of calls that were
// sent while this one alone was, for it is not known whether they are for one that was given up.
func (l *Linker) tellAlone(call, x *flow.Exchange) {
	for range chainMax {
		c := &call.Cause
		if c.Beside != 1 || !l.tell(call, x, span.Order, late) || opensConn(call) || c.Chain.Asks || c.Via == nil {
			return
		}
		call = c.Via
	}
}

// tell makes a link that was left open; false if there is none to make.
func (l *Linker) tell(call, x *flow.Exchange, kind span.Evidence, sure float64) bool {
	c := &call.Cause
	if !c.Open || c.Resolved || c.Parent != nil || call.Start < x.Start {
		return false
	}
	if c.Crowd != nil {
		l.release(c.Crowd)
		c.Crowd, c.CrowdSize = nil, 0
	}
	x.Cause.KeptBack = x.Cause.KeptBack || c.Waiting
	c.Parent, c.Evidence, c.Confidence = x.Hold(), uint8(kind), sure
	c.Linked, c.LinkedSure = c.Evidence, c.Confidence
	c.Confirmed, c.Alternates, c.Passed = kind != span.Order, 0, passes(call, x)
	for i, e := range l.evidences {
		if e.kind() == kind {
			c.Votes[i+1] = flow.Vote{Kind: uint8(kind), Found: 1, Sure: float32(sure)}
		}
	}
	l.settled(call)
	return true
}

// undecided tells whether the identity of an exchange hangs on a call that may still be explained.
func (l *Linker) undecided(x *flow.Exchange) bool {
	for depth := 0; l.opened > 0 && x != nil && depth < depthMax; depth++ {
		c := &x.Cause
		switch {
		case c.Resolved:
			return false
		case c.Open, c.Doubted:
			return true
		case x.Server:
			x = c.Partner
		default:
			x = c.Parent
		}
	}
	return false
}
