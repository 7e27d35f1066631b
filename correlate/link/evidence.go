package link

import (
	"weft/correlate/event"
	"weft/correlate/flow"
	"weft/correlate/span"
)

// evidence is one kind of reason why an outgoing exchange is part of an incoming one.
type evidence interface {
	// candidates gives the open server exchanges of the process that may have caused x, as far as this kind of
	// evidence can tell, and how sure one of them would be if it were the only one. None: it says nothing.
	candidates(l *Linker, p *Process, x *flow.Exchange) ([]*flow.Exchange, float64)
	kind() span.Evidence
}

// threshold is how sure evidence has to be to make a link: a wrong one is worse than a missing one.
const threshold = 0.8

// findCause asks the kinds of evidence, strongest first. A weaker one only chooses among what a stronger one leaves open;
// where nothing decides there is no link.
func (l *Linker) findCause(p *Process, x *flow.Exchange) {
	var left []*flow.Exchange
	for _, e := range l.evidences {
		found, confidence := e.candidates(l, p, x)
		if len(left) > 0 {
			found = both(left, found)
		}
		if len(found) == 1 && confidence >= threshold {
			c := &x.Cause
			c.Parent = found[0].Hold()
			c.Evidence = uint8(e.kind())
			c.Confidence = confidence
			c.Passed = hasHeader(x) && c.HeadTrace == c.Parent.Cause.HeadTrace && c.HeadParent == c.Parent.Cause.HeadParent
			return
		}
		if len(found) > 0 {
			left = found
		}
	}
	x.Cause.Alternates = len(left)
	if hasHeader(x) && len(left) > 0 {
		// It is unclear which request, but clear that its carrier was passed on unchanged.
		x.Cause.Passed = x.Cause.HeadParent == left[0].Cause.HeadParent
	}
}

func both(a, b []*flow.Exchange) []*flow.Exchange {
	var out []*flow.Exchange
	for _, x := range b {
		for _, y := range a {
			if x == y {
				out = append(out, x)
				break
			}
		}
	}
	return out
}

// header: the outgoing carrier names the trace of a request that is under way. Where it names the very parent of one, the
// carrier was passed on.
type header struct{}

func (header) kind() span.Evidence { return span.Header }

func (header) candidates(_ *Linker, p *Process, x *flow.Exchange) ([]*flow.Exchange, float64) {
	if !hasHeader(x) {
		return nil, 0
	}
	g := p.traces[x.Cause.HeadTrace]
	if g == nil {
		return nil, 0
	}
	var same []*flow.Exchange
	for _, m := range g.members {
		if m.Cause.HeadParent == x.Cause.HeadParent {
			same = append(same, m)
		}
	}
	if len(same) > 0 {
		return same, 0.99
	}
	return g.members, 0.99
}

// handover: the goroutine that works on the request gave the outgoing one to the connection that carries it.
type handover struct{}

func (handover) kind() span.Evidence { return span.Handover }

func (handover) candidates(l *Linker, p *Process, x *flow.Exchange) ([]*flow.Exchange, float64) {
	goid, ok := l.handovers[x.Conn.Socket]
	if !ok {
		return nil, 0
	}
	delete(l.handovers, x.Conn.Socket)
	return p.onGoroutine(goid), 0.99
}

// goroutine: the same goroutine reads the request and sends the call, or its child does on a connection that was opened
// for this call.
type goroutine struct{}

func (goroutine) kind() span.Evidence { return span.Goroutine }

func (goroutine) candidates(_ *Linker, p *Process, x *flow.Exchange) ([]*flow.Exchange, float64) {
	if x.Goroutine == 0 {
		return nil, 0
	}
	if found := p.onGoroutine(x.Goroutine); found != nil {
		return found, 0.99
	}
	found := p.onGoroutine(x.ParentGoroutine)
	if found == nil || x.Conn.Origin != event.Connected || x.Offset != 0 {
		return nil, 0
	}
	return found, 0.95
}

func (p *Process) onGoroutine(id uint64) []*flow.Exchange {
	if x := p.goroutines[id]; x != nil && id != 0 {
		return []*flow.Exchange{x}
	}
	return nil
}

// thread: the same thread reads the request and sends the call, in a process whose threads work on one request at a time.
type thread struct{}

func (thread) kind() span.Evidence { return span.Thread }

func (thread) candidates(_ *Linker, p *Process, x *flow.Exchange) ([]*flow.Exchange, float64) {
	if x.Goroutine != 0 || p.isGo() {
		return nil, 0
	}
	g := p.threads[x.TID]
	if g == nil {
		// Alone and on another thread: this process hands requests on between its threads.
		p.handsOff = p.handsOff || p.open == 1
		return nil, 0
	}
	if p.open == 1 {
		return g.members, 0.97 // the only request under way in the process, and on its own thread
	}
	if p.loop || p.handsOff {
		return g.members, 0.5
	}
	return g.members, 0.9
}
