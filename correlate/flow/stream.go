package flow

import (
	"weft/correlate/event"
	"weft/correlate/proto"
)

// Streams have numbers, so that requests and replies are paired without regard to their order, and what is missing of one says
// nothing of another.

// takeFields takes the fields in t.message, which one end of a stream has said.
func (t *Table) takeFields(c *Conn, w *proto.Frames, ev *event.Event, kind proto.Block) {
	d := ev.Message.Direction
	t.learnRole(c, d, kind)
	if t.message.Dropped > 0 {
		t.count(PartlyKnown, 1)
	}
	x := c.mux.of(w.Opens.Stream)
	asks := c.isRequest(d, nil)
	switch {
	case c.role == unknown:
	case asks && (x == nil || !x.asked):
		if kind == proto.RequestBlock {
			t.takeStream(c, w, ev, x)
			x = c.mux.of(w.Opens.Stream)
		}
	case !asks && w.Opens.Stream&1 == 0:
		return // a reply to a request that the server has made up
	case !asks && x != nil && x.ended:
		return
	case !asks:
		x = t.takeAnswer(c, w, ev, x, kind)
	}
	if x != nil && w.Opens.EndsStream() {
		t.sideEnds(c, ev, x)
	}
}

// learnRole decides by the first message which end this is.
func (t *Table) learnRole(c *Conn, d event.Direction, kind proto.Block) {
	switch {
	case c.role != unknown || kind == proto.Trailers:
	case (kind == proto.RequestBlock) == (d == event.Receive):
		c.role = server
	default:
		c.role = client
	}
}

// takeStream starts the exchange of a request, or completes that of a reply which has overtaken it.
func (t *Table) takeStream(c *Conn, w *proto.Frames, ev *event.Event, x *Exchange) {
	m, mx := &ev.Message, c.mux
	stream := w.Opens.Stream
	if x == nil && stream <= mx.highest {
		return // trailers of a request that was answered before it was over
	}
	mx.highest = max(mx.highest, stream)
	t.settle(c, w.Start)
	if x == nil {
		t.makeRoom(c)
		x = t.exchange()
		x.Stream, x.Start = stream, w.Start
		mx.add(x)
	}
	x.asked = true
	x.Conn, x.Server = c, c.role == server
	x.Offset, x.Start = w.Offset, min(w.Start, x.startOr(w.Start))
	x.PID, x.TID = ev.PID, ev.TID
	x.takeWork(m)
	x.before = m.Retransmits
	msg := &t.message
	msg.HeadCut = msg.Dropped > 0
	t.head = msg.AppendHead(t.room[:0])
	t.readRequest(x)
	x.Major, x.Partial = 2, msg.Dropped > 0
	x.Secure = msg.Secure
	x.RPC, x.Timeout = msg.RPC(), msg.Timeout()
	t.counts.Exchanges++
	t.observer.Started(x)
	switch {
	case x.ended && w.Opens.EndsStream():
		t.finishStream(c, x, x.End)
	case x.ended:
		mx.wait(x, x.End)
	}
}

// startOr gives when a reply came that has overtaken its request, or else that time.
func (x *Exchange) startOr(other uint64) uint64 {
	if x.FirstByte != 0 {
		return x.FirstByte
	}
	return other
}

// makeRoom gives up the oldest stream of a connection that has too many: most likely its end was missed.
func (t *Table) makeRoom(c *Conn) {
	if len(c.mux.streams) >= streamsMax {
		t.abandonStream(c, c.mux.streams[0].x, LostRecords)
	}
}

// takeAnswer takes the head of a reply, or its trailers.
func (t *Table) takeAnswer(c *Conn, w *proto.Frames, ev *event.Event, x *Exchange, kind proto.Block) *Exchange {
	if t.message.Informational {
		return x
	}
	if x == nil {
		if x = t.overtakes(c, w.Opens.Stream); x == nil {
			return nil
		}
	}
	if code, ok := t.message.RPCStatus(); ok {
		x.RPCStatus, x.HasRPCStatus = code, true
	}
	if kind != proto.ReplyBlock || x.replying {
		return x
	}
	x.replying = true
	x.Conn = c
	x.FirstByte, x.Status, x.Events = w.Start, t.message.Status, t.message.Events
	if x.RPC == proto.NoRPC && x.Partial {
		x.RPC = t.message.RPC()
	}
	x.keep(t, t.options.Response, "http.response.header.")
	t.touched(x, ev)
	return x
}

