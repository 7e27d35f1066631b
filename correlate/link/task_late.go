package link

import (
	"weft/correlate/flow"
	"weft/correlate/span"
)

// late is how sure it is that a call belongs to the request that its task answers next, where each connection has a task of its own.
const late = 0.9

// awaitTask keeps a call back until the reply of its task tells whose it is.
func (l *Linker) awaitTask(p *Process, x *flow.Exchange) {
	s := &p.tasks
	if (s.begins.wrong+s.keeps.wrong > 0 && !p.tasksDecide(x)) || p.ended {
		return
	}
	if old := s.pending[s.next]; old != nil {
		l.release(old)
		s.awaiting--
	}
	s.pending[s.next] = x.Hold()
	s.next = (s.next + 1) % pendingMax
	s.awaiting++
	x.Cause.Open = true
	l.opened++
}

// tellTaskLate links the calls that were made in the task that answers a request, or that were started by it.
func (l *Linker) tellTaskLate(p *Process, x *flow.Exchange, t flow.Task) {
	s := &p.tasks
	sure := s.keepsSure()
	switch {
	case s.awaiting == 0:
		return
	case t.Root == x.Start:
		sure = reads // its name alone says it
	case x.Stream != 0:
		return
	case s.keeps.wrong == 0 && s.pairs >= enough || s.keepsAlone():
		sure = late
	case !s.keeps.proven() || s.socketOf(t.Root) == 0 && s.socketOf(t.Branch) == 0:
		return
	}
	for i, call := range s.pending {
		if call == nil || call.Task.Root != t.Root {
			continue
		}
		s.pending[i] = nil
		s.awaiting--
		if s.covers(t, call.Task, x.Start) {
			l.tell(call, x, span.Task, sure)
		}
		l.release(call)
	}
}

// covers tells that what a task does for a request that began at start is done by the task that answers it, or by one that this
// one has started meanwhile. A root that serves several connections says nothing.
func (s *tasks) covers(answers, t flow.Task, start uint64) bool {
	if s.socketOf(answers.Root) == 0 && answers.Root != start {
		return t.Branch == answers.Branch && t.Branch != t.Root
	}
	return t.Branch == answers.Branch || answers.Branch == answers.Root && t.Branch >= start
}

// dropTasks gives back the calls that are kept back.
func (l *Linker) dropTasks(p *Process) {
	for i, x := range p.tasks.pending {
		if x != nil {
			l.release(x)
			p.tasks.pending[i] = nil
		}
	}
	p.tasks.awaiting = 0
}
