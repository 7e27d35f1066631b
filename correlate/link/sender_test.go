package link

import (
	"testing"

	"weft/correlate/event"
	"weft/correlate/flow"
)

// TestSenders: on a connection on which several goroutines have sent, a new one calls for the request that its parent serves.
func TestSenders(t *testing.T) {
	n := newNode(t, 1)
	n.play("go 1; s5 server 1 5 A g=5; s6 server 1 6 B g=6")
	conn := &flow.Conn{Socket: 1, Conn: event.Conn{Origin: event.Found}}
	for i, step := range []struct {
		goroutine, parent uint64
		want              string
	}{
		{100, 5, ""}, // it may be the connection's own
		{100, 5, ""},
		{101, 6, "s6"},
		{102, 5, "s5"},
		{101, 6, ""}, // it may have been given this one
		{5, 1, "s5"},
		{103, 9, ""}, // its parent serves nothing
	} {
		n.now++
		x := &flow.Exchange{PID: 1, TID: 9, Goroutine: step.goroutine, ParentGoroutine: step.parent, Start: n.now, Offset: uint64(i), Conn: conn}
		n.l.Started(x)
		if want := n.exchanges[step.want]; x.Cause.Parent != want {
			t.Errorf("%d: linked to %v, want %q", i, x.Cause.Parent, step.want)
		}
	}
}

// TestSendersBound: what is remembered of goroutines is bounded, and those that go on sending stay known.
func TestSendersBound(t *testing.T) {
	var s senders
	for id := range uint64(5 * sendersMax) {
		if !s.add(id + 10) {
			t.Fatalf("%d is not new", id)
		}
		if id > 0 && s.add(1) {
			t.Fatalf("forgotten after %d", id)
		}
		if id == 0 {
			s.add(1)
		}
		if n := len(s.now) + len(s.before); n > 2*sendersMax {
			t.Fatalf("%d are remembered", n)
		}
	}
}
