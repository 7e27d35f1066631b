package link

import (
	"fmt"
	"strings"
	"testing"

	"weft/correlate/span"
)

// proxy plays a proxy on one thread that has three identical requests under way and passes them on in the order of `calls`, and
// their replies, which come in the order of `replies`, in the order of `answers`.
func (n *node) proxy(rounds int, calls, replies, answers string) {
	for range rounds {
		n.round++
		for i := range 3 {
			n.play(fmt.Sprintf("s%d server 1 1 %c at=%d path=/all", 3*n.round+i, 'A'+i, n.round))
		}
		each := func(order, format string) {
			for _, c := range order {
				n.play(strings.ReplaceAll(strings.ReplaceAll(format, "N", fmt.Sprint(3*n.round+int(c-'0'))), "AT", fmt.Sprint(n.round)))
			}
		}
		for _, c := range calls {
			i := int(c - '0')
			n.play(fmt.Sprintf("c%d client 1 1 %c at=%d path=/all", 3*n.round+i, 'F'+i, n.round))
		}
		each(replies, "replies cN; end cN")
		each(answers, "replies sN; end sN")
	}
}

// TestLine: identical requests are told apart by the order of two queues.
func TestLine(t *testing.T) {
	n := newNode(t, 1)
	n.l.options.Hold = 1e6
	n.proxy(100, "012", "120", "120")
	n.l.Close()
	if linked, wrong := n.right(); linked < 295 || wrong > 0 {
		t.Errorf("%d of 300 calls have a link, %d a wrong one", linked, wrong)
	}
	if c := n.spans["c300"]; span.Evidence(c.Evidence) != span.Turn || c.Confidence < 0.97 || !c.Confirmed {
		t.Errorf("a call is linked by %v, %v sure", span.Evidence(c.Evidence), c.Confidence)
	}
}

// TestNoLine: where either order is not kept there is no link, not even once it was kept for long.
func TestNoLine(t *testing.T) {
	for _, orders := range [][3]string{{"012", "012", "102"}, {"102", "012", "012"}, {"201", "012", "012"}, {"021", "120", "120"}} {
		n := newNode(t, 1)
		n.proxy(100, orders[0], orders[1], orders[2])
		if linked, wrong := n.right(); wrong > 0 {
			t.Errorf("%v: %d calls have a link, %d a wrong one", orders, linked, wrong)
		}
		n = newNode(t, 1)
		n.l.options.Hold = 1e6
		n.proxy(100, "012", "012", "012")
		n.proxy(100, orders[0], orders[1], orders[2])
		n.l.Close()
		if _, wrong := n.right(); wrong > 0 {
			t.Errorf("%v: %d calls have a wrong link after a time in which the order was kept", orders, wrong)
		}
	}
}

// TestLineAnswers: a request that the proxy answers by itself does not shift the order of the others.
func TestLineAnswers(t *testing.T) {
	n := newNode(t, 1)
	n.l.options.Hold = 1e6
	n.proxy(60, "012", "012", "012")
	n.play(`s9001 server 1 1 A at=9999 path=/all; s9000 server 1 1 B at=9999 path=/all; s9002 server 1 1 C at=9999 path=/all
		replies s9000; end s9000; c9001 client 1 1 F at=9999 path=/all; c9002 client 1 1 G at=9999 path=/all
		replies c9001; end c9001; replies c9002; end c9002; replies s9001; end s9001; replies s9002; end s9002`)
	n.l.Close()
	for _, c := range []string{"c9001", "c9002"} {
		if got := n.parent(c); got != "s"+c[1:]+" turn" {
			t.Errorf("%s < %s", c, got)
		}
	}
}
