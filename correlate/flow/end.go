package flow

import (
	"weft/correlate/event"
	"weft/correlate/proto"
)

// endless tells a reply whose end is that of the connection, as far as weft can read.
func (x *Exchange) endless() bool { return x.framing == proto.UntilClose }

// eof ends a reply that goes on until the other side closes. Of an AF_UNIX connection it is the only end that is told.
func (t *Table) eof(c *Conn, ev *event.Event) {
	m := &ev.Message
	if m.Direction != event.Receive {
		return
	}
	if c.role == client && len(c.open) > 0 {
		if x := c.open[0]; x.replying && x.asked && x.endless() {
			x.sizeUntil(m.Through)
			t.finish(c, x, m.Previous)
		}
	}
	if c.Family != familyUnix {
		return
	}
	c.ended = true
	if c.role == client {
		t.closes(c, &event.Event{Time: ev.Time, Close: event.Close{Received: m.Through, Previous: m.Previous}})
	}
}

// sizeUntil measures a body that ends at a stream offset.
func (x *Exchange) sizeUntil(through uint64) {
	if x.replyEnd != nowhere {
		x.ReplyBody = through - min(through, x.replyEnd)
	}
}

// closes ends everything that is open on a connection that is closed.
func (t *Table) closes(c *Conn, ev *event.Event) {
	e := &ev.Close
	c.retransmits = max(c.retransmits, e.Retransmits)
	if e.Lost > 0 {
		c.loses()
	}
	t.dropHeads(c, Unfinished)
	if c.mux != nil {
		t.closesStreams(c, ev)
	}
	t.socketCloses(c, e)
	for len(c.open) > 0 {
		x := c.open[0]
		switch {
		case !x.asked:
			t.lose(c, x, Orphans)
		case x.Lost && !x.replying:
			t.lose(c, x, LostRecords)
		default:
			t.finish(c, x, x.closes(ev))
		}
	}
}

// dropHeads gives up open heads of requests. One whose rest was never sent is no request.
func (t *Table) dropHeads(c *Conn, why Reason) {
	for d := range c.streams {
		s := &c.streams[d]
		switch {
		case len(s.head) == 0 || !c.isRequest(event.Direction(d), s.head):
		case s.holed:
			t.miss(c, LostRecords)
		case why == Evicted || why == Paused:
			t.miss(c, why)
		}
		s.forget()
	}
}

// closes says how the exchange has ended with its connection, and when.
func (x *Exchange) closes(ev *event.Event) (end uint64) {
	e := &ev.Close
	through, pieces := e.Received, e.ReceivedMessages
	if x.Server {
		through, pieces = e.Sent, e.SentMessages
	}
	if x.Events && x.framing == proto.Chunked {
		x.Pieces = pieces
	}
	switch {
	case !x.replying && e.Reset:
		x.Fault = Reset
	case !x.replying:
		x.Fault = Closed
	case x.framing == proto.Length && through >= x.replyEnd:
		return e.Previous // only its end was not told
	case x.Lost && x.framing != proto.Length:
		return e.Previous // what is missing may be weft's own loss
	case e.Reset:
		x.Fault = Reset
	case x.endless():
		x.sizeUntil(through)
		return e.Previous
	default:
		x.Fault = Truncated
		return e.Previous
	}
	return ev.Time
}

// abandon gives up the open exchanges of a connection; one whose reply was known is a span all the same.
func (t *Table) abandon(c *Conn, why Reason) {
	t.abandonStreams(c, why)
	t.socketEnds(c, c.last)
	for len(c.open) > 0 {
		t.abandonOne(c, why)
	}
}

func (t *Table) abandonOne(c *Conn, why Reason) {
	x := c.open[0]
	if x.replying && x.asked {
		x.Lost = true
		t.finish(c, x, c.last)
		return
	}
	t.lose(c, x, why)
}

// lose gives up one exchange.
func (t *Table) lose(c *Conn, x *Exchange, why Reason) {
	c.remove(x)
	if x.asked {
		t.count(why, 1)
		t.observer.Abandoned(x)
	} else {
		t.count(Orphans, 1)
	}
	t.done(x)
}

// finish ends an exchange whose request and reply are known. A reply that overtook its request waits for it.
func (t *Table) finish(c *Conn, x *Exchange, end uint64) {
	x.ended = true
	x.End = max(end, x.FirstByte, x.Start)
	if !x.asked {
		return
	}
	x.RTT = c.rtt
	x.Retransmits = c.retransmits - min(c.retransmits, x.before)
	c.remove(x)
	t.observer.Ended(x)
	t.done(x)
}
