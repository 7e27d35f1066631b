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
