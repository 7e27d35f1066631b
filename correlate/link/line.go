package link

import (
	"cmp"
	"slices"

	"weft/correlate/flow"
	"weft/correlate/span"
)

// lines are what the threads of a proxy work off in the order in which they have read it: each request that is read is passed on
// once, and so is each reply, but only after a batch of reads. So calls are given to requests first come, first served; and when
// a reply is passed on, the replies are given to requests in the same way. A link is made where the two agree: each of them says
// of its own which request a call is, and a thread that does not keep the order makes them disagree.
type lines struct {
	byThread map[uint32]*line
	levels   [9]tally // agreements, by how many requests were under way
	tries    int
	rests    int // answers until it is tried again with a process that does not keep the order
}

// line is what one thread has read and not passed on, oldest first. All are held.
type line struct{ requests, replies []place }

// place is a request, or a call with the request that it was given to.
type place struct{ x, from *flow.Exchange }

const (
	lineMax   = 256 // that wait at one thread
	lineOdds  = 20  // one disagreement outweighs so many agreements; a link needs both orders to be wrong in the same way
	lineYoung = 20
	lineRests = 1 << 12
	lineTries = 64 // beginnings after which it rests
)

// sum adds up what was seen, and how often it was right with about as many requests under way.
func (s *lines) sum(open int) (all tally, near uint32) {
	for i, t := range s.levels {
		all.right, all.wrong = all.right+t.right, all.wrong+t.wrong
		if i >= max(level(open)-1, 2) {
			near += t.right
		}
	}
	return all, near
}

// holds tells that the orders were not seen to be broken.
func (s *lines) holds() bool {
	all, _ := s.sum(0)
	return all.wrong*lineOdds <= all.right
}

// trust says how sure a call is that both orders agree on, 0 if that is not known.
func (s *lines) trust(open int) float64 {
	all, near := s.sum(open)
	if near < steadily || all.wrong*lineOdds > all.right {
		return 0
	}
	wrong := float64(all.wrong+1) / float64(all.right+all.wrong+2) // by one of the orders; by both it is less than the square
	return min(0.995, 1-wrong*wrong)
}

// lineOf gives the line of a thread; nil for one that is not followed.
func (l *Linker) lineOf(p *Process, tid uint32) *line {
	s := &p.lines
	if s.rests > 0 || p.ended {
		return nil
	}
	o := s.byThread[tid]
	if o == nil {
		if s.byThread == nil {
			s.byThread = make(map[uint32]*line)
		} else if len(s.byThread) >= threadsMax {
			l.dropLines(p)
		}
		o = &line{}
		s.byThread[tid] = o
	}
	return o
}

// isLined tells whether an exchange is to be followed: the process passes requests on, or may turn out to do so.
func (l *Linker) isLined(p *Process, x *flow.Exchange) bool {
	if !p.heads.mayPass() {
		if len(p.lines.byThread) > 0 {
			l.dropLines(p)
		}
		return false
	}
	return follows(p, x)
}

// lineBegins takes what was read before it was known that it may have to be.
func (l *Linker) lineBegins(p *Process) {
	if len(p.requests) > lineMax {
		return
	}
	read := append(l.left[:0], p.requests...)
	slices.SortFunc(read, func(a, b *flow.Exchange) int { return cmp.Compare(a.Start, b.Start) })
	for _, x := range read {
		if works(x) && !x.Cause.Served {
			l.lineStarts(p, x)
		}
	}
	l.left = read[:0]
}

// lineStarts takes a request that was read, or gives a call the oldest one that was not passed on.
func (l *Linker) lineStarts(p *Process, x *flow.Exchange) {
	if !l.isLined(p, x) {
		return
	}
	o := l.lineOf(p, x.TID)
	switch {
	case o == nil:
	case x.Server:
		l.queue(&o.requests, place{x: x.Hold()})
	default:
		x.Cause.Queued = l.serve(&o.requests, func(m place) bool { return works(m.x) }).x
	}
}

