package link

import (
	"fmt"
	"testing"

	"weft/correlate/span"
)

// hears plays rounds of two requests, in tasks 41 and 42, whose calls other threads make. call and reply name the tasks of a call, by
// the one of the request; none: it is not known.
func (n *node) hears(rounds int, call, reply func(task int) string) {
	for range rounds {
		n.round++
		for i, conn := range []string{"A", "B"} {
			n.play(fmt.Sprintf("s%d server 1 %d %s at=%d task=%d", n.round*2+i, 11+i, conn, n.round, 41+i))
		}
		for i, conn := range []string{"C", "D"} {
			n.play(fmt.Sprintf("c%d client 1 %d %s at=%d %s", n.round*2+i, 21+i, conn, n.round, call(41+i)))
		}
		for _, i := range []int{1, 0} {
			n.play(fmt.Sprintf("replies c%d %s; end c%[1]d", n.round*2+i, reply(41+i)))
		}
		for i := range 2 {
			n.play(fmt.Sprintf("replies s%d task=%d; end s%[1]d", n.round*2+i, 41+i))
		}
	}
	n.play("tick")
}

func inTaskOf(task int) string { return fmt.Sprintf("task=%d", task) }
func inNone(int) string        { return "" }
func inOther(task int) string  { return fmt.Sprintf("task=%d", 83-task) }

// TestHears: a call of no task belongs to the one for which its reply is read, where those of the others have said the same before.
func TestHears(t *testing.T) {
	for _, c := range []struct {
		name         string
		before       func(int) string // tasks of replies to calls of which the task is known
		rounds       int
		reply        func(int) string
		linked, late int
	}{
		{"the same task", inTaskOf, 10, inTaskOf, 26, 6},
		{"few of the same task", inTaskOf, 3, inTaskOf, 6, 0},
		{"another task", inOther, 10, inTaskOf, 20, 0},
		{"a reply of no task", inTaskOf, 10, inNone, 20, 0},
		{"a reply of a task without a request", inTaskOf, 10, func(int) string { return "task=99" }, 20, 0},
	} {
		n := newNode(t, 1)
		n.hears(c.rounds, inTaskOf, c.before)
		first := n.round + 1
		n.hears(3, inNone, c.reply)
		n.l.Close()
		if linked, wrong := n.right(); linked != c.linked || wrong > 0 {
			t.Errorf("%s: %d calls have a link, want %d; %d have a wrong one", c.name, linked, c.linked, wrong)
		}
		late := 0
		for i := 2 * first; i < 2*first+6; i++ {
			if span.Evidence(n.spans[fmt.Sprintf("c%d", i)].Evidence) == span.Task {
				late++
			}
		}
		if late != c.late || n.l.opened != 0 {
			t.Errorf("%s: %d calls of no task have a link, want %d; %d are still open", c.name, late, c.late, n.l.opened)
		}
	}
}
