package link

import "testing"

// one plays rounds with one request at a time, for which the process has been idle for a while.
func (n *node) one(rounds int, format string) {
	for range rounds {
		n.now += 500
		n.openLoop(1, format)
	}
}

const (
	oneCall = "sN0 server 1 1 A at=AT; cN0 client 1 1 C at=AT; end cN0; end sN0"
	givenUp = "g server 1 1 A at=9000; q client 1 1 C at=9000; end q; gone g"
)

// TestGhosts: what was given up may call for about as long as others take, or for some times as long as it has lasted, not for ten seconds.
func TestGhosts(t *testing.T) {
	for _, test := range []struct {
		name   string
		before func(n *node)
		wait   uint64
		want   string
	}{
		{"at once", func(n *node) { n.one(40, oneCall) }, 0, "-"},
		{"when others would be answered", func(n *node) { n.one(40, oneCall) }, 40, "s thread"},
		{"nothing known of others", func(n *node) { n.one(4, oneCall) }, 40, "-"},
		{"others take long", func(n *node) { n.one(40, oneCall); n.one(1, "sN0 server 1 1 A at=AT; away 1; tick; end sN0") }, 40, "-"},
	} {
		t.Run(test.name, func(t *testing.T) {
			n := newNode(t, 1)
			test.before(n)
			n.play(givenUp)
			n.now += test.wait
			n.play("s server 1 1 B; c client 1 1 D; end c; end s; tick")
			n.l.Close()
			if got := n.parent("c"); got != test.want {
				t.Errorf("the call is of %q, want %q", got, test.want)
			}
		})
	}
}

// TestGhostsOfLong: what was given up late takes long.
func TestGhostsOfLong(t *testing.T) {
	n := newNode(t, 1)
	n.one(40, oneCall)
	n.play("g server 1 1 A at=9000; tick; gone g")
	n.now += 1000
	n.play("s server 1 1 B; c client 1 1 D; end c; end s")
	n.now += 4000
	n.play("t server 1 1 B at=1; d client 1 1 D at=1; end d; end t; tick")
	n.l.Close()
	if c, d := n.parent("c"), n.parent("d"); c != "-" || d != "t thread" {
		t.Errorf("the calls are of %q and %q", c, d)
	}
}

// TestGhostsThatWait: what was given up goes on when the reply is there that it has waited for.
func TestGhostsThatWait(t *testing.T) {
	n := newNode(t, 1)
	n.one(40, oneCall)
	n.play("g server 1 1 A at=9000; q client 1 1 C at=9000; gone g")
	n.now += 5000
	n.play("s server 1 1 B; c client 1 1 D; end c; end s; end q")
	n.play("s1 server 1 1 B at=1; c1 client 1 1 D at=1; end c1; end s1")
	n.now += 30000
	n.play("s2 server 1 1 B at=2; c2 client 1 1 D at=2; end c2; end s2; tick")
	n.l.Close()
	for call, want := range map[string]string{"c": "-", "c1": "-", "c2": "s2 order"} {
		if got := n.parent(call); got != want {
			t.Errorf("%s is of %q, want %q", call, got, want)
		}
	}
}

// TestGhostsThatCall: a call that outlasts the request beside which it was sent is one of those that were given up; they are there still.
func TestGhostsThatCall(t *testing.T) {
	n := newNode(t, 1)
	n.one(40, oneCall)
	n.play(givenUp + "; s server 1 1 B; c client 1 1 D; end s")
	n.now += 5000
	n.play("end c; s1 server 1 1 B at=1; c1 client 1 1 D at=1; end c1; end s1; tick")
	n.l.Close()
	for _, call := range []string{"c", "c1"} {
		if got := n.parent(call); got != "-" {
			t.Errorf("%s is of %q", call, got)
		}
	}
}

