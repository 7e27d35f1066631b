package link

import (
	"weft/correlate/flow"
	"weft/correlate/span"
)

// alone: no other request is under way in the process, which was never seen to make such a call while none was. That is order
// and time only: it makes a link, proves nothing, and gives way to any carrier.
type alone struct{}

func (alone) kind() span.Evidence { return span.Order }

func (alone) candidates(l *Linker, p *Process, x *flow.Exchange) ([]*flow.Exchange, float64) {
	if !p.onlyWork(x) {
		return nil, 0
	}
	share := l.background(p, x)
	if p.work.alone[destinationOf(x)] > 0 {
		return nil, 0
	}
	return p.requests, 1 - share
}

// onlyWork tells that one request is under way, and that a call is for that or for none.
func (p *Process) onlyWork(x *flow.Exchange) bool {
	if p.open != 1 || p.isGo() || !works(p.requests[0]) || x.Lost || hasHeader(x) {
		return false
	}
	if openedForAnother(p, x) {
		return false
	}
	if (p.habits.ghosts.walk(x.Start) || p.leaves(x.Start)) && !p.isOfTurn(x) {
		return false // it may be for one that nobody waits for any more
	}
	// Of a process that passes requests on, it may be a copy that goes out late, of one that was answered.
	return !p.heads.passesMost() || x.Target == p.requests[0].Target && x.Method == p.requests[0].Method
}

// openedForAnother tells that the connection of a call was opened before the one request that is under way has come, or in the turn of another
// one, in a process that may use a connection for what it was opened for.
func openedForAnother(p *Process, x *flow.Exchange) bool {
	c := &x.Cause
	if c.Opened == 0 || !p.turns.steps.mayHold(&flow.Chain{Opens: true}) {
		return false
	}
	return p.requests[0].Start > c.Opened || c.Guess != nil && c.Guess != p.requests[0]
}

// background gives an upper bound for the share of calls like this one that no request has caused; it counts the call once.
func (l *Linker) background(p *Process, x *flow.Exchange) float64 {
	if l.share < 0 {
		l.share = p.work.calls(destinationOf(x), x.Start, p.open > 0 || x.Cause.Sole != nil || x.Cause.Guess != nil || p.habits.ghosts.walk(x.Start))
	}
	return l.share
}
