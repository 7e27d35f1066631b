package link

import (
	"fmt"
	"slices"
	"testing"

	"weft/correlate/event"
)

// TestKin has a process whose first calls are side by side. Threads are believed at once where others of the same program were seen to work
// on what they have read, whether they still run or not; elsewhere nothing is told.
func TestKin(t *testing.T) {
	alone := ""
	for i := range 8 {
		alone += fmt.Sprintf("x%d server 1 8 X at=%d; y%d client 1 8 Y at=%d; end y%d; end x%d; ", i, i, i, i, i, i)
	}
	others := ""
	for i := range 8 {
		others += fmt.Sprintf("x%d server 1 8 X at=%d; y%d client 1 9 Y at=%d; end y%d; end x%d; ", i, i, i, i, i, i)
	}
	for _, test := range []struct {
		name, script string
		program      uint64 // of process 2; that of 1 is 5
		linked       bool
	}{
		{"brother", alone, 5, true},
		{"started again", alone + "exit 1; ", 5, true},
		{"another program", alone, 6, false},
		{"of which nothing is known", alone, 0, false},
		{"calls are made by other threads", others, 5, false},
		{"a thread takes several", alone + "m1 server 1 8 M; m2 server 1 8 N; end m1; end m2; ", 5, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			n := newNode(t, 1)
			for pid, program := range map[uint32]uint64{1: 5, 2: test.program} {
				n.l.Feed(&event.Event{Kind: event.KindProcess, PID: pid, Process: &event.Process{Service: "s", Program: program}})
			}
			n.play(test.script + "s1 server 2 1 A; s2 server 2 2 B; c2 client 2 2 C; c1 client 2 1 D; end c1; end c2; end s1; end s2; tick")
			for call, from := range map[string]string{"c1": "s1", "c2": "s2"} {
				got, parent := n.spans[call].ParentID, n.spans[from].SpanID
				if !slices.Contains(n.out, call) || (got == parent) != test.linked || !test.linked && got != [8]byte{} {
					t.Errorf("%s has the parent %q", call, n.names[got])
				}
			}
		})
	}
}
