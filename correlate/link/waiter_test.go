package link

import (
	"fmt"
	"testing"

	"weft/correlate/event"
	"weft/correlate/span"
)

// waits tells who waits for the goroutine that has made the call on a connection.
func (n *node) waits(wire rune, of ...event.Waiter) {
	ev := event.Event{Kind: event.KindWaiters, Socket: uint64(wire) * 2}
	ev.Waiters.Worker = 70
	ev.Waiters.Count = uint8(copy(ev.Waiters.Of[:], of))
	n.l.Feed(&ev)
}

// ready tells who is about to wait for the goroutine that has made the call on a connection.
func (n *node) ready(wire rune, of ...event.Waiter) {
	ev := event.Event{Kind: event.KindWaiters, Socket: uint64(wire) * 2}
	ev.Waiters.Worker = 70
	ev.Waiters.Count, ev.Waiters.Ready = uint8(copy(ev.Waiters.Of[:], of)), true
	n.l.Feed(&ev)
}

// pool plays requests, two at a time, whose calls are made by workers: goroutines 70 and 71. The requests are served by goroutines
// 5 and 6, and by a child of 6 that waits for the worker. stale: the second worker has the channel of the first request on its stack, and
// nobody waits for it.
func (n *node) pool(rounds int, stale bool) {
	for range rounds {
		n.round++
		a, b, at := n.round*2, n.round*2+1, n.round
		n.play(fmt.Sprintf(`s%d server 1 1 A g=5 at=%d; s%d server 1 1 B g=6 at=%d; hand C 70; hand D 71
			c%d client 1 2 C g=90 at=%d; c%d client 1 2 D g=91 at=%d`, a, at, b, at, b, at, a, at))
		child := event.Waiter{Goroutine: uint64(1000 + n.round), Parent: 6}
		n.waits('C', child, event.Waiter{Goroutine: 71, Parent: 5})
		if stale {
			n.waits('D')
		} else {
			n.waits('D', event.Waiter{Goroutine: 5, Parent: 2})
		}
		n.play(fmt.Sprintf("end c%d; end c%d; end s%d; end s%d", b, a, a, b))
	}
}

// TestWaiters: a worker's call is part of the request that waits for it, from the first one on.
func TestWaiters(t *testing.T) {
	n := newNode(t, 1)
	n.play("go 1")
	n.l.options.Hold = 1e6
	n.pool(100, false)
	n.l.Close()
	if linked, wrong := n.right(); linked != 200 || wrong > 0 {
		t.Errorf("%d of 200 calls have a link, %d a wrong one", linked, wrong)
	}
	if c := n.spans["c200"]; span.Evidence(c.Evidence) != span.Waiter || c.Confidence < 0.98 || !c.Confirmed {
		t.Errorf("a late call is linked by %v, %v sure", span.Evidence(c.Evidence), c.Confidence)
	} else if v := c.Votes[3]; span.Evidence(v.Kind) != span.Waiter || v.Found != 1 {
		t.Errorf("its evidence is told as %+v", c.Votes)
	}
}

// TestWorkersThatNobodyWaitsFor: what is found on their stacks can be anybody's.
func TestWorkersThatNobodyWaitsFor(t *testing.T) {
	n := newNode(t, 1)
	n.play("go 1")
	n.l.options.Hold = 1e6
	n.pool(100, true)
	n.l.Close()
	if linked, _ := n.right(); linked > 0 {
		t.Errorf("%d calls have a link", linked)
	}
}

// TestWaitersOfSeveral: where those who wait work on different requests, or one has waited for another request before, there is no link.
func TestWaitersOfSeveral(t *testing.T) {
	n := newNode(t, 1)
	n.play("go 1")
	n.l.options.Hold = 1e6
	n.pool(20, false)
	n.play("p1 server 1 1 A g=5 at=999; p2 server 1 1 B g=6 at=999; hand C 70; q1 client 1 2 C g=90 at=999")
	n.waits('C', event.Waiter{Goroutine: 5}, event.Waiter{Goroutine: 6})
	n.play("hand D 71; q2 client 1 2 D g=91 at=999")
	n.waits('D', event.Waiter{Goroutine: 1001, Parent: 6}) // of the first round
	n.play("end q1; end q2; end p1; end p2")
	n.l.Close()
	for _, call := range []string{"q1", "q2"} {
		if got := n.parent(call); got != "-" {
			t.Errorf("%s < %s", call, got)
		}
	}
}

