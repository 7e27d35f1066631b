package link

import (
	"fmt"
	"testing"

	"weft/correlate/event"
)

// eden is the buffer of one thread of Java, or several if it is filled.
type eden struct {
	tid         uint32
	start, next uint64
	collections uint32
}

const edenSize = 1 << 16

// makes gives the address of something that the thread allocates.
func (e *eden) makes() uint64 {
	at := e.next
	if e.next += 64; e.next >= e.start+edenSize {
		e.start += 1 << 20 // others have what is between
		e.next = e.start
	}
	return at
}

func (e *eden) event(n *node, wire uint64, h event.Held) *event.Event {
	h.Start, h.Top, h.End, h.Collections = e.start, e.next, e.start+edenSize, e.collections
	return &event.Event{Kind: event.KindHeld, Time: n.now + 1, Socket: wire, PID: 1, TID: e.tid, Held: h}
}

// reads begins a request of a thread, or the reply to a call.
func (n *node) reads(e *eden, server bool, wire, line string) uint64 {
	socket := clientSocket(wire)
	if server {
		socket++
	}
	n.l.Feed(e.event(n, socket, event.Held{Begins: true}))
	n.play(line)
	return e.makes()
}

// asks makes a call while something is on the stack: addresses, each behind its place.
func (n *node) asks(e *eden, wire, line string, held ...uint64) {
	h := event.Held{Calls: true, Depth: deep}
	for i := 0; i+1 < len(held); i += 2 {
		h.Of = append(h.Of, held[i+1]|(held[i]-1)<<event.HeldPlace)
	}
	n.l.Feed(e.event(n, clientSocket(wire), h))
	n.play(line)
}

// timers plays requests of which three are under way on one thread: A and B make a call each when a timer is due, and C waits. What is on
// the stack then is given by what: from what was made in the turns of the three.
func (n *node) timers(e *eden, rounds int, what func(a, b, c uint64) (first, second []uint64)) {
	for range rounds {
		n.round++
		at := n.round
		name := func(i int) string { return fmt.Sprintf("s%d", 3*at+i) }
		begin := func(i int, wire string) uint64 {
			return n.reads(e, true, wire, fmt.Sprintf("%s server 1 %d %s at=%d", name(i), e.tid, wire, at))
		}
		first, second := what(begin(0, "A"), begin(1, "B"), begin(2, "C"))
		n.asks(e, "D", fmt.Sprintf("c%d client 1 %d D at=%d", 3*at, e.tid, at), first...)
		n.asks(e, "E", fmt.Sprintf("c%d client 1 %d E at=%d", 3*at+1, e.tid, at), second...)
		n.play(fmt.Sprintf("end %s; end c%d; end %s; end c%d; end %s", name(2), 3*at, name(0), 3*at+1, name(1)))
	}
}

func newLoop() *eden { return &eden{tid: 5, start: 1 << 32, next: 1 << 32} }

const rounds = 200

// learned is of how many of these calls a place tells the request: those before are what it has to prove.
const learned = 2*rounds - loopRight

// TestLoops: a call is part of the request in whose turn the timer was made.
func TestLoops(t *testing.T) {
	n := newNode(t, 1)
	n.timers(newLoop(), rounds, func(a, b, _ uint64) (first, second []uint64) { return []uint64{job, a}, []uint64{job, b} })
	n.hasLinkedByBirth(learned)
}

// TestLoopsAmongOthers: what is over is on the stack, too, and names a request that is over before the reply, or is over already.
func TestLoopsAmongOthers(t *testing.T) {
	n := newNode(t, 1)
	before := uint64(0)
	n.timers(newLoop(), rounds, func(a, b, c uint64) (first, second []uint64) {
		first, second = []uint64{3, c, job, a, stale, before}, []uint64{3, c, job, b, stale, before}
		before = b
		return first, second
	})
	n.hasLinkedByBirth(learned)
}

// TestLoopsDisagree: a place that is right for half of the calls, and never found to be wrong by their replies, is found out by what is known.
func TestLoopsDisagree(t *testing.T) {
	n := newNode(t, 1)
	n.timers(newLoop(), rounds, func(a, b, _ uint64) (first, second []uint64) {
		if n.round < rounds/2 {
			return []uint64{job, a}, []uint64{job, b}
		}
		return []uint64{job, a, stale, b}, []uint64{job, b, stale, b}
	})
	n.timers(newLoop(), rounds, func(a, b, _ uint64) (first, second []uint64) { return []uint64{stale, b}, []uint64{stale, b} })
	n.hasLinkedByBirth(learned)
}

