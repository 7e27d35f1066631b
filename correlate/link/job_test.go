package link

import (
	"fmt"
	"testing"

	"weft/correlate/span"
)

// handed plays a process in which each of two requests in a round is read by a thread of its own, and its call made by a third or fourth
// one. reads tells the thread that reads a request; job names the job of a call, of the first or second request of the round, by when that began.
func (n *node) handed(rounds int, reads func(which int) int, job func(which int, began [2]uint64) string) {
	n.now += tidMax
	for range rounds {
		n.round++
		var began [2]uint64
		for i, conn := range []string{"A", "B"} {
			n.play(fmt.Sprintf("s%d server 1 %d %s at=%d", n.round*2+i, reads(i), conn, n.round))
			began[i] = n.now
		}
		for _, i := range []int{1, 0} {
			n.play(fmt.Sprintf("c%d client 1 %d %s at=%d task=%s", n.round*2+i, 31-i, []string{"C", "D"}[i], n.round, job(i, began)))
		}
		for i := range 2 {
			n.play(fmt.Sprintf("end c%d; replies s%[1]d; end s%[1]d", n.round*2+i))
		}
	}
}

func eachItsOwn(which int) int { return 11 + which }

func byHead(which int, began [2]uint64) string {
	return fmt.Sprintf("%d/%d", began[which], began[1]+uint64(which)+1)
}

// TestHandedOn: a job is named by the head that the thread which has handed it on had read last, or by that thread. Once threads were seen to
// work side by side that is believed, of the calls that were made before, too.
func TestHandedOn(t *testing.T) {
	for name, job := range map[string]func(int, [2]uint64) string{
		"head":   byHead,
		"thread": func(which int, began [2]uint64) string { return fmt.Sprintf("%d/%d", 11+which, began[1]+1) },
	} {
		n := newNode(t, 1)
		n.handed(50, eachItsOwn, job)
		n.l.Close()
		if linked, wrong := n.right(); linked < 98 || wrong > 0 {
			t.Errorf("%s: %d calls have a link, %d have a wrong one", name, linked, wrong)
		}
		if c := n.spans["c50"]; span.Evidence(c.Evidence) != span.Task {
			t.Errorf("%s: linked by %v", name, span.Evidence(c.Evidence))
		}
	}
}

// TestHandedOnByLoop: one thread reads all requests, and hands on what is for any of them.
func TestHandedOnByLoop(t *testing.T) {
	n := newNode(t, 1)
	n.handed(50, func(int) int { return 11 }, func(which int, began [2]uint64) string { return byHead(1, began) })
	n.l.Close()
	if linked, _ := n.right(); linked > 0 {
		t.Errorf("%d calls have a link", linked)
	}
}

// TestHandedOnBefore: a job of a request that is over is no work for another one, nor is one that was handed on before its thread has read
// another one.
func TestHandedOnBefore(t *testing.T) {
	n := newNode(t, 1)
	began := uint64(0)
	n.handed(50, eachItsOwn, func(which int, b [2]uint64) string { began = b[0]; return byHead(which, b) })
	n.play(fmt.Sprintf("s server 1 11 A at=999; c client 1 31 C at=999 task=%d/%d; end c", began, began+5))
	n.play(fmt.Sprintf("d client 1 31 C at=998 task=11/%d; end d; replies s; end s; tick", began+5))
	n.l.Close()
	for _, call := range []string{"c", "d"} {
		if got := n.parent(call); got != "-" {
			t.Errorf("%s has the parent %q", call, got)
		}
	}
}

// TestHandedOnAlone: jobs that were named by the one request under way are so side by side, if several threads read. Of one that reads all it is
// not known on which request it works, and a job that is of no request may be of any.
func TestHandedOnAlone(t *testing.T) {
	for name, test := range map[string]struct {
		second int
		other  string
		want   string
	}{
		"several read":     {12, "", "s task"},
		"one reads":        {11, "", "-"},
		"some are of none": {12, "x server 1 11 A at=800; d client 1 31 C at=800 task=5000000/5000001; end d; end x", "-"},
	} {
		t.Run(name, func(t *testing.T) {
			n := newNode(t, 1)
			n.now += 2 * tidMax
			for i := range 20 {
				n.play(fmt.Sprintf("s%d server 1 %d A at=%d", i, []int{11, test.second}[i%2], i))
				n.play(fmt.Sprintf("c%d client 1 31 C at=%d task=%d/%d; end c%d; end s%d", i, i, n.now, n.now+1, i, i))
			}
			n.play(test.other)
			n.play("s server 1 11 A at=900")
			began := n.now
			n.play(fmt.Sprintf("t server 1 %d B at=900; c client 1 31 C at=900 task=%d/%d; end c; end s; end t; tick", test.second, began, began+2))
			n.l.Close()
			if got := n.parent("c"); got != test.want {
				t.Errorf("the call is of %q, want %q", got, test.want)
			}
		})
	}
}
