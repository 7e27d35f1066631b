package flow

import (
	"cmp"
	"slices"

	"weft/correlate/event"
	"weft/correlate/hpack"
	"weft/correlate/proto"
)

// mux is a connection of HTTP/2: many exchanges at a time, each on a stream with a number.
type mux struct {
	ways    [2]way
	streams []slot // open ones, by number
	highest uint32 // of a request that was read
	waiting int    // open ones of which only what is told late is waited for
	lossy   bool   // requests may have been missed
}

// slot is an open stream.
type slot struct {
	stream uint32
	x      *Exchange
}

// way is one direction of such a connection.
type way struct {
	decoder hpack.Decoder
	frames  proto.Frames
}

// streamsMax bounds the open streams of one connection.
const streamsMax = 4096

// multiplexes makes the connection one of HTTP/2, at its first frame.
func (t *Table) multiplexes(c *Conn) {
	if c.mux != nil {
		return
	}
	c.mux = &mux{}
	for d := range c.streams {
		c.mux.ways[d].decoder.Start()
		c.streams[d].forget()
	}
	t.abandon(c, Unpaired)
}

// upgrade makes the connection one of HTTP/2, on whose first stream the request is answered that has asked for it.
func (t *Table) upgrade(c *Conn, x *Exchange) {
	c.remove(x)
	t.multiplexes(c)
	mx := c.mux
	x.Stream, x.Major, x.Upgraded, x.whole = 1, 2, true, true
	x.replying, x.FirstByte, x.Status = false, 0, 0
	mx.highest = 1
	mx.add(x)
}

// feedFrame takes a record of a connection of HTTP/2.
func (t *Table) feedFrame(c *Conn, ev *event.Event) {
	m := &ev.Message
	w := &c.mux.ways[m.Direction]
	payload, whole, missing := w.frames.Add(&proto.Record{
		Starts: m.Flags&event.Start != 0, Open: m.Flags&event.Open != 0, Cut: m.Flags&event.Cut != 0,
		Payload: m.Payload, Time: ev.Time, Offset: m.Offset,
	})
	if missing {
		t.misses(c, m.Direction)
	}
	if whole {
		t.takeFrame(c, w, ev, payload)
		w.frames.Rest()
	}
}

// misses notes that frames of a direction were not seen: what its table of fields holds is not known any more.
func (t *Table) misses(c *Conn, d event.Direction) {
	c.mux.ways[d].decoder.Lose()
	c.mux.lossy = true
	for _, s := range c.mux.streams {
		s.x.Lost = true
	}
}

// loseFrames is misses where the frame that is open was missed, too.
func (t *Table) loseFrames(c *Conn, d event.Direction) {
	c.mux.ways[d].frames.Drop()
	t.misses(c, d)
}

// takeFrame takes a whole frame.
func (t *Table) takeFrame(c *Conn, w *way, ev *event.Event, payload []byte) {
	block, done, err := w.frames.Block(payload)
	if err != nil {
		t.counts.Errors[proto.ErrFrame]++
		t.misses(c, ev.Message.Direction)
	}
	f := &w.frames.Frame
	switch {
	case done:
		t.takeBlock(c, w, ev, block)
	case f.Type == proto.FrameData && f.EndsStream():
		t.streamEnds(c, ev, f.Stream)
	case f.Type == proto.FrameReset:
		if code, ok := proto.ResetCode(payload); ok {
			t.streamReset(c, ev, f.Stream, code)
		}
	case f.Type == proto.FrameGoAway:
		if last, ok := proto.LastStream(payload); ok {
			t.goesAway(c, ev, last)
		}
	}
}

// takeBlock takes a whole block of fields.
func (t *Table) takeBlock(c *Conn, w *way, ev *event.Event, block []byte) {
	fields, missing, err := w.decoder.Decode(block, t.fields[:0])
	t.fields = fields[:0]
	if err != nil {
		t.counts.Errors[proto.ErrBlock]++
		t.misses(c, ev.Message.Direction)
		return
	}
	t.message.Fields = t.lines // those of the parser are remembered with their head
	kind := proto.ReadBlock(fields, missing, &t.message)
	t.lines = t.message.Fields[:0]
	if w.frames.Opens.Type == proto.FrameHeaders {
		t.takeFields(c, &w.frames, ev, kind)
	}
}

// find gives the place of a stream among the open ones, and whether it is one of them.
func (m *mux) find(stream uint32) (at int, found bool) {
	return slices.BinarySearchFunc(m.streams, stream, func(s slot, stream uint32) int { return cmp.Compare(s.stream, stream) })
}

// of gives the exchange of a stream, nil if there is none.
func (m *mux) of(stream uint32) *Exchange {
	if at, found := m.find(stream); found {
		return m.streams[at].x
	}
	return nil
}

func (m *mux) add(x *Exchange) {
	at, _ := m.find(x.Stream)
	m.streams = slices.Insert(m.streams, at, slot{x.Stream, x})
}

func (m *mux) remove(stream uint32) {
	at, found := m.find(stream)
	if !found {
		return
	}
	if m.streams[at].x.waits != 0 {
		m.waiting--
	}
	m.streams = slices.Delete(m.streams, at, at+1)
	if len(m.streams) == 0 && cap(m.streams) > keptStreams {
		m.streams = nil
	}
}

// keptStreams is how many places a connection keeps on which no stream is open.
const keptStreams = 8