// TestLoopsHandWorkOver: where threads hold what others have made, none is believed.
func TestLoopsHandWorkOver(t *testing.T) {
	n := newNode(t, 1)
	other := &eden{tid: 6, start: 1 << 33, next: 1 << 33}
	n.timers(newLoop(), rounds, func(a, b, _ uint64) (first, second []uint64) {
		x := n.reads(other, true, "X", fmt.Sprintf("x%d server 1 6 X at=%d", n.round, n.round))
		n.play(fmt.Sprintf("end x%d", n.round))
		return []uint64{job, a, 40, x}, []uint64{job, b, 40, x}
	})
	n.hasLinkedByBirth(0)
}

// TestLoopsOwnTurn: a thread that makes the calls in the turn in which it has read the request.
func TestLoopsOwnTurn(t *testing.T) {
	n := newNode(t, 1)
	e := newLoop()
	for i := range rounds {
		n.reads(e, true, "A", fmt.Sprintf("a%d server 1 5 A at=%d", i, i))
		n.reads(e, true, "C", fmt.Sprintf("s%d server 1 5 C at=%d", 3*i+2, i))
		n.reads(e, true, "B", fmt.Sprintf("s%d server 1 5 B at=%d", 3*i, i))
		n.asks(e, "D", fmt.Sprintf("c%d client 1 5 D at=%d", 3*i, i), job, e.start)
		n.play(fmt.Sprintf("end a%d; end s%d; end c%d; end s%d", i, 3*i+2, 3*i, 3*i))
	}
	n.l.Close()
	if _, wrong := n.right(); wrong > 0 {
		t.Errorf("%d calls are linked wrongly", wrong)
	}
}

// TestLoopsAfterAReply: the timer was made in the turn of the reply to another call of the request.
func TestLoopsAfterAReply(t *testing.T) {
	n := newNode(t, 1)
	e := newLoop()
	n.timers(e, rounds, func(a, b, _ uint64) (first, second []uint64) { return []uint64{job, a}, []uint64{job, b} })
	a := n.reads(e, true, "A", "s9000 server 1 5 A at=9000")
	n.reads(e, true, "B", "s9003 server 1 5 B at=9000")
	n.asks(e, "D", "x9000 client 1 5 D at=9000", job, a)
	timer := n.reads(e, false, "D", "end x9000")
	n.reads(e, true, "C", "s9006 server 1 5 C at=9000")
	n.asks(e, "D", "c9000 client 1 5 D at=9001", job, timer)
	n.play("end c9000; end s9000; end s9003; end s9006")
	n.hasLinkedByBirth(learned + 2)
}

// TestLoopsInPieces: the rest of a request is read when that of another one was.
func TestLoopsInPieces(t *testing.T) {
	n := newNode(t, 1)
	e := newLoop()
	n.timers(e, rounds, func(a, b, _ uint64) (first, second []uint64) { return []uint64{job, a}, []uint64{job, b} })
	n.reads(e, true, "A", "s9000 server 1 5 A at=9000")
	n.reads(e, true, "B", "s9003 server 1 5 B at=9000")
	n.l.Feed(e.event(n, clientSocket("A")+1, event.Held{}))
	rest := e.makes()
	n.l.Feed(e.event(n, 77, event.Held{}))
	unknown := e.makes()
	n.reads(e, true, "C", "s9006 server 1 5 C at=9000")
	n.asks(e, "D", "c9000 client 1 5 D at=9000", job, rest)
	n.asks(e, "E", "c9001 client 1 5 E at=9000", job, unknown)
	n.play("end c9000; end c9001; end s9000; end s9003; end s9006")
	n.hasLinkedByBirth(learned + 1)
}

// TestLoopsMoved: what was made before a collection is somewhere else, and something else may be there.
func TestLoopsMoved(t *testing.T) {
	n := newNode(t, 1)
	e := newLoop()
	n.timers(e, rounds, func(a, b, _ uint64) (first, second []uint64) { return []uint64{job, a}, []uint64{job, b} })
	a := n.reads(e, true, "A", "s9000 server 1 5 A at=9000")
	n.reads(e, true, "B", "s9003 server 1 5 B at=9000")
	e.collections++
	n.asks(e, "D", "c9000 client 1 5 D at=9000", job, a)
	n.reads(e, true, "C", "s9006 server 1 5 C at=9000")
	n.asks(e, "E", "c9001 client 1 5 E at=9000", job, a)
	n.play("end c9000; end c9001; end s9000; end s9003; end s9006")
	n.hasLinkedByBirth(learned)
}

// TestLoopsAfterALoss: a turn may be missing, so that the one before is taken for it.
func TestLoopsAfterALoss(t *testing.T) {
	n := newNode(t, 1)
	e := newLoop()
	what := func(a, b, _ uint64) (first, second []uint64) { return []uint64{job, a}, []uint64{job, b} }
	n.timers(e, rounds, what)
	n.play("loss")
	n.timers(e, 10, what)
	n.now += lossTime
	n.timers(e, 10, what)
	n.hasLinkedByBirth(learned + 20)
}
