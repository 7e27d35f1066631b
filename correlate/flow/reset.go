package flow

import (
	"weft/correlate/event"
	"weft/correlate/proto"
)

// streamReset ends a stream that one end gave up.
func (t *Table) streamReset(c *Conn, ev *event.Event, stream, code uint32) {
	const noError, closed, refused, cancelled = 0, 5, 7, 8
	x := c.mux.of(stream)
	if x == nil || !x.asked {
		return
	}
	if x.ended {
		t.finishStream(c, x, x.End)
		return
	}
	if m := &ev.Message; c.isRequest(m.Direction, nil) != (m.Flags&event.Other != 0) {
		x.takeRequestCounts(m)
	} else {
		x.takeReplyCounts(m)
	}
	if (code == noError || code == closed) && c.isRequest(ev.Message.Direction, nil) {
		t.resets(c, x, ev.Time)
		return
	}
	switch code {
	case cancelled:
		x.Fault = Cancelled
	case refused:
		x.Fault = Refused
	default:
		x.Fault = StreamReset
	}
	if x.RPC != proto.NoRPC && !x.HasRPCStatus {
		x.RPCStatus, x.HasRPCStatus = proto.StatusOfReset(code), true
	}
	t.touched(x, ev)
	t.finishStream(c, x, ev.Time)
}

// resets notes that a client wants no more of a stream, which is no fault: it may have all of the reply but the frame that ends it. A
// server's write of that is told when the write has returned, and the client may be quicker.
func (t *Table) resets(c *Conn, x *Exchange, at uint64) {
	if c.role == client && x.replying {
		t.finishStream(c, x, at)
		return
	}
	c.mux.wait(x, at)
}

// wait notes that a stream is over for one end, since a time.
func (m *mux) wait(x *Exchange, since uint64) {
	if x.waits == 0 {
		x.waits = since
		m.waiting++
	}
}

// grace is how long after its end the rest of a stream may be told, in nanoseconds: a thread that has lost the CPU has it again by then.
const grace = 1e9

// settle ends the exchanges of which the rest does not come any more.
func (t *Table) settle(c *Conn, now uint64) {
	for i := len(c.mux.streams) - 1; i >= 0 && c.mux.waiting > 0; i-- {
		if x := c.mux.streams[i].x; x.asked && x.waits != 0 && now > x.waits+grace {
			t.finishWaiting(c, x)
		}
	}
}

// finishWaiting ends an exchange that is over for one end, when it was.
func (t *Table) finishWaiting(c *Conn, x *Exchange) {
	switch {
	case x.ended:
		t.finishStream(c, x, x.End)
		return
	case !x.replying:
		x.Fault = StreamReset
	}
	t.finishStream(c, x, x.waits)
}
