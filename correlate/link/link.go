// Package link owns causality and identity: which exchange is part of which other one, by what evidence, and under what
// trace and span id. Everything is decided from events, so that the same events give the same spans.
package link

import (
	"encoding/binary"
	"time"

	"weft/correlate/event"
	"weft/correlate/flow"
)

// Options of a Linker.
type Options struct {
	Key  [16]byte      // of the hash that makes ids; agents that share it give the same ids
	Hold time.Duration // how long a server span without a parent waits for the other end of its connection
	// NoRepair leaves a trace in two where a carrier was lost or replaced, although it is known how it goes on.
	NoRepair bool
	Started  func(*flow.Exchange, *Process) // told of each exchange whose cause was looked for; may be nil
	Lost     func(*flow.Exchange, *Process) // told of each that becomes no span; may be nil
	// Seldom asks that who has made what the threads of a process of Java hold is told of few of their calls, or of all again; may be nil.
	Seldom func(pid uint32, seldom bool)
}

// Linker is told of exchanges as they start and end, and gives out those whose identity is settled.
type Linker struct {
	options     Options
	release     func(*flow.Exchange)
	put         func(*flow.Exchange, *Process)
	processes   processes
	wires       map[wireName]*flow.Exchange
	states      map[string]string // tracestate as received, and as it is passed on
	handovers   map[uint64]given  // by socket, for the next request on it
	openers     openers
	openings    map[uint64]opening       // by socket, for the first call on it
	waiters     map[uint64]event.Waiters // by socket, for the next reply on it
	births      map[uint64]event.Waiters // by socket, for the next call on it
	held        map[uint64]loopCall      // the same, of loops of Java
	woken       []pendingWake            // in order of time
	waiting     []*flow.Exchange         // ended, in order of their ends
	gone        []gone                   // the same, of calls whose other end was not seen
	used        usedIDs
	clock       clock
	evidences   []evidence
	text, other text
	unproven    *flow.Exchange // what the thread of the call has read, where it is not known yet whether that tells anything
	unpassed    *flow.Exchange // the request that looks like the call, where it is not known yet whether the process passes requests on
	opened      int            // calls that are left open, see late.go
	keeping     int            // processes whose heads are kept
	lossy       uint64         // boot time until which turns are not believed
	share       float64        // see background; below 0: not asked yet

	guesses []promise // room for promiseWaited; they are not held

	named, left, weak, same, alike, common []*flow.Exchange // room for findCause; named outlasts what the runtime is asked
}

// New makes a linker. put takes each exchange once, with its process, when its Cause is final; release gives back what
// the linker has held.
func New(o Options, release func(*flow.Exchange), put func(*flow.Exchange, *Process)) *Linker {
	l := &Linker{
		options:   o,
		release:   release,
		put:       put,
		processes: processes{byPID: make(map[uint32]*Process), kin: make(map[uint64]*kin)},
		wires:     make(map[wireName]*flow.Exchange),
		states:    make(map[string]string),
		handovers: make(map[uint64]given),
		waiters:   make(map[uint64]event.Waiters),
		births:    make(map[uint64]event.Waiters),
		held:      make(map[uint64]loopCall),
		used:      newUsedIDs(),
		evidences: []evidence{handover{}, goroutine{}, waiter{}, birth{}, wake{}, inTask{}, thread{}, payload{}, inTurn{}, alone{}},
	}
	l.text.k0, l.text.k1 = binary.LittleEndian.Uint64(o.Key[0:]), binary.LittleEndian.Uint64(o.Key[8:])
	l.other.k0, l.other.k1 = l.text.k0, l.text.k1
	l.processes.gone = l.forget
	l.processes.oldest.next, l.processes.oldest.previous = &l.processes.oldest, &l.processes.oldest
	return l
}

// Wall turns boot time into Unix time, ns.
func (l *Linker) Wall(boot uint64) int64 { return int64(boot) + l.clock.offset }

// Feed takes the events that are not about messages.
func (l *Linker) Feed(ev *event.Event) {
	l.processes.now = max(l.processes.now, ev.Time)
	l.settleWoken(ev.Time)
	switch ev.Kind {
	case event.KindProcess:
		l.processes.describe(ev.PID, ev.Process, ev.Time)
	case event.KindRename:
		l.processes.rename(ev.PID, ev.Process)
	case event.KindExit:
		l.forget(ev.PID)
	case event.KindHandover:
		l.handOver(ev)
	case event.KindStream:
		l.streamBelongs(ev)
	case event.KindWaiters:
		if ev.Waiters.Worker == 0 {
			l.keepBirths(ev)
		} else {
			l.keepWaiters(ev)
		}
	case event.KindHeld:
		l.holds(ev)
	case event.KindThread:
		l.threadDoes(ev)
	case event.KindLoss:
		if ev.Loss.Records > 0 {
			l.lossy = ev.Time + lossTime
		}
	case event.KindPause:
		l.lossy = ev.Time + lossTime
	case event.KindClock:
		l.clock.tick(ev.Wall - int64(ev.Time))
		l.expire(ev.Time)
		l.expireGone(ev.Time)
	}
}

