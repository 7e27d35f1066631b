package link

import (
	"fmt"
	"strconv"
	"strings"
	"testing"

	"weft/correlate/event"
	"weft/correlate/flow"
	"weft/correlate/span"
)

// loop plays an event loop on thread 1 that has two requests under way, each of which makes one call. late: the call is made
// after a timer, in the turn of another one.
func (n *node) loop(rounds int, late bool) {
	for range rounds {
		n.round++
		a, b := n.round*2, n.round*2+1
		at := n.round
		send := fmt.Sprintf("s%[1]d server 1 1 A at=%[3]d; c%[1]d client 1 1 C at=%[3]d; s%[2]d server 1 1 B at=%[3]d; c%[2]d client 1 1 D at=%[3]d", a, b, at)
		if late {
			send = fmt.Sprintf("s%[1]d server 1 1 A at=%[3]d; s%[2]d server 1 1 B at=%[3]d; c%[1]d client 1 1 C at=%[3]d; c%[2]d client 1 1 D at=%[3]d", a, b, at)
		}
		n.play(send + fmt.Sprintf("; end c%[1]d; end s%[1]d; end c%[2]d; end s%[2]d", a, b))
	}
}

// right counts the calls that the loop has made and that have a link, and those with a wrong one.
func (n *node) right() (linked, wrong int) {
	for name, c := range n.spans {
		if name[0] != 'c' || c.ParentID == [8]byte{} {
			continue
		}
		linked++
		if n.names[c.ParentID] != "s"+name[1:] {
			wrong++
		}
	}
	return linked, wrong
}

func TestTurns(t *testing.T) {
	n := newNode(t, 1)
	n.loop(100, false)
	n.l.Close()
	if linked, wrong := n.right(); linked < 150 || wrong > 0 {
		t.Errorf("%d of 200 calls have a link, %d a wrong one", linked, wrong)
	}
	if c := n.spans["c200"]; span.Evidence(c.Evidence) != span.Turn || c.Confidence < 0.97 {
		t.Errorf("a late call is linked by %v, %v sure", span.Evidence(c.Evidence), c.Confidence)
	}
}

// TestTimers: where calls are made in the turns of others there is no link, not even once it did hold for long.
func TestTimers(t *testing.T) {
	n := newNode(t, 1)
	n.loop(200, true)
	n.l.Close()
	if _, wrong := n.right(); wrong > 0 {
		t.Errorf("%d calls have a wrong link", wrong)
	}
	for name, c := range n.spans {
		if name[0] == 'c' && c.Evidence != 0 && span.Evidence(c.Evidence) != span.Order {
			t.Fatalf("%s is linked by %v", name, span.Evidence(c.Evidence))
		}
	}
	n = newNode(t, 1)
	n.loop(100, false)
	n.loop(100, true)
	n.l.Close()
	if _, wrong := n.right(); wrong > 2 {
		t.Errorf("%d calls have a wrong link before the change is seen", wrong)
	}
}

// TestTurnsLeftOut are calls that the turn says nothing of, in a process in which it holds.
func TestTurnsLeftOut(t *testing.T) {
	for _, test := range []struct{ name, script string }{
		{"connection that is opened", "s server 1 1 A at=9999; q server 1 1 B at=9999; c client 1 1 E at=0"},
		{"answered request", "q server 1 1 B at=9999; s server 1 1 A at=9999; replies s; c client 1 1 C at=9999"},
		{"connection that a call may have waited for", `q server 1 1 B at=9999; c1 client 1 1 C at=9998; s server 1 1 A at=9999; c2 client 1 1 D at=9998
			end c1; c client 1 1 C at=9999`},
		{"another thread", "q server 1 1 B at=9999; s server 1 1 A at=9999; c client 1 2 C at=9999"},
	} {
		t.Run(test.name, func(t *testing.T) {
			n := newNode(t, 1)
			n.loop(100, false)
			n.play(test.script)
			if c := &n.exchanges["c"].Cause; c.Parent != nil {
				t.Errorf("linked by %v", span.Evidence(c.Evidence))
			}
		})
	}
}

// TestTurnsAfterLoss: a record that is missing could be the one that a turn began with.
func TestTurnsAfterLoss(t *testing.T) {
	n := newNode(t, 1)
	n.loop(100, false)
	n.l.Feed(&event.Event{Kind: event.KindLoss, Time: n.now, Loss: event.Loss{Records: 1}})
	before := len(n.spans)
	n.loop(10, false)
	for name, c := range n.spans {
		if span.Evidence(c.Evidence) == span.Turn && n.exchanges[name].Start >= n.now-60 && len(n.spans) > before {
			t.Errorf("%s is linked by its turn", name)
		}
	}
}

