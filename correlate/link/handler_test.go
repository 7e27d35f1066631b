package link

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"weft/correlate/event"
	"weft/correlate/flow"
	"weft/correlate/proto"
)

// stream lets an exchange be one of HTTP/2 on a stream of its connection.
func (n *node) stream(name, conn string, server bool, stream uint32, goroutine, parent uint64) *flow.Exchange {
	n.now++
	x := &flow.Exchange{
		Server: server, PID: 1, TID: 1, Start: n.now, Goroutine: goroutine, ParentGoroutine: parent, Offset: uint64(stream) * 100,
		Method: "POST", Target: "/" + name, UserAgent: name, Major: 2, Stream: stream, RPC: proto.GRPC,
	}
	x.Conn = n.conn(server, conn, map[string]string{})
	n.exchanges[name] = x
	n.l.Started(x)
	return x
}

// belongs tells which goroutine works on a stream, or has opened it.
func (n *node) belongs(d event.Direction, socket uint64, stream uint32, goroutine, parent uint64) {
	n.now++
	ev := event.Event{Kind: event.KindStream, Time: n.now, Socket: socket, PID: 1, TID: 1, Stream: stream}
	ev.Message.Direction, ev.Message.Work, ev.Message.Origin = d, goroutine, parent
	n.l.Feed(&ev)
}

