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
	kind         span.Evidence
}

const earlyMax = 512 // of a process

// promise keeps a link for later.
func (l *Linker) promise(p *Process, call, parent *flow.Exchange, kind span.Evidence) {
	if !call.Cause.Open || p.ended {
		return
	}
	if len(p.early) == earlyMax {
		l.dropEarly(p)
	}
	p.early = append(p.early, promise{call.Hold(), parent.Hold(), kind})
}

// redeem makes the promised links of one kind, which is trusted now.
func (l *Linker) redeem(p *Process, kind span.Evidence, sure func(*flow.Exchange) float64) {
	kept := p.early[:0]
	for _, e := range p.early {
		if e.kind != kind {
			kept = append(kept, e)
			continue
		}
		if s := sure(e.call); s >= threshold {
			l.tell(e.call, e.parent, kind, s)
		}
		l.release(e.call)
		l.release(e.parent)
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
