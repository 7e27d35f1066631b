package link

import (
	"weft/correlate/event"
	"weft/correlate/flow"
	"weft/correlate/proto"
	"weft/correlate/span"
)

// Go's gRPC writes the frames of all streams of a connection in one goroutine. A stream event says which goroutine has opened the
// stream of a call: before its frames are seen as a rule, and shortly after them where the writer was quicker.

// streamName names a stream of a connection.
type streamName struct {
	socket uint64
	stream uint32
}

// openers are the two sides of that: who has opened a stream of which no frame was seen, and calls of which the opener is awaited.
type openers struct {
	by      map[streamName]given
	awaited map[streamName]*flow.Exchange
}

// openersMax bounds either; hopesMax is how many calls of a process are kept back before it is known that it tells who calls.
const (
	openersMax = 1 << 14
	hopesMax   = 16
)

func streamOf(x *flow.Exchange) streamName {
	if x.Conn.Under != 0 {
		return streamName{x.Conn.Under, x.Stream}
	}
	return streamName{x.Conn.Socket, x.Stream}
}

// streamBelongs takes a stream event.
func (l *Linker) streamBelongs(ev *event.Event) {
	if ev.Message.Direction == event.Receive {
		l.handlerBegins(ev)
		return
	}
	name, by := streamName{ev.Socket, ev.Stream}, given{ev.Message.Work, ev.Message.Origin}
	l.processes.of(ev.PID).handlers.tells = true
	if call := l.openers.awaited[name]; call != nil {
		delete(l.openers.awaited, name)
		l.openedBy(call, by)
		return
	}
	if l.openers.by == nil || len(l.openers.by) >= openersMax {
		l.openers.by = make(map[streamName]given)
	}
	l.openers.by[name] = by
}

// opener gives who has opened the stream of a call, once.
func (l *Linker) opener(x *flow.Exchange) (given, bool) {
	if x.Stream == 0 {
		return given{}, false
	}
	by, ok := l.openers.by[streamOf(x)]
	return by, ok
}

// awaitOpener keeps a call back of which it is still to be told who has made it.
func (l *Linker) awaitOpener(p *Process, x *flow.Exchange) {
	if _, told := l.opener(x); told {
		delete(l.openers.by, streamOf(x))
		return
	}
	h := &p.handlers
	if x.Stream == 0 || x.RPC != proto.GRPC || x.Goroutine == 0 || p.open == 0 || len(l.openers.awaited) >= openersMax ||
		!h.tells && h.hopes >= hopesMax {
		return
	}
	h.hopes++
	if l.openers.awaited == nil {
		l.openers.awaited = make(map[streamName]*flow.Exchange)
	}
	l.openers.awaited[streamOf(x)] = x
	if c := &x.Cause; c.Parent == nil && !c.Open {
		c.Open = true
		l.opened++
	}
}

// forgetOpener ends that, when the call has ended.
func (l *Linker) forgetOpener(x *flow.Exchange) {
	if x.Stream != 0 && l.openers.awaited[streamOf(x)] == x {
		delete(l.openers.awaited, streamOf(x))
	}
}

// openedBy links a call that was kept back.
func (l *Linker) openedBy(call *flow.Exchange, by given) {
	found, sure := l.givenBy(owner(call), call, by)
	switch c := &call.Cause; {
	case len(found) != 1 || sure < threshold:
		l.settled(call)
	case c.Parent == found[0]:
		c.Confirmed = true
	default:
		l.tell(call, found[0], span.Handover, sure)
	}
}
