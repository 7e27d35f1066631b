package link

import (
	"fmt"
	"testing"
	"time"

	"weft/correlate/event"
	"weft/correlate/span"
)

// crew plays a process in which thread 9 reads all requests, two at a time, and threads 1 and 2 work on them and answer. The
// first one to be read is worked on by the second thread. nested: thread 1 makes the call of the other request while it waits.
func (n *node) crew(rounds int, nested bool) {
	for range rounds {
		n.round++
		a, b, at := n.round*2, n.round*2+1, n.round
		n.play(fmt.Sprintf("s%d server 1 9 A at=%d; s%d server 1 9 B at=%d", a, at, b, at))
		worker := 2
		if nested {
			worker = 1
		}
		n.play(fmt.Sprintf("c%d client 1 1 C at=%d; c%d client 1 %d D at=%d", b, at, a, worker, at))
		n.play(fmt.Sprintf("end c%d; end c%d; replies s%d %d; replies s%d 1; end s%d; end s%d", a, b, a, worker, b, a, b))
	}
}

// TestCrew: what a thread has called is part of what it answers, from the first call on.
func TestCrew(t *testing.T) {
	n := newNode(t, 1)
	n.l.options.Hold = 1e6
	n.crew(100, false)
	n.l.Close()
	if linked, wrong := n.right(); linked < 198 || wrong > 0 {
		t.Errorf("%d of 200 calls have a link, %d a wrong one", linked, wrong)
	}
	if c := n.spans["c200"]; span.Evidence(c.Evidence) != span.Thread || c.Confidence < 0.97 || !c.Confirmed {
		t.Errorf("a late call is linked by %v, %v sure", span.Evidence(c.Evidence), c.Confidence)
	} else if v := c.Votes[7]; span.Evidence(v.Kind) != span.Thread || v.Found != 1 || float64(v.Sure) < 0.97 {
		t.Errorf("its evidence is told as %+v", c.Votes)
	}
}

// TestCrewThatMixes: a thread that does not wait for its calls answers what others have called for.
func TestCrewThatMixes(t *testing.T) {
	n := newNode(t, 1)
	n.crew(100, true)
	if linked, wrong := n.right(); linked > 0 {
		t.Errorf("%d calls have a link, %d a wrong one", linked, wrong)
	}
	n = newNode(t, 1)
	n.crew(200, false)
	n.crew(100, true)
	n.l.Close()
	if _, wrong := n.right(); wrong > 2 {
		t.Errorf("%d calls have a wrong link before the change is seen", wrong)
	}
}

// TestCrewThatSwaps: a thread reads a request, gives it away, and works on another one.
func TestCrewThatSwaps(t *testing.T) {
	n := newNode(t, 1)
	n.crew(100, false)
	n.play(`x server 1 1 A at=9997; c0 client 1 1 C at=9997; end c0; replies x; end x; s1 server 1 1 A at=9998; s2 server 1 9 B at=9998
		c2 client 1 1 C at=9998; end c2; c1 client 1 2 D at=9998; end c1; replies s2 1; replies s1 2; end s1; end s2`)
	n.play(`s3 server 1 1 A at=9999; s4 server 1 9 B at=9999; c4 client 1 1 C at=9999; end c4; c3 client 1 2 D at=9999; end c3
		replies s4 1; replies s3 2; end s3; end s4`)
	n.l.Close()
	for _, c := range []string{"c3", "c4"} {
		if got := n.parent(c); got != "s"+c[1:]+" thread" {
			t.Errorf("%s < %s", c, got)
		}
	}
}

// TestCrewGivenUp: a thread may go on for a request that nobody waits for, and its calls then are nobody else's.
func TestCrewGivenUp(t *testing.T) {
	n := newNode(t, 1)
	n.crew(100, false)
	n.play(`s1 server 1 9 A at=9999; s2 server 1 9 B at=9999; s3 server 1 9 E at=9999; c1 client 1 1 C at=9999; end c1; gone s1
		replies s2 1; end s2; replies s3 2; end s3`)
	n.l.Close()
	if got := n.parent("c1"); got != "-" {
		t.Errorf("c1 < %s", got)
	}
}

// TestThreadsGivenUp: of threads that each read, call and answer, one of four requests is given up while its call is under way. What
// the thread answers next came later than that call, and is no proof of a thread that works for others.
func TestThreadsGivenUp(t *testing.T) {
	n := newNode(t, 1)
	for range 200 {
		n.round++
		a, b, at := n.round*2, n.round*2+1, n.round
		n.play(fmt.Sprintf("s%d server 1 1 A at=%d; s%d server 1 2 B at=%d; c%d client 1 1 C at=%d; c%d client 1 2 D at=%d",
			a, at, b, at, a, at, b, at))
		if n.round%2 == 0 {
			n.play(fmt.Sprintf("gone s%d", a))
		}
		n.play(fmt.Sprintf("end c%d; end c%d; end s%d", a, b, b))
		if n.round%2 != 0 {
			n.play(fmt.Sprintf("end s%d", a))
		}
	}
	n.l.Close()
	if linked, wrong := n.right(); linked < 390 || wrong > 0 {
		t.Errorf("%d of 400 calls have a link, %d a wrong one", linked, wrong)
	}
}

