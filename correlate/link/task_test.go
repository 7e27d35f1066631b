package link

import (
	"fmt"
	"strings"
	"testing"

	"weft/correlate/span"
)

// served plays an event loop on thread 1 with two requests under way in each round, whose calls are sent in no order that a turn
// could tell. task names the task of a call and of a reply, of the first or second request of the round, by when that began.
func (n *node) served(rounds int, task func(round, which int, began uint64, reply bool) string) {
	for range rounds {
		n.round++
		var began [2]uint64
		for i, conn := range []string{"A", "B"} {
			n.play(fmt.Sprintf("s%d server 1 1 %s at=%d", n.round*2+i, conn, n.round))
			began[i] = n.now
		}
		for i, conn := range []string{"C", "D"} {
			n.play(fmt.Sprintf("c%d client 1 1 %s at=%d task=%s", n.round*2+i, conn, n.round, task(n.round, i, began[i], false)))
		}
		for i := range 2 {
			n.play(fmt.Sprintf("end c%d", n.round*2+i))
		}
		for _, i := range []int{1, 0} {
			n.play(fmt.Sprintf("replies s%d task=%s", n.round*2+i, task(n.round, i, began[i], true)))
		}
		n.play(fmt.Sprintf("end s%d; end s%d", n.round*2, n.round*2+1))
	}
}

func (n *node) expect(least int, late string) {
	n.t.Helper()
	n.l.Close()
	if linked, wrong := n.right(); linked < least || wrong > 0 {
		n.t.Errorf("%d calls have a link, %d at least are expected; %d have a wrong one", linked, least, wrong)
	}
	if c := n.spans[late]; span.Evidence(c.Evidence) != span.Task && least > 0 {
		n.t.Errorf("%s is linked by %v", late, span.Evidence(c.Evidence))
	}
}

// TestTaskForRequest: the head of a request starts its task, as in uvicorn; the calls are made in tasks below it.
func TestTaskForRequest(t *testing.T) {
	n := newNode(t, 1)
	n.served(50, func(_, _ int, began uint64, reply bool) string {
		if reply {
			return fmt.Sprint(began)
		}
		return fmt.Sprintf("%d/%d", began, began+1)
	})
	n.expect(80, "c100")
}

// TestTaskForConnection: a task serves one connection, as in aiohttp.
func TestTaskForConnection(t *testing.T) {
	n := newNode(t, 1)
	n.served(50, func(_, which int, _ uint64, _ bool) string { return fmt.Sprint(1<<40 + which) })
	n.expect(80, "c100")
}

// TestTasksBelowOne: all connections have their task below the same one, which says nothing; the branch does.
func TestTasksBelowOne(t *testing.T) {
	n := newNode(t, 1)
	n.served(50, func(_, which int, _ uint64, _ bool) string { return fmt.Sprintf("%d/%d", 1<<40, 1<<41+which) })
	n.expect(80, "c100")
}

// TestOneTask: one task, or branch, makes the calls and replies of all connections: a pool of workers behind a queue.
func TestOneTask(t *testing.T) {
	for _, task := range []string{"9", "9/8"} {
		n := newNode(t, 1)
		n.served(200, func(int, int, uint64, bool) string { return task })
		n.expect(0, "c400")
		if linked, _ := n.right(); linked > 0 {
			t.Errorf("task %s: %d calls have a link", task, linked)
		}
	}
}

// TestOneTaskOfOneConnection: what has served one connection so far may serve another one next.
func TestOneTaskOfOneConnection(t *testing.T) {
	n := newNode(t, 1)
	n.served(50, func(_, which int, _ uint64, _ bool) string { return fmt.Sprint(7 + 100*which) })
	n.play("s server 1 1 E; t server 1 1 A at=999; c client 1 1 C at=999 task=107; end c; replies s task=107; end s; end t; tick")
	n.l.Close()
	if got := n.parent("c"); got == "t task" {
		t.Errorf("c has the parent %q, which task 107 never served", got)
	}
}

// TestLeftRunning: what a request has left running in the task of its connection is no work of the next one, and no other
// evidence may say so.
func TestLeftRunning(t *testing.T) {
	n := newNode(t, 1)
	n.served(50, func(_, which int, _ uint64, _ bool) string { return fmt.Sprint(1<<40 + which) })
	old := n.now
	n.play(fmt.Sprintf("s server 1 1 A at=999; c client 1 1 C at=999 task=%d/%d; end c; replies s task=%[1]d; end s; tick", 1<<40, old))
	n.l.Close()
	if got := n.parent("c"); got != "-" {
		t.Errorf("a call of an earlier request has the parent %q", got)
	}
}

// TestAfterReply: what the task of a request does when that is answered is still part of it, for some time.
func TestAfterReply(t *testing.T) {
	n := newNode(t, 1)
	began := uint64(0)
	n.served(50, func(_, _ int, at uint64, _ bool) string { began = at; return fmt.Sprint(at) })
	n.play(fmt.Sprintf("t server 1 1 E at=1; c client 1 1 C at=999 task=%d; d client 1 1 D at=999 task=%[1]d/%d; end c; end d; end t; tick", began, began+2))
	n.l.Close()
	if got := n.parent("c"); got != "s100 task" {
		t.Errorf("late work has the parent %q", got)
	}
	if got := n.parent("d"); got != "-" {
		t.Errorf("a task that the request has left running has the parent %q", got)
	}
}