func (n *node) links(want ...string) {
	n.t.Helper()
	n.play("tick")
	n.l.Close()
	if got := n.tell(); !slices.Equal(got, want) {
		n.t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	if len(n.l.openers.awaited) > 0 || n.l.opened != 0 {
		n.t.Errorf("%d calls are awaited, %d open", len(n.l.openers.awaited), n.l.opened)
	}
	for _, p := range n.l.processes.byPID {
		if p.open != 0 || len(p.goroutines) > 0 {
			n.t.Errorf("%d requests and %d goroutines are left", p.open, len(p.goroutines))
		}
	}
}

// socketOf is what node.conn calls one end of a wire.
func socketOf(wire rune, server bool) uint64 {
	if server {
		return uint64(wire)*2 + 1
	}
	return uint64(wire) * 2
}

// TestHandlers: one goroutine reads all streams of a connection, each has a handler of its own, whose calls are its own.
func TestHandlers(t *testing.T) {
	const reader, serves = 5, 4
	for name, starter := range map[string]uint64{"started by the reader": reader, "started by the one that has started the reader": serves} {
		t.Run(name, func(t *testing.T) {
			n := newNode(t, 1)
			n.play("go 1")
			n.stream("s1", "A", true, 1, reader, serves)
			n.stream("s3", "A", true, 3, reader, serves)
			n.stream("s5", "A", true, 5, reader, serves)
			n.belongs(event.Receive, 0, 3, 13, starter)
			n.belongs(event.Receive, 0, 1, 11, starter)
			n.play("hand C 11; c1 client 1 1 C g=90; hand D 13; c3 client 1 1 D g=91")
			n.play("c5 client 1 1 E at=0 g=15 pg=13") // a child of the handler writes for itself
			n.play("hand F 14; c6 client 1 1 F g=92") // nobody's
			n.play("end c1; end c3; end c5; end c6; end s1; end s3; end s5")
			n.links("c1 < s1 handover", "c3 < s3 handover", "c5 < s3 goroutine", "c6 < -", "s1 < -", "s3 < -", "s5 < -")
		})
	}
}

// TestHandlerGoesOn: a handler whose stream was reset calls on, while the goroutine that has started it has read another request.
func TestHandlerGoesOn(t *testing.T) {
	n := newNode(t, 1)
	n.play("go 1")
	n.stream("s1", "A", true, 1, 5, 4)
	n.belongs(event.Receive, 0, 1, 11, 5)
	n.play("gone s1")
	n.stream("s3", "A", true, 3, 5, 4)
	ev := event.Event{Kind: event.KindHandover, Socket: socketOf('C', false), PID: 1}
	ev.Message.Work, ev.Message.Origin = 11, 5
	n.l.Feed(&ev)
	n.play("c1 client 1 1 C g=90; end c1; end s3")
	n.links("c1 < s1 handover", "s1 < -", "s3 < -")
}

// TestHandlerLost: a goroutine of which it was not told what it works on says nothing, although its parent has read requests.
func TestHandlerLost(t *testing.T) {
	n := newNode(t, 1)
	n.play("go 1")
	n.stream("s1", "A", true, 1, 5, 4)
	n.stream("s3", "A", true, 3, 5, 4)
	n.belongs(event.Receive, 0, 1, 11, 5)
	n.play("c client 1 1 C at=0 g=13 pg=5; end c; end s1; end s3")
	n.links("c < -", "s1 < -", "s3 < -")
}

// TestHandlerWorkers: goroutines that are older than the requests which they work on, one after the other.
func TestHandlerWorkers(t *testing.T) {
	n := newNode(t, 1)
	n.play("go 1")
	n.stream("s1", "A", true, 1, 5, 4)
	n.stream("t1", "B", true, 1, 6, 4)
	n.stream("s3", "A", true, 3, 5, 4)
	n.belongs(event.Receive, socketOf('A', true), 1, 11, 1)
	n.belongs(event.Receive, socketOf('B', true), 1, 12, 1)
	n.play("hand C 12; c1 client 1 1 C g=90")
	// It goes on before the reply of its first one has left.
	n.belongs(event.Receive, socketOf('A', true), 3, 11, 1)
	n.play("hand D 11; c2 client 1 1 D g=91; end c1; end c2; end s1; end s3; end t1")
	n.links("c1 < t1 handover", "c2 < s3 handover", "s1 < -", "s3 < -", "t1 < -")
}

// TestOpeners: one goroutine writes the streams that others have opened; of some that is told before, of some after.
func TestOpeners(t *testing.T) {
	const writer = 50
	n := newNode(t, 1)
	n.play("go 1")
	for i := range uint64(4) {
		stream := uint32(2*i + 1)
		n.stream(fmt.Sprint("s", i), "A", true, stream, 5, 4)
		n.belongs(event.Receive, 0, stream, 10+i, 5)
	}
	out := socketOf('C', false)
	n.belongs(event.Send, out, 1, 12, 5)
	n.belongs(event.Send, out, 3, 30, 10) // by a child
	n.stream("c1", "C", false, 1, writer, 2)
	n.stream("c2", "C", false, 3, writer, 2)
	n.stream("c3", "C", false, 5, writer, 2)
	n.stream("c4", "C", false, 7, writer, 2)
	n.stream("c5", "C", false, 9, writer, 2)
	n.belongs(event.Send, out, 7, 11, 5)
	n.belongs(event.Send, out, 5, 13, 5)
	n.play("end c1; end c2; end c3; end c4; end c5; end s0; end s1; end s2; end s3")
	n.links("c1 < s2 handover", "c2 < s0 handover", "c3 < s3 handover", "c4 < s1 handover", "c5 < -",
		"s0 < -", "s1 < -", "s2 < -", "s3 < -")
}

// TestStreamEventsAreBounded: whatever is told of streams that are never seen, little is kept.
func TestStreamEventsAreBounded(t *testing.T) {
	n := newNode(t, 1)
	n.play("go 1; s server 1 1 A g=5 pg=4")
	for i := range uint64(3 * openersMax) {
		n.belongs(event.Send, i, 1, i, i)
		n.belongs(event.Receive, i, 1, i, i)
		x := &flow.Exchange{Major: 2, Goroutine: i + 1, ParentGoroutine: i + 1}
		p := n.l.processes.of(1)
		p.handlers.reads(x)
		p.handlers.passes(i)
	}
	h := &n.l.processes.of(1).handlers
	if len(n.l.openers.by) > openersMax || len(h.readers) > handlersMax || len(h.passing) > handlersMax {
		t.Errorf("%d openers, %d readers, %d that pass on", len(n.l.openers.by), len(h.readers), len(h.passing))
	}
	n.play("end s")
	n.links("s < -")
}
