package flow

import (
	"weft/correlate/event"
	"weft/correlate/proto"
)

// role says which end of its exchanges a connection is; content decides it, not ports.
type role uint8

const (
	unknown role = iota
	server
	client
)

// Conn is one end of a connection.
type Conn struct {
	event.Conn
	Socket uint64
	First  uint64 // boot time of the first event

	announced   bool // Conn is known
	tunnel      bool // changed its protocol: nothing more is read
	role        role
	pid         uint32 // the last process that used it
	rtt         uint32
	retransmits uint32
	requests    uint64
	last        uint64 // time of the last event with data
	streams     [2]stream
	open        []*Exchange // oldest first

	previous, next *Conn
}

// stream is one direction.
type stream struct {
	head      []byte    // an open head, as far as it was seen
	offset    uint64    // of its first byte
	start     uint64    // time of its first byte
	remaining *Exchange // whose request body goes on
}

func (c *Conn) unlink() {
	if c.next == nil {
		return
	}
	c.previous.next, c.next.previous = c.next, c.previous
	c.previous, c.next = nil, nil
}

func (c *Conn) remove(x *Exchange) {
	for i, o := range c.open {
		if o == x {
			c.open = append(c.open[:i], c.open[i+1:]...)
			break
		}
	}
	for i := range c.streams {
		if c.streams[i].remaining == x {
			c.streams[i].remaining = nil
		}
	}
}

// Requests is how many requests this end has seen.
func (c *Conn) Requests() uint64 { return c.requests }

// isRequest tells whether bytes in this direction are of requests. Before anything is known the bytes decide.
func (c *Conn) isRequest(d event.Direction, data []byte) bool {
	switch c.role {
	case server:
		return d == event.Receive
	case client:
		return d == event.Send
	}
	if c.Listening && len(data) < len("HTTP/") {
		return d == event.Receive
	}
	return !(len(data) >= len("HTTP/") && string(data[:len("HTTP/")]) == "HTTP/")
}

func (t *Table) feedMessage(ev *event.Event) {
	m := &ev.Message
	c := t.conn(ev.Socket)
	if c.First == 0 {
		c.First = ev.Time
	}
	c.pid = ev.PID
	if c.tunnel {
		return
	}
	if m.RTT != 0 {
		c.rtt = m.RTT
	}
	c.retransmits = m.Retransmits
	if m.Flags&event.Lost != 0 {
		t.recordsLost(c)
	}
	switch {
	case m.Flags&event.EOF != 0:
		c.eof(t, m)
		return
	case m.Flags&event.Unread != 0:
		t.unread(c, m)
	case len(m.Payload) > 0:
		t.feedHead(c, ev)
	case m.Flags&event.End != 0:
		t.bodyEnds(c, ev)
	}
	c.last = ev.Time
}

// recordsLost gives up what can't be whole any more. The kernel has counted the requests whose first record was lost.
func (t *Table) recordsLost(c *Conn) {
	for d := range c.streams {
		s := &c.streams[d]
		if len(s.head) > 0 && c.isRequest(event.Direction(d), s.head) {
			t.count(LostRecords, 1)
		}
		s.head = s.head[:0]
	}
	t.abandon(c, LostRecords)
}

// unread handles bytes that were needed and could not be read.
func (t *Table) unread(c *Conn, m *event.Message) {
	s := &c.streams[m.Direction]
	if c.isRequest(m.Direction, nil) {
		if s.remaining == nil {
			t.count(UnreadRequest, 1)
		}
		s.head = s.head[:0]
		return
	}
	if len(c.open) == 0 {
		return
	}
	if x := c.open[0]; x.replying {
		x.framing, x.Lost = proto.UntilClose, true
	} else {
		t.lose(c, x, UnreadReply)
	}
}

// feedHead adds the payload to the head of its direction and takes all heads that are whole.
func (t *Table) feedHead(c *Conn, ev *event.Event) {
	m := &ev.Message
	s := &c.streams[m.Direction]
	data := m.Payload
	if m.Flags&event.Start != 0 {
		if len(s.head) > 0 && c.isRequest(m.Direction, s.head) {
			t.count(BadRequest, 1)
		}
		s.head = s.head[:0]
		s.offset, s.start = m.Offset, ev.Time
	} else {
		if len(s.head) == 0 {
			return // its beginning was lost or given up, and counted then
		}
		s.head = append(s.head, data...)
		data = s.head
	}
	rest := t.takeHeads(c, ev, data)
	if len(rest) == 0 {
		s.head = s.head[:0]
		return
	}
	s.head = append(s.head[:0], rest...)
}

// takeHeads reads heads until the bytes are used up. It returns the open head at their end.
func (t *Table) takeHeads(c *Conn, ev *event.Event, data []byte) (rest []byte) {
	m := &ev.Message
	s := &c.streams[m.Direction]
	parser := proto.Protocols[0].Parser
	for len(data) > 0 {
		from := proto.FromServer
		if c.isRequest(m.Direction, data) {
			from = proto.FromClient
		}
		n, err := parser.Next(from, data, &t.message)
		if err == nil && n == 0 && m.Flags&event.Open != 0 {
			return data
		}
		if err == nil && n == 0 && m.Flags&event.Cut != 0 {
			n, err = len(data), parser.Cut(from, data, &t.message)
		}
		if err != nil || n == 0 {
			t.malformed(c, from, err)
			return nil
		}
		data = data[n:]
		t.take(c, ev, from, s.offset+uint64(n), len(data) == 0)
		if t.message.Framing == proto.Length && len(data) > 0 {
			skip := min(t.message.Length, uint64(len(data)))
			n += int(skip)
			data = data[skip:]
		}
		s.offset += uint64(n)
		s.start = ev.Time
	}
	return nil
}

// malformed counts a head that can't be read and gives up the exchange that it was part of.
func (t *Table) malformed(c *Conn, from proto.Side, err error) {
	if e, ok := err.(proto.Error); ok {
		t.counts.Errors[e]++
	} else {
		t.count(Disagreed, 1)
	}
	if from == proto.FromClient {
		t.count(BadRequest, 1)
	} else if len(c.open) > 0 {
		t.lose(c, c.open[0], BadReply)
	}
}

// eof ends a reply that goes on until the other side closes.
func (c *Conn) eof(t *Table, m *event.Message) {
	if m.Direction != event.Receive || c.role != client || len(c.open) == 0 {
		return
	}
	if x := c.open[0]; x.replying && x.framing == proto.UntilClose {
		x.ReplyBody = m.Through - min(m.Through, x.replyEnd)
		t.finish(c, x, m.Previous)
	}
}

// closes ends everything that is open on a connection that is closed.
func (c *Conn) closes(t *Table, ev *event.Event) {
	e := &ev.Close
	c.retransmits = e.Retransmits
	if e.Lost > 0 {
		t.recordsLost(c)
		return
	}
	for len(c.open) > 0 {
		x := c.open[0]
		if !x.asked {
			t.lose(c, x, Orphans)
			continue
		}
		end := e.Previous
		switch {
		case x.replying && x.framing == proto.UntilClose && !e.Reset:
			through := e.Received
			if x.Server {
				through = e.Sent
			}
			x.ReplyBody = through - min(through, x.replyEnd)
		case x.replying:
			x.Fault = Truncated
		case e.Reset:
			x.Fault, end = Reset, ev.Time
		default:
			x.Fault, end = Closed, ev.Time
		}
		if x.Fault == Truncated && e.Reset {
			x.Fault = Reset
		}
		t.finish(c, x, end)
	}
}
