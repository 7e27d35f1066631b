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
		return
	}
	if c.Parent != nil || p.open == 0 || !follows(p, x) || x.Start < l.lossy {
		return
	}
	if all, enough := p.turns.steps.state(p.open, len(p.turns.byThread)); enough && all.holds() {
		c.Open = true
		l.opened++
	}
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
	sure := p.turns.steps.trust(&flow.Chain{}, p.open, len(p.turns.byThread))
	if sure < threshold {
		return
	}
	for range chainMax {
		c := &call.Cause
		if !c.Open || c.Resolved || c.Parent != nil || call.Start < x.Start {
			return
		}
		l.linkLate(call, x, span.Turn, sure)
		if call = c.Via; call == nil {
			return
		}
	}
}

// linkLate makes a call that was left open part of a request.
func (l *Linker) linkLate(call, x *flow.Exchange, kind span.Evidence, sure float64) {
	c := &call.Cause
	if c.Crowd != nil {
		l.release(c.Crowd)
		c.Crowd, c.CrowdSize = nil, 0
	}
	c.Parent, c.Evidence, c.Confidence = x.Hold(), uint8(kind), sure
	c.Linked, c.LinkedSure = c.Evidence, c.Confidence
	c.Confirmed, c.Alternates, c.Passed = true, 0, passes(call, x)
	l.settled(call)
}

// undecided tells whether the identity of an exchange hangs on a call that may still be explained.
func (l *Linker) undecided(x *flow.Exchange) bool {
	for depth := 0; l.opened > 0 && x != nil && depth < depthMax; depth++ {
		c := &x.Cause
		switch {
		case c.Resolved:
			return false
		case c.Open:
			return true
		case x.Server:
			x = c.Partner
		default:
			x = c.Parent
		}
	}
	return false
}
