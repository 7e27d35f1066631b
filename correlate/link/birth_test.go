package link

import (
	"fmt"
	"testing"

	"weft/correlate/event"
	"weft/correlate/span"
)

// at spells places on a stack of some depth.
func at(depth uint64, places ...uint64) (told uint64) {
	told = depth << (placesTold * placeBits)
	for i, p := range places {
		told |= p << (i * placeBits)
	}
	return told
}

// born tells which threads have allocated what the thread holds that is about to make a call on a wire: each for the request that it has
// read last.
func (n *node) born(wire rune, of ...event.Waiter) {
	ev := event.Event{Kind: event.KindWaiters, Socket: uint64(wire) * 2}
	ev.Waiters.Count = uint8(copy(ev.Waiters.Of[:], of))
	n.l.Feed(&ev)
}

// reader is a thread that has begun to read a request, and where what it has allocated since is held.
func (n *node) reader(tid uint64, request string, places uint64) event.Waiter {
	return event.Waiter{Goroutine: tid, Parent: n.exchanges[request].Start, Place: places}
}

const (
	job   = 26 // the place of the job
	stale = 105
	deep  = 700
)

// jobs plays requests of which three are under way: A, whose calls are made by thread 70, B, whose calls are made by thread 71, and C, which
// waits. Who is told for them is given by what: the readers of A, B and C.
func (n *node) jobs(rounds int, what func(a, b, c string) (first, second []event.Waiter)) {
	for range rounds {
		n.round++
		at := n.round
		a, b, c := fmt.Sprintf("s%d", 3*at), fmt.Sprintf("s%d", 3*at+1), fmt.Sprintf("s%d", 3*at+2)
		n.play(fmt.Sprintf("%s server 1 5 A at=%d; %s server 1 6 B at=%d; %s server 1 7 C at=%d", a, at, b, at, c, at))
		first, second := what(a, b, c)
		n.born('D', first...)
		n.play(fmt.Sprintf("c%d client 1 70 D at=%d", 3*at, at))
		n.born('E', second...)
		n.play(fmt.Sprintf("c%d client 1 71 E at=%d; end %s; end c%d; end %s; end c%d; end %s", 3*at+1, at, c, 3*at, a, 3*at+1, b))
	}
}

// TestBirths: a call is part of the request whose thread has made the job, from the first one on.
func TestBirths(t *testing.T) {
	n := newNode(t, 1)
	n.l.options.Hold = 1e6
	n.jobs(100, func(a, b, _ string) (first, second []event.Waiter) {
		return []event.Waiter{n.reader(5, a, at(deep, job, 40))}, []event.Waiter{n.reader(6, b, at(deep, job, 40))}
	})
	n.hasLinked(200)
	if c := n.spans["c300"]; span.Evidence(c.Evidence) != span.Birth || c.Confidence < 0.98 || !c.Confirmed {
		t.Errorf("a late call is linked by %v, %v sure", span.Evidence(c.Evidence), c.Confidence)
	} else if v := c.Votes[4]; span.Evidence(v.Kind) != span.Birth || v.Found != 1 {
		t.Errorf("its evidence is told as %+v", c.Votes)
	}
}

// TestBirthsAmongOthers: what is over is on the stack, too, further out and further in, and names requests that are over before the reply.
func TestBirthsAmongOthers(t *testing.T) {
	n := newNode(t, 1)
	n.l.options.Hold = 1e6
	n.jobs(100, func(a, b, c string) (first, second []event.Waiter) {
		over := n.reader(7, c, at(deep, 3, stale))
		return []event.Waiter{over, n.reader(5, a, at(deep, job))}, []event.Waiter{n.reader(6, b, at(deep, job)), over}
	})
	n.hasLinked(200)
}

// TestBirthsThatAreOver: nothing but what is over is held.
func TestBirthsThatAreOver(t *testing.T) {
	n := newNode(t, 1)
	n.l.options.Hold = 1e6
	n.jobs(100, func(_, _, c string) (first, second []event.Waiter) {
		over := []event.Waiter{n.reader(7, c, at(deep, job))}
		return over, over
	})
	n.hasLinkedByBirth(0)
}

// TestBirthsOfOne: one request has made what all share, and is under way for long.
func TestBirthsOfOne(t *testing.T) {
	n := newNode(t, 1)
	n.l.options.Hold = 1e6
	n.play("x server 1 9 X")
	n.jobs(100, func(_, _, _ string) (first, second []event.Waiter) {
		shared := []event.Waiter{n.reader(9, "x", at(deep, job))}
		return shared, shared
	})
	n.play("end x")
	n.hasLinked(0)
}

