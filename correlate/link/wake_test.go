package link

import (
	"fmt"
	"testing"

	"weft/correlate/event"
	"weft/correlate/span"
)

// does tells what a thread of process 1 does to another one; of a wake, on a word of that one's own.
func (n *node) does(tid uint32, deed event.Deed, other uint32) {
	n.now++
	n.l.Feed(&event.Event{Kind: event.KindThread, Time: n.now, PID: 1, TID: tid, Thread: event.Thread{Deed: deed, Other: other, Address: uint64(other) << 8}})
}

// wakes tells that a thread of process 1 wakes another one, on a word.
func (n *node) wakes(tid, other uint32, word uint64) {
	n.now++
	n.l.Feed(&event.Event{Kind: event.KindThread, Time: n.now, PID: 1, TID: tid, Thread: event.Thread{Deed: event.Wakes, Other: other, Address: word}})
}

// bench is a node whose spans wait until the end, and that has seen a thread wake another one.
func bench(t *testing.T) *node {
	n := newNode(t, 1)
	n.l.options.Hold = 1e9
	n.play("x server 1 9 X; end x")
	n.does(8, event.Wakes, 7)
	return n
}

// tasks plays two requests at a time, in threads 5 and 6, whose calls are made by threads 70 and 71; done is told when the replies to both
// calls have come.
func (n *node) tasks(rounds int, reader string, done func(first, second uint32)) {
	for range rounds {
		n.round++
		a, b, at := n.round*2, n.round*2+1, n.round
		first, second := uint32(70), uint32(71)
		if n.round%2 > 0 {
			first, second = second, first
		}
		n.play(fmt.Sprintf(`s%d server 1 5 A at=%d; s%d server 1 6 B at=%d; c%d client 1 %d C at=%d; c%d client 1 %d D at=%d`,
			a, at, b, at, b, second, at, a, first, at))
		if reader == "" {
			n.play(fmt.Sprintf("replies c%d; replies c%d", b, a))
			done(first, second)
		} else {
			n.play(fmt.Sprintf("replies c%d %s", b, reader))
			done(0, second)
			n.play(fmt.Sprintf("replies c%d %s", a, reader))
			done(first, 0)
		}
		n.play(fmt.Sprintf("end c%d; end c%d; end s%d; end s%d", b, a, a, b))
	}
}

func (n *node) hasLinked(linked int) {
	n.t.Helper()
	n.l.Close()
	if got, wrong := n.right(); got != linked || wrong > 0 {
		n.t.Errorf("%d calls have a link, want %d; %d a wrong one", got, linked, wrong)
	}
}

// TestWakes: a call is part of the request whose thread is woken by the one that has made the call, from the first one on.
func TestWakes(t *testing.T) {
	n := bench(t)
	n.tasks(100, "", func(first, second uint32) {
		n.does(second, event.Wakes, 6)
		n.does(first, event.Wakes, 5)
	})
	n.hasLinked(200)
	if c := n.spans["c200"]; span.Evidence(c.Evidence) != span.Wake || c.Confidence < 0.98 || !c.Confirmed {
		t.Errorf("a late call is linked by %v, %v sure", span.Evidence(c.Evidence), c.Confidence)
	} else if v := c.Votes[5]; span.Evidence(v.Kind) != span.Wake || v.Found != 1 {
		t.Errorf("its evidence is told as %+v", c.Votes)
	}
}

// TestWakesOfALock: threads of requests wake each other as well, as those of Ruby do when they hand their lock on. Who has read a reply may have
// done no more.
func TestWakesOfALock(t *testing.T) {
	for locks, linked := range map[int]int{1: 0, 4: 0, 40: 200} {
		n := bench(t)
		n.tasks(100, "", func(first, second uint32) {
			n.does(second, event.Wakes, 6)
			n.does(first, event.Wakes, 5)
			if n.round%locks == 0 {
				n.does(5, event.Wakes, 6)
			}
		})
		n.hasLinked(linked)
	}
}

