package flow

import "weft/correlate/event"

// Replies have no name: they belong to requests by their order alone. So a pair is only right as long as nothing is
// missing between its two heads. Three things tell that:
//
//   - Lost flags say that records of this socket are missing. The kernel holds back all that follows a request whose first
//     record was lost, up to the next request; so where a reply's record carries the flag no request is missing before it.
//   - Stream offsets say whether a message starts where the one before it in its direction has ended. If it does, nothing
//     is missing between the two, whatever the flags say.
//   - A connection that has not been seen to send a request before the reply to the last one was whole does not do so.
//
// Where they leave a doubt the connection is given up: its requests are counted from then on and not paired. What can't
// be seen is a connection whose beginning is not known (it is older than weft, or was evicted) and that always has requests
// under way: there is no moment at which to join it. No client that is in use does that.
type order struct {
	requests uint64 // read so far
	overlap  uint64 // number of the last request that came while another one was open
	overlaps uint64 // how many did
	skipped  int    // requests that are in no exchange and whose replies are still to come, or are lost too
	lossy    bool   // records were lost since a request came while none was open
	early    bool   // a reply was dropped that may be the one to the next request, seen first
	deaf     bool   // given up
	why      Reason // of that
	forever  bool   // and will not be joined again: it pipelines
	turns    int    // while given up: how often a request was followed by one reply
	asking   bool   // while given up: what was seen last is a request
}

// place says where a message starts.
type place uint8

const (
	unsure  place = iota // it is not known where the one before it has ended
	inOrder              // where the one before it has ended
	jumped               // somewhere else: bytes in between were not read
)

func (s *stream) place(offset uint64) place {
	switch s.follows {
	case nowhere:
		return unsure
	case offset:
		return inOrder
	}
	return jumped
}

const (
	habit   = 8       // requests in sequence without overlap after which a connection is no longer held for one that pipelines
	rejoin  = 16      // turns after which a connection that was given up is joined again, as if it were older than weft
	maxOpen = 1 << 10 // exchanges of a connection
)

// pipelines tells whether the connection sends requests before the replies to earlier ones, as far as it has shown.
func (o *order) pipelines() bool { return o.overlap != 0 && o.requests < o.overlap+habit }

// loses notes that records of the connection were lost.
func (c *Conn) loses() {
	c.order.lossy = true
	c.order.turns = 0
	for _, x := range c.open {
		x.Lost = true
	}
	for d := range c.streams {
		c.streams[d].holed = len(c.streams[d].head) > 0
	}
}

// giveUp ends the pairing on a connection.
func (t *Table) giveUp(c *Conn, why Reason) {
	if c.order.lossy {
		why = LostRecords
	}
	t.abandon(c, why)
	o := &c.order
	*o = order{requests: o.requests, overlaps: o.overlaps, deaf: true, why: why, forever: o.overlaps*habit > o.requests}
}

// overhear follows a connection that was given up, until it has shown that it waits for each reply.
// One that keeps a number of requests under way would look the same.
func (o *order) overhear(request bool) {
	switch {
	case request == o.asking:
		o.turns = 0
	case request:
		o.turns++
	}
	o.asking = request
	if request && o.turns >= rejoin && !o.forever {
		*o = order{requests: o.requests, overlaps: o.overlaps}
	}
}

// miss counts a request that was sent and becomes no exchange.
func (t *Table) miss(c *Conn, why Reason) {
	t.counts.Exchanges++
	t.count(why, 1)
	c.order.requests++
	c.order.skipped++
}

// overlaps notes a message that starts while an exchange is open: if it is a request, the connection pipelines, or its
// server reads with one thread what another one has not been seen to answer.
func (c *Conn) overlaps(m *event.Message, at place) {
	if len(c.open) == 0 || at != inOrder || !c.isRequest(m.Direction, nil) {
		return
	}
	if x := c.open[len(c.open)-1]; x.asked && !x.Lost && !(x.replying && x.endless()) {
		c.order.overlap = c.order.requests + 1
		c.order.overlaps++
	}
}

