package flow

import (
	"errors"

	"weft/correlate/event"
	"weft/correlate/proto"
)

func (t *Table) feedMessage(ev *event.Event) {
	m := &ev.Message
	c := t.conn(ev.Socket)
	if c.First == 0 {
		c.First = ev.Time
	}
	t.use(c, ev.PID)
	if c.tunnel && m.Flags&event.Frame == 0 {
		return
	}
	if m.RTT != 0 {
		c.rtt = m.RTT
	}
	c.retransmits = m.Retransmits
	if m.Flags&event.Lost != 0 {
		c.loses()
	}
	m.Direction &= 1
	if m.Flags&event.TLS != 0 && c.TLS == nil {
		c.TLS = &TLS{}
	}
	if m.Flags&event.Frame != 0 {
		t.multiplexes(c)
	}
	if c.mux != nil && m.Flags&event.Lost != 0 {
		t.loseFrames(c, event.Receive)
		t.loseFrames(c, event.Send)
	}
	switch {
	case m.Flags&event.Frame != 0:
		t.feedFrame(c, ev)
	case m.Flags&event.EOF != 0:
		t.eof(c, ev)
	case c.mux != nil:
		t.loseFrames(c, m.Direction)
	case m.Flags&event.Unread != 0:
		t.unread(c, m)
	case len(m.Payload) > 0:
		t.feedHead(c, ev)
	case m.Flags&event.End != 0:
		t.bodyEnds(c, ev)
	}
	c.last = ev.Time
	if c.ended && len(c.open) == 0 && (c.mux == nil || len(c.mux.streams) == 0) {
		t.drop(c)
	}
}

// unread handles bytes that were needed and could not be read. Until its direction turns nothing more is read of it.
func (t *Table) unread(c *Conn, m *event.Message) {
	s := &c.streams[m.Direction]
	s.follows = nowhere
	if c.role == unknown {
		return
	}
	s.forget()
	if c.isRequest(m.Direction, nil) {
		if s.remaining == nil {
			t.miss(c, UnreadRequest)
		}
		s.remaining = nil
		return
	}
	switch {
	case len(c.open) == 0:
		c.order.skipped = max(0, c.order.skipped-1)
	case len(c.open) > 1 || c.order.skipped > 0:
		t.giveUp(c, UnreadReply)
	case c.open[0].replying:
		c.open[0].framing, c.open[0].Lost = proto.UntilClose, true
	default:
		t.lose(c, c.open[0], UnreadReply)
	}
}

// feedHead adds the payload to the head of its direction and takes all heads that are whole.
func (t *Table) feedHead(c *Conn, ev *event.Event) {
	m := &ev.Message
	s := &c.streams[m.Direction]
	if c.role == unknown && m.Flags&event.FastCGI != 0 {
		c.knowAsker(m)
	}
	switch {
	case m.Flags&event.Start != 0:
		if len(s.head) > 0 {
			t.broken(c, m.Direction)
		}
		s.at = s.place(m.Offset)
		s.offset, s.start, s.wire = m.Offset, ev.Time, m.Wire
		s.follows = nowhere
		c.overlaps(m, s.at)
	case len(s.head) == 0:
		return // its beginning was lost or given up, and counted then
	case m.Offset != s.offset+uint64(len(s.head)) && m.Flags&event.FastCGI == 0, len(s.head) > proto.MaxHead:
		t.broken(c, m.Direction)
		return
	}
	if m.Flags&event.Open != 0 {
		s.head = append(s.head, m.Payload...)
		return
	}
	data := m.Payload
	if len(s.head) > 0 {
		s.head = append(s.head, data...)
		data = s.head
	}
	if m.Flags&event.FastCGI != 0 {
		t.takeRecords(c, ev, data)
	} else {
		t.takeHeads(c, ev, data)
	}
	s.forget()
}

// keptHead is the room for an open head that a connection keeps.
const keptHead = 8 << 10

// forget drops the open head.
func (s *stream) forget() {
	s.head, s.holed = s.head[:0], false
	if cap(s.head) > keptHead {
		s.head = nil
	}
}

// broken gives up an open head whose rest did not come.
func (t *Table) broken(c *Conn, d event.Direction) {
	s := &c.streams[d]
	request, lossy := c.isRequest(d, s.head), c.order.lossy || s.holed
	s.forget()
	s.follows = nowhere
	why := BadReply
	if request {
		why = BadRequest
	}
	if lossy {
		why = LostRecords
	}
	switch {
	case c.order.deaf && !request:
	case request:
		if other := d ^ 1; lossy && len(c.streams[other].head) > 0 {
			t.broken(c, other)
		}
		switch {
		case len(c.open) == 0 || !lossy:
		case c.order.pipelines():
			t.giveUp(c, why)
		default:
			t.abandon(c, why) // the connection has gone on to this one
		}
		t.miss(c, why)
	default:
		t.badReply(c, why)
	}
}

// badReply gives up the exchange whose reply has come but can't be read.
func (t *Table) badReply(c *Conn, why Reason) {
	o := &c.order
	switch {
	case len(c.open) == 0:
		o.skipped = max(0, o.skipped-1)
	case len(c.open) > 1 && o.lossy || o.skipped > 0:
		t.giveUp(c, why)
	default:
		t.abandonOne(c, why)
	}
}

// takeHeads reads heads until the bytes are used up.
func (t *Table) takeHeads(c *Conn, ev *event.Event, data []byte) {
	m := &ev.Message
	s := &c.streams[m.Direction]
	for len(data) > 0 && !c.tunnel {
		from := proto.FromServer
		if c.isRequest(m.Direction, data) {
			from = proto.FromClient
		}
		n, err := t.parser.Next(from, data, &t.message)
		if (errors.Is(err, proto.ErrTooLong) || err == nil && n == 0) && m.Flags&event.Cut != 0 {
			n, err = len(data), t.parser.Cut(from, data, &t.message)
		}
		if err != nil || n == 0 {
			t.malformed(c, from, err)
			return
		}
		t.head = data[:n]
		data = data[n:]
		t.take(c, ev, from, s.offset+uint64(n), len(data) == 0)
		if t.message.Framing == proto.Length && len(data) > 0 {
			skip := min(t.message.Length, uint64(len(data)))
			n += int(skip)
			data = data[skip:]
		}
		s.offset += uint64(n)
		s.wire = 0
		s.start, s.at = ev.Time, inOrder
		if len(data) > 0 {
			c.overlaps(m, s.at)
		}
	}
}

// malformed counts a head that can't be read and gives up the exchange that it was part of.
func (t *Table) malformed(c *Conn, from proto.Side, err error) {
	var e proto.Error
	if errors.As(err, &e) {
		t.counts.Errors[e]++
	} else {
		t.count(Disagreed, 1)
	}
	if from == proto.FromClient {
		t.miss(c, BadRequest)
	} else {
		t.badReply(c, BadReply)
	}
}
