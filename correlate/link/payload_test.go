package link

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"

	"weft/correlate/flow"
	"weft/correlate/span"
)

func addr(i uint32) netip.AddrPort {
	return netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, byte(i >> 16), byte(i >> 8), byte(i)}), 80)
}

// crowded is a process with requests under way on one thread, so that nothing but what follows tells which one makes a call.
const crowded = "x1 server 1 1 X; x2 server 1 1 Y; c0 client 1 9 Z at=1; end c0; "

func TestPayload(t *testing.T) {
	for _, test := range []struct{ name, script, want string }{
		{"id in a path", "s server 1 1 A path=/orders/81723645; c client 1 9 C at=1 path=/stock/81723645", "s payload"},
		{"id in a field", "s server 1 1 A path=/a fields=X-Order:81723645; c client 1 9 C at=1 path=/b?order=81723645", "s payload"},
		{"uuid", "s server 1 1 A path=/a/0b5ef0c4-2c5d-4a3e-9a51-3f0f3f1c2d4e; c client 1 9 C at=1 path=/b/0b5ef0c4-2c5d-4a3e-9a51-3f0f3f1c2d4e", "s payload"},
		{"id of two requests", "s server 1 1 A path=/a/81723645; s2 server 1 1 B path=/b/81723645; c client 1 9 C at=1 path=/c/81723645", "-"},
		{"id that another request had before", "s2 server 1 1 B path=/b/81723645; end s2; s server 1 1 A path=/a/81723645; c client 1 9 C at=1 path=/c/81723645", "-"},
		{"two ids of two requests", "s server 1 1 A path=/a/81723645; s2 server 1 1 B path=/b/99123456; c client 1 9 C at=1 path=/c/81723645/99123456", "-"},
		{"word that is not rare", "s server 1 1 A path=/orders/summer; c client 1 9 C at=1 path=/stock/summer", "-"},
		{"small number", "s server 1 1 A path=/orders/4711; c client 1 9 C at=1 path=/stock/4711", "-"},
		{"id of a request that is over", "s0 server 1 1 A path=/a/81723645; end s0; s server 1 1 B; c client 1 9 C at=1 path=/c/81723645", "-"},
	} {
		t.Run(test.name, func(t *testing.T) {
			n := newNode(t, 1)
			n.play(crowded + test.script + "; end c; end s; end x1; end x2; tick")
			if got := n.parent("c"); got != test.want {
				t.Errorf("linked to %q, want %q", got, test.want)
			}
		})
	}
}

// TestProxy: a process that passes every request on is known to do so, and then a request with the same target and fields is
// the same one.
func TestProxy(t *testing.T) {
	n := newNode(t, 1)
	n.play(crowded)
	one := func(i int, fields string) {
		n.play(fmt.Sprintf("s%[1]d server 1 1 A at=%[1]d path=/feed fields=%[2]s; c%[1]d client 1 9 C at=%[1]d path=/feed fields=%[2]s,X-Forwarded-For:1", i, fields))
	}
	over := func(i int) { n.play(fmt.Sprintf("end c%[1]d; end s%[1]d", i)) }
	for i := 1; i <= 2*passesSeen; i++ {
		one(i, "User-Agent:a,Accept:b")
		over(i)
	}
	if got := n.exchanges["c24"].Cause; span.Evidence(got.Evidence) != span.Payload {
		t.Fatalf("linked by %v", span.Evidence(got.Evidence))
	}
	// Two that are alike: not known which; one of them is passed on already: the other one.
	n.play("a server 1 1 A at=100 path=/feed fields=U:a; b server 1 1 B at=100 path=/feed fields=U:a; ca client 1 9 C at=100 path=/feed fields=U:a")
	if c := n.exchanges["ca"].Cause; c.Parent != nil || c.Alternates != 2 {
		t.Errorf("linked to one of two that are alike, among %d", c.Alternates)
	}
	// Fields tell those with the same target apart.
	n.play("d server 1 1 D at=100 path=/feed fields=U:a,Cookie:d; cd client 1 9 E at=100 path=/feed fields=U:a,Cookie:d,Via:x")
	if c := n.exchanges["cd"].Cause; c.Parent != n.exchanges["d"] {
		t.Error("not linked to the one with the same fields")
	}
	// It is passed on; a second one like it is nobody's, until the first has failed.
	n.play("ce client 1 9 F at=100 path=/feed fields=U:a,Cookie:d")
	if c := n.exchanges["ce"].Cause; c.Parent == n.exchanges["d"] {
		t.Error("passed on twice at a time")
	}
	n.exchanges["cd"].Fault = flow.Reset
	n.play("end cd; cf client 1 9 G at=100 path=/feed fields=U:a,Cookie:d")
	if c := n.exchanges["cf"].Cause; c.Parent != n.exchanges["d"] {
		t.Error("a second try is not linked")
	}
	n.play("end ca; end ce; end cf; end a; end b; end d; end x1; end x2; tick")
	for _, p := range n.l.processes.byPID {
		if len(p.heads.rare)+len(p.heads.same) > 0 {
			t.Errorf("%d words and %d targets are left", len(p.heads.rare), len(p.heads.same))
		}
	}
}

