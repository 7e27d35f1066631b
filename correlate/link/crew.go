package link

import (
	"weft/correlate/flow"
	"weft/correlate/span"
)

// crew are the threads of a process that hands requests over: one reads a request, an acceptor or a reactor, and another one
// makes its calls, waits for each of them, and answers. Which request a thread works on is known when it answers; then its calls
// since its last answer are told to be part of that one. Whether the process works so is learned: a thread that does anything
// else while it waits for a call, or that answers what came later than its calls, is proof that it does not.
type crew struct {
	byThread map[uint32]*hand // nil: they need not be followed
	spare    []*hand
	kept     uint32 // requests that were answered by the thread that has read them
	swapped  uint32 // those read by a thread that makes calls, and answered by another one
	excuses  uint32 // requests that were given up: who worked on one answers it to nobody, and the next one after its calls
	levels   [9]tally
}

// hand is one thread of a crew.
type hand struct {
	calls  []*flow.Exchange // since its last answer, held
	waits  *flow.Exchange   // of calls, the one whose reply has not begun
	called bool
	silent uint8 // answers without ever having made a call
}

const (
	handsMax    = 4096 // of a process
	swapRate    = 1000 // with fewer kept requests to a swapped one, the thread that reads says nothing early
	silentMax   = 8    // more answers by a thread that makes no calls: it sends what others have worked on
	crewOdds    = 250
	crewSteady  = 40
	crewMostly  = 5
	excusesMax  = 16
	crewKeeps   = 5 // answers, where the thread that reads a request works on it
	aloneEnough = 8 // answers with one request under way that allow for links with one under way
)

// begin has the threads followed.
func (c *crew) begin() {
	if c.byThread == nil {
		c.byThread = make(map[uint32]*hand)
	}
}

// of gives the state of a thread, nil while they are not followed.
func (c *crew) of(l *Linker, tid uint32) *hand {
	if c.byThread == nil {
		return nil
	}
	h := c.byThread[tid]
	if h == nil {
		if len(c.byThread) >= handsMax {
			l.dropCrew(c)
		}
		if n := len(c.spare); n > 0 {
			h, c.spare = c.spare[n-1], c.spare[:n-1]
		} else {
			h = &hand{}
		}
		c.byThread[tid] = h
	}
	return h
}

// learn takes a proof.
func (c *crew) learn(right bool, open int) { c.levels[level(open)].add(right) }

// holds tells that the threads were not seen to do otherwise.
func (c *crew) holds() bool {
	all := c.all()
	return all.wrong*crewOdds <= all.right
}

func (c *crew) all() (all tally) {
	for _, t := range c.levels {
		all.right, all.wrong = all.right+t.right, all.wrong+t.wrong
	}
	return all
}

// trust says how sure it is that a thread answers the request that its calls were for, 0 if that is not known.
func (c *crew) trust(open int) float64 {
	if c.byThread == nil || !c.holds() {
		return 0
	}
	near, least := uint32(0), uint32(crewSteady)
	for i := max(level(open)-1, min(level(open), 2)); i < len(c.levels); i++ {
		near += c.levels[i].right
	}
	if open < 2 {
		least = aloneEnough
	}
	if near < least {
		return 0
	}
	all := c.all()
	return float64(all.right) / float64(all.right+all.wrong+1)
}

// keeps tells that threads were seen to read requests, make calls for them, wait, and answer, while others did the same: what one has
// read is then what it works on.
func (c *crew) keeps() bool {
	all := c.all()
	return all.right >= crewKeeps+c.levels[level(1)].right && all.wrong*crewOdds <= all.right && !c.swaps()
}

// mostly tells the same of nearly all of them: a call that is made again on another connection looks like one beside the first.
func (c *crew) mostly() bool {
	all := c.all()
	return all.right >= crewKeeps+c.levels[level(1)].right && all.wrong*crewMostly <= all.right && !c.swaps()
}

// swaps tells that a thread that has read a request may be working on another one.
func (c *crew) swaps() bool { return uint64(c.swapped)*swapRate > uint64(c.kept) }

// crewWorks notes what a thread does: a request that is read, or a call that is sent. It does so while it waits for a call: then it
// works on more than one request.
func (l *Linker) crewWorks(p *Process, x *flow.Exchange) {
	h := p.crew.of(l, x.TID)
	if h == nil || x.Goroutine != 0 {
		return
	}
	if h.waits != nil {
		p.crew.learn(false, p.open)
		h.waits = nil
	}
	if x.Server {
		if p.habits.isBehind(x.TID) && len(h.calls) > 0 {
			p.crew.excuse()
			l.forgetCalls(h)
		}
		return
	}
	h.called = true
	h.waits = x
	if len(h.calls) >= chainMax {
		l.forgetCalls(h)
	}
	h.calls = append(h.calls, x.Hold())
}