// lineTouched takes a reply that has begun, or one that is passed on.
func (l *Linker) lineTouched(p *Process, x *flow.Exchange, t flow.Touch) {
	if x.Server != t.Sent || x.Cause.Answered || !l.isLined(p, x) {
		return
	}
	if p.lines.rests > 0 && x.Server {
		p.lines.rests--
	}
	o := l.lineOf(p, t.TID)
	switch {
	case o == nil:
	case !x.Server:
		c := place{x: x.Hold()}
		if x.Cause.Queued != nil {
			c.from = x.Cause.Queued.Hold()
		}
		l.queue(&o.replies, c)
	case !l.takeOut(&o.requests, func(m place) bool { return m.x == x }): // else it was answered without a call
		l.passesBack(p, o, x)
	}
}

// passesBack takes the reply to a request, which passes on the oldest reply to a call.
func (l *Linker) passesBack(p *Process, o *line, x *flow.Exchange) {
	c := l.serve(&o.replies, func(m place) bool { return m.from == nil || m.from == x || works(m.from) })
	if c.x == nil {
		return
	}
	agree := c.from == x && (!c.x.Cause.Confirmed || c.x.Cause.Parent == nil || c.x.Cause.Parent == x)
	if p.open > 1 && c.from != nil {
		p.lines.levels[level(p.open)].add(agree)
	}
	if agree {
		l.lineTells(p, c.x, x)
	} else {
		l.takeOut(&o.replies, func(m place) bool { return m.from == x })
		l.lineFails(p)
	}
	l.leaves(c)
}

// lineFails: what goes wrong soon after the start may come of what was read before, so the count begins anew.
func (l *Linker) lineFails(p *Process) {
	s := &p.lines
	if all, _ := s.sum(0); all.right > lineYoung && all.wrong < lineTries {
		return
	}
	s.levels = [9]tally{}
	l.redeem(p, lined, func(*flow.Exchange) float64 { return 0 })
	if s.tries++; s.tries > lineTries {
		s.rests, s.tries = lineRests, 0
		l.dropLines(p)
	}
}

// lineTells: both orders say that the call is part of request x.
func (l *Linker) lineTells(p *Process, call, x *flow.Exchange) {
	switch sure := p.lines.trust(p.open); {
	case sure >= threshold && p.heads.proxies():
		l.tell(call, x, span.Turn, sure)
		l.redeem(p, lined, func(*flow.Exchange) float64 { return sure })
	case p.lines.holds():
		l.promise(p, call, x, lined)
	}
}

// queue puts a place at the end.
func (l *Linker) queue(q *[]place, m place) {
	if len(*q) == lineMax {
		l.empty(q)
	}
	*q = append(*q, m)
}

// serve takes the oldest one that is wanted out, and drops those before it.
func (l *Linker) serve(q *[]place, wanted func(place) bool) (first place) {
	n := 0
	for n < len(*q) && first.x == nil {
		if m := (*q)[n]; wanted(m) {
			first = m
		} else {
			l.leaves(m)
		}
		n++
	}
	left := copy(*q, (*q)[n:])
	clear((*q)[left:])
	*q = (*q)[:left]
	return first
}

// takeOut drops one, wherever it is.
func (l *Linker) takeOut(q *[]place, wanted func(place) bool) bool {
	i := slices.IndexFunc(*q, wanted)
	if i < 0 {
		return false
	}
	l.leaves((*q)[i])
	*q = slices.Delete(*q, i, i+1)
	return true
}

func (l *Linker) leaves(m place) {
	l.release(m.x)
	if m.from != nil {
		l.release(m.from)
	}
}

func (l *Linker) empty(q *[]place) {
	for _, m := range *q {
		l.leaves(m)
	}
	clear(*q)
	*q = (*q)[:0]
}

// dropLines forgets what waits, not what was learned.
func (l *Linker) dropLines(p *Process) {
	for _, o := range p.lines.byThread {
		l.empty(&o.requests)
		l.empty(&o.replies)
	}
	clear(p.lines.byThread)
}
