package link

import (
	"testing"

	"weft/correlate/event"
	"weft/correlate/flow"
)

// TestUnnamedHandover: a connection that is older than weft has no number when it is given its first request.
func TestUnnamedHandover(t *testing.T) {
	for _, test := range []struct {
		name  string
		play  func(*node)
		wants string // parent of c
	}{
		{"one", func(n *node) { n.unnamed(5, 1); n.old("c") }, "s5"},
		{"of two goroutines", func(n *node) { n.unnamed(5, 1); n.unnamed(6, 1); n.old("c"); n.old("d") }, ""},
		{"after those that were mixed", func(n *node) {
			n.unnamed(5, 1)
			n.unnamed(6, 1)
			n.old("d")
			n.old("e")
			n.unnamed(6, 1)
			n.old("c")
		}, "s6"},
		{"of another process", func(n *node) { n.unnamed(5, 2); n.old("c") }, ""},
		{"long ago", func(n *node) { n.unnamed(5, 1); n.now += unnamedAge + 1; n.old("c") }, ""},
		{"connection with a number", func(n *node) { n.unnamed(5, 1); n.play("c client 1 9 C at=1 g=77") }, ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			n := newNode(t, 1)
			n.play("go 1; s5 server 1 5 A g=5; s6 server 1 6 B g=6")
			test.play(n)
			want := n.exchanges[test.wants]
			if got := n.exchanges["c"].Cause.Parent; got != want {
				t.Errorf("linked to %v, want %q", got, test.wants)
			}
		})
	}
}

func (n *node) unnamed(goroutine uint64, pid uint32) {
	ev := event.Event{Kind: event.KindHandover, Time: n.now, PID: pid}
	ev.Message.Work = goroutine
	n.l.Feed(&ev)
}

// old sends a request on a connection that is older than weft.
func (n *node) old(name string) {
	n.now++
	x := &flow.Exchange{PID: 1, TID: 9, Goroutine: 77, Start: n.now, Method: "GET", Target: name, UserAgent: name}
	x.Conn = &flow.Conn{Socket: 1000 + n.now, Conn: event.Conn{Origin: event.Found}}
	n.exchanges[name] = x
	n.l.Started(x)
}
