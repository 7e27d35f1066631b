package link

import (
	"time"

	"weft/correlate/event"
	"weft/correlate/flow"
	"weft/correlate/span"
)

// given is who gave a request to a connection.
type given struct{ goroutine, parent uint64 }

// unnamed is what was given to connections that have no number yet: those older than weft get it with their first operation. It
// can only be told whose it is while there is one.
type unnamed struct {
	given
	count int    // of which the request is still to come
	mixed bool   // there were several at a time since there were none
	since uint64 // boot time of the last one
}

// handoversMax bounds the hand-overs whose request was never seen, unnamedAge how long one without a number is waited for, in
// boot time.
const (
	handoversMax = 1 << 14
	unnamedAge   = uint64(20 * time.Millisecond)
)

func (l *Linker) handOver(ev *event.Event) {
	g := given{ev.Message.Work, ev.Message.Origin}
	if ev.Socket == 0 {
		u := &l.processes.of(ev.PID).unnamed
		if u.since+unnamedAge < ev.Time {
			u.count, u.mixed = 0, false
		}
		u.given, u.since = g, ev.Time
		u.count++
		u.mixed = u.mixed || u.count > 1
		return
	}
	if len(l.handovers) >= handoversMax {
		clear(l.handovers)
	}
	l.handovers[ev.Socket] = g
}

// takeUnnamed gives who gave the first request that is seen on an older connection.
func (p *Process) takeUnnamed(x *flow.Exchange) (given, bool) {
	u := &p.unnamed
	if u.count == 0 || x.Goroutine == 0 || x.Conn.Origin != event.Found || u.since+unnamedAge < x.Start {
		return given{}, false
	}
	u.count--
	if u.mixed {
		u.mixed = u.count > 0
		return given{}, false
	}
	return u.given, true
}

// handover: the goroutine that works on the request, or a child of it, gave the outgoing one to the connection that
// carries it.
type handover struct{}

func (handover) kind() span.Evidence { return span.Handover }

func (handover) candidates(l *Linker, p *Process, x *flow.Exchange) ([]*flow.Exchange, float64) {
	if by, ok := l.opener(x); ok {
		return l.givenBy(p, x, by)
	}
	given, ok := l.handovers[x.Conn.Socket]
	if !ok {
		if given, ok = p.takeUnnamed(x); !ok {
			return nil, 0
		}
		l.handovers[x.Conn.Socket] = given // until the cause is found
	}
	return l.givenBy(p, x, given)
}

// givenBy gives what the goroutine works on that gave a call to its connection, or its nearest ancestor.
func (l *Linker) givenBy(p *Process, x *flow.Exchange, by given) ([]*flow.Exchange, float64) {
	if found := p.onGoroutine(by.goroutine); found != nil {
		return found, 0.99
	}
	return l.ofAncestor(p, x, by.goroutine, by.parent)
}
