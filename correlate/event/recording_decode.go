package event

import (
	"encoding/binary"
	"net/netip"
)

// cursor reads values off the front of a frame. After a value that is not whole or out of range all values are zero and
// bad is set.
type cursor struct {
	rest []byte
	bad  bool
}

func (c *cursor) uvarint() uint64 {
	if len(c.rest) > 0 && c.rest[0] < 0x80 {
		v := c.rest[0]
		c.rest = c.rest[1:]
		return uint64(v)
	}
	return c.longUvarint()
}

func (c *cursor) longUvarint() uint64 {
	v, n := binary.Uvarint(c.rest)
	if n <= 0 {
		c.fail()
		return 0
	}
	c.rest = c.rest[n:]
	return v
}

// varint undoes zigzag.
func (c *cursor) varint() uint64 {
	v := c.uvarint()
	return v>>1 ^ -(v & 1)
}

// limited reads a value that is not above the limit.
func (c *cursor) limited(limit uint64) uint64 {
	v := c.uvarint()
	if v > limit {
		c.fail()
		return 0
	}
	return v
}

func (c *cursor) uint32() uint32 { return uint32(c.limited(1<<32 - 1)) }

// bytes reads n bytes; they alias the frame.
func (c *cursor) bytes(n uint64) []byte {
	if n > uint64(len(c.rest)) {
		c.fail()
		return nil
	}
	b := c.rest[:n:n]
	c.rest = c.rest[n:]
	return b
}

func (c *cursor) text() string { return string(c.bytes(c.uvarint())) }

// flags reads a byte in which only the bits of mask may be set.
func (c *cursor) flags(mask byte) byte { return byte(c.limited(uint64(mask))) }

func (c *cursor) fail() {
	c.rest, c.bad = nil, true
}

// decodeEvent reads a frame without its length into an empty event. before is the time of the event before.
func decodeEvent(frame []byte, before uint64, ev *Event) bool {
	c := cursor{rest: frame}
	ev.Kind = Kind(c.flags(0x7f))
	ev.Time = before + c.varint()
	ev.Socket = c.uvarint()
	ev.PID = c.uint32()
	ev.TID = ev.PID + uint32(c.varint())
	switch ev.Kind {
	case KindMessage, KindHandover, KindHello:
		c.message(&ev.Message, ev.Time)
	case KindStream:
		c.message(&ev.Message, ev.Time)
		ev.Stream = c.uint32()
	case KindSocket:
		c.conn(&ev.Conn)
	case KindClose:
		c.close(&ev.Close, ev.Time)
	case KindProcess, KindRename:
		ev.Process = c.process()
	case KindFork:
		ev.Parent = c.uint32()
	case KindExit, KindPause:
	case KindWaiters:
		c.waiters(&ev.Waiters)
	case KindHeld:
		c.held(&ev.Held)
	case KindThread:
		ev.Thread = Thread{Deed: Deed(c.flags(0x7f)), Other: ev.TID + uint32(c.varint()), Address: c.uvarint()}
	case KindSession:
		c.session(&ev.Session)
	case KindClock:
		ev.Wall = int64(c.varint())
	case KindLoss:
		ev.Loss = Loss{LostServer: c.uvarint(), LostClient: c.uvarint(), Records: c.uvarint()}
	default:
		return false
	}
	return !c.bad && len(c.rest) == 0
}

func (c *cursor) message(m *Message, time uint64) {
	flags := c.limited(1<<17 - 1)
	m.Direction, m.Flags = Direction(flags&1), Flags(flags>>1)
	var present byte
	if b := c.bytes(1); b != nil {
		present = b[0]
	}
	if present != 0 {
		c.rare(m, present, time)
	}
	if m.Flags&TLS != 0 {
		m.Wire = c.uvarint()
	}
	m.Offset = c.uvarint()
	length := c.uvarint()
	m.Through = m.Offset + length + c.varint()
	m.Payload = c.bytes(length)
	if length == 0 {
		m.Payload = nil
	}
	if m.Flags&(Frame|Pieces) != 0 {
		m.Messages = c.uint32()
	}
}