// TestUnknownWords: wakes on words that were never seen before can be those of a lock, so that it takes many of them.
func TestUnknownWords(t *testing.T) {
	for rounds, linked := range map[int]int{60: 0, youngLeast: 2 * youngLeast} {
		n := bench(t)
		word := uint64(1 << 20)
		n.tasks(rounds, "", func(first, second uint32) {
			word += 32
			n.wakes(second, 6, word)
			n.wakes(first, 5, word+16)
		})
		n.hasLinked(linked)
	}
}

// TestWakesByReaderBesideLocks: where threads of requests wake each other, those that were handed a reply are believed all the same, if they
// hardly ever wake the threads of two requests, or hardly ever none.
func TestWakesByReaderBesideLocks(t *testing.T) {
	for _, c := range []struct{ twice, missing, linked int }{{0, 7, 172}, {7, 0, 172}, {7, 5, 0}} {
		n := bench(t)
		count := 0
		n.tasks(100, "80", func(first, second uint32) {
			to, other := uint32(5), uint32(6)
			if second != 0 {
				to, other = 6, 5
				n.does(5, event.Wakes, 6)
			}
			count++
			n.does(80, event.Wakes, 90)
			if c.missing == 0 || count%c.missing > 0 {
				n.does(90, event.Wakes, to)
			}
			if c.twice > 0 && count%c.twice == 0 {
				n.does(90, event.Wakes, other)
			}
		})
		n.l.Close()
		if got, wrong := n.right(); got < c.linked || c.linked == 0 && got > 0 || wrong > 0 {
			t.Errorf("%+v: %d calls have a link, %d a wrong one", c, got, wrong)
		}
	}
}

// TestWakesByReader: one thread reads all replies, and hands each to another one, which wakes the thread of the request. What the reader
// does itself says nothing.
func TestWakesByReader(t *testing.T) {
	n := bench(t)
	n.tasks(100, "80", func(first, second uint32) {
		if second != 0 {
			n.does(80, event.Wakes, 91)
			n.does(80, event.Wakes, 90) // for something else
			n.does(91, event.Wakes, 6)
			n.does(80, event.Wakes, 5)
		} else {
			n.does(80, event.Wakes, 90)
			n.does(90, event.Wakes, 5)
		}
	})
	n.hasLinked(200)
}

// TestWakesOfSeveral: a thread that wakes those of two requests after one reply does not say for which.
func TestWakesOfSeveral(t *testing.T) {
	n := bench(t)
	n.tasks(50, "", func(first, second uint32) {
		n.does(second, event.Wakes, 6)
		n.does(second, event.Wakes, 5)
		n.does(first, event.Wakes, 5)
	})
	n.hasLinked(50)
}

// TestWakesOfAnybody: where a wake also meets requests that have come after the call, it is chance.
func TestWakesOfAnybody(t *testing.T) {
	n := bench(t)
	n.tasks(20, "", func(first, second uint32) {
		n.does(second, event.Wakes, 6)
		n.does(first, event.Wakes, 5)
	})
	n.now += 1e8 // what is left of these is settled
	for i := range 20 {
		n.play(fmt.Sprintf("p%d server 1 5 A at=%d; q%d client 1 70 C at=%d; r%d server 1 6 B at=%d; replies q%d", i, 900+i, i, 900+i, i, 900+i, i))
		n.does(70, event.Wakes, 6)
		n.play(fmt.Sprintf("end q%d; end p%d; end r%d", i, i, i))
	}
	n.tasks(20, "", func(first, second uint32) {
		n.does(second, event.Wakes, 6)
		n.does(first, event.Wakes, 5)
	})
	n.hasLinked(40)
}

