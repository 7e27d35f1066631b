package event

import (
	"encoding/binary"
	"net/netip"
)

// Bits of the byte that says which of a message's rarer values follow, in this order.
const (
	hasUnread = 1 << iota
	hasBody
	hasPrevious
	hasWork
	hasOrigin
	hasRTT
	hasRetransmits
	hasLost
)

// appendEvent appends the frame of an event without its length. step is the time since the event before.
func appendEvent(b []byte, ev *Event, step uint64, r *redactor) []byte {
	b = append(b, byte(ev.Kind))
	b = binary.AppendVarint(b, int64(step))
	b = binary.AppendUvarint(b, ev.Socket)
	b = binary.AppendUvarint(b, uint64(ev.PID))
	b = binary.AppendVarint(b, int64(int32(ev.TID-ev.PID)))
	switch ev.Kind {
	case KindMessage:
		if ev.Message.Flags&Frame != 0 {
			m := r.frame(ev)
			b = appendMessage(b, &m, ev.Time, m.Payload)
			return binary.AppendUvarint(b, uint64(m.Messages))
		}
		b = appendMessage(b, &ev.Message, ev.Time, ev.Message.Payload)
		r.message(ev, b[len(b)-len(ev.Message.Payload):])
		if ev.Message.Flags&Pieces != 0 {
			b = binary.AppendUvarint(b, uint64(ev.Message.Messages))
		}
	case KindHello:
		b = appendMessage(b, &ev.Message, ev.Time, ev.Message.Payload)
	case KindWaiters:
		b = appendWaiters(b, &ev.Waiters)
	case KindHeld:
		b = appendHeld(b, &ev.Held)
	case KindThread:
		b = appendThread(b, &ev.Thread, ev.TID)
	case KindSession:
		b = appendSession(b, &ev.Session)
	case KindHandover, KindStream:
		if b = appendMessage(b, &ev.Message, ev.Time, nil); ev.Kind == KindStream {
			b = binary.AppendUvarint(b, uint64(ev.Stream))
		}
	case KindSocket:
		b = appendConn(b, &ev.Conn)
	case KindClose:
		r.forget(ev.Socket)
		b = appendClose(b, &ev.Close, ev.Time)
	case KindProcess, KindRename:
		b = appendProcess(b, ev.Process, r)
	case KindFork:
		b = binary.AppendUvarint(b, uint64(ev.Parent))
	case KindClock:
		b = binary.AppendVarint(b, ev.Wall)
	case KindLoss:
		b = binary.AppendUvarint(b, ev.Loss.LostServer)
		b = binary.AppendUvarint(b, ev.Loss.LostClient)
		b = binary.AppendUvarint(b, ev.Loss.Records)
	}
	return b
}

// appendMessage appends the payload last, so that it can be blanked in place.
func appendMessage(b []byte, m *Message, time uint64, payload []byte) []byte {
	b = binary.AppendUvarint(b, uint64(m.Flags)<<1|uint64(m.Direction&1))
	at := len(b)
	b = append(b, 0)
	for i, v := range [...]uint64{
		uint64(m.Unread), m.Body, m.Previous, m.Work, m.Origin, uint64(m.RTT), uint64(m.Retransmits), uint64(m.Lost),
	} {
		if v == 0 {
			continue
		}
		b[at] |= 1 << i
		if 1<<i == hasPrevious {
			v = zigzag(time - v)
		}
		b = binary.AppendUvarint(b, v)
	}
	if m.Flags&TLS != 0 {
		b = binary.AppendUvarint(b, m.Wire)
	}
	b = binary.AppendUvarint(b, m.Offset)
	b = binary.AppendUvarint(b, uint64(len(payload)))
	b = binary.AppendVarint(b, int64(m.Through-m.Offset-uint64(len(payload))))
	return append(b, payload...)
}

// zigzag makes small numbers of small distances in both directions.
func zigzag(v uint64) uint64 { return v<<1 ^ uint64(int64(v)>>63) }

func appendConn(b []byte, c *Conn) []byte {
	b = binary.AppendUvarint(b, uint64(c.Family))
	b = append(b, byte(c.Origin), bit(c.Listening))
	b = appendAddress(b, c.Local)
	b = appendAddress(b, c.Peer)
	for _, v := range [...]uint64{c.NameLocal, c.NamePeer, c.NetNS, c.Cgroup, c.ConnectNS} {
		b = binary.AppendUvarint(b, v)
	}
	return b
}

