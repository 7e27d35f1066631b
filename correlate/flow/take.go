package flow

import (
	"weft/correlate/event"
	"weft/correlate/proto"
)

// take handles the whole head in t.message. behind is the stream offset behind the head; last tells that no other head
// follows it in this event.
func (t *Table) take(c *Conn, ev *event.Event, from proto.Side, behind uint64, last bool) {
	if from == proto.FromClient {
		t.takeRequest(c, ev, behind, last)
	} else {
		t.takeReply(c, ev, behind, last)
	}
}

func (t *Table) takeRequest(c *Conn, ev *event.Event, behind uint64, last bool) {
	m := &ev.Message
	s := &c.streams[m.Direction]
	if c.role == unknown {
		c.role = client
		if m.Direction == event.Receive {
			c.role = server
		}
	}
	if c.order.deaf {
		c.order.overhear(true)
	}
	if !c.order.deaf {
		t.beforeRequest(c, s, m)
	}
	s.follows = t.end(behind, m, last)
	s.remaining = nil
	if c.order.deaf {
		t.miss(c, c.order.why)
		return
	}
	c.order.requests++
	x := t.asked(c, s)
	x.PID, x.TID = ev.PID, ev.TID
	x.takeWork(m)
	x.before = m.Retransmits
	t.readRequest(x)
	switch {
	case t.message.Framing == proto.Length:
		x.RequestBody = t.message.Length
		if last && m.Through < behind+t.message.Length {
			s.remaining = x
		}
	case t.message.Framing == proto.Chunked && last:
		s.remaining = x
	}
	t.counts.Exchanges++
	t.observer.Started(x)
	if x.ended {
		t.finish(c, x, x.End)
	}
}

// asked gives the exchange of a request: a new one, or that of the reply which has overtaken it.
func (t *Table) asked(c *Conn, s *stream) *Exchange {
	var x *Exchange
	if len(c.open) > 0 && !c.open[0].asked {
		x = c.open[0]
		x.Start = min(s.start, x.FirstByte)
	} else {
		x = t.exchange()
		x.Start = s.start
		c.open = append(c.open, x)
	}
	x.asked = true
	x.Conn, x.Server = c, c.role == server
	x.Offset, x.Wire = s.offset, s.wire
	return x
}

// readRequest takes over what the head in t.message says.
func (t *Table) readRequest(x *Exchange) {
	msg := &t.message
	x.Method = t.texts.of(msg.Method)
	x.Target = t.texts.of(msg.Target)
	x.Host = t.texts.of(msg.Host)
	x.UserAgent = t.texts.of(msg.UserAgent)
	x.Minor = msg.Minor
	x.HeadCut = msg.HeadCut
	x.Head = append(x.Head[:0], t.head[:min(len(t.head), HeadMax)]...)
	t.readCarriers(x)
	x.keep(t, t.options.Request, "http.request.header.")
}

// readCarriers reads the trace contexts of the head in t.message.
func (t *Table) readCarriers(x *Exchange) {
	msg := &t.message
	if t.options.Carriers == nil {
		return
	}
	for i := range msg.Fields {
		t.options.Carriers.Field(&x.Carriers, msg.Fields[i].Name, msg.Fields[i].Value)
	}
	t.options.Carriers.Settle(&x.Carriers, !msg.HeadCut && msg.Dropped == 0)
	if len(msg.Connection) > len("keep-alive") {
		x.Carriers.Each(func(name, _ []byte) {
			x.Nominated = x.Nominated || proto.Lists(msg.Connection, name)
		})
	}
}

func (t *Table) takeReply(c *Conn, ev *event.Event, behind uint64, last bool) {
	m := &ev.Message
	s := &c.streams[m.Direction]
	if c.role == unknown {
		c.role = server
		if m.Direction == event.Receive {
			c.role = client
		}
	}
	if !c.order.deaf {
		t.beforeReply(c, s, m, t.message.Informational)
	}
	if c.order.deaf {
		if !t.message.Informational {
			c.order.overhear(false)
			t.count(Orphans, 1)
		}
		return
	}
	x := t.asker(c, t.message.Informational)
	if x != nil {
		t.message.Answer([]byte(x.Method))
	}
	s.follows = t.end(behind, m, last)
	if x == nil || t.message.Informational {
		return
	}
	x.replying = true
	x.Conn = c
	x.FirstByte = s.start
	x.Status = t.message.Status
	x.HeadCut = x.HeadCut || t.message.HeadCut
	x.framing, x.Events = t.message.Framing, t.message.Events
	x.replyEnd = behind
	x.keep(t, t.options.Response, "http.response.header.")
	t.touched(x, ev)
	t.startBody(c, x, ev, last)
}

