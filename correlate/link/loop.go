package link

import (
	"weft/correlate/event"
	"weft/correlate/flow"
)

// Birth in the event loops of Java. A loop works on many requests, so what its thread has allocated is of all of them. But a thread allocates
// from one address on to the next, and so the address of an object tells in which turn that was: between which two heads or replies that
// the thread has read. What a timer runs, the thread has made in an earlier turn, and has it on its stack when it makes a call. What is
// there is also what others have made, or what was allocated by a timer in somebody's turn: each place on a stack of some depth has to prove itself, as
// in birth.go, and so has the turn in which the call is made itself. Between loops that hand work to each other none is believed.

// loops is what the threads of a process have told that work on several requests.
type loops struct {
	byThread map[uint32]*loop
	places   map[uint32]*spot
	best     map[uint32]float64 // by how deep the stack is: the most proof that a place has
	calls    map[*flow.Exchange]loopCall
	ours     uint64 // held by threads, and allocated by them in earlier turns
	others   uint64 // by another one of them
	seen     uint64 // calls
}

// loop is what one thread has read, the oldest first.
type loop struct{ turns []allotment }

// allotment is where a thread has allocated from the time on when it has read something.
type allotment struct {
	start, top, end uint64
	collections     uint32
	at, socket      uint64         // boot time, and what it has read from
	of              *flow.Exchange // the request that it works on since then; held; nil: not known
}

// loopCall is a call that is about to be made, or under way.
type loopCall struct {
	of     []allotted
	closed uint64 // requests that were over when it began
	newest uint64 // when the request began that was read last of those under way
}

// allotted is one place on a stack, and the request in whose turn what is held there was allocated.
type allotted struct {
	key uint32
	of  *flow.Exchange // held
}

const (
	loopsMax    = 64      // threads of a process
	loopTurns   = 512     // of a thread
	loopLeast   = 64      // objects of earlier turns that were held
	loopOthers  = 4       // so many times more have to be the thread's own than another one's
	loopEnough  = 1 << 12 // of others, behind which it is known that they are not
	loopSeldom  = 16      // one of so many calls is looked at then
	loopPlace   = 9       // bits of a place
	loopCallMax = 1 << 12
	loopRight   = 128 // proofs of a place that is believed
	loopOlder   = 32  // of these, of requests that were not read last
	loopProof   = 16
	loopRare    = 4 // so many times less proof than another place of that depth has is too little
)

// holds takes what is told of a thread.
func (l *Linker) holds(ev *event.Event) {
	p, h := l.processes.of(ev.PID), &ev.Held
	o := p.loops.byThread[ev.TID]
	if h.Calls {
		if o != nil {
			l.keepHeld(p, o, ev)
		}
		return
	}
	if o == nil {
		if p.loops.byThread == nil || len(p.loops.byThread) >= loopsMax {
			l.dropLoops(p)
			p.loops.byThread = make(map[uint32]*loop)
		}
		o = &loop{}
		p.loops.byThread[ev.TID] = o
	}
	if n := len(o.turns); n == loopTurns || n > 0 && o.turns[n-1].collections != h.Collections {
		from := n / 2
		if n < loopTurns {
			from = n
		}
		l.dropAllotments(o.turns[:from])
		o.turns = o.turns[:copy(o.turns, o.turns[from:])]
	}
	t := allotment{h.Start, h.Top, h.End, h.Collections, ev.Time, ev.Socket, nil}
	if !h.Begins && !h.Frame {
		t.of = o.goesOn(ev.Socket)
	}
	o.turns = append(o.turns, t)
}

// goesOn: more was read of the same message. Gives the request that this is of, held.
func (o *loop) goesOn(socket uint64) *flow.Exchange {
	for i := len(o.turns) - 1; i >= 0; i-- {
		if t := &o.turns[i]; t.socket == socket {
			if t.of != nil {
				return t.of.Hold()
			}
			break
		}
	}
	return nil
}

// turnsTo: what a thread has read belongs to a request.
func (l *Linker) turnsTo(p *Process, tid uint32, at uint64, x, of *flow.Exchange) {
	o := p.loops.byThread[tid]
	if o == nil || len(o.turns) == 0 || of == nil || x.Stream != 0 {
		return
	}
	if last := &o.turns[len(o.turns)-1]; last.at == at && last.socket == x.Conn.Socket && last.of == nil {
		last.of = of.Hold()
	}
}

// find gives the turn in which something was allocated; below 0: in none that is known.
func (o *loop) find(address uint64, collections uint32) int {
	for i := len(o.turns) - 1; i >= 0 && o.turns[i].collections == collections; i-- {
		t := &o.turns[i]
		switch {
		case address < t.start || address >= t.end:
		case address >= t.top:
			return i
		case i == 0 || o.turns[i-1].start == t.start:
		case o.turns[i-1].collections == collections:
			return i - 1 // of the buffer that it had then, this one is the next
		}
	}
	return -1
}

// keepHeld finds out in whose turns it was allocated what a thread holds that is about to make a call.
func (l *Linker) keepHeld(p *Process, o *loop, ev *event.Event) {
	h := &ev.Held
	if s := &p.loops; len(o.turns) == 0 || s.rests() {
		l.looked(p, false)
		return
	}
	if old, ok := l.held[ev.Socket]; ok {
		l.dropHeld(old)
	}
	if len(l.held) >= loopCallMax {
		for _, c := range l.held {
			l.dropHeld(c)
		}
		clear(l.held)
	}
	var c loopCall
	depth, last := h.Depth<<loopPlace, len(o.turns)-1
	if t := &o.turns[last]; t.of != nil {
		c.of = append(c.of, allotted{depth, t.of.Hold()})
	}
	for i, one := range h.Of {
		address := one & (1<<event.HeldPlace - 1)
		if heldBefore(h.Of[:i], address) {
			continue
		}
		switch n := o.find(address, h.Collections); {
		case n == last:
		case n < 0:
			p.loops.elsewhere(o, address, h.Collections)
		default:
			p.loops.ours++
			if t := &o.turns[n]; t.of != nil {
				c.of = append(c.of, allotted{depth | (1+uint32(one>>event.HeldPlace))&(1<<loopPlace-1), t.of.Hold()})
			}
		}
	}
	if len(c.of) > 0 {
		l.held[ev.Socket] = c
	}
}

func heldBefore(before []uint64, address uint64) bool {
	for _, one := range before {
		if one&(1<<event.HeldPlace-1) == address {
			return true
		}
	}
	return false
}

// elsewhere counts what another thread has allocated.
func (s *loops) elsewhere(but *loop, address uint64, collections uint32) {
	for _, o := range s.byThread {
		if o != but && o.find(address, collections) >= 0 {
			s.others++
			return
		}
	}
}

func (l *Linker) dropHeld(c loopCall) {
	for _, one := range c.of {
		l.release(one.of)
	}
}

func (l *Linker) dropAllotments(of []allotment) {
	for _, t := range of {
		if t.of != nil {
			l.release(t.of)
		}
	}
}

func (l *Linker) dropLoopCalls(s *loops) {
	for _, c := range s.calls {
		l.dropHeld(c)
	}
	clear(s.calls)
}

// dropLoops forgets what the threads have told.
func (l *Linker) dropLoops(p *Process) {
	l.dropLoopCalls(&p.loops)
	for _, o := range p.loops.byThread {
		l.dropAllotments(o.turns)
	}
	clear(p.loops.byThread)
}
