// Package link owns causality and identity: which exchange is part of which other one, by what evidence, and under what
// trace and span id. Everything is decided from events, so that the same events give the same spans.
package link

import (
	"time"

	"weft/correlate/event"
	"weft/correlate/flow"
	"weft/correlate/tracecontext"
)

// Options of a Linker.
type Options struct {
	Key  [16]byte      // of the hash that makes ids; agents that share it give the same ids
	Hold time.Duration // how long a server span without a parent waits for the other end of its connection
	// NoRepair leaves a trace in two where a carrier was lost or replaced, although it is known how it goes on.
	NoRepair bool
	Started  func(*flow.Exchange, *Process) // told of each exchange whose cause was looked for; may be nil
	Lost     func(*flow.Exchange, *Process) // told of each that becomes no span; may be nil
}

// Linker is told of exchanges as they start and end, and gives out those whose identity is settled.
type Linker struct {
	options   Options
	release   func(*flow.Exchange)
	put       func(*flow.Exchange, *Process)
	processes processes
	wires     map[wireName]*flow.Exchange
	states    map[string]string // tracestate as received, and as it is passed on
	handovers map[uint64]given  // by socket, for the next request on it
	waiting   []*flow.Exchange  // ended, in order of their ends
	used      usedIDs
	clock     clock
	evidences []evidence

	named, left, same, common []*flow.Exchange // room for findCause; named outlasts what the runtime is asked
}

// given is who gave a request to a connection.
type given struct{ goroutine, parent uint64 }

// New makes a linker. put takes each exchange once, with its process, when its Cause is final; release gives back what
// the linker has held.
func New(o Options, release func(*flow.Exchange), put func(*flow.Exchange, *Process)) *Linker {
	l := &Linker{
		options:   o,
		release:   release,
		put:       put,
		processes: processes{byPID: make(map[uint32]*Process)},
		wires:     make(map[wireName]*flow.Exchange),
		states:    make(map[string]string),
		handovers: make(map[uint64]given),
		used:      newUsedIDs(),
		evidences: []evidence{handover{}, goroutine{}, thread{}},
	}
	l.processes.gone = l.forget
	l.processes.oldest.next, l.processes.oldest.previous = &l.processes.oldest, &l.processes.oldest
	return l
}

// Wall turns boot time into Unix time, ns.
func (l *Linker) Wall(boot uint64) int64 { return int64(boot) + l.clock.offset }

// Feed takes the events that are not about messages.
func (l *Linker) Feed(ev *event.Event) {
	l.processes.now = max(l.processes.now, ev.Time)
	switch ev.Kind {
	case event.KindProcess:
		l.processes.describe(ev.PID, ev.Process, ev.Time)
	case event.KindExit:
		l.forget(ev.PID)
	case event.KindHandover:
		if len(l.handovers) >= handoversMax {
			clear(l.handovers)
		}
		l.handovers[ev.Socket] = given{ev.Message.Goroutine, ev.Message.ParentGoroutine}
	case event.KindClock:
		l.clock.tick(ev.Wall - int64(ev.Time))
		l.expire(ev.Time)
	}
}

// handoversMax bounds the hand-overs whose request was never seen.
const handoversMax = 1 << 14

// Started settles what can be known when the head of the request is there: the carrier, the other end, the cause.
func (l *Linker) Started(x *flow.Exchange) {
	p := l.processes.of(x.PID)
	x.Cause.Process = p
	l.readCarrier(x)
	if x.Server {
		p.opens(x)
	} else {
		l.findCause(p, x)
		p.calls(x)
		delete(l.handovers, x.Conn.Socket)
	}
	l.join(x)
	if l.options.Started != nil {
		l.options.Started(x, p)
	}
}

// Ended gives the exchange out, or lets it wait for the other end of its connection.
func (l *Linker) Ended(x *flow.Exchange) {
	l.leave(x)
	if !x.Server || x.Cause.Partner != nil || !l.mayBeLocal(x) {
		l.settle(x)
		return
	}
	x.Cause.Waiting = true
	l.waiting = append(l.waiting, x.Hold())
	if len(l.waiting) > waitingMax {
		l.expire(x.End + uint64(l.options.Hold))
	}
}