// overtakes makes an exchange for a reply whose request has not been seen: the thread of a client that reads may be quicker
// than the one that sends. It gives nil when the request can't come any more.
func (t *Table) overtakes(c *Conn, stream uint32) *Exchange {
	mx := c.mux
	if c.role != client || stream <= mx.highest || mx.lossy {
		t.count(Orphans, 1)
		return nil
	}
	t.makeRoom(c)
	x := t.exchange()
	x.Stream, x.Conn = stream, c
	mx.add(x)
	return x
}

// streamEnds ends one side of a stream by a frame of DATA.
func (t *Table) streamEnds(c *Conn, ev *event.Event, stream uint32) {
	if x := c.mux.of(stream); x != nil && c.role != unknown {
		t.sideEnds(c, ev, x)
	}
}

// sideEnds notes that one side of a stream is over: a request is whole, or a reply, which ends the exchange. The thread of a client that
// reads may be quicker than the one that sends: then what the request has still to tell is waited for.
func (t *Table) sideEnds(c *Conn, ev *event.Event, x *Exchange) {
	m := &ev.Message
	if c.isRequest(m.Direction, nil) {
		x.takeRequestCounts(m)
		x.whole = true
		t.touched(x, ev)
		if x.ended {
			t.finishStream(c, x, x.End)
		}
		return
	}
	x.takeReplyCounts(m)
	t.touched(x, ev)
	if c.role == client && x.asked && !x.whole {
		x.ended = true
		x.End = max(ev.Time, x.FirstByte, x.Start)
		c.mux.wait(x, x.End)
		return
	}
	t.finishStream(c, x, ev.Time)
}

// takeRequestCounts and takeReplyCounts take what was counted of the body of one side. Of a reply that may be in two parts: up to
// where its client gave it up, and from there to its end.
func (x *Exchange) takeRequestCounts(m *event.Message) {
	x.RequestBody = max(x.RequestBody, m.Body)
	if m.Flags&event.Pieces == 0 {
		x.RequestMessages = max(x.RequestMessages, m.Messages)
	}
}

func (x *Exchange) takeReplyCounts(m *event.Message) {
	x.ReplyBody += m.Body
	if m.Flags&event.Pieces == 0 {
		x.ReplyMessages += m.Messages
	} else if x.Events {
		x.Pieces += m.Messages
	}
}

// finishStream ends an exchange. A reply that has overtaken its request waits for it.
func (t *Table) finishStream(c *Conn, x *Exchange, end uint64) {
	if x.asked {
		c.mux.remove(x.Stream)
	}
	t.finish(c, x, end)
}

// goesAway ends the streams that a server will not work on. Their requests may be sent again on another connection.
func (t *Table) goesAway(c *Conn, ev *event.Event, last uint32) {
	if c.role == unknown || c.isRequest(ev.Message.Direction, nil) {
		return
	}
	for i := len(c.mux.streams) - 1; i >= 0; i-- {
		if x := c.mux.streams[i].x; x.Stream > last && x.asked && !x.ended {
			x.Fault = Refused
			t.finishStream(c, x, ev.Time)
		}
	}
}

// closesStreams ends everything that is open on a connection that is closed.
func (t *Table) closesStreams(c *Conn, ev *event.Event) {
	for len(c.mux.streams) > 0 {
		x := c.mux.streams[0].x
		switch {
		case !x.asked, x.Lost && !x.replying:
			t.abandonStream(c, x, LostRecords)
			continue
		case x.waits != 0:
			t.finishWaiting(c, x)
			continue
		case ev.Close.Reset:
			x.Fault = Reset
		case x.replying:
			x.Fault = Truncated
		default:
			x.Fault = Closed
		}
		t.finishStream(c, x, ev.Time)
	}
}

// abandonStreams gives up the open exchanges of a connection; one whose reply was known is a span all the same.
func (t *Table) abandonStreams(c *Conn, why Reason) {
	for c.mux != nil && len(c.mux.streams) > 0 {
		t.abandonStream(c, c.mux.streams[0].x, why)
	}
}

func (t *Table) abandonStream(c *Conn, x *Exchange, why Reason) {
	if x.waits != 0 && x.asked {
		t.finishWaiting(c, x)
		return
	}
	c.mux.remove(x.Stream)
	if x.replying && x.asked {
		x.Lost = true
		t.finish(c, x, c.last)
		return
	}
	t.lose(c, x, why)
}