// TestTurnBounds floods a process with threads, steps and peers.
func TestTurnBounds(t *testing.T) {
	live := 0
	l := New(Options{}, func(*flow.Exchange) { live-- }, func(*flow.Exchange, *Process) {})
	for i := range uint32(3 * threadsMax) {
		x := &flow.Exchange{Server: true, PID: 1, TID: i, Target: fmt.Sprint("/", i, "/x"), Conn: &flow.Conn{Socket: uint64(i)}}
		l.Started(x)
		y := &flow.Exchange{PID: 1, TID: i, Offset: 1, Conn: &flow.Conn{Socket: uint64(i) + 1e6}}
		y.Conn.Peer = addr(i)
		l.Started(y)
		l.Touched(y, flow.Touch{TID: i})
		l.Ended(y)
		l.Ended(x)
	}
	p := l.processes.of(1)
	if len(p.turns.byThread) > threadsMax || len(p.turns.steps.tallies) > stepsMax || len(p.turns.pools) > poolsMax {
		t.Errorf("%d threads, %d steps, %d pools", len(p.turns.byThread), len(p.turns.steps.tallies), len(p.turns.pools))
	}
	l.Feed(&event.Event{Kind: event.KindExit, PID: 1})
	if len(p.turns.byThread) > 0 {
		t.Error("a process that has ended keeps turns")
	}
}

func TestPlace(t *testing.T) {
	for target, want := range map[string]string{
		"/orders/7?x=1": "/orders", "/orders?x": "/orders", "/": "", "/orders": "", "": "", "/" + strings.Repeat("a", 99) + "/b": "", "//x": "/",
	} {
		if got := placeOf(target); got != want {
			t.Errorf("%q: %q, want %q", target, got, want)
		}
	}
}

// TestLate: what a call that opens its connection is part of is told by the turn of its reply, and all that hangs on it waits.
func TestLate(t *testing.T) {
	const opens = "s server 1 1 A at=9999; q server 1 1 B at=9999; c client 1 1 E at=0; s2 server 2 2 E at=0; c2 client 2 2 F at=0; end c2; end s2; "
	for _, test := range []struct{ name, script, c, s2 string }{
		{"answered in the turn of the reply", opens + "end c; end s; end q; tick", "s turn", "c wire"},
		{"another call before", opens + "end c; d client 1 1 G at=7; end d; end s; end q; tick", "s turn", "c wire"},
		{"answered in another turn", opens + "end c; r server 1 1 H at=7; end s; end r; end q; tick", "-", "c wire"},
		{"answered too late", opens + "end c; tick; end s; end q; tick", "-", "c wire"},
		{"request came after the call", opens + "r server 1 1 H at=7; end c; end r; end s; end q; tick", "-", "c wire"},
		{"given up", opens + "drop c; end s; end q; tick", "", "~? wire"},
	} {
		t.Run(test.name, func(t *testing.T) {
			n := newNode(t, 1)
			n.loop(100, false)
			n.play("tick")
			n.play(test.script)
			if _, told := n.spans["c"]; told && n.parent("c") != test.c || !told && test.c != "" {
				t.Errorf("c < %s, want %s", n.parent("c"), test.c)
			}
			if got := n.parent("s2"); got != test.s2 {
				t.Errorf("s2 < %s, want %s", got, test.s2)
			}
			if n.parent("c2") != "s2 thread" || n.l.opened != 0 || len(n.l.waiting) > 0 {
				t.Errorf("c2 < %s, %d left open, %d waiting", n.parent("c2"), n.l.opened, len(n.l.waiting))
			}
		})
	}
}

// TestMovedTurns: two threads work like event loops, and each of their turns is proven. Where the threads read the same connections by turns, they
// take each other's work, and what one has read last says nothing, however often it was right.
func TestMovedTurns(t *testing.T) {
	for wires, believed := range map[string]bool{"ABCDEFGH": true, "ABCDABCD": false} {
		n := newNode(t, 1)
		for i := range 800 {
			w := wires[i%2*4:]
			n.play(strings.NewReplacer("W", w[:1], "X", w[1:2], "Y", w[2:3], "Z", w[3:4], "TID", strconv.Itoa(1+i%2), "AT", strconv.Itoa(i),
				"N", strconv.Itoa(2*i), "M", strconv.Itoa(2*i+1)).Replace(`sN server 1 TID W at=AT; cN client 1 TID Y at=AT
				sM server 1 TID X at=AT; cM client 1 TID Z at=AT; end cN; end sN; end cM; end sM`))
		}
		n.l.Close()
		turns := 0
		for _, c := range n.spans {
			if span.Evidence(c.Evidence) == span.Turn {
				turns++
			}
		}
		if turns > 0 != believed {
			t.Errorf("wires %s: %d links by turns", wires, turns)
		}
	}
}
