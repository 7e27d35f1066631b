package flow

import (
	"errors"

	"weft/correlate/event"
	"weft/correlate/proto"
)

// cgiHeader is the length of a record's header: one ends the parameters of a request.
const cgiHeader = 8

// knowAsker settles who asks whom, from the first message that is seen: parameters are open until their end was seen, the head of an
// answer never is.
func (c *Conn) knowAsker(m *event.Message) {
	asks := m.Flags&event.Open != 0
	c.role = client
	if asks == (m.Direction == event.Receive) {
		c.role = server
	}
}

// takeRecords reads the parameters of a request, or the head of an answer. How long the body is says what ends it.
func (t *Table) takeRecords(c *Conn, ev *event.Event, data []byte) {
	m := &ev.Message
	from, err := proto.FromServer, error(nil)
	room := t.cgi[:0]
	if c.isRequest(m.Direction, nil) {
		from = proto.FromClient
		room, err = proto.AppendParams(room, data[:max(0, len(data)-cgiHeader)])
	} else {
		room = proto.AppendAnswer(room, data)
	}
	n := 0
	if err == nil {
		n, err = t.parser.Next(from, room, &t.message)
	}
	if errors.Is(err, proto.ErrTooLong) || err == nil && n == 0 {
		n, err = len(room), t.parser.Cut(from, room, &t.message)
	}
	if err != nil || n == 0 {
		t.malformed(c, from, err)
		return
	}
	t.head = room[:n]
	length := t.message.Length
	t.message.Framing, t.message.Length = proto.Chunked, 0
	t.message.HeadCut = t.message.HeadCut || from == proto.FromClient && m.Flags&event.Cut != 0
	c.fastCGI = true
	t.take(c, ev, from, m.Through, true)
	if x := c.streams[m.Direction].remaining; x != nil {
		x.RequestBody = length // some read no further than that
	}
}
