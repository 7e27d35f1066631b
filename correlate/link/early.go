package link

import (
	"weft/correlate/flow"
	"weft/correlate/span"
)

// What is seen while it is still being learned how a process works becomes a link when it has been learned, if the spans are
// still kept back then. So a process's first calls have links too, as long as learning takes no longer than Options.Hold.

// early are links that are made once the process is trusted.
type early []promise

type promise struct {
	call, parent *flow.Exchange // held
	by           rule
	place        uint32 // by waited: where the channel was found
	void         bool   // by waited: the request can't be it
}

// rule is how a process works, of which it is being learned whether it does.
type rule uint8

const (
	turned rule = iota
	crewed
	lined
	waited
	kept
	wrote
	handedJob
	passing
	within
	woken // + way
)

// kinds are what links by a rule say of themselves.
var kinds = [...]span.Evidence{turned: span.Turn, crewed: span.Thread, lined: span.Turn, waited: span.Waiter, kept: span.Thread, wrote: span.Goroutine, handedJob: span.Task, passing: span.Payload, within: span.Order, woken: span.Wake}

const earlyMax = 512 // of a process

// promise keeps a link for later.
func (l *Linker) promise(p *Process, call, parent *flow.Exchange, by rule) {
	if !call.Cause.Open || p.ended {
		return
	}
	if len(p.early) == earlyMax {
		l.thinEarly(p)
	}
	p.early = append(p.early, promise{call: call.Hold(), parent: parent.Hold(), by: by})
}

// lastEarly gives the link that was kept last; nil: none is.
func (p *Process) lastEarly() *promise {
	if len(p.early) == 0 {
		return nil
	}
	return &p.early[len(p.early)-1]
}

// later says of a promised link that it is not time yet.
const later = -1

// redeem makes the promised links of one rule, which is trusted now.
func (l *Linker) redeem(p *Process, by rule, sure func(*flow.Exchange) float64) {
	kept := p.early[:0]
	for _, e := range p.early {
		if e.by != by {
			kept = append(kept, e)
			continue
		}
		s := sure(e.call)
		if s == later && e.call.Cause.Open {
			kept = append(kept, e)
			continue
		}
		if s >= threshold {
			l.tell(e.call, e.parent, kinds[min(by, woken)], s)
		}
		l.release(e.call)
		l.release(e.parent)
	}
	clear(p.early[len(kept):])
	p.early = kept
}

// thinEarly gives up what needs no link any more, and the older half of what is left if that is most.
func (l *Linker) thinEarly(p *Process) {
	kept := p.early[:0]
	for _, e := range p.early {
		if e.call.Cause.Open {
			kept = append(kept, e)
			continue
		}
		l.release(e.call)
		l.release(e.parent)
	}
	if len(kept) > earlyMax/2 {
		for _, e := range kept[:earlyMax/2] {
			l.release(e.call)
			l.release(e.parent)
		}
		kept = kept[:copy(kept, kept[earlyMax/2:])]
	}
	clear(p.early[len(kept):])
	p.early = kept
}

// dropEarly gives up what was promised.
func (l *Linker) dropEarly(p *Process) {
	for _, e := range p.early {
		l.release(e.call)
		l.release(e.parent)
	}
	clear(p.early)
	p.early = p.early[:0]
}
