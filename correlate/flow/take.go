package flow

import (
	"weft/correlate/event"
	"weft/correlate/proto"
)

// take handles the whole head in t.message. behind is the stream offset behind the head; last tells that no other head
// follows it in this event.
func (t *Table) take(c *Conn, ev *event.Event, from proto.Side, behind uint64, last bool) {
	if from == proto.FromClient {
		t.takeRequest(c, ev, last)
	} else {
		t.takeReply(c, ev, behind, last)
	}
}

func (t *Table) takeRequest(c *Conn, ev *event.Event, last bool) {
	msg, m := &t.message, &ev.Message
	s := &c.streams[m.Direction]
	if c.role == unknown {
		c.role = client
		if m.Direction == event.Receive {
			c.role = server
		}
	}
	x := c.unasked()
	if x == nil {
		x = t.exchange()
		c.open = append(c.open, x)
	}
	c.requests++
	t.counts.Exchanges++
	x.asked = true
	x.Conn, x.Server = c, c.role == server
	x.PID, x.TID = ev.PID, ev.TID
	x.Goroutine, x.ParentGoroutine = m.Goroutine, m.ParentGoroutine
	x.Offset, x.Start = s.offset, s.start
	x.before = m.Retransmits
	x.Method = t.texts.of(msg.Method)
	x.Target = t.texts.of(msg.Target)
	x.Host = t.texts.of(msg.Host)
	x.UserAgent = t.texts.of(msg.UserAgent)
	x.TraceParent = string(msg.TraceParent)
	x.TraceParents = msg.TraceParents
	x.TraceState = t.traceState()
	x.Minor = msg.Minor
	x.HeadCut = msg.HeadCut
	x.keep(t, t.options.Request, "http.request.header.")
	s.remaining = nil
	switch {
	case msg.Framing == proto.Length:
		x.RequestBody = msg.Length
	case msg.Framing == proto.Chunked && last:
		s.remaining = x
	}
	t.observer.Started(x)
	if x.ended {
		t.finish(c, x, x.End)
	}
}

// unasked gives the reply that overtook its request: the client's reading thread was quicker than its writing one.
func (c *Conn) unasked() *Exchange {
	for _, x := range c.open {
		if !x.asked {
			return x
		}
	}
	return nil
}

// traceState joins the tracestate fields of a head, as W3C Trace Context section 3.3.1 wants it.
func (t *Table) traceState() string {
	if t.message.TraceStates <= 1 {
		return t.texts.of(t.message.TraceState)
	}
	joined := make([]byte, 0, 512)
	t.message.ForEach("tracestate", func(value []byte) {
		if len(joined) > 0 {
			joined = append(joined, ',')
		}
		joined = append(joined, value...)
	})
	return t.texts.of(joined)
}

func (t *Table) takeReply(c *Conn, ev *event.Event, behind uint64, last bool) {
	msg, m := &t.message, &ev.Message
	if c.role == unknown {
		c.role = server
		if m.Direction == event.Receive {
			c.role = client
		}
	}
	if len(c.open) > 0 && c.open[0].replying && !msg.Informational {
		// Its end was not told: the next reply has begun.
		x := c.open[0]
		x.Lost = true
		if x.asked {
			t.finish(c, x, m.Previous)
		} else {
			t.lose(c, x, Orphans)
		}
	}
	x := t.asker(c)
	if x == nil {
		return
	}
	msg.Answer([]byte(x.Method))
	if msg.Informational {
		return
	}
	s := &c.streams[m.Direction]
	x.replying = true
	x.Conn = c
	x.FirstByte = s.start
	x.Status = msg.Status
	x.HeadCut = x.HeadCut || msg.HeadCut
	x.framing = msg.Framing
	x.replyEnd = behind
	x.keep(t, t.options.Response, "http.response.header.")
	t.startBody(c, x, ev, last)
}

// asker gives the exchange that the next reply belongs to.
func (t *Table) asker(c *Conn) *Exchange {
	if len(c.open) > 0 {
		return c.open[0]
	}
	// Servers do not answer what they have not read, and the first reply of a connection that is older than weft
	// belongs to a request that was not seen.
	if c.role != client || (c.requests == 0 && c.Origin == event.Found) {
		t.count(Orphans, 1)
		return nil
	}
	x := t.exchange()
	c.open = append(c.open, x)
	return x
}

// startBody settles where the reply ends, now or later.
func (t *Table) startBody(c *Conn, x *Exchange, ev *event.Event, last bool) {
	m := &ev.Message
	ends := !last || m.Flags&event.End != 0
	switch x.framing {
	case proto.NoBody:
		ends = true
	case proto.Length:
		x.ReplyBody = t.message.Length
		x.replyEnd += t.message.Length
		ends = ends || m.Through >= x.replyEnd
	case proto.Tunnel:
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
	if c.isRequest(m.Direction, nil) {
		if s.remaining != nil {
			s.remaining.RequestBody = m.Body
			s.remaining = nil
		}
		return
	}
	if len(c.open) == 0 || !c.open[0].replying || c.open[0].ended {
		return
	}
	x := c.open[0]
	if x.framing == proto.Chunked {
		x.ReplyBody = m.Body
	}
	t.finish(c, x, ev.Time)
}

// keep copies the allowed headers of the head in t.message.
func (x *Exchange) keep(t *Table, names []string, prefix string) {
	for _, name := range names {
		t.message.ForEach(name, func(value []byte) {
			x.Headers = append(x.Headers, event.Attribute{Key: t.texts.key(prefix, name), Value: t.texts.of(value)})
		})
	}
}

// texts gives strings for bytes that come again and again, without a new allocation for each.
type texts struct {
	seen map[string]string
	keys map[string]string
}

const textsMax = 1 << 14

func newTexts() texts {
	return texts{seen: make(map[string]string), keys: make(map[string]string)}
}

func (t *texts) of(b []byte) string {
	if len(b) == 0 {
		return ""
	}
	if s, ok := t.seen[string(b)]; ok {
		return s
	}
	s := string(b)
	if len(b) > 512 {
		return s
	}
	if len(t.seen) >= textsMax {
		clear(t.seen)
	}
	t.seen[s] = s
	return s
}

// key joins a prefix of attribute names with a header's name; the names are those of the configuration.
func (t *texts) key(prefix, name string) string {
	k, ok := t.keys[name+prefix]
	if !ok {
		k = prefix + name
		t.keys[name+prefix] = k
	}
	return k
}
