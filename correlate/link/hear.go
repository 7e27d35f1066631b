package link

import (
	"weft/correlate/flow"
	"weft/correlate/span"
)

// Where a task waits for what another one does for it, as in tokio, it may not have come to wait when the call is sent: then the call is of no
// task. It has when the reply comes. That the two name the same task is learned from calls of which both are known.

// awaitHearing leaves a call of no task open until its reply.
func (l *Linker) awaitHearing(p *Process, x *flow.Exchange) {
	c := &x.Cause
	if c.Parent == nil && !c.Open && x.Task.Root == 0 && x.Stream == 0 && p.open > 0 && p.tasks.hears.proven() && x.Start >= l.lossy {
		c.Open, c.Heard = true, true
		l.opened++
	}
}

// hears takes the task for which the reply to a call is read.
func (l *Linker) hears(p *Process, x *flow.Exchange, t flow.Task) {
	s, c := &p.tasks, &x.Cause
	switch {
	case x.Stream != 0 || !s.seen:
	case x.Task.Root != 0 && t.Root != 0:
		s.hears.add(x.Task == t)
	case x.Task.Root == 0 && t.Root != 0 && t.Branch == t.Root && s.hears.proven():
		if y := s.read[t.Root].x; y != nil {
			l.tell(x, y, span.Task, s.hears.sure())
		}
	}
	if c.Heard && c.Open {
		l.settled(x)
	}
}
