package link

import (
	"weft/correlate/event"
	"weft/correlate/flow"
	"weft/correlate/span"
)

// Process is one thread group with the requests that it is working on.
type Process struct {
	Resource *span.Resource
	facts    *event.Process

	open       int               // server exchanges under way
	threads    map[uint32]*group // by the thread that has read the request
	goroutines map[uint64]*flow.Exchange
	traces     map[[16]byte]*group // by the trace that the request's carrier names
	spare      []*group

	// loop: a thread has taken a request while it was still working on one of another connection.
	loop bool
	// handsOff: with one request under way, another thread than its reader made a call.
	handsOff bool
}

// group is a set of exchanges that share something.
type group struct{ members []*flow.Exchange }

var unknownResource = &span.Resource{
	Service:    "unknown_service",
	Attributes: []event.Attribute{{Key: "service.name", Value: "unknown_service"}},
}

func (l *Linker) process(pid uint32) *Process {
	p := l.processes[pid]
	if p == nil {
		p = &Process{
			Resource:   unknownResource,
			threads:    make(map[uint32]*group),
			goroutines: make(map[uint64]*flow.Exchange),
			traces:     make(map[[16]byte]*group),
		}
		l.processes[pid] = p
	}
	return p
}

func (p *Process) describe(facts *event.Process) {
	if facts == nil || facts == p.facts {
		return
	}
	p.facts = facts
	p.Resource = &span.Resource{Service: facts.Service, Attributes: facts.Attributes}
}

// isGo tells that threads mean nothing in this process.
func (p *Process) isGo() bool { return p.facts != nil && p.facts.Go }

// opens notes that the process has begun to work on a request.
func (p *Process) opens(x *flow.Exchange) {
	p.open++
	if x.Goroutine != 0 {
		p.goroutines[x.Goroutine] = x
	} else {
		p.joinThread(x)
	}
	if hasHeader(x) {
		join(p, p.traces, x.Cause.HeadTrace, x)
	}
}

func (p *Process) joinThread(x *flow.Exchange) {
	g := p.threads[x.TID]
	if g != nil && len(g.members) > 0 && g.members[0].Conn != x.Conn {
		p.loop = true
	}
	join(p, p.threads, x.TID, x)
}

func (p *Process) closes(x *flow.Exchange) {
	p.open--
	if p.goroutines[x.Goroutine] == x {
		delete(p.goroutines, x.Goroutine)
	}
	leave(p, p.threads, x.TID, x)
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
		p.spare = append(p.spare, g)
	}
}

func (p *Process) group() *group {
	if n := len(p.spare); n > 0 {
		g := p.spare[n-1]
		p.spare = p.spare[:n-1]
		return g
	}
	return &group{}
}

func hasHeader(x *flow.Exchange) bool { return x.Cause.HeadTrace != [16]byte{} }