// TestForeignTask: a call in a task of no request, while one request is under way.
func TestForeignTask(t *testing.T) {
	n := newNode(t, 1)
	n.served(50, func(_, _ int, at uint64, _ bool) string { return fmt.Sprint(at) })
	n.play("s server 1 1 A at=999; c client 1 1 C at=999 task=5; end c; end s; tick")
	n.l.Close()
	if got := n.parent("c"); got != "-" {
		t.Errorf("a call of the process itself has the parent %q", got)
	}
}

// TestGreenlets: each request is read, worked on and answered in a greenlet of its connection; some calls are made in greenlets that
// it has started. The first request is linked as well as the last.
func TestGreenlets(t *testing.T) {
	n := newNode(t, 1)
	n.play("a server 1 1 A task=101; b server 1 1 B task=102; c2 client 1 1 C task=102; c1 client 1 1 D task=101/5000")
	n.play("d client 1 1 E task=101/500; end c1; end c2; end d; replies a task=101; end a; replies b task=102; end b; tick")
	n.l.Close()
	for call, want := range map[string]string{"c1": "a task", "c2": "b task", "d": "-"} {
		if got := n.parent(call); got != want {
			t.Errorf("%s has the parent %q, want %q", call, got, want)
		}
	}
}

// TestVirtualThreads: each request has a virtual thread, which goes on with whatever carrier is free when it has waited. The first request
// is linked as well as the last; what runs on a carrier itself is no work of the virtual thread that it has carried.
func TestVirtualThreads(t *testing.T) {
	n := newNode(t, 1)
	n.play("a server 1 1 A task=41; b server 1 2 B task=42; c2 client 1 1 C task=42; c1 client 1 2 D task=41; d client 1 1 E")
	n.play("end c1; end c2; end d; replies a task=41; end a; replies b task=42; end b; tick")
	n.l.Close()
	for call, want := range map[string]string{"c1": "a task", "c2": "b task", "d": "-"} {
		if got := n.parent(call); got != want {
			t.Errorf("%s has the parent %q, want %q", call, got, want)
		}
	}
}

// TestTwoInOneTask: what reads several requests before it answers one tells nothing by that.
func TestTwoInOneTask(t *testing.T) {
	n := newNode(t, 1)
	n.play("a server 1 1 A task=101; b server 1 1 B task=101; c client 1 1 C task=101; end c; end a; end b; tick")
	n.l.Close()
	if got := n.parent("c"); got != "-" {
		t.Errorf("c has the parent %q", got)
	}
}

// TestTaskForConnectionAlone: tasks serve connections, one request at a time. What was given up goes on in its own task.
func TestTaskForConnectionAlone(t *testing.T) {
	const call = "sN0 server 1 1 WIRE at=AT; cN0 client 1 1 C at=AT task=TASK; end cN0; replies sN0 task=TASK; end sN0"
	for name, test := range map[string]struct {
		task func(conn int) int
		want string
	}{
		"each its own":    {func(conn int) int { return 1<<40 + conn }, "s task"},
		"one for several": {func(int) int { return 1 << 40 }, "-"},
	} {
		t.Run(name, func(t *testing.T) {
			n := newNode(t, 1)
			for i := range 40 {
				root := fmt.Sprint(test.task(i / 10))
				n.one(1, strings.NewReplacer("WIRE", string("ABGH"[i/10]), "TASK", root).Replace(call))
			}
			n.play("g server 1 1 K; q client 1 1 C at=9000 task=99; gone g; s server 1 1 H at=9000")
			n.play(fmt.Sprintf("r client 1 1 D at=9 task=99; c client 1 1 E task=%d; end r; end c; end q; end s; tick", test.task(3)))
			n.l.Close()
			if got := n.parent("c"); got != test.want {
				t.Errorf("the call is of %q, want %q", got, test.want)
			}
			if got := n.parent("r"); got != "-" {
				t.Errorf("the call of what was given up is of %q", got)
			}
		})
	}
}

// TestTaskForAnyConnectionAlone: a worker that was seen on one connection, or on several, works for any: what it does for what was given up
// is not part of the request that it answers next.
func TestTaskForAnyConnectionAlone(t *testing.T) {
	for name, conns := range map[string]string{"one connection": "AAAAAAAAAAAA", "several": "AAAAABBBBBGGGGGB"} {
		n := newNode(t, 1)
		for i, conn := range conns {
			task := 1<<40 + strings.IndexRune("ABG", conn)
			if i == 15 {
				task--
			}
			n.one(1, strings.NewReplacer("WIRE", string(conn), "TASK", fmt.Sprint(task)).Replace("sN0 server 1 1 WIRE at=AT; replies sN0 task=TASK; end sN0"))
		}
		n.play("g server 1 1 K; gone g; s server 1 1 H; c client 1 1 E task=88; end c; replies s task=88; end s; tick")
		n.l.Close()
		if got := n.parent("c"); got != "-" {
			t.Errorf("%s: the call is of %q", name, got)
		}
	}
}
