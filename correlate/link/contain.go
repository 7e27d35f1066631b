package link

import (
	"math"

	"weft/correlate/flow"
	"weft/correlate/span"
)

// containing is what a process has shown of whether its requests wait for their calls. Where they do, a call is part of one that
// was under way when it was sent and still was when its reply came; with several requests under way that leaves one of them now
// and then, and always the right one. A process whose calls outlive their requests shows it by calls that no request contains, for
// chance contains none about as often as it contains one. It is order and time, and no proof.
type containing struct{ one, none uint32 }

const (
	containMax   = 64 // requests that are looked at for one call
	containLeast = 20
	containOdds  = 250
)

func (c *containing) trust() float64 {
	if c.one < containLeast || c.none*containOdds > c.one {
		return 0
	}
	return float64(c.one) / float64(c.one+c.none+1)
}

// containsLate leaves a call open until its reply, if that may tell.
func (l *Linker) containsLate(p *Process, x *flow.Exchange) {
	c := &x.Cause
	c.Beside = min(p.open, math.MaxUint16)
	if c.Parent == nil && !c.Open && p.contained.trust() > 0 && p.open > 0 && p.open <= containMax && !hasHeader(x) {
		c.Open, c.Contained = true, true
		l.opened++
	}
}

// contains looks for the one request that contains a call, which has ended.
func (l *Linker) contains(p *Process, x *flow.Exchange) {
	c := &x.Cause
	if c.Parent == nil && c.Beside > 1 && (!c.Open || c.Contained) && len(p.requests) <= containMax {
		l.containedBy(p, x)
	}
	if c.Contained {
		l.settled(x)
	}
}

func (l *Linker) containedBy(p *Process, x *flow.Exchange) {
	var found *flow.Exchange
	for _, y := range p.requests {
		switch {
		case y.Start > x.Start || !works(y):
		case found != nil:
			return
		default:
			found = y
		}
	}
	if x.FirstByte == 0 || x.Lost || x.Start < l.lossy || p.habits.gaveUp > 0 && x.Start < p.habits.gaveUp+lastAge {
		return
	}
	if found == nil {
		p.contained.none++
		return
	}
	if p.contained.one++; p.contained.one >= tallyFull {
		p.contained.one, p.contained.none = p.contained.one/2, (p.contained.none+1)/2
	}
	c := &x.Cause
	d := destinationOf(x)
	sure := p.contained.trust() * (1 - p.work.share(d, x.Start))
	if !c.Contained || c.Resolved || sure < threshold || p.work.alone[d] > 0 {
		return
	}
	c.Parent, c.Evidence, c.Confidence = found.Hold(), uint8(span.Order), sure
	c.Linked, c.LinkedSure, c.Alternates, c.Passed = c.Evidence, sure, 0, false
	c.Votes[len(l.evidences)] = flow.Vote{Kind: c.Evidence, Found: 1, Sure: float32(sure)}
}