// beforeRequest settles what is still open when the next request has come.
func (t *Table) beforeRequest(c *Conn, s *stream, m *event.Message) {
	o := &c.order
	other := m.Direction ^ 1
	if o.lossy && !o.pipelines() && len(c.streams[other].head) > 0 {
		t.broken(c, other)
	}
	switch {
	case len(c.open) == 0 || c.open[0].asked:
	case m.Flags&event.TLS != 0 && c.open[0].FirstByte < s.start:
		// It has overtaken nothing: a write of TLS is told with the time when its call began. Its request was sent before there were probes.
		t.lose(c, c.open[0], Orphans)
	case s.at != inOrder || o.lossy:
		t.lose(c, c.open[0], Orphans)
		o.early = true
	}
	if len(c.open) > 0 && c.open[0].replying && c.open[0].asked && !o.pipelines() && (o.lossy || c.open[0].endless()) {
		t.endUntold(c, m)
	}
	switch {
	case len(c.open) == 0:
		if s.at == jumped && (o.requests > 0 || o.lossy) || s.at == unsure && o.lossy && o.pipelines() {
			o.skipped = max(o.skipped, 1)
		}
		o.lossy = false
	case !c.open[0].asked:
	case len(c.open) >= maxOpen, o.early:
		t.giveUp(c, Unpaired)
	case s.at == inOrder:
		// Pipelined, or the reply was lost: the next reply tells by its offset.
	case o.lossy && !o.pipelines():
		t.abandon(c, LostRecords)
		o.skipped = max(o.skipped, 1)
	default:
		t.giveUp(c, Unpaired)
	}
}

// beforeReply settles whose reply the next one is: that of the oldest open exchange, if one is left.
func (t *Table) beforeReply(c *Conn, s *stream, m *event.Message, informational bool) {
	o := &c.order
	if other := m.Direction ^ 1; c.streams[other].holed {
		t.broken(c, other) // it was answered, so it is whole
	}
	if len(c.open) > 0 && c.open[0].replying && !informational {
		t.endUntold(c, m)
	}
	switch {
	case len(c.open) == 0:
	case s.at == inOrder && o.skipped == 0:
		o.early = o.early && informational
	case s.at == inOrder:
		t.giveUp(c, Unpaired) // it is the reply to one of the skipped requests
	case len(c.open) == 1 && o.skipped == 0, (len(c.open) == 1 || o.lossy) && !o.pipelines():
		o.skipped, o.early = 0, o.early && informational
		for len(c.open) > 1 {
			t.abandonOne(c, LostRecords)
		}
		if x := c.open[0]; x.Lost && c.role == client {
			// Nothing but replies can be missing: this one may belong to a request that it has overtaken.
			t.lose(c, x, LostRecords)
			o.lossy = true
		}
	default:
		t.giveUp(c, Unpaired)
	}
}

// endUntold ends a reply whose end was not told, when the next message has begun.
func (t *Table) endUntold(c *Conn, m *event.Message) {
	x := c.open[0]
	if !x.asked {
		t.lose(c, x, Orphans)
		return
	}
	x.Lost = true
	t.finish(c, x, m.Previous)
}

// asker gives the exchange that the next reply belongs to, nil for none.
func (t *Table) asker(c *Conn, informational bool) *Exchange {
	if len(c.open) > 0 {
		return c.open[0]
	}
	if informational {
		return nil
	}
	o := &c.order
	if o.skipped > 0 {
		o.skipped--
		o.early = c.role == client && o.lossy
		t.count(Orphans, 1)
		return nil
	}
	// Servers do not answer what they have not read, but the thread of a client that reads may be quicker than the one
	// that sends. Then the request follows at once, and where the last one has ended.
	first := o.requests == 0 && c.Origin == event.Found
	if c.role != client || first || o.lossy || o.pipelines() || c.streams[event.Send].follows == nowhere {
		t.count(Orphans, 1)
		o.early = c.role == client
		return nil
	}
	x := t.exchange()
	c.open = append(c.open, x)
	return x
}