// lossTime is for how long after a loss of records the order of what threads do is not believed, in boot time. A record that is
// missing leads a turn to the wrong request.
const lossTime = uint64(5 * time.Second)

// Started settles what can be known when the head of the request is there: the carrier, the other end, the cause.
func (l *Linker) Started(x *flow.Exchange) {
	p := l.processes.of(x.PID)
	x.Cause.Process = p
	l.readCarrier(x)
	l.crewWorks(p, x)
	l.unproven, l.unpassed = nil, nil
	p.tasks.sees(p, x.Task)
	if x.Server {
		l.readsRequest(p, x)
		l.turnsTo(p, x.TID, x.Start, x, x)
		p.turns.steps.reads(x)
		p.opens(x)
		p.tasks.opens(x)
		l.takesJobs(p)
		l.note(p, x)
		l.lineStarts(p, x)
	} else {
		p.turns.uses(x, 1)
		l.guess(p, x)
		l.findCause(p, x)
		l.proves(p, x)
		l.lineStarts(p, x)
		l.leaveOpen(p, x)
		l.promiseRead(p, x)
		l.promisePassed(p, x)
		l.awaitOpener(p, x)
		l.awaitWaiter(p, x)
		l.awaitWriter(p, x)
		l.awaitBirth(p, x)
		l.awaitHeld(p, x)
		l.awaitWake(p, x)
		l.containsLate(p, x)
		l.awaitHearing(p, x)
		l.doubts(x)
		p.calls(x)
		p.learnsJob(x)
		l.asksFor(p, x)
		if x.Goroutine == 0 {
			p.habits.asks(x, true)
		}
		delete(l.handovers, x.Conn.Socket)
		x.Conn.Writer = x.Goroutine
	}
	l.join(x)
	if l.options.Started != nil {
		l.options.Started(x, p)
	}
	if x.Server && follows(p, x) {
		l.begins(p, x, x.TID)
	}
}

// Ended gives the exchange out, or lets it wait for the other end of its connection.
func (l *Linker) Ended(x *flow.Exchange) {
	if !x.Server {
		l.contains(owner(x), x)
	}
	l.leave(x)
	if x.Server {
		bound(x)
	}
	alone := x.Server && x.Cause.Partner == nil && l.mayBeLocal(x)
	if !alone && !l.undecided(x) && !l.isEarly(x) {
		l.settle(x)
		return
	}
	x.Cause.Waiting = true
	if x.Cause.Doubted {
		x.Cause.Parent.Cause.KeptBack = true // where x waits for something else, its parent does, too
	}
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
	l.settled(x)
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

// Remote gives what is known of the process at the other end of an exchange; nil when that was not seen.
func Remote(x *flow.Exchange) *event.Peer {
	p, ok := x.Cause.Peer.(*Process)
	if x.Server && x.Cause.Partner != nil {
		p, ok = owner(x.Cause.Partner), true
	}
	if !ok {
		return nil
	}
	return p.Resource.Peer
}

func (l *Linker) leave(x *flow.Exchange) {
	if x.Cause.Left {
		return
	}
	x.Cause.Left = true
	if x.Server {
		p := owner(x)
		p.closes(x)
		p.tasks.closes(x)
		p.births.closes(x)
		if x.FirstByte == 0 && x.Goroutine == 0 {
			p.habits.givesUp(x)
			p.crew.excuses = min(p.crew.excuses+1, excusesMax)
		}
		if x.FirstByte > x.Start && !x.Lost {
			p.habits.ghosts.answers(x)
		}
		l.drop(p, x)
		l.keepLast(p, x)
	} else {
		p := owner(x)
		p.turns.uses(x, -1)
		p.habits.asks(x, false)
		l.crewWaited(p, x, x.TID)
		l.asked(p, x)
		l.passed(p, x)
		l.provesBirth(p, x)
		l.provesHeld(p, x)
		l.forgetOpener(x)
		l.leavesWord(x)
		if x.FirstByte == 0 && x.Goroutine != 0 && x.Stream == 0 {
			l.settled(x) // nobody can have told who waits for it
		}
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
	l.settleWoken(^uint64(0))
	l.expire(^uint64(0))
	l.forgetGone(len(l.gone))
	l.dropOpenings()
	for p := l.processes.oldest.next; p != &l.processes.oldest; p = p.next {
		l.dropLast(p)
		l.dropTurns(p)
		l.dropTasks(p)
		l.dropHelpers(&p.wakes)
		l.letBirthsGo(p, len(p.births.held))
		l.dropLoops(p)
	}
	for _, c := range l.held {
		l.dropHeld(c)
	}
	clear(l.held)
}

// settle makes the identity final and gives the exchange out.
func (l *Linker) settle(x *flow.Exchange) {
	if x.Server {
		l.unjoin(x)
	}
	l.settled(x)
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
	if c.Guess != nil {
		l.release(c.Guess)
		c.Guess = nil
	}
	if c.Queued != nil {
		l.release(c.Queued)
		c.Queued = nil
	}
	if c.Via != nil {
		l.release(c.Via)
		c.Via = nil
	}
	if c.Sole != nil {
		l.release(c.Sole)
		c.Sole = nil
	}
}