// end gives the offset behind the message in t.message, or nowhere.
func (t *Table) end(behind uint64, m *event.Message, last bool) uint64 {
	msg := &t.message
	switch {
	case msg.HeadCut:
		return nowhere
	case msg.Framing == proto.NoBody:
		return behind
	case msg.Framing == proto.Length:
		return behind + msg.Length
	case msg.Framing == proto.Chunked && last && m.Flags&event.End != 0:
		return m.Through
	}
	return nowhere
}

// startBody settles where the reply ends, now or later.
func (t *Table) startBody(c *Conn, x *Exchange, ev *event.Event, last bool) {
	m := &ev.Message
	ends := !last || m.Flags&event.End != 0
	switch {
	case t.message.HeadCut && x.framing != proto.NoBody:
		x.ReplyBody = t.message.Length
		x.framing, x.replyEnd = proto.UntilClose, nowhere
	case x.framing == proto.NoBody:
		ends = true
	case x.framing == proto.Length:
		x.ReplyBody = t.message.Length
		x.replyEnd += t.message.Length
		ends = ends || m.Through >= x.replyEnd
	case x.framing == proto.Tunnel && t.asksFor("h2c"):
		t.upgrade(c, x)
		return
	case x.framing == proto.Tunnel && t.asksFor("websocket") && c.Family != familyUnix:
		t.becomesSocket(c, x, ev)
		return
	case x.framing == proto.Tunnel:
		ends = true
		x.Upgraded = true
		c.tunnel = true
	}
	if ends {
		t.finish(c, x, ev.Time)
	}
}

// bodyEnds handles the end of a body that went on after the event of its head.
func (t *Table) bodyEnds(c *Conn, ev *event.Event) {
	m := &ev.Message
	s := &c.streams[m.Direction]
	if len(s.head) > 0 {
		t.broken(c, m.Direction)
		s.follows = m.Through
		return
	}
	s.follows = m.Through
	if c.isRequest(m.Direction, nil) {
		if s.remaining != nil {
			s.remaining.RequestBody = m.Body
			t.touched(s.remaining, ev)
			s.remaining = nil
		}
		return
	}
	if len(c.open) == 0 || c.open[0].ended {
		return
	}
	x := c.open[0]
	told := x.replying && x.framing == proto.Length && m.Through == x.replyEnd
	switch {
	case c.order.lossy && !told && (len(c.open) > 1 || c.order.pipelines()):
		t.giveUp(c, LostRecords)
		return
	case !x.replying && c.order.lossy:
		t.lose(c, x, LostRecords)
		return
	case !x.replying:
		return
	case x.framing == proto.Chunked:
		x.takeReplyCounts(m)
	}
	t.touched(x, ev)
	t.finish(c, x, ev.Time)
}

// touched tells the observer of an operation on an exchange that it knows.
func (t *Table) touched(x *Exchange, ev *event.Event) {
	if x.asked {
		t.observer.Touched(x, Touch{TID: ev.TID, Task: taskOf(&ev.Message), Time: ev.Time, Sent: ev.Message.Direction == event.Send})
	}
}

// takeWork notes what the runtime worked on when the request was read or sent.
func (x *Exchange) takeWork(m *event.Message) {
	if x.Task = taskOf(m); x.Task.Root == 0 {
		x.Goroutine, x.ParentGoroutine = m.Work, m.Origin
	}
}

// taskOf gives the task in which an operation was made.
func taskOf(m *event.Message) Task {
	if m.Flags&event.InTask == 0 {
		return Task{}
	}
	return Task{Branch: m.Work, Root: m.Origin}
}

// Keep changes which headers are kept of the heads that come from now on.
func (t *Table) Keep(request, response []string) {
	t.options.Request, t.options.Response = request, response
}

// keep copies the allowed headers of the head in t.message.
func (x *Exchange) keep(t *Table, names []string, prefix string) {
	for _, name := range names {
		t.message.ForEach(name, func(value []byte) {
			x.Headers = append(x.Headers, event.Attribute{Key: t.texts.key(prefix, name), Value: t.texts.of(value)})
		})
	}
}
