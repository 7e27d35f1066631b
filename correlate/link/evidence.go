package link

import (
	"slices"

	"weft/correlate/flow"
	"weft/correlate/span"
)

// evidence is one kind of reason why an outgoing exchange is part of an incoming one.
type evidence interface {
	// candidates gives the open server exchanges of the process that may have caused x, as far as this kind of
	// evidence can tell, and how sure one of them would be if it were the only one. None: it says nothing. They
	// are good until the next call.
	candidates(l *Linker, p *Process, x *flow.Exchange) ([]*flow.Exchange, float64)
	kind() span.Evidence
}

// threshold is how sure evidence has to be to make a link: a wrong one is worse than a missing one.
const threshold = 0.8

// strong is how sure evidence of the runtime has to be to contradict a carrier.
const strong = 0.95

// decision is what evidence of the runtime says of a call: the one request that caused it, or several of which one did.
type decision struct {
	parent     *flow.Exchange
	kind       span.Evidence
	confidence float64
	among      []*flow.Exchange // without parent; good until the next decision
	descent    bool             // among are all that can be: the goroutine descends from the one that served them
}

// findCause weighs what the carrier says against what the runtime says. Where nothing decides there is no link.
func (l *Linker) findCause(p *Process, x *flow.Exchange) {
	c := &x.Cause
	l.share = -1
	named, sure := header{}.candidates(l, p, x)
	c.Votes[0] = vote(span.Header, named, sure)
	d := l.atRuntime(p, x, nil)
	switch {
	case len(named) == 0:
	case d.parent != nil && slices.Contains(named, d.parent):
		c.Confirmed = d.kind != span.Order
		if len(named) == 1 {
			d.kind, d.confidence = span.Header, sure
		}
	case d.parent != nil && d.confidence >= strong && d.kind < span.Turn:
		// The carrier of another request has got into this one.
	case len(named) == 1:
		c.Misled = d.parent != nil && d.kind != span.Order
		d = decision{parent: named[0], kind: span.Header, confidence: sure}
	default:
		d = l.atRuntime(p, x, named)
		c.Confirmed = d.parent != nil && d.kind != span.Order
	}
	if d.parent == nil {
		l.findCrowd(p, x, &d)
		return
	}
	if d.kind == span.Order {
		l.findCrowd(p, x, &decision{}) // what a verdict may be built on, in place of this link
	}
	c.Confirmed = c.Confirmed || d.kind != span.Header && d.kind != span.Order || d.kind == span.Header && l.confirm(p, x)
	c.Parent = d.parent.Hold()
	c.Evidence, c.Confidence = uint8(d.kind), d.confidence
	c.Passed = passes(x, c.Parent)
}

// atRuntime asks the kinds of evidence other than the carrier, strongest first, for one of the requests in left, or of all
// when left is nil. A weaker kind only chooses among what a stronger one leaves open.
func (l *Linker) atRuntime(p *Process, x *flow.Exchange, of []*flow.Exchange) (d decision) {
	left := append(l.left[:0], of...)
	l.weak = l.weak[:0]
	inTask := p.tasksDecide(x)
	for i, e := range l.evidences {
		if inTask && e.kind() > span.Task && e.kind() != span.Payload {
			continue // the task is not that of a request under way
		}
		found, confidence := e.candidates(l, p, x)
		x.Cause.Votes[i+1] = vote(e.kind(), found, confidence)
		if confidence < threshold {
			// It says how many there are, but is too weak to leave any out.
			if len(found) > len(l.weak) {
				l.weak = append(l.weak[:0], found...)
			}
			continue
		}
		if len(left) > 0 {
			found = l.both(left, found)
		}
		if len(found) == 1 {
			d.parent, d.kind, d.confidence = found[0], e.kind(), confidence
			break
		}
		if len(found) > 0 {
			left = append(left[:0], found...)
			d.descent = d.descent || e.kind() == span.Goroutine || e.kind() == span.Handover
		}
	}
	l.left = left
	if d.among = left; len(left) == 0 {
		d.among = l.weak
	}
	return d
}

// vote keeps what evidence has said, for those who ask.
func vote(kind span.Evidence, found []*flow.Exchange, sure float64) flow.Vote {
	if len(found) == 0 {
		return flow.Vote{}
	}
	return flow.Vote{Kind: uint8(kind), Found: uint16(min(len(found), 1<<16-1)), Sure: float32(sure)}
}

// passes tells that the carrier of a call is the one that has come with the request.
func passes(x, from *flow.Exchange) bool {
	return hasHeader(x) && x.Cause.HeadTrace == from.Cause.HeadTrace && x.Cause.HeadParent == from.Cause.HeadParent
}

func (l *Linker) both(a, b []*flow.Exchange) []*flow.Exchange {
	out := l.common[:0]
	for _, x := range b {
		if slices.Contains(a, x) {
			out = append(out, x)
		}
	}
	l.common = out
	return out
}

// header: the outgoing carrier names the trace of a request that is under way. Where it names the very parent of one, the
// carrier was passed on.
type header struct{}

func (header) kind() span.Evidence { return span.Header }

