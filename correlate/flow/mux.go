package flow

import (
	"weft/correlate/event"
	"weft/correlate/hpack"
	"weft/correlate/proto"
)

// mux is a connection of HTTP/2: many exchanges at a time, each on a stream with a number.
type mux struct {
	ways    [2]way
	streams []slot // open ones, by number
	highest uint32 // of a request that was read
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
	pieces  []byte // of a frame that came in several records
	block   []byte // of fields, as far as its frames were read
	frame   proto.Frame
	opens   proto.Frame // the block
	open    bool        // frame goes on
	inBlock bool        // block goes on
	start   uint64      // time of the first frame of the block
	offset  uint64      // and its stream offset
}

// Bounds of one connection.
const (
	streamsMax = 4096 // open streams
	keptWay    = 1 << 10
)

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

// upgrades tells whether the reply in t.message makes the connection one of HTTP/2.
func (t *Table) upgrades() (found bool) {
	t.message.ForEach("upgrade", func(value []byte) { found = found || string(value) == "h2c" })
	return found
}

// upgrade makes the connection one of HTTP/2, on whose first stream the request is answered that has asked for it.
func (t *Table) upgrade(c *Conn, x *Exchange) {
	c.remove(x)
	t.multiplexes(c)
	mx := c.mux
	x.Stream, x.Major, x.Upgraded = 1, 2, true
	x.replying, x.FirstByte, x.Status = false, 0, 0
	mx.highest = 1
	mx.add(x)
}

// feedFrame takes a record of a connection of HTTP/2.
func (t *Table) feedFrame(c *Conn, ev *event.Event) {
	m, payload := &ev.Message, ev.Message.Payload
	w := &c.mux.ways[m.Direction]
	if len(payload) == 0 {
		t.misses(c, m.Direction)
		return
	}
	if m.Flags&event.Start != 0 {
		if w.open || len(payload) < proto.FrameHeader {
			t.misses(c, m.Direction)
		}
		if len(payload) < proto.FrameHeader {
			return
		}
		w.pieces, w.frame = w.pieces[:0], proto.ReadFrame(payload)
		if !w.inBlock {
			w.start, w.offset = ev.Time, m.Offset
		}
		payload = payload[proto.FrameHeader:]
	} else if !w.open {
		return
	}
	if w.open = m.Flags&event.Open != 0; w.open || len(w.pieces) > 0 {
		if len(w.pieces)+len(payload) > proto.MaxHead {
			t.misses(c, m.Direction)
			return
		}
		w.pieces = append(w.pieces, payload...)
		payload = w.pieces
	}
	switch {
	case w.open:
	case m.Flags&event.Cut != 0:
		t.misses(c, m.Direction)
	default:
		t.takeFrame(c, w, ev, payload)
		w.rest()
	}
}

// rest gives back room that is seldom needed.
func (w *way) rest() {
	if w.pieces = w.pieces[:0]; cap(w.pieces) > keptWay {
		w.pieces = nil
	}
	if !w.inBlock && cap(w.block) > keptWay {
		w.block = nil
	}
}

// misses notes that frames of a direction were not seen: what its table of fields holds is not known any more.
func (t *Table) misses(c *Conn, d event.Direction) {
	w := &c.mux.ways[d]
	w.decoder.Lose()
	w.pieces, w.block, w.open, w.inBlock = w.pieces[:0], w.block[:0], false, false
	c.mux.lossy = true
	for _, s := range c.mux.streams {
		s.x.Lost = true
	}
}

// takeFrame takes a whole frame.
func (t *Table) takeFrame(c *Conn, w *way, ev *event.Event, payload []byte) {
	f := &w.frame
	// Nothing may stand between the frames of a block.
	if w.inBlock && (f.Type != proto.FrameContinuation || f.Stream != w.opens.Stream) {
		t.counts.Errors[proto.ErrFrame]++
		t.misses(c, ev.Message.Direction)
	}
	switch f.Type {
	case proto.FrameHeaders, proto.FramePushPromise:
		w.opens = *f
		w.block = w.block[:0]
		t.takeBlock(c, w, ev, payload)
	case proto.FrameContinuation:
		if w.inBlock {
			t.takeBlock(c, w, ev, payload)
		}
	case proto.FrameData:
		if f.EndsStream() {
			t.streamEnds(c, ev, f.Stream)
		}
	case proto.FrameReset:
		if code, ok := proto.ResetCode(payload); ok {
			t.streamReset(c, ev, f.Stream, code)
		}
	case proto.FrameGoAway:
		if last, ok := proto.LastStream(payload); ok {
			t.goesAway(c, ev, last)
		}
	}
}

// takeBlock takes a part of a block, and the block where it is the last one.
func (t *Table) takeBlock(c *Conn, w *way, ev *event.Event, payload []byte) {
	part, ok := w.frame.Block(payload)
	if !ok || len(w.block)+len(part) > proto.MaxHead {
		t.counts.Errors[proto.ErrFrame]++
		t.misses(c, ev.Message.Direction)
		return
	}
	if w.inBlock = !w.frame.EndsHeaders(); w.inBlock || len(w.block) > 0 {
		w.block = append(w.block, part...)
		part = w.block
	}
	if w.inBlock {
		return
	}
	fields, missing, err := w.decoder.Decode(part, t.fields[:0])
	t.fields = fields[:0]
	if err != nil {
		t.counts.Errors[proto.ErrBlock]++
		t.misses(c, ev.Message.Direction)
		return
	}
	kind := proto.ReadBlock(fields, missing, &t.message)
	if w.opens.Type == proto.FrameHeaders {
		t.takeFields(c, w, ev, kind)
	}
}

// find gives the place of a stream among the open ones, and whether it is one of them.
func (m *mux) find(stream uint32) (at int, found bool) {
	from, to := 0, len(m.streams)
	for from < to {
		if middle := (from + to) / 2; m.streams[middle].stream < stream {
			from = middle + 1
		} else {
			to = middle
		}
	}
	return from, from < len(m.streams) && m.streams[from].stream == stream
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
	m.streams = append(m.streams, slot{})
	copy(m.streams[at+1:], m.streams[at:])
	m.streams[at] = slot{x.Stream, x}
}

func (m *mux) remove(stream uint32) {
	at, found := m.find(stream)
	if !found {
		return
	}
	copy(m.streams[at:], m.streams[at+1:])
	m.streams[len(m.streams)-1] = slot{}
	m.streams = m.streams[:len(m.streams)-1]
	if len(m.streams) == 0 && cap(m.streams) > keptStreams {
		m.streams = nil
	}
}

// keptStreams is how many places a connection keeps on which no stream is open.
const keptStreams = 8