// TestGhostsAlone: a call that is sent while one of those may be there, and no request is under way, is none of the process's own.
func TestGhostsAlone(t *testing.T) {
	n := newNode(t, 1)
	n.one(40, "sN0 server 1 1 A at=AT; cN0 client 1 2 C at=AT; end cN0; end sN0")
	n.play("g server 1 1 A at=9000; q client 1 2 C at=9000; end q; gone g; r client 1 3 C at=9001; end r")
	n.now += 1000
	n.play("s server 1 1 B; c client 1 2 C at=9002; end c; end s; tick")
	n.l.Close()
	if got := n.parent("c"); got != "s order" {
		t.Errorf("the call is of %q", got)
	}
}

// TestTurnsBesideGhosts: an event loop of which is told what else it does has turns for what was given up; a call in one of the request that
// is under way is of that. But what waits for a call may have others in a queue, which go out in any turn.
func TestTurnsBesideGhosts(t *testing.T) {
	const mixes = "x server 1 1 X; y server 1 1 Y; end x; end y"
	for name, test := range map[string]struct{ script, want string }{
		"in its turn":               {"gone g; s server 1 1 B; c client 1 1 D at=5; end c", "s order"},
		"when another one is due":   {"gone g; s server 1 1 B; away 1; c client 1 1 D at=5; end c; away 1", "-"},
		"which is answered then":    {"gone g; s server 1 1 B; away 1; c client 1 1 D at=5; end c", "s order"},
		"or calls before that":      {"gone g; s server 1 1 B; away 1; c client 1 1 D at=5; end c; d client 1 1 D at=6; end d", "s order"},
		"beside another one":        {"gone g; s server 1 1 B; t server 1 1 E; away 1; c client 1 1 D at=5; end t; end c", "-"},
		"while that waits":          {"q client 1 1 C at=9000; gone g; s server 1 1 B; c client 1 1 D at=5; end c; end q", "-"},
		"in the turn of that":       {"q client 1 1 C at=9000; gone g; s server 1 1 B; end q; c client 1 1 D at=5; end c", "-"},
		"once one was wrong":        {"q client 1 1 C at=9000; gone g; s0 server 1 1 B; end q; end s0; s server 1 1 B at=1; c client 1 1 D at=5; end c", "-"},
		"the same, answered then":   {"q client 1 1 C at=9000; gone g; s0 server 1 1 B; end q; end s0; s server 1 1 B at=1; away 1; c client 1 1 D at=5; end c", "-"},
		"when it is read once more": {"q client 1 1 C at=9000; gone g; s server 1 1 B; e client 1 1 E at=5; end q; end e; c client 1 1 D at=5; end c", "s order"},
	} {
		t.Run(name, func(t *testing.T) {
			n := newNode(t, 1)
			n.play(mixes)
			n.one(60, oneCall)
			n.one(1, "sN0 server 1 1 A at=AT; tick; end sN0")
			n.play("away 1; g server 1 1 A at=9000; " + test.script + "; end s; tick")
			n.l.Close()
			if got := n.parent("c"); got != test.want {
				t.Errorf("the call is of %q, want %q", got, test.want)
			}
		})
	}
}

// TestPace: how long a request may take is learned from the last ones.
func TestPace(t *testing.T) {
	var p pace
	if got := p.rest(0); got != lastAge {
		t.Errorf("nothing is known, and it may take %d", got)
	}
	for range paceLeast {
		p.learn(1000)
	}
	few := p.rest(0)
	for range 10 * paceFull {
		p.learn(1000)
	}
	many := p.rest(0)
	if few < 4000 || many < 1000 || many > 2000 {
		t.Errorf("%d when few are known, %d of many", few, many)
	}
	if got := p.rest(1e6); got != ghostAges*1e6 {
		t.Errorf("one that has lasted for 1e6 may take %d", got)
	}
	p.learn(1e12)
	if got := p.rest(0); got != lastAge {
		t.Errorf("one has lasted for long, and another may take %d", got)
	}
	for range 3 * paceFull {
		p.learn(1000)
	}
	if got := p.rest(0); got < 1000 || got > 2000 {
		t.Errorf("it may take %d, long after that", got)
	}
}
