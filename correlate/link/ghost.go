package link

import "weft/correlate/flow"

// ghosts are requests that were given up: they have ended without an answer, but what serves them may not know, and make calls for them
// beside those for the next one. How long that can be is learned from those that were answered. One that waits for a call goes on when
// the reply is there; one that was given up late is one that takes long, and may do so for as long again, and more.
type ghosts struct {
	last  uint64              // boot time at which the last one was given up; 0: none was
	seen  [ghostsMax]sighting // of those that may still be there, in no order
	until uint64              // boot time until which one of the others may
	busy  int                 // of them that wait for a call
	pace  pace

	answered uint64 // boot time at which another one was, last
}

// sighting is when one was known to be there, and how long it had lasted then.
type sighting struct{ at, age uint64 }

// pace is how long requests took until their answers, ns, in two generations: of those that are counted now, and before.
type pace struct {
	longest [2]uint64
	n       [2]uint64
}

const (
	paceFull  = 256 // requests of a generation
	paceLeast = 8   // requests that have to be known
	paceDoubt = 32  // of so many the longest may last twice as long another time, of more less
	ghostsMax = 8
	ghostAges = 4 // times as long as it has lasted may last what was given up
)

func (t *pace) learn(took uint64) {
	if t.n[0] >= paceFull {
		t.longest[1], t.n[1] = t.longest[0], t.n[0]
		t.longest[0], t.n[0] = 0, 0
	}
	t.longest[0] = max(t.longest[0], took)
	t.n[0]++
}

// rest gives how long a request may still be worked on that has lasted for some time.
func (t *pace) rest(age uint64) uint64 {
	n := t.n[0] + t.n[1]
	if n < paceLeast {
		return lastAge
	}
	longest := max(t.longest[0], t.longest[1])
	return min(max(ghostAges*age, longest*3/2+longest*paceDoubt/n), lastAge)
}

// answers notes a request that was answered.
func (g *ghosts) answers(x *flow.Exchange) {
	g.pace.learn(x.FirstByte - x.Start)
	g.answered = max(g.answered, x.FirstByte)
}

// appears notes a request that was given up.
func (g *ghosts) appears(x *flow.Exchange) {
	g.last = max(g.last, x.End)
	g.sees(x.End, x.Start)
	if x.Cause.Calls > 0 {
		g.busy++
	}
}

// sees notes that what has begun at a time is there at another one.
func (g *ghosts) sees(at, since uint64) {
	oldest := &g.seen[0]
	for i := range g.seen {
		if g.seen[i].at < oldest.at {
			oldest = &g.seen[i]
		}
	}
	if oldest.at > 0 {
		g.until = max(g.until, oldest.at+g.pace.rest(oldest.age))
	}
	*oldest = sighting{at, at - min(since, at)}
}

// walk tells whether a call of that time can be for a request that was given up.
func (g *ghosts) walk(at uint64) bool {
	if g.last == 0 || at >= g.last+lastAge {
		return false
	}
	if g.busy > 0 || at < g.until {
		return true
	}
	for _, s := range g.seen {
		if s.at > 0 && at < s.at+g.pace.rest(s.age) {
			return true
		}
	}
	return false
}

func gaveUp(x *flow.Exchange) bool { return x.Server && x.Cause.Left && x.FirstByte == 0 }

// asksFor counts the calls that a request waits for, as far as is known or thought.
func (l *Linker) asksFor(p *Process, call *flow.Exchange) {
	c := &call.Cause
	x := c.Parent
	if x == nil {
		x = c.Guess
	}
	if x == nil || call.Goroutine != 0 || c.Left {
		return
	}
	c.Asker = x.Hold()
	if x.Cause.Calls++; x.Cause.Calls == 1 && gaveUp(x) {
		p.habits.ghosts.busy++
	}
}

// asked ends that: the call has ended. What was given up goes on then; and what has made a call that no request contains is such a one.
func (l *Linker) asked(p *Process, call *flow.Exchange) {
	c, g := &call.Cause, &p.habits.ghosts
	if x := c.Asker; x != nil {
		c.Asker = nil
		x.Cause.Calls--
		if gaveUp(x) {
			g.sees(call.End, x.Start)
			if x.Cause.Calls == 0 {
				g.busy--
			}
		}
		l.release(x)
	}
	if c.Parent == nil && call.Goroutine == 0 && g.walk(call.Start) && len(p.requests) <= containMax && p.containing(call) == nil {
		g.sees(call.End, call.Start)
	}
}

// containing gives a request that was under way when a call was sent, and still is.
func (p *Process) containing(call *flow.Exchange) *flow.Exchange {
	for _, x := range p.requests {
		if x.Start <= call.Start && works(x) {
			return x
		}
	}
	return nil
}

// isOfTurn tells that a call is sent in a turn of the one request that is under way, in an event loop of which is told what else it does. What
// was given up has turns of its own; but what it has in a queue of the program can go out in any turn, as long as it waits for others.
func (p *Process) isOfTurn(x *flow.Exchange) bool {
	c := &x.Cause
	return p.turns.told && c.Guess == p.requests[0] && classOf(&c.Chain) == plain && p.habits.ghosts.busy == 0 && p.turns.steps.mayHold(&c.Chain)
}
