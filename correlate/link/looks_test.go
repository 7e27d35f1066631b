package link

import (
	"slices"
	"testing"

	"weft/correlate/event"
)

// TestLooks: where nothing comes of it, the kernel side is asked to look seldom, again after as many calls, and always from the first call on of which
// something is believed.
func TestLooks(t *testing.T) {
	n := newNode(t, 1)
	n.l.options.Hold = 1e6
	var asked []bool
	n.l.options.Seldom = func(pid uint32, seldom bool) {
		if pid != 1 {
			t.Errorf("it is asked of process %d", pid)
		}
		asked = append(asked, seldom)
	}
	over := func(_, _, c string) (first, second []event.Waiter) {
		return []event.Waiter{n.reader(7, c, at(deep, stale))}, []event.Waiter{n.reader(7, c, at(deep, stale))}
	}
	const round = 2 // calls
	n.jobs(looksVain/round-1, over)
	if len(asked) != 0 {
		t.Fatalf("it is asked before it is known: %v", asked)
	}
	n.jobs(1, over)
	if !slices.Equal(asked, []bool{true}) {
		t.Fatalf("where nothing is believed it is asked: %v", asked)
	}
	n.jobs(looksVain/round, over)
	if !slices.Equal(asked, []bool{true, true}) {
		t.Fatalf("after as many calls it is asked: %v", asked)
	}
	n.jobs(100, func(a, b, _ string) (first, second []event.Waiter) {
		return []event.Waiter{n.reader(5, a, at(deep, job))}, []event.Waiter{n.reader(6, b, at(deep, job))}
	})
	if !slices.Equal(asked, []bool{true, true, false}) {
		t.Fatalf("where something is believed it is asked: %v", asked)
	}
}