func (c *cursor) rare(m *Message, present byte, time uint64) {
	if present&hasUnread != 0 {
		m.Unread = uint8(c.limited(0xff))
	}
	if present&hasBody != 0 {
		m.Body = c.uvarint()
	}
	if present&hasPrevious != 0 {
		m.Previous = time - c.varint()
	}
	if present&hasWork != 0 {
		m.Work = c.uvarint()
	}
	if present&hasOrigin != 0 {
		m.Origin = c.uvarint()
	}
	if present&hasRTT != 0 {
		m.RTT = c.uint32()
	}
	if present&hasRetransmits != 0 {
		m.Retransmits = c.uint32()
	}
	if present&hasLost != 0 {
		m.Lost = c.uint32()
	}
}

func (c *cursor) waiters(w *Waiters) {
	w.Worker = c.uvarint()
	if b := c.bytes(1); b != nil {
		w.Count = b[0]
	}
	for i := range min(w.Count, WaitersMax) {
		w.Of[i] = Waiter{Goroutine: c.uvarint(), Parent: c.uvarint(), Place: c.uvarint()}
	}
	if len(c.rest) > 0 {
		w.Ready = c.flags(1) != 0
	}
}

// held reads what appendHeld has written.
func (c *cursor) held(h *Held) {
	flags := c.limited(HeldMax<<3 | 7)
	h.Calls, h.Begins, h.Frame = flags&1 != 0, flags&2 != 0, flags&4 != 0
	h.Start = c.uvarint()
	h.Top = h.Start + c.uvarint()
	h.End = h.Top + c.uvarint()
	h.Collections, h.Depth = c.uint32(), c.uint32()
	place, address := uint64(0), h.Start
	for range flags >> 3 {
		place += c.uvarint()
		address += c.varint()
		h.Of = append(h.Of, address&(1<<HeldPlace-1)|place<<HeldPlace)
	}
}

func (c *cursor) session(s *Session) {
	for _, v := range [...]*uint64{&s.Under, &s.Hello, &s.Handshake[0], &s.Handshake[1], &s.Data[0], &s.Data[1], &s.Offset, &s.Wire} {
		*v = c.uvarint()
	}
}

func (c *cursor) conn(n *Conn) {
	n.Family = uint16(c.limited(0xffff))
	n.Origin = Origin(c.limited(uint64(Opened)))
	n.Listening = c.flags(1) != 0
	n.Local, n.Peer = c.address(), c.address()
	n.NameLocal, n.NamePeer = c.uvarint(), c.uvarint()
	n.NetNS, n.Cgroup, n.ConnectNS = c.uvarint(), c.uvarint(), c.uvarint()
}

func (c *cursor) address() netip.AddrPort {
	size := c.limited(16)
	addr, ok := netip.AddrFromSlice(c.bytes(size))
	if !ok && size != 0 {
		c.fail()
	}
	return netip.AddrPortFrom(addr, uint16(c.limited(0xffff)))
}

func (c *cursor) close(e *Close, time uint64) {
	flags := c.flags(isReset | isCounted)
	e.Reset = flags&isReset != 0
	e.Sent, e.Received = c.uvarint(), c.uvarint()
	e.Previous = time - c.varint()
	e.Retransmits, e.Lost = c.uint32(), c.uint32()
	if flags&isCounted != 0 {
		e.SentMessages, e.ReceivedMessages = c.uint32(), c.uint32()
	}
}

// process allocates: it is handed on for good. Each attribute takes two bytes of the frame at least, which bounds them.
func (c *cursor) process() *Process {
	flags := c.flags(isPresent | isExporting | isGo | hasProgram)
	if flags&isPresent == 0 {
		return nil
	}
	p := &Process{Service: c.text(), Exports: flags&isExporting != 0, Go: flags&isGo != 0}
	if flags&hasProgram != 0 {
		p.Program = c.uvarint()
	}
	n := c.limited(uint64(len(c.rest) / 2))
	if n == 0 {
		return p
	}
	p.Attributes = make([]Attribute, n)
	for i := range p.Attributes {
		p.Attributes[i] = Attribute{Key: c.text(), Value: c.text()}
	}
	return p
}