// TestLearnsLate: the calls of the time of learning have links, too, unless their spans could not wait for so long.
func TestLearnsLate(t *testing.T) {
	const rounds = steadily + 10
	for hold, least := range map[time.Duration]int{1e6: 2*rounds - 4, 1: 0} {
		n := newNode(t, 1)
		n.l.options.Hold = hold
		for range rounds {
			n.loop(1, false)
			n.l.Feed(&event.Event{Kind: event.KindClock, Time: n.now})
		}
		n.l.Close()
		if linked, wrong := n.right(); wrong > 0 || linked < least || least == 0 && linked > rounds+20 {
			t.Errorf("kept back for %d: %d of %d calls have a link, %d a wrong one", hold, linked, 2*rounds, wrong)
		}
	}
}

// TestTakesWork: threads were seen to read, call and answer in solitude only. At the first two requests at a time one makes the call of
// the other's request, as tokio's do: its carrier is believed.
func TestTakesWork(t *testing.T) {
	for _, before := range []string{"", "x server 1 1 A at=50; y client 1 1 B at=50; end y; end x; v server 1 1 A at=51; w server 1 2 C at=51; end v; end w; tick"} {
		n := newNode(t, 1)
		n.play(before)
		for at := range 20 {
			n.play(fmt.Sprintf("a%d server 1 1 A at=%d; b%d client 1 1 B at=%d; end b%d; end a%d; tick", at, at, at, at, at, at))
		}
		n.play("s1 server 1 1 A at=99 head=T:P; s2 server 1 2 C at=99 head=U:Q; c1 client 1 2 D head=T:C; end c1; end s1; end s2")
		n.l.Close()
		if got := n.parent("b19"); got != "a19 thread" {
			t.Errorf("b19 < %s", got)
		}
		if got := n.parent("c1"); got != "s1 header" {
			t.Errorf("c1 < %s", got)
		}
	}
}

// TestCalledAgain: a thread makes its call again on another connection before it is told that the first has ended. That is no proof of one
// that works on several requests.
func TestCalledAgain(t *testing.T) {
	n := newNode(t, 1)
	n.play(`threads; a server 1 8 A at=90; b server 1 9 B at=90; c client 1 8 C at=90; d client 1 8 D at=90; gone c; end d; end a; end b; tick
		s1 server 1 8 A at=91; s2 server 1 9 B at=91; c1 client 1 8 C at=91; end c1; end s1; end s2; tick`)
	n.l.Close()
	if p := n.l.processes.byPID[1]; p.crew.all().wrong == 0 {
		t.Fatal("it was not taken for a proof at all")
	}
	if got := n.parent("c1"); got != "s1 thread" {
		t.Errorf("c1 < %s", got)
	}
}

// TestLearnsWhatWasRead: what threads have read is known for their first calls when five have answered beside others, and for those which
// are still under way then.
func TestLearnsWhatWasRead(t *testing.T) {
	n := newNode(t, 1)
	n.l.options.Hold = 1e9
	for i := range 9 {
		n.play(fmt.Sprintf("s%d server 1 %d %c; c%d client 1 %d %c", i, i+1, 'A'+i, i, i+1, 'J'+i))
	}
	for i := range 7 { // the first is made in solitude, and threads are followed from the second on
		n.play(fmt.Sprintf("end c%d; end s%d", i, i))
	}
	n.play("tick")
	n.l.Close()
	for i := 1; i < 9; i++ {
		if c := n.exchanges[fmt.Sprintf("c%d", i)]; i >= 7 && (c.Cause.Parent != n.exchanges[fmt.Sprintf("s%d", i)]) {
			t.Errorf("call %d, which is under way, is part of %v", i, c.Cause.Parent)
		} else if got, want := n.parent(fmt.Sprintf("c%d", i)), fmt.Sprintf("s%d thread", i); i < 7 && got != want {
			t.Errorf("c%d < %s, want %s", i, got, want)
		}
	}
}

// TestSolitude: threads side by side are believed after eight calls in solitude, and not before: an event loop in several threads has made one or
// two by chance.
func TestSolitude(t *testing.T) {
	for alone, want := range map[int]string{ownLeast - 1: "-", ownLeast: "s1 thread"} {
		n := newNode(t, 1)
		for i := range alone {
			n.play(fmt.Sprintf("x%d server 1 8 X at=%d; y%d client 1 8 Y at=%d; end y%d; end x%d", i, i, i, i, i, i))
		}
		n.play("s1 server 1 1 A; s2 server 1 2 B; c2 client 1 2 C; c1 client 1 1 D; end c1; end c2; end s1; end s2; tick")
		n.l.Close()
		if got := n.parent("c1"); got != want {
			t.Errorf("after %d calls in solitude: c1 < %s, want %s", alone, got, want)
		}
	}
}