// TestWakesThatNeverCome: calls of a process whose threads wake nobody are not kept back for good.
func TestWakesThatNeverCome(t *testing.T) {
	n := bench(t)
	kept := 0
	for i := range 300 {
		n.play(fmt.Sprintf("s%d server 1 5 A at=%d; t%d server 1 6 B at=%d; c%d client 1 70 C at=%d", i, i, i, i, i, i))
		if n.exchanges[fmt.Sprintf("c%d", i)].Cause.Open {
			kept++
		}
		n.play(fmt.Sprintf("end c%d; end s%d; end t%d", i, i, i))
	}
	if kept != wakeTries {
		t.Errorf("%d calls were kept back", kept)
	}
}

// TestStarted: calls of a thread that a request's thread has started, and that ends with them, are part of the request; those of one that stays
// are not.
func TestStarted(t *testing.T) {
	n := bench(t)
	for i := range 40 {
		helper := uint32(100 + i)
		n.play(fmt.Sprintf("s%d server 1 5 A at=%d; t%d server 1 6 B at=%d", i, i, i, i))
		n.does(5, event.Starts, helper)
		n.does(6, event.Starts, 99)
		n.play(fmt.Sprintf("c%d client 1 %d C at=%d; q%d client 1 99 D at=%d; end c%d; end q%d; end s%d; end t%d", i, helper, i, i, i, i, i, i, i))
		n.does(helper, event.Ends, 0)
	}
	n.hasLinked(40)
	if c := n.spans["c39"]; span.Evidence(c.Evidence) != span.Wake {
		t.Errorf("linked by %v", span.Evidence(c.Evidence))
	}
}

// TestStartedForLater: what a thread does when its request is answered is not part of it.
func TestStartedForLater(t *testing.T) {
	n := bench(t)
	for i := range 40 {
		helper := uint32(100 + i)
		n.play(fmt.Sprintf("s%d server 1 5 A at=%d; t%d server 1 6 B at=%d", i, i, i, i))
		n.does(5, event.Starts, helper)
		n.play(fmt.Sprintf("c%d client 1 %d C at=%d; end s%d; end c%d; end t%d", i, helper, i, i, i, i))
		n.does(helper, event.Ends, 0)
	}
	n.hasLinked(0)
}

// TestWakesOfCarriers: where a task is answered by another thread than the one that has read it, as virtual threads are, what wakes the
// thread that has read it says nothing.
func TestWakesOfCarriers(t *testing.T) {
	n := bench(t)
	n.play("s server 1 5 A at=9000 task=77; q server 1 6 B at=9000")
	n.now++
	n.repliesBy(n.exchanges["s"], 6, taskOf("77"))
	n.play("end s; end q")
	n.tasks(100, "", func(first, second uint32) {
		n.does(second, event.Wakes, 6)
		n.does(first, event.Wakes, 5)
	})
	n.hasLinked(0)
}

// TestStartedAlone: threads that were seen to end with the calls that they were started for, one request at a time, do so side by side. One that
// stays, if only until the answer, proves nothing.
func TestStartedAlone(t *testing.T) {
	for _, ends := range []string{"before", "after", "never"} {
		n := bench(t)
		for i := range 40 {
			helper := uint32(100 + i)
			n.play(fmt.Sprintf("s%d server 1 5 A at=%d", i, i))
			n.does(5, event.Starts, helper)
			n.play(fmt.Sprintf("c%d client 1 %d C at=%d; end c%d", i, helper, i, i))
			if ends == "before" {
				n.does(helper, event.Ends, 0)
			}
			n.play(fmt.Sprintf("end s%d", i))
			if ends == "after" {
				n.does(helper, event.Ends, 0)
			}
		}
		n.play("s server 1 5 A at=900; t server 1 6 B at=900")
		n.does(5, event.Starts, 300)
		n.play("c client 1 300 C at=900; end c; end s; end t")
		n.l.Close()
		if got := n.parent("c"); (got == "s wake") != (ends == "before") {
			t.Errorf("threads that end %s the answer: the call is of %q", ends, got)
		}
	}
}
