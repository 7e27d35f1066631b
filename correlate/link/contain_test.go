package link

import (
	"fmt"
	"testing"

	"weft/correlate/span"
)

// shared plays a process whose calls are all sent by a thread of their own, for three requests side by side; two of them are over
// when the third one's call ends. late: so is the third one, on every fourth round.
func (n *node) shared(rounds int, late bool) {
	for range rounds {
		n.round++
		a, at := 3*n.round, n.round
		n.now += 50
		n.play(fmt.Sprintf("s%[1]d server 1 1 A at=%[4]d; s%[2]d server 1 2 B at=%[4]d; s%[3]d server 1 3 E at=%[4]d", a, a+1, a+2, at))
		n.play(fmt.Sprintf("c%[1]d client 1 9 C at=%[4]d; c%[2]d client 1 9 D at=%[4]d; c%[3]d client 1 9 F at=%[4]d", a, a+1, a+2, at))
		if late && n.round%4 == 0 {
			n.play(fmt.Sprintf("end s%[1]d; end s%[2]d; end s%[3]d; end c%[1]d; end c%[2]d; end c%[3]d", a, a+1, a+2))
		} else {
			n.play(fmt.Sprintf("end c%[1]d; end s%[1]d; end c%[2]d; end s%[2]d; end c%[3]d; end s%[3]d", a, a+1, a+2))
		}
		n.now += 50
	}
}

// TestContained: the request that contains a call is its cause when no other one does, in a process that waits for its calls.
func TestContained(t *testing.T) {
	n := newNode(t, 1)
	n.shared(200, false)
	n.l.Close()
	linked, wrong := n.right()
	if linked < 150 || wrong > 0 {
		t.Errorf("%d of 600 calls have a link, %d a wrong one", linked, wrong)
	}
	if c := n.spans["c602"]; span.Evidence(c.Evidence) != span.Order || c.Confirmed || c.Confidence < threshold {
		t.Errorf("the call is linked by %v, %v sure, confirmed %v", span.Evidence(c.Evidence), c.Confidence, c.Confirmed)
	}
	n = newNode(t, 1)
	n.shared(200, true)
	if linked, wrong := n.right(); linked > 0 {
		t.Errorf("calls that nobody waits for: %d have a link, %d a wrong one", linked, wrong)
	}
}

// TestContainedAlone: a process whose requests were seen to contain their calls, one at a time, has them contained side by side; also those of
// before, if their spans are kept. One that was seen not to do so has not, nor where there are many.
func TestContainedAlone(t *testing.T) {
	const (
		alone  = "sN0 server 1 1 A at=AT; cN0 client 1 9 C at=AT; end cN0; end sN0"
		late   = "sN0 server 1 1 A at=AT; cN0 client 1 9 C at=AT; end sN0; end cN0"
		beside = "sN0 server 1 1 A at=AT; sN1 server 1 2 B at=AT; cN0 client 1 9 C at=AT; end sN1; end cN0; end sN0"
		many   = "m1 server 1 2 F; m2 server 1 2 G; m3 server 1 2 H; sN0 server 1 1 A at=AT; sN1 server 1 2 B at=AT; cN0 client 1 9 C at=AT; end m1; end m2; end m3; end sN1; end cN0; end sN0"
	)
	for _, test := range []struct {
		name    string
		scripts []string
		want    int
	}{
		{"before", []string{alone, beside}, 31},
		{"behind", []string{beside, alone}, 31},
		{"not always", []string{alone, late, beside}, 31},
		{"many", []string{alone, many}, 30},
	} {
		t.Run(test.name, func(t *testing.T) {
			n := newNode(t, 1)
			n.l.options.Hold = 1e9
			for _, script := range test.scripts {
				rounds := 1
				if script == alone {
					rounds = 30
				}
				n.one(rounds, script)
			}
			n.now += containWaits
			n.one(1, alone)
			n.l.Close()
			linked, wrong := n.right()
			if linked != test.want+1 || wrong > 0 {
				t.Errorf("%d calls have a link, %d a wrong one", linked, wrong)
			}
		})
	}
}

// TestContainedOfAnother: a call on a connection that was opened for another request is not part of the only one that contains it.
func TestContainedOfAnother(t *testing.T) {
	n := newNode(t, 1)
	n.one(40, oneCall)
	n.play("x server 1 1 B; opens D 1; y server 1 1 E; end x; c client 1 1 D; end c; end y")
	n.now += containWaits
	n.one(1, oneCall)
	n.l.Close()
	if got := n.parent("c"); got != "-" {
		t.Errorf("the call is of %q", got)
	}
}

// TestContainedWhileIdleIsNew: the first calls, of which it is not known yet how often the process makes them on its own account, are linked when
// that is known.
func TestContainedWhileIdleIsNew(t *testing.T) {
	n := newNode(t, 1)
	n.l.options.Hold = 1e9
	n.openLoop(1, "sN0 server 1 1 A at=AT; tick; cN0 client 1 9 C at=AT; end cN0; end sN0")
	n.one(30, "sN0 server 1 1 A at=AT; cN0 client 1 9 C at=AT; end cN0; end sN0")
	n.now += containWaits
	n.one(1, "sN0 server 1 1 A at=AT; cN0 client 1 9 C at=AT; end cN0; end sN0")
	n.l.Close()
	if linked, wrong := n.right(); linked != 32 || wrong > 0 {
		t.Errorf("%d calls have a link, %d a wrong one", linked, wrong)
	}
}

// TestLeaves: in a process some of whose calls outlive their requests, one that is sent when another request has just been answered, beside which
// the only one was under way, may be of either.
func TestLeaves(t *testing.T) {
	const late = "sN0 server 1 1 A at=AT; cN0 client 1 9 C at=AT; end sN0; end cN0"
	for last, want := range map[string]string{oneCall: "s order", late: "-"} {
		n := newNode(t, 1)
		n.one(40, "sN0 server 1 1 A at=AT; cN0 client 1 9 C at=AT; end cN0; end sN0")
		n.one(1, last)
		n.play("x server 1 1 A at=9000; s server 1 1 B; end x; c client 1 9 C at=9000; end c; end s")
		n.play("t server 1 1 B at=1; d client 1 9 C at=9001; end d; end t; tick")
		n.l.Close()
		if got := n.parent("d"); got != "t order" {
			t.Errorf("the call when no other one has been under way is of %q", got)
		}
		if got := n.parent("c"); got != want {
			t.Errorf("the call is of %q, want %q", got, want)
		}
	}
}