// appendAddress appends the number of bytes of the address, 0, 4 or 16, the address and the port. IPv6 zones, which no
// socket of the kernel side has, are not kept.
func appendAddress(b []byte, a netip.AddrPort) []byte {
	switch addr := a.Addr(); {
	case addr.Is4():
		four := addr.As4()
		b = append(append(b, 4), four[:]...)
	case addr.Is6():
		sixteen := addr.As16()
		b = append(append(b, 16), sixteen[:]...)
	default:
		b = append(b, 0)
	}
	return binary.AppendUvarint(b, uint64(a.Port()))
}

func appendWaiters(b []byte, w *Waiters) []byte {
	b = binary.AppendUvarint(b, w.Worker)
	b = append(b, w.Count)
	for _, one := range w.Of[:min(w.Count, WaitersMax)] {
		b = binary.AppendUvarint(binary.AppendUvarint(binary.AppendUvarint(b, one.Goroutine), one.Parent), one.Place)
	}
	if w.Ready {
		b = append(b, 1)
	}
	return b
}

// appendHeld writes what is held by what it is above the one before.
func appendHeld(b []byte, h *Held) []byte {
	flags := uint64(len(h.Of)) << 3
	for i, set := range [...]bool{h.Calls, h.Begins, h.Frame} {
		if set {
			flags |= 1 << i
		}
	}
	b = binary.AppendUvarint(b, flags)
	for _, v := range [...]uint64{h.Start, h.Top - h.Start, h.End - h.Top, uint64(h.Collections), uint64(h.Depth)} {
		b = binary.AppendUvarint(b, v)
	}
	place, address := uint64(0), h.Start
	for _, one := range h.Of {
		b = binary.AppendUvarint(b, one>>HeldPlace-place)
		b = binary.AppendVarint(b, int64(one&(1<<HeldPlace-1)-address))
		place, address = one>>HeldPlace, one&(1<<HeldPlace-1)
	}
	return b
}

func appendThread(b []byte, t *Thread, tid uint32) []byte {
	b = append(b, byte(t.Deed))
	b = binary.AppendVarint(b, int64(int32(t.Other-tid)))
	return binary.AppendUvarint(b, t.Address)
}

func appendSession(b []byte, s *Session) []byte {
	for _, v := range [...]uint64{s.Under, s.Hello, s.Handshake[0], s.Handshake[1], s.Data[0], s.Data[1], s.Offset, s.Wire} {
		b = binary.AppendUvarint(b, v)
	}
	return b
}

func appendClose(b []byte, c *Close, time uint64) []byte {
	counted := c.SentMessages|c.ReceivedMessages != 0
	b = append(b, bit(c.Reset)*isReset|bit(counted)*isCounted)
	b = binary.AppendUvarint(b, c.Sent)
	b = binary.AppendUvarint(b, c.Received)
	b = binary.AppendUvarint(b, zigzag(time-c.Previous))
	b = binary.AppendUvarint(b, uint64(c.Retransmits))
	b = binary.AppendUvarint(b, uint64(c.Lost))
	if counted {
		b = binary.AppendUvarint(binary.AppendUvarint(b, uint64(c.SentMessages)), uint64(c.ReceivedMessages))
	}
	return b
}

// Bits of the byte that opens a close.
const (
	isReset = 1 << iota
	isCounted
)

// Bits of the byte that opens a process.
const (
	isPresent = 1 << iota
	isExporting
	isGo
	hasProgram
)

func appendProcess(b []byte, p *Process, r *redactor) []byte {
	if p == nil {
		return append(b, 0)
	}
	b = append(b, isPresent|bit(p.Exports)*isExporting|bit(p.Go)*isGo|bit(p.Program != 0)*hasProgram)
	b = appendText(b, p.Service)
	if p.Program != 0 {
		b = binary.AppendUvarint(b, p.Program)
	}
	kept := 0
	for i := range p.Attributes {
		if r.keepsAttribute(p.Attributes[i].Key) {
			kept++
		}
	}
	b = binary.AppendUvarint(b, uint64(kept))
	for i := range p.Attributes {
		if a := &p.Attributes[i]; r.keepsAttribute(a.Key) {
			b = appendText(appendText(b, a.Key), a.Value)
		}
	}
	return b
}

func appendText(b []byte, s string) []byte {
	b = binary.AppendUvarint(b, uint64(len(s)))
	return append(b, s...)
}

func bit(set bool) byte {
	if set {
		return 1
	}
	return 0
}
