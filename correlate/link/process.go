package link

import (
	"weft/correlate/event"
	"weft/correlate/flow"
	"weft/correlate/span"
)

// Process is one program in one thread group, with the requests that it is working on.
type Process struct {
	Resource *span.Resource
	facts    *event.Process
	pid      uint32

	open       int               // server exchanges under way
	bare       int               // of these, without a context that could go on
	requests   []*flow.Exchange  // these, in no order
	threads    map[uint32]*group // by the thread that has read the request
	goroutines map[uint64]*group // the same for Go
	traces     map[[16]byte]*group
	spare      []*group
	oldest     [1]*flow.Exchange // room for onGoroutine
	streams    []*flow.Exchange  // the same, for several
	habits     habits
	work       work
	turns      turns
	tasks      tasks
	crew       crew
	lines      lines
	heirs      heirs
	waits      waits
	births     births
	loops      loops
	looks      looks
	wakes      wakes
	contained  containing
	early      early
	heads      heads
	last       last
	unnamed    unnamed
	handlers   handlers
	lingers    bool // what its requests start goes on after their replies
	carried    bool // a request was answered by another thread than the one that has read it, in the same task: what is woken for it is no thread
	ended      bool

	previous, next *Process
}

var unknownResource = &span.Resource{
	Service:    span.UnknownService,
	Attributes: []event.Attribute{{Key: "service.name", Value: span.UnknownService}},
}

// processesMax bounds the processes that are known, for the case that their ends are not told.
const processesMax = 1 << 15

// processes holds the programs that run, least recently used first.
type processes struct {
	byPID  map[uint32]*Process
	oldest Process // sentinel
	now    uint64  // boot time, ns, of the last event
	gone   func(pid uint32)
	kin    map[uint64]*kin // by event.Process.Program
}

// of gives the process, a new one if it is not known.
func (t *processes) of(pid uint32) *Process {
	p := t.byPID[pid]
	if p == nil {
		if len(t.byPID) >= processesMax {
			t.gone(t.oldest.next.pid)
		}
		p = &Process{
			Resource:   unknownResource,
			pid:        pid,
			threads:    make(map[uint32]*group),
			goroutines: make(map[uint64]*group),
			traces:     make(map[[16]byte]*group),
			work:       work{since: t.now},
			habits:     habits{kin: &kin{}},
		}
		t.byPID[pid] = p
	} else if p.next == &t.oldest {
		return p
	} else {
		p.previous.next, p.next.previous = p.next, p.previous
	}
	last := t.oldest.previous
	last.next, p.previous, p.next, t.oldest.previous = p, last, &t.oldest, p
	return p
}

// forget drops a process; its exchanges keep what they need of it.
func (l *Linker) forget(pid uint32) {
	p := l.processes.byPID[pid]
	if p == nil {
		return
	}
	delete(l.processes.byPID, pid)
	p.previous.next, p.next.previous = p.next, p.previous
	l.dropLast(p)
	l.dropTurns(p)
	l.dropTasks(p)
	l.dropHelpers(&p.wakes)
	l.letBirthsGo(p, len(p.births.held))
	l.dropLoops(p)
	l.giveUp(p)
	p.ended = true
}

// describe takes the facts about a process, of which nothing was missed since a time. Other facts than those known are
// another program under the same number.
func (t *processes) describe(pid uint32, facts *event.Process, since uint64) {
	if p := t.byPID[pid]; p != nil && p.facts != nil && facts != nil && facts != p.facts {
		t.gone(pid)
	}
	known := t.byPID[pid] != nil
	p := t.of(pid)
	if !known {
		p.work.since = since
	}
	if facts != nil && facts != p.facts {
		p.facts = facts
		p.Resource = span.NewResource(facts)
		p.habits.kin = t.kinOf(facts.Program)
	}
}

// rename takes facts that describe the same program better. What it is working on stays, and is told under the new name.
func (t *processes) rename(pid uint32, facts *event.Process) {
	p := t.byPID[pid]
	if p == nil || facts == nil {
		return
	}
	p.facts = facts
	p.Resource = span.NewResource(facts)
}

// owner gives the process that an exchange belongs to, as it was when the exchange started.
func owner(x *flow.Exchange) *Process { return x.Cause.Process.(*Process) }

// isGo tells that threads mean nothing in this process.
func (p *Process) isGo() bool { return p.facts != nil && p.facts.Go }

// opens notes that the process has begun to work on a request.
func (p *Process) opens(x *flow.Exchange) {
	if x.Goroutine != 0 {
		join(p, p.goroutines, x.Goroutine, byWorker, x)
		p.handlers.reads(x)
	} else {
		p.takes(x)
		join(p, p.threads, x.TID, byWorker, x)
	}
	if hasHeader(x) {
		join(p, p.traces, x.Cause.HeadTrace, byTrace, x)
	} else {
		p.bare++
	}
	if p.open == 0 {
		p.work.turn(x.Start, true)
	}
	p.open++
	x.Cause.Place = len(p.requests)
	p.requests = append(p.requests, x)
}

func (p *Process) closes(x *flow.Exchange) {
	p.open--
	if x.Goroutine != 0 {
		leave(p, p.goroutines, x.Goroutine, byWorker, x)
	} else {
		leave(p, p.threads, x.TID, byWorker, x)
	}
	if hasHeader(x) {
		leave(p, p.traces, x.Cause.HeadTrace, byTrace, x)
	} else {
		p.bare--
	}
	if p.open == 0 {
		p.work.turn(max(x.End, x.Start), false)
	}
	end := len(p.requests) - 1
	moved := p.requests[end]
	p.requests[x.Cause.Place], moved.Cause.Place = moved, x.Cause.Place
	p.requests[end] = nil
	p.requests = p.requests[:end]
}

func hasHeader(x *flow.Exchange) bool { return x.Cause.HeadTrace != [16]byte{} }
