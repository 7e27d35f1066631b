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
	threads    map[uint32]*group // by the thread that has read the request
	goroutines map[uint64]*group // the same for Go
	traces     map[[16]byte]*group
	spare      []*group
	habits     habits

	previous, next *Process
}

// group is a set of server exchanges that share something, oldest first.
type group struct{ members []*flow.Exchange }

var unknownResource = &span.Resource{
	Service:    "unknown_service",
	Attributes: []event.Attribute{{Key: "service.name", Value: "unknown_service"}},
}

// processesMax bounds the processes that are known, for the case that their ends are not told.
const processesMax = 1 << 15

// processes holds the programs that run, least recently used first.
type processes struct {
	byPID  map[uint32]*Process
	oldest Process // sentinel
}

func (t *processes) of(pid uint32) *Process {
	p := t.byPID[pid]
	if p == nil {
		if len(t.byPID) >= processesMax {
			t.forget(t.oldest.next.pid)
		}
		p = &Process{
			Resource:   unknownResource,
			pid:        pid,
			threads:    make(map[uint32]*group),
			goroutines: make(map[uint64]*group),
			traces:     make(map[[16]byte]*group),
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
func (t *processes) forget(pid uint32) {
	p := t.byPID[pid]
	if p == nil {
		return
	}
	delete(t.byPID, pid)
	p.previous.next, p.next.previous = p.next, p.previous
}

// describe takes the facts about a process. Other facts than those known are another program under the same number.
func (t *processes) describe(pid uint32, facts *event.Process) {
	p := t.of(pid)
	if facts == nil || facts == p.facts {
		return
	}
	if p.facts != nil {
		t.forget(pid)
		p = t.of(pid)
	}
	p.facts = facts
	p.Resource = &span.Resource{Service: facts.Service, Attributes: facts.Attributes}
}

// owner gives the process that an exchange belongs to, as it was when the exchange started.
func owner(x *flow.Exchange) *Process { return x.Cause.Process.(*Process) }

// isGo tells that threads mean nothing in this process.
func (p *Process) isGo() bool { return p.facts != nil && p.facts.Go }

// opens notes that the process has begun to work on a request.
func (p *Process) opens(x *flow.Exchange) {
	if x.Goroutine != 0 {
		join(p, p.goroutines, x.Goroutine, x)
	} else {
		p.takes(x)
		join(p, p.threads, x.TID, x)
	}
	if hasHeader(x) {
		join(p, p.traces, x.Cause.HeadTrace, x)
	}
	p.open++
}

func (p *Process) closes(x *flow.Exchange) {
	p.open--
	if x.Goroutine != 0 {
		leave(p, p.goroutines, x.Goroutine, x)
	} else {
		leave(p, p.threads, x.TID, x)
	}
	if hasHeader(x) {
		leave(p, p.traces, x.Cause.HeadTrace, x)
	}
}

func join[K comparable](p *Process, groups map[K]*group, key K, x *flow.Exchange) {
	g := groups[key]
	if g == nil {
		g = p.group()
		groups[key] = g
	}
	g.members = append(g.members, x)
}

func leave[K comparable](p *Process, groups map[K]*group, key K, x *flow.Exchange) {
	g := groups[key]
	if g == nil {
		return
	}
	for i, m := range g.members {
		if m == x {
			g.members = append(g.members[:i], g.members[i+1:]...)
			break
		}
	}
	if len(g.members) == 0 {
		delete(groups, key)
		if len(p.spare) < spareMax {
			p.spare = append(p.spare, g)
		}
	}
}

// spareMax bounds the empty groups that are kept for use.
const spareMax = 64

func (p *Process) group() *group {
	if n := len(p.spare); n > 0 {
		g := p.spare[n-1]
		p.spare = p.spare[:n-1]
		return g
	}
	return &group{}
}

func hasHeader(x *flow.Exchange) bool { return x.Cause.HeadTrace != [16]byte{} }
