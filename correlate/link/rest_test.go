package link

import (
	"fmt"
	"testing"

	"weft/correlate/event"
)

// rouses tells that a thread of process 1 wakes another one, which waits on a word of its own stack.
func (n *node) rouses(tid, other uint32, place uint64) {
	n.now++
	n.l.Feed(&event.Event{Kind: event.KindThread, Time: n.now, PID: 1, TID: tid, Thread: event.Thread{
		Deed: event.Wakes, Other: other, Address: uint64(other)<<20 | place,
	}})
}

// kept plays two requests at a time, in threads 5 and 6, for which threads are woken that make a call each. before is told between the wakes
// and the calls, after when the replies are there.
func (n *node) kept(rounds int, before, after func(round int)) {
	for round := range rounds {
		n.round++
		at := n.round
		first, second := uint32(70+round%3), uint32(80+round%3)
		n.play(fmt.Sprintf("s%d server 1 5 A at=%d; s%d server 1 6 B at=%d", 2*at, at, 2*at+1, at))
		n.rouses(5, first, 0xe68)
		n.rouses(6, second, 0xe68)
		before(round)
		n.play(fmt.Sprintf("c%d client 1 %d C at=%d; c%d client 1 %d D at=%d", 2*at+1, second, at, 2*at, first, at))
		n.rouses(6, first, 0x100*uint64(first)) // the lock is handed on
		n.play(fmt.Sprintf("replies c%d; replies c%d", 2*at+1, 2*at))
		after(round)
		n.play(fmt.Sprintf("end c%d; end c%d; end s%d; end s%d", 2*at+1, 2*at, 2*at, 2*at+1))
	}
}

func nothing(int) {}

// TestKeptThreads: a thread that rests on its stack, where others do too, works for the request whose thread has woken it, from the first
// one on, if hardly any was woken in vain, or by a thread that serves none.
func TestKeptThreads(t *testing.T) {
	n := bench(t)
	n.kept(100, nothing, nothing)
	n.hasLinked(200)

	few := bench(t)
	few.kept(60, nothing, nothing)
	few.hasLinked(0)

	vain := bench(t)
	vain.kept(100, func(round int) {
		if round%20 == 0 {
			vain.rouses(5, uint32(70+round%3), 0xe68)
		}
	}, nothing)
	vain.hasLinked(0)

	strange := bench(t)
	strange.kept(100, nothing, func(round int) {
		if round%20 == 0 {
			strange.rouses(99, 77, 0xe68)
		}
	})
	strange.hasLinked(0)
}

// TestKeptThreadGoesOn: only the first call of a thread that was woken is known to be part of the request.
func TestKeptThreadGoesOn(t *testing.T) {
	n := bench(t)
	n.kept(100, nothing, nothing)
	n.play("s1000 server 1 5 A at=1000; s1001 server 1 6 B at=1000")
	n.rouses(5, 70, 0xe68)
	n.play("c1000 client 1 70 C at=1000; replies c1000; end c1000; c1001 client 1 70 C at=1001; replies c1001; end c1001; end s1000; end s1001; tick")
	n.l.Close()
	for name, want := range map[string]string{"c1000": "s1000 wake", "c1001": "-"} {
		if got := n.parent(name); got != want {
			t.Errorf("%s < %s, want %s", name, got, want)
		}
	}
}

// TestWorkersOfAQueue: the job that a worker was woken for is taken by another one now and then, whose request is answered before the reply.
func TestWorkersOfAQueue(t *testing.T) {
	n := bench(t)
	n.kept(70, nothing, nothing)
	for round := range 200 {
		at := 5000 + round
		n.play(fmt.Sprintf("s%d server 1 5 A at=%d; s%d server 1 6 B at=%d", 2*at, at, 2*at+1, at))
		n.rouses(5, 70, 0xe68)
		n.rouses(6, 80, 0xe68)
		n.play(fmt.Sprintf(`c%d client 1 70 C at=%d; c%d client 1 80 D at=%d; replies c%d; end c%d; end s%d; replies c%d; end c%d; end s%d`,
			2*at+1, at, 2*at, at, 2*at, 2*at, 2*at, 2*at+1, 2*at+1, 2*at+1))
	}
	n.l.Close()
	if linked, wrong := n.right(); wrong > 1 || linked > 2*70+1 {
		t.Errorf("%d links, %d wrong, where all but the first %d are another one's", linked, wrong, 2*70)
	}
}