func (header) candidates(l *Linker, p *Process, x *flow.Exchange) ([]*flow.Exchange, float64) {
	if !hasHeader(x) {
		return nil, 0
	}
	g := p.traces[x.Cause.HeadTrace]
	if g == nil {
		return nil, 0
	}
	l.named = g.look(byTrace, l.named[:0], func(m *flow.Exchange) bool { return passes(x, m) })
	if len(l.named) == 0 {
		l.named = g.look(byTrace, l.named, nil)
	}
	return l.named, 0.99
}

// goroutine: the same goroutine reads the request and sends the call, or its child does, as far as sends tells.
type goroutine struct{}

func (goroutine) kind() span.Evidence { return span.Goroutine }

func (goroutine) candidates(l *Linker, p *Process, x *flow.Exchange) ([]*flow.Exchange, float64) {
	if x.Goroutine == 0 {
		return nil, 0
	}
	if found := p.onGoroutine(x.Goroutine); found != nil {
		return found, 0.99
	}
	if _, handed := l.handovers[x.Conn.Socket]; handed || !writesItself(x) {
		return nil, 0
	}
	return l.ofAncestor(p, x, x.Goroutine, x.ParentGoroutine)
}

// ofAncestor gives what the parent of a goroutine works on, or has worked on last: net/http serves one connection with one
// goroutine, and what a request has left running may go on after its reply. Once the process was seen to do so, a child can
// belong to either.
func (l *Linker) ofAncestor(p *Process, x *flow.Exchange, of, parent uint64) ([]*flow.Exchange, float64) {
	if own := p.lastOn(of, x.Start); own != nil && own.Cause.Handled {
		l.same = append(l.same[:0], own)
		return l.same, 0.9
	}
	if p.passesOn(parent) {
		return nil, 0
	}
	open, last := p.onGoroutine(parent), p.lastOn(parent, x.Start)
	switch {
	case open != nil && !p.heirs.inherits(of, open[0]), open == nil && last != nil && !p.heirs.inherits(of, last):
		return nil, 0
	case last == nil:
		return open, 0.95
	case open == nil && x.Start < l.lossy:
		return nil, 0 // the next request of the connection may be missing
	case open == nil:
		p.lingers = true
		l.same = append(l.same[:0], last)
		return l.same, 0.9
	case !p.lingers:
		return open, 0.95
	}
	l.same = append(append(l.same[:0], last), open...)
	return l.same, 0.9
}

// onGoroutine gives what a goroutine works on: of the requests that it has read on its connection the oldest. The streams of
// HTTP/2 do not wait for each other: each of them can be it.
func (p *Process) onGoroutine(id uint64) []*flow.Exchange {
	if id == 0 {
		return nil
	}
	if g := p.goroutines[id]; g != nil {
		if g.first.Major == 2 && g.size > 1 {
			p.streams = g.look(byWorker, p.streams[:0], nil)
			return p.streams
		}
		p.oldest[0] = g.first
		return p.oldest[:]
	}
	return nil
}

// thread: the same thread reads the request and sends the call, in a process whose threads work on one request at a time.
type thread struct{}

func (thread) kind() span.Evidence { return span.Thread }

func (thread) candidates(l *Linker, p *Process, x *flow.Exchange) ([]*flow.Exchange, float64) {
	if x.Goroutine != 0 || p.isGo() {
		return nil, 0
	}
	working, serves := p.workOf(x, l.same[:0])
	if l.same = working; !serves {
		return nil, 0
	}
	if len(working) > 1 && working[0].Major < 2 && p.habits.alone() && onOneConn(working) {
		working = working[:1] // pipelined: one after the other
	}
	sure := p.habits.trust(x.Start)
	if unknown := p.open > 1 && !p.crew.mostly() && (p.habits.own < ownLeast && !p.habits.kin.keeps() || hasHeader(x) && !p.habits.beside()); unknown && sure >= threshold {
		if len(working) == 1 {
			l.unproven = working[0]
		}
		// The first calls of an event loop look the same. Of a pool whose threads take tasks from each other the first calls beside others do,
		// after calls in solitude: that is not enough to contradict a carrier.
		p.crew.begin()
	} else if sure < threshold || !p.crew.swaps() {
		return working, sure
	}
	return working, guessed // it is known for sure when the thread answers
}

// workOf appends what the thread of a call works on; false if it has read nothing. What is being answered is done, as far as calls go, but
// for those whose connection it had begun to open before.
func (p *Process) workOf(x *flow.Exchange, to []*flow.Exchange) ([]*flow.Exchange, bool) {
	if sole := x.Cause.Sole; sole != nil && sole.TID == x.TID && !sole.Lost {
		return append(to, sole), true
	}
	g := p.threads[x.TID]
	if g == nil {
		return to, false
	}
	return g.look(byWorker, to, works), true
}

// ownLeast is how many calls a process has to have made in solitude, by the threads that had read the requests, until its threads are believed
// side by side, where nothing else is known. The first call of an event loop in several threads is one of these.
const ownLeast = 8

// guessed is how sure a thread is of what it has read, where requests are handed over.
const guessed = 0.75

func onOneConn(of []*flow.Exchange) bool {
	for _, x := range of {
		if x.Conn != of[0].Conn {
			return false
		}
	}
	return true
}
