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
//
// Of calls in solitude it is known which request they are part of, so that it shows whether that waits for them. That counts where few
// requests are under way: with more of them what is not waited for takes longer.
type containing struct {
	one, none uint32
	awaited   uint32 // calls that were kept back while it was not known yet
	alone     tally  // calls in solitude, by whether the request that they are part of contains them
}

const (
	containMax   = 64 // requests that are looked at for one call
	containLeast = 20
	containOdds  = 250
	containTries = 256              // calls that are kept back until it is known
	containWaits = uint64(30 * 1e6) // ns after the reply that stronger evidence may take
	containFew   = 4                // requests under way, so that calls in solitude say something
)

// trust says how sure it is that a request contains its calls, with so many under way.
func (c *containing) trust(beside int) float64 {
	one, none := c.one, c.none
	if beside <= containFew {
		one, none = one+c.alone.right, none+c.alone.wrong
	}
	if one < containLeast || none*containOdds > one {
		return 0
	}
	return float64(one) / float64(one+none+1)
}

// mayHold tells that no call was seen that a request does not contain.
func (c *containing) mayHold() bool { return c.none+c.alone.wrong == 0 }

// leaves tells that what was answered a short time before a call may have made it, in a process of which some calls outlive their requests.
func (p *Process) leaves(at uint64) bool {
	t, g := &p.contained, &p.habits.ghosts
	return (t.none+t.alone.wrong)*containOdds > t.one+t.alone.right && g.answered > p.requests[0].Start && at < g.answered+g.pace.rest(0)
}

// containsLate leaves a call open until its reply, if that may tell.
func (l *Linker) containsLate(p *Process, x *flow.Exchange) {
	c := &x.Cause
	c.Beside = min(p.open, math.MaxUint16)
	if c.Parent != nil || p.open == 0 || p.open > containMax || hasHeader(x) || c.Open && x.Task.Root != 0 || p.open == 1 && !p.onlyWork(x) {
		return
	}
	t := &p.contained
	switch {
	case t.trust(p.open) > 0:
	case t.mayHold() && t.awaited < containTries:
		t.awaited++
	default:
		return
	}
	c.Contained = true
	if !c.Open {
		c.Open, c.Kept = true, true
		l.opened++
	}
}

// contains looks for the one request that contains a call, which has ended.
func (l *Linker) contains(p *Process, x *flow.Exchange) {
	c := &x.Cause
	told := x.FirstByte != 0 && !x.Lost && x.Start >= l.lossy && len(p.requests) <= containMax && !p.habits.ghosts.walk(x.Start)
	switch {
	case !told:
	case c.Parent != nil && c.Beside == 1:
		l.containedAlone(p, x)
	case c.Parent == nil && (c.Contained || c.Beside > 1 && !c.Open):
		l.containedBy(p, x)
	}
	if c.Kept && !c.Promised {
		l.settled(x)
	}
}

// containedAlone learns from a call that was sent while one request was under way.
func (l *Linker) containedAlone(p *Process, x *flow.Exchange) {
	y := x.Cause.Parent
	p.contained.alone.add(works(y))
	if works(y) {
		l.redeemContained(p, x.End)
	}
}

// containedBy learns from a call of which it is not known what it is part of, and makes the link if one request alone contains it.
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
	if found == nil {
		p.contained.none++
		return
	}
	c := &x.Cause
	if c.Beside > 1 {
		p.contained.one++
	}
	if p.contained.one >= tallyFull {
		p.contained.one, p.contained.none = p.contained.one/2, (p.contained.none+1)/2
	}
	if !c.Contained || c.Resolved {
		return
	}
	if sure := l.containSure(p, x); c.Kept && sure >= threshold {
		l.tell(x, found, span.Order, sure)
	} else if c.Open && (sure >= threshold || p.contained.mayHold()) {
		l.promise(p, x, found, within)
		c.Promised = true
	}
	l.redeemContained(p, x.End)
}

// containSure says how sure it is that a call is part of the one request that contains it.
func (l *Linker) containSure(p *Process, x *flow.Exchange) float64 {
	d := destinationOf(x)
	if p.work.alone[d] > 0 {
		return 0
	}
	return p.contained.trust(x.Cause.Beside) * (1 - p.work.share(d, x.Start))
}

// redeemContained makes the links of the time of learning.
func (l *Linker) redeemContained(p *Process, now uint64) {
	if len(p.early) == 0 || p.contained.trust(1) == 0 {
		return
	}
	l.redeem(p, within, func(call *flow.Exchange) float64 {
		if !call.Cause.Kept && now < call.End+containWaits {
			return later
		}
		if sure := l.containSure(p, call); sure >= threshold {
			return sure
		}
		return later
	})
}