// crewTouched follows what the threads of a crew wait for and answer.
func (l *Linker) crewTouched(p *Process, x *flow.Exchange, t flow.Touch) {
	switch {
	case x.Server != t.Sent || x.Cause.Answered:
		return
	case x.Server:
		l.crewAnswers(p, x, t.TID)
	default:
		l.crewWaited(p, x, t.TID)
	}
	x.Cause.Answered = true
}

// crewWaited notes that a thread has read the beginning of a reply, or that none comes.
func (l *Linker) crewWaited(p *Process, call *flow.Exchange, tid uint32) {
	h := p.crew.byThread[call.TID]
	if h == nil || h.waits != call {
		return
	}
	h.waits = nil
	if tid != call.TID {
		p.crew.learn(false, p.open)
	}
}

// crewAnswers takes the beginning of a reply to request x: what the thread has called since its last one was for x.
func (l *Linker) crewAnswers(p *Process, x *flow.Exchange, tid uint32) {
	c := &p.crew
	if x.Goroutine != 0 || p.isGo() {
		return
	}
	if tid == x.TID {
		c.kept++
	} else {
		c.begin()
	}
	h := c.of(l, tid)
	if h == nil {
		return
	}
	if tid != x.TID && c.of(l, x.TID).called {
		c.swapped++
	}
	if c.kept >= 1<<20 {
		c.kept, c.swapped = c.kept/2, (c.swapped+1)/2
	}
	switch {
	case h.waits != nil:
		h.waits = nil
		c.learn(false, p.open)
	case len(h.calls) > 0:
		l.crewTells(p, h, x)
	case h.called:
	case h.silent < silentMax:
		h.silent++
	default:
		c.learn(false, p.open)
	}
	l.forgetCalls(h)
}

// promiseRead keeps for later that the thread of a call has read one request alone.
func (l *Linker) promiseRead(p *Process, call *flow.Exchange) {
	if l.unproven != nil {
		l.promise(p, call, l.unproven, kept)
	}
}

func (l *Linker) crewTells(p *Process, h *hand, x *flow.Exchange) {
	c := &p.crew
	for _, call := range h.calls {
		if call.Start < x.Start && c.excuse() {
			return
		}
		if call.Start < x.Start || call.Cause.Confirmed && call.Cause.Parent != nil && call.Cause.Parent != x {
			c.learn(false, p.open)
			return
		}
	}
	open := p.open
	for _, call := range h.calls {
		open = max(open, call.Cause.Beside)
	}
	c.learn(true, open)
	if len(p.early) > 0 && c.mostly() {
		l.redeem(p, kept, func(call *flow.Exchange) float64 { return p.habits.trust(call.Start) })
	}
	if p.habits.ghosts.walk(x.Start) {
		return // a thread may have worked for one that nobody waits for any more
	}
	sure := c.trust(open)
	if sure == 0 && c.keeps() && h.calls[0].TID == x.TID {
		sure = p.habits.trust(x.Start)
	}
	for _, call := range h.calls {
		switch {
		case call.Start < l.lossy:
		case sure >= threshold:
			l.tell(call, x, span.Thread, sure)
		default:
			l.promise(p, call, x, crewed)
		}
	}
	if sure >= threshold && len(p.early) > 0 {
		l.redeem(p, crewed, func(*flow.Exchange) float64 { return sure })
	}
}

// excuse tells whether a request that was given up may be why a thread answers what came later than its calls.
func (c *crew) excuse() bool {
	if c.excuses == 0 {
		return false
	}
	c.excuses--
	return true
}

func (l *Linker) forgetCalls(h *hand) {
	for i, call := range h.calls {
		l.release(call)
		h.calls[i] = nil
	}
	h.calls = h.calls[:0]
}

// dropCrew forgets what the threads do, not what was learned.
func (l *Linker) dropCrew(c *crew) {
	for _, h := range c.byThread {
		l.forgetCalls(h)
		*h = hand{calls: h.calls}
		if len(c.spare) < spareMax {
			c.spare = append(c.spare, h)
		}
	}
	clear(c.byThread)
}