// TestProxyFromTheStart: the calls by which it is learned that a process passes requests on have links, too, but for the first one, which has
// its heads kept.
func TestProxyFromTheStart(t *testing.T) {
	n := newNode(t, 1)
	n.l.options.Hold = 1e9
	n.play(crowded)
	for i := 1; i <= passesSeen+2; i++ {
		n.play(fmt.Sprintf("s%[1]d server 1 1 A at=%[1]d path=/feed fields=U:a; c%[1]d client 1 9 C at=%[1]d path=/feed fields=U:a,X:1; end c%[1]d; end s%[1]d", i))
	}
	n.l.Close()
	for i := 1; i <= passesSeen+2; i++ {
		if got, want := n.parent(fmt.Sprint("c", i)), fmt.Sprintf("s%d payload", i); got != want {
			t.Errorf("c%d < %s, want %s", i, got, want)
		}
	}
}

// TestLateCopy: a proxy may send a copy of a request that it has answered, and that is not the one that it works on alone.
func TestLateCopy(t *testing.T) {
	for passed, want := range map[uint32]bool{0: true, 20: false} {
		n := newNode(t, 1)
		n.play("s0 server 1 1 A path=/a; end s0")
		n.l.processes.of(1).heads.passes.right = passed
		n.play("s1 server 1 2 B path=/b; c1 client 1 3 C path=/a")
		if got := n.exchanges["c1"].Cause.Parent == n.exchanges["s1"]; got != want {
			t.Errorf("after %d that were passed on: linked is %v", passed, got)
		}
	}
}

// TestNoProxy: a program that happens to call what it is asked for passes nothing on.
func TestNoProxy(t *testing.T) {
	n := newNode(t, 1)
	n.play(crowded)
	for i := 1; i <= 50; i++ {
		n.play(fmt.Sprintf("s%[1]d server 1 1 A at=%[1]d path=/check fields=U:a; o%[1]d server 1 1 B at=%[1]d path=/other fields=U:a", i))
		n.play(fmt.Sprintf("c%[1]d client 1 9 C at=%[1]d path=/%[2]s fields=U:a; end c%[1]d; end s%[1]d; end o%[1]d", i, []string{"check", "stock"}[i%2]))
	}
	n.play("end x1; end x2; tick")
	for name := range n.spans {
		if name[0] == 'c' && name != "c0" && n.parent(name) != "-" {
			t.Errorf("%s < %s", name, n.parent(name))
		}
	}
}

// TestHeadsAreGivenUp: they are kept while calls are left open, and for so many processes at a time.
func TestHeadsAreGivenUp(t *testing.T) {
	n := newNode(t, 1)
	n.play(crowded)
	p := n.l.processes.of(1)
	for range 2 {
		if p.heads.need == 0 || n.l.keeping != 1 {
			t.Fatal("the heads of a process with an open call are not kept")
		}
		for range headsNeed {
			n.l.needs(p, false)
		}
		if p.heads.rare != nil || n.l.keeping != 0 {
			t.Fatal("the heads of a process that does not need them are kept")
		}
		n.l.needs(p, true)
	}
	n.l.keeping = headsMax
	q := n.l.processes.of(2)
	n.l.needs(q, true)
	if q.heads.need > 0 {
		t.Error("more are kept than may be")
	}
	n.play("exit 1")
	if n.l.keeping != headsMax-1 {
		t.Error("a process that has ended still counts")
	}
}

// TestCarriersAreNoWords: what carries a context must not prove that it was passed on rightly.
func TestCarriersAreNoWords(t *testing.T) {
	var text text
	x := &flow.Exchange{Target: "/", Head: []byte("GET / HTTP/1.1\r\nTraceParent: " + string(carrier("T:P")) + "\r\nX-Order: 81723645\r\n\r\n")}
	carry(&x.Carriers, "traceparent", carrier("T:P"))
	text.read(x)
	if len(text.words) != 1 || len(text.lines) != 1 {
		t.Errorf("%d words, %d lines", len(text.words), len(text.lines))
	}
}

// TestHostileHeads: heads that want to cost much.
func TestHostileHeads(t *testing.T) {
	var text text
	for _, head := range []string{
		strings.Repeat("a:1\n", 1000), strings.Repeat("81723645 ", 5000), strings.Repeat(":", 4000), strings.Repeat("x", 4000) + ":", "\n\n\n:\n",
	} {
		x := &flow.Exchange{Target: head, Head: []byte("GET / HTTP/1.1\r\n" + head)}
		text.read(x)
		if len(text.words) > wordsMax || len(text.lines) > linesMax {
			t.Errorf("%d words, %d lines", len(text.words), len(text.lines))
		}
	}
}
