package link

import (
	"fmt"
	"testing"

	"weft/correlate/span"
)

// Two requests, each of which asks a store before its call. P and Q are two connections to it.
const (
	askBoth  = "sN0 server 1 1 A at=AT; asks 1 P; sN1 server 1 1 B at=AT; asks 1 Q; "
	goOn     = "away 1 Q; cN1 client 1 1 D at=AT; away 1 P; cN0 client 1 1 C at=AT; "
	askAgain = "end cN1; asks 1 P; end cN0; asks 1 Q; away 1 P; dN1 client 1 1 D at=900AT; away 1 Q; dN0 client 1 1 C at=900AT; end dN1; end sN1; end dN0; end sN0"
)

// TestStores: what is read from a store goes on with the request that has asked.
func TestStores(t *testing.T) {
	for name, script := range map[string]string{"once": askBoth + goOn + endBoth, "twice": askBoth + goOn + askAgain} {
		t.Run(name, func(t *testing.T) {
			n := newNode(t, 1)
			n.openLoop(100, script)
			n.l.Close()
			if linked, wrong := n.right(); linked < 110 || wrong > 0 {
				t.Errorf("%d of 200 calls have a link, %d a wrong one", linked, wrong)
			}
			if c := n.spans["c200"]; span.Evidence(c.Evidence) != span.Turn || c.Confidence < 0.97 {
				t.Errorf("a late call is linked by %v, %v sure", span.Evidence(c.Evidence), c.Confidence)
			}
		})
	}
}

// TestStoresOfOthers: where another request goes on than the one that has asked last on the connection, there is no wrong link, not even once
// it did hold for long; and other calls are linked as before.
func TestStoresOfOthers(t *testing.T) {
	for name, script := range map[string]string{
		"shared":    "sN0 server 1 1 A at=AT; asks 1 P; sN1 server 1 1 B at=AT; asks 1 P; away 1 P; cN0 client 1 1 C at=AT; away 1 P; cN1 client 1 1 D at=AT; " + endBoth,
		"exchanged": "sN0 server 1 1 A at=AT; asks 1 Q; sN1 server 1 1 B at=AT; asks 1 P; " + goOn + endBoth,
		"queued":    "sN0 server 1 1 A at=AT; asks 1 P; sN1 server 1 1 B at=AT; away 1 P; cN0 client 1 1 C at=AT; asks 1 P; away 1 P; cN1 client 1 1 D at=AT; end cN1; end sN1; end cN0; end sN0",
		"opened":    "sN0 server 1 1 A at=AT; opens X 1; sN1 server 1 1 B at=AT; asks 1 X; away 1 X; asks 1 X; away 1 X; cN0 client 1 1 C at=AT; cN1 client 1 1 D at=AT; " + endBoth,
		"untold":    "sN0 server 1 1 A at=AT; asks 1 P; sN1 server 1 1 B at=AT; untold 1; sN2 server 1 1 E at=AT; away 1 P; cN1 client 1 1 D at=AT; away 1; cN0 client 1 1 C at=AT; end sN2; " + endBoth,
	} {
		t.Run(name, func(t *testing.T) {
			n := newNode(t, 1)
			n.openLoop(100, script)
			if _, wrong := n.right(); wrong > 0 {
				t.Errorf("%d calls have a wrong link", wrong)
			}
			n = newNode(t, 1)
			n.openLoop(100, askBoth+goOn+endBoth)
			n.openLoop(100, script)
			n.loop(60, false)
			n.l.Close()
			if _, wrong := n.right(); wrong > 2 {
				t.Errorf("%d calls have a wrong link before the change is seen", wrong)
			}
			if name := fmt.Sprint("c", 2*n.round); n.parent(name) != fmt.Sprintf("s%d turn", 2*n.round) {
				t.Errorf("%s < %s", name, n.parent(name))
			}
		})
	}
}

// TestToldLate: a process of which it is told later what its loop does beside requests starts to be learned anew; what it has shown till then
// can be wrong.
func TestToldLate(t *testing.T) {
	n := newNode(t, 1)
	n.loop(50, false)
	n.loop(50, true)
	n.openLoop(1, askBoth+goOn+"end cN0; end sN0; tick; end cN1; end sN1")
	n.openLoop(100, askBoth+goOn+endBoth)
	n.l.Close()
	if name := fmt.Sprint("c", 2*n.round); n.parent(name) != fmt.Sprintf("s%d turn", 2*n.round) {
		t.Errorf("%s < %s", name, n.parent(name))
	}
}

// TestTimersTold: of what a timer goes on with it is known when its reply has led to an answer, and only then.
func TestTimersTold(t *testing.T) {
	const waits = "sN0 server 1 1 A at=AT; away 1; cN0 client 1 1 C at=AT; sN1 server 1 1 B at=AT; away 1; cN1 client 1 1 D at=AT; "
	n := newNode(t, 1)
	n.openLoop(200, waits+"end cN0; end sN0; end cN1; end sN1; tick")
	n.l.Close()
	if linked, wrong := n.right(); linked < 140 || wrong > 0 {
		t.Errorf("%d of 400 calls have a link, %d a wrong one", linked, wrong)
	}
	n = newNode(t, 1)
	n.openLoop(200, waits+"end cN0; away 1; end sN0; end cN1; away 1; end sN1; tick")
	n.l.Close()
	for name, c := range n.spans {
		if name[0] == 'c' && span.Evidence(c.Evidence) == span.Turn {
			t.Fatalf("%s is linked, though nothing shows it", name)
		}
	}
	// A queue in the program: the reply to a call lets the call of another request go.
	n = newNode(t, 1)
	n.openLoop(300, "sN0 server 1 1 A at=AT; sN1 server 1 1 B at=AT; away 1; cN0 client 1 1 C at=AT; sN2 server 1 1 E at=AT; end cN0; cN1 client 1 1 D at=AT; end sN0; end cN1; cN2 client 1 1 C at=900AT; end sN1; end cN2; end sN2; tick")
	n.l.Close()
	if linked, wrong := n.right(); linked == 0 || wrong > 0 {
		t.Errorf("%d calls have a link, %d a wrong one", linked, wrong)
	}
	// A thread that answers what has come later than the call does not go on with the request of the call.
	n = newNode(t, 1)
	n.openLoop(200, "sN0 server 1 1 A at=AT; away 1; cN0 client 1 1 C at=AT; sN1 server 1 1 B at=AT; end cN0; end sN1; away 1; end sN0; tick")
	n.l.Close()
	if linked, wrong := n.right(); wrong > 0 {
		t.Errorf("%d calls have a link, %d a wrong one", linked, wrong)
	}
}

// TestStoresAreBounded: a process that opens connections to stores without end.
func TestStoresAreBounded(t *testing.T) {
	n := newNode(t, 1)
	n.loop(20, false)
	for i := range 3 * storesMax {
		n.play(fmt.Sprintf("asks 1 %c", rune(0x4000+i)))
	}
	if got := len(n.l.processes.of(1).turns.stores.asked); got > storesMax || got == 0 {
		t.Errorf("%d connections are kept", got)
	}
}