// TestBirthsWhileNothingEnds: that a request is under way until the reply proves nothing while all are.
func TestBirthsWhileNothingEnds(t *testing.T) {
	n := newNode(t, 1)
	n.l.options.Hold = 1e6
	n.play("x server 1 8 X; y server 1 9 Y")
	for i := range 100 {
		n.born('D', n.reader(uint64(8+i%2), string("xy"[i%2]), at(deep, job)))
		n.play(fmt.Sprintf("c%d client 1 70 D at=%d; end c%d", i, i, i))
	}
	n.play("end x; end y")
	n.hasLinked(0)
}

// TestBirthsElsewhere: on a stack of another depth the same place may hold something else. What was seen before counts there only where
// nothing else is told, and something was seen there, too.
func TestBirthsElsewhere(t *testing.T) {
	n := newNode(t, 1)
	n.l.options.Hold = 1e6
	right := func(a, b, _ string) (first, second []event.Waiter) {
		return []event.Waiter{n.reader(5, a, at(deep, job))}, []event.Waiter{n.reader(6, b, at(deep, job))}
	}
	n.jobs(100, right)
	n.jobs(1, func(a, b, _ string) (first, second []event.Waiter) {
		return []event.Waiter{n.reader(6, b, at(deep+1, job)), n.reader(5, a, at(deep+1, 50))}, []event.Waiter{n.reader(5, a, at(deep+1, job))}
	})
	n.hasLinked(200)
}

// TestBirthsAnotherRequest: the thread has read another request by the time that the call is seen, or two, or has answered.
func TestBirthsAnotherRequest(t *testing.T) {
	n := newNode(t, 1)
	n.l.options.Hold = 1e6
	n.jobs(100, func(a, b, _ string) (first, second []event.Waiter) {
		return []event.Waiter{n.reader(5, a, at(deep, job))}, []event.Waiter{n.reader(6, b, at(deep, job))}
	})
	n.play("p server 1 5 A at=1000; q server 1 6 B at=1000")
	before := n.reader(5, "p", at(deep, job))
	n.play("end p; r server 1 5 A at=1001")
	n.born('D', before)
	n.play("c1 client 1 70 D at=1000; end c1; end r; end q")
	n.hasLinked(200)
}

// TestBirthsAgainstCarriers: a carrier says that a place is wrong, of which little is known.
func TestBirthsAgainstCarriers(t *testing.T) {
	n := newNode(t, 1)
	n.l.options.Hold = 1e6
	right := func(a, b, _ string) (first, second []event.Waiter) {
		return []event.Waiter{n.reader(5, a, at(deep, job))}, []event.Waiter{n.reader(6, b, at(deep, job))}
	}
	n.play("p server 1 5 A at=1000 head=T:P; q server 1 6 B at=1000 head=U:Q")
	n.born('D', n.reader(5, "p", at(deep, job)))
	n.play("x client 1 70 D at=1000 head=U:V; end x; end p; end q")
	n.jobs(50, right)
	n.hasLinkedByBirth(0)
	if c := n.spans["x"]; span.Evidence(c.Evidence) != span.Header {
		t.Errorf("a call with a carrier is linked by %v", span.Evidence(c.Evidence))
	}
}

// hasLinkedByBirth is hasLinked, of this evidence alone.
func (n *node) hasLinkedByBirth(want int) {
	n.t.Helper()
	n.l.Close()
	got := 0
	for _, c := range n.spans {
		if span.Evidence(c.Evidence) == span.Birth {
			got++
		}
	}
	if _, wrong := n.right(); got != want || wrong > 0 {
		n.t.Errorf("%d calls are linked by birth, want %d; %d are linked wrongly", got, want, wrong)
	}
}

// TestBirthsOfNewest: what names the request that was read last, whichever makes the call, is mostly under way until the reply, for those before
// are answered before.
func TestBirthsOfNewest(t *testing.T) {
	n := newNode(t, 1)
	n.l.options.Hold = 1e6
	n.play("s0 server 1 5 A at=0; s1 server 1 6 B at=1")
	for i := 1; i < 100; i++ {
		next := i + 1
		tid := uint64(5 + next%3)
		n.play(fmt.Sprintf("s%d server 1 %d %c at=%d", next, tid, 'A'+rune(next%3), next))
		n.born('D', n.reader(tid, fmt.Sprint("s", next), at(deep, job)))
		n.play(fmt.Sprintf("c%d client 1 70 D at=%d; end s%d; end c%d", i, i, i-1, i))
	}
	n.play("end s99; end s100")
	n.hasLinkedByBirth(0)
}