// TestWaitersAgainstHeaders: once headers have named other requests than those that wait, who waits says nothing.
func TestWaitersAgainstHeaders(t *testing.T) {
	n := newNode(t, 1)
	n.play("go 1")
	n.l.options.Hold = 1e6
	n.pool(20, false)
	n.play("p1 server 1 1 A g=5 at=999 head=T:P; p2 server 1 1 B g=6 at=999; hand C 70; q1 client 1 2 C g=90 at=999 head=T:C")
	n.waits('C', event.Waiter{Goroutine: 6})
	n.play("hand D 71; q2 client 1 2 D g=91 at=999")
	n.waits('D', event.Waiter{Goroutine: 6})
	n.play("end q1; end q2; end p1; end p2")
	n.l.Close()
	if got := n.parent("q1"); got != "p1 header" {
		t.Errorf("q1 < %s", got)
	}
	if got := n.parent("q2"); got != "-" {
		t.Errorf("q2 < %s", got)
	}
}

// TestWaitersAmongStaleOnes: as long as it is not known at which place channels on which requests wait are found, all that are found are kept;
// then the first calls have links, too, but where several were at such places, or one that can't be it.
func TestWaitersAmongStaleOnes(t *testing.T) {
	n := newNode(t, 1)
	n.play("go 1")
	n.l.options.Hold = 1e6
	two := func(i int, first, second uint64) {
		n.play(fmt.Sprintf("p%[1]d server 1 1 A g=5 at=%[1]d; o%[1]d server 1 1 B g=6 at=%[1]d; hand C 70; q%[1]d client 1 2 C g=90 at=%[1]d", i))
		n.waits('C', event.Waiter{Goroutine: 6, Place: second}, event.Waiter{Goroutine: 5, Place: first})
		n.play(fmt.Sprintf("end q%[1]d; end p%[1]d; end o%[1]d", i))
	}
	for i := range 5 {
		two(i, 7, 50)
	}
	two(5, 7, 8)
	n.play("p6 server 1 1 A g=5 at=6; hand C 70; q6 client 1 2 C g=90 at=6; o6 server 1 1 B g=6 at=7")
	n.waits('C', event.Waiter{Goroutine: 5, Place: 8}, event.Waiter{Goroutine: 6, Place: 7})
	n.play("end q6; end p6; end o6")
	for i := 10; i < 40; i++ {
		n.play(fmt.Sprintf("p%[1]d server 1 1 A g=5 at=%[1]d; hand C 70; q%[1]d client 1 2 C g=90 at=%[1]d", i))
		n.waits('C', event.Waiter{Goroutine: 5, Place: uint64(7 + i%2)})
		n.play(fmt.Sprintf("end q%[1]d; end p%[1]d", i))
	}
	n.l.Close()
	for i, want := range map[int]string{0: "p0 waiter", 4: "p4 waiter", 5: "-", 6: "-", 10: "p10 waiter", 39: "p39 waiter"} {
		if got := n.parent(fmt.Sprint("q", i)); got != want {
			t.Errorf("q%d < %s, want %s", i, got, want)
		}
	}
}

// TestReady: one that is about to wait is believed where the channel between the two is often found, and other channels that it shares with the
// worker say nothing, however often they are found.
func TestReady(t *testing.T) {
	n := newNode(t, 1)
	n.play("go 1")
	n.l.options.Hold = 1e6
	n.pool(20, false)
	other := event.Waiter{Goroutine: 5, Parent: 2, Place: 99}
	for i := range 100 {
		n.play(fmt.Sprintf("p%d server 1 1 A g=5 at=%d; hand C 70; q%d client 1 2 C g=90 at=%d", i, 1000+i, i, 1000+i))
		if i%2 == 0 {
			n.ready('C', other)
		} else {
			n.ready('C', other, event.Waiter{Goroutine: 5, Parent: 2})
		}
		n.play(fmt.Sprintf("end q%d; end p%d", i, i))
	}
	n.l.Close()
	for i, want := range map[int]string{0: "-", 1: "p1 waiter", 98: "-", 99: "p99 waiter"} {
		if got := n.parent(fmt.Sprint("q", i)); got != want {
			t.Errorf("q%d < %s, want %s", i, got, want)
		}
	}
}