// waitingMax bounds the exchanges that wait; when there are more, they have waited long enough.
const waitingMax = 1 << 16

// Abandoned forgets an exchange that becomes no span. Others may be part of it: its identity holds their trace together.
func (l *Linker) Abandoned(x *flow.Exchange) {
	l.leave(x)
	l.unjoin(x)
	l.resolve(x, 0)
	if l.options.Lost != nil {
		l.options.Lost(x, owner(x))
	}
	l.letGo(x)
}

// Service names the program behind a process id; empty when it is not known.
func (l *Linker) Service(pid uint32) string {
	if p := l.processes.byPID[pid]; p != nil {
		return p.Resource.Service
	}
	return ""
}

// Peer names the service at the other end of a call; empty when that was not seen.
func Peer(x *flow.Exchange) string {
	if p, ok := x.Cause.Peer.(*Process); ok {
		return p.Resource.Service
	}
	return ""
}

func (l *Linker) leave(x *flow.Exchange) {
	if x.Server {
		p := owner(x)
		p.closes(x)
		l.keepLast(p, x)
	} else {
		l.unjoin(x)
	}
}

// mayBeLocal tells whether the client can be a process of this node whose record is still on its way.
func (l *Linker) mayBeLocal(x *flow.Exchange) bool {
	if x.Conn.Family == familyUnix {
		return true
	}
	peer := x.Conn.Peer.Addr()
	return !hasHeader(x) || peer.IsLoopback() || peer == x.Conn.Local.Addr()
}

const familyUnix = 1

// expire gives out what has waited long enough.
func (l *Linker) expire(now uint64) {
	n := 0
	for _, x := range l.waiting {
		if x.Cause.Waiting && x.End+uint64(l.options.Hold) > now {
			break
		}
		n++
		if x.Cause.Waiting {
			l.stopWaiting(x)
		}
		l.release(x)
	}
	if n > 0 {
		kept := copy(l.waiting, l.waiting[n:])
		clear(l.waiting[kept:])
		l.waiting = l.waiting[:kept]
	}
}

func (l *Linker) stopWaiting(x *flow.Exchange) {
	x.Cause.Waiting = false
	l.settle(x)
}

// Close gives out everything that waits.
func (l *Linker) Close() {
	l.expire(^uint64(0))
	for p := l.processes.oldest.next; p != &l.processes.oldest; p = p.next {
		l.dropLast(p)
	}
}

// settle makes the identity final and gives the exchange out.
func (l *Linker) settle(x *flow.Exchange) {
	l.unjoin(x)
	l.resolve(x, 0)
	l.put(x, owner(x))
	l.letGo(x)
}

// letGo gives back the exchanges that this one was held together with.
func (l *Linker) letGo(x *flow.Exchange) {
	c := &x.Cause
	if c.Parent != nil {
		l.release(c.Parent)
		c.Parent = nil
	}
	if c.Partner != nil {
		l.release(c.Partner)
		c.Partner = nil
	}
	if c.Crowd != nil {
		l.release(c.Crowd)
		c.Crowd = nil
	}
}

// readCarrier takes the identity from the request's own carrier.
func (l *Linker) readCarrier(x *flow.Exchange) {
	best := x.Carriers.Best()
	if best == nil {
		return
	}
	c := &x.Cause
	c.HeadTrace, c.HeadParent, c.HeadDecision = best.Context.TraceID, best.Context.ParentID, best.Context.Decision
	if best.Format == tracecontext.W3C {
		c.TraceState = l.traceState(x.Carriers.TraceState())
	}
}

// statesMax bounds the lists of vendors that are remembered: few differ, and each is read once.
const statesMax = 1 << 10

// traceState gives the list in its shortest form, or nothing if it is not valid: W3C Trace Context section 3.3.1 has it
// dropped then, while the traceparent stays.
func (l *Linker) traceState(list []byte) string {
	if len(list) == 0 {
		return ""
	}
	if known, ok := l.states[string(list)]; ok {
		return known
	}
	if len(l.states) >= statesMax {
		clear(l.states)
	}
	valid, _ := tracecontext.ParseState(list)
	l.states[string(list)] = valid
	return valid
}
