package link

import (
	"fmt"
	"strings"
	"testing"

	"weft/correlate/event"
	"weft/correlate/span"
)

// openLoop plays an event loop on thread 1 that has two requests under way, each of which opens a connection for its call and sends it
// when both connections are there. In the format X and Y stand for the connections, 0 and 1 for the requests.
func (n *node) openLoop(rounds int, format string) {
	for range rounds {
		n.round++
		x, y := string(rune(0x4000+2*n.round)), string(rune(0x4001+2*n.round))
		n.play(strings.NewReplacer("X", x, "Y", y, "N0", fmt.Sprint(n.round*2), "N1", fmt.Sprint(n.round*2+1), "N2", fmt.Sprint("x", n.round), "AT", fmt.Sprint(n.round)).Replace(format))
	}
}

const (
	readBoth = "sN0 server 1 1 A at=AT; opens X 1; sN1 server 1 1 B at=AT; opens Y 1; "
	sendBoth = "cN0 client 1 1 X; cN1 client 1 1 Y; "
	endBoth  = "end cN0; end sN0; end cN1; end sN1"
	// In this one each connection is opened in the turn of the other request.
	exchanged = "sN0 server 1 1 A at=AT; opens Y 1; sN1 server 1 1 B at=AT; opens X 1; "
)

func TestOpenings(t *testing.T) {
	n := newNode(t, 1)
	n.openLoop(100, readBoth+sendBoth+endBoth)
	n.l.Close()
	if linked, wrong := n.right(); linked < 110 || wrong > 0 {
		t.Errorf("%d of 200 calls have a link, %d a wrong one", linked, wrong)
	}
	if c := n.spans["c200"]; span.Evidence(c.Evidence) != span.Turn || c.Confidence < 0.97 || !c.Confirmed {
		t.Errorf("a late call is linked by %v, %v sure", span.Evidence(c.Evidence), c.Confidence)
	}
	if len(n.l.openings) > 0 {
		t.Errorf("%d openings are left", len(n.l.openings))
	}
}

// TestOpenedForOthers: where connections are opened in the turns of others there is no link, not even once it did hold for long, and
// other calls of the process are linked as before.
func TestOpenedForOthers(t *testing.T) {
	n := newNode(t, 1)
	n.openLoop(200, exchanged+sendBoth+endBoth)
	if _, wrong := n.right(); wrong > 0 {
		t.Errorf("%d calls have a wrong link", wrong)
	}
	n = newNode(t, 1)
	n.openLoop(100, readBoth+sendBoth+endBoth)
	n.openLoop(100, exchanged+sendBoth+endBoth)
	if _, wrong := n.right(); wrong > 2 {
		t.Errorf("%d calls have a wrong link before the change is seen", wrong)
	}
	n = newNode(t, 1)
	n.loop(100, false)
	n.openLoop(50, "sN0 server 1 1 A at=AT; cN0 client 1 1 C at=AT; sN1 server 1 1 B at=AT; opens X 1; end cN0; cN1 client 1 1 X; end sN0; end cN1; end sN1")
	n.openLoop(20, exchanged+sendBoth+endBoth)
	before := n.round
	n.loop(20, false)
	n.l.Close()
	for i := 2 * (before + 1); i <= 2*n.round; i++ {
		if name := fmt.Sprint("c", i); n.parent(name) != fmt.Sprintf("s%d turn", i) {
			t.Errorf("%s < %s", name, n.parent(name))
		}
	}
}

// TestOpenedBeforeTheAnswer: what was opened for a request is part of it when that is answered before it is sent; not when a connection was refused
// just before.
func TestOpenedBeforeTheAnswer(t *testing.T) {
	late := "sN0 server 1 1 A at=AT; pN0 client 1 1 C at=AT; opens X 1; sN1 server 1 1 B at=AT; end pN0; end sN0; cN0 client 1 1 X; end cN0"
	for script, want := range map[string]bool{late: true, strings.Replace(late, "opens X 1", "opens Y 1; refused Y; opens X 1", 1): false} {
		n := newNode(t, 1)
		n.openLoop(100, readBoth+sendBoth+endBoth)
		n.openLoop(1, script)
		n.l.Close()
		if got := n.parent(fmt.Sprint("c", 2*n.round)); got != map[bool]string{true: fmt.Sprintf("s%d turn", 2*n.round), false: "-"}[want] {
			t.Errorf("%s: linked to %s", script, got)
		}
	}
}

// TestOpeningsAreBounded: a process that opens connections and sends nothing on them.
func TestOpeningsAreBounded(t *testing.T) {
	n := newNode(t, 1)
	n.play("s server 1 1 A")
	for i := range uint64(3 * openingsMax) {
		n.l.Feed(&event.Event{Kind: event.KindThread, Time: n.now, PID: 1, TID: 1, Socket: 1000 + i, Thread: event.Thread{Deed: event.Connects}})
	}
	if got := len(n.l.openings); got == 0 || got > openingsMax {
		t.Errorf("%d are kept", got)
	}
	n.l.Feed(&event.Event{Kind: event.KindThread, Time: n.now, PID: 1, Socket: 999 + 3*openingsMax, Thread: event.Thread{Deed: event.Unused, Address: 1}})
	if _, known := n.l.openings[999+3*openingsMax]; known || n.l.processes.of(1).turns.refused > 0 {
		t.Error("one that is over is kept, or taken for one that was refused")
	}
	n.play("end s; tick")
	n.l.Close()
	if len(n.l.openings) > 0 {
		t.Error("some are left")
	}
}
