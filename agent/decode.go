package agent

import (
	"errors"
	"net/netip"
	"unsafe"

	"weft/bpf"
	"weft/correlate/event"
)

// ErrRecord means that a record is shorter than its kind or of no known kind: kernel and user side do not match.
var ErrRecord = errors.New("record on the ring does not fit bpf/wire.h")

// as looks at a sample as the record T. The kernel wrote it with the same layout, see bpf/wire.h.
func as[T any](sample []byte) (*T, []byte, error) {
	var t T
	if len(sample) < int(unsafe.Sizeof(t)) {
		return nil, nil, ErrRecord
	}
	return (*T)(unsafe.Pointer(unsafe.SliceData(sample))), sample[unsafe.Sizeof(t):], nil
}

// decodeMessage fills ev from a message record; the payload aliases the sample.
func decodeMessage(sample []byte, ev *event.Event) error {
	r, payload, err := as[bpf.WeftMessageRecord](sample)
	if err != nil || len(payload) < int(r.Head.Length) {
		return ErrRecord
	}
	ev.Kind = event.KindMessage
	ev.Time = r.Head.Time
	ev.Socket = r.Head.Socket
	ev.PID, ev.TID = r.Head.Pid, r.Head.Tid
	ev.Message = event.Message{
		Direction: event.Direction(r.Head.Direction), Flags: event.Flags(r.Head.Flags), Unread: uint8(r.Unread),
		Offset: r.Offset, Through: r.Through, Body: r.Body, Previous: r.Previous,
		Work: r.Work, Origin: r.Origin,
		RTT: r.Rtt, Retransmits: r.Retransmits, Lost: r.Lost, Wire: r.Wire, Payload: payload[:r.Head.Length],
	}
	switch m := &ev.Message; {
	case m.Flags&event.Frame != 0:
		m.Unread, m.Messages = 0, r.Unread&(uint32(bpf.WeftPieceFlagPIECES_OTHER)-1)
		if r.Unread&uint32(bpf.WeftPieceFlagPIECES_FRAMES) != 0 {
			m.Flags |= event.Pieces
		}
		if r.Unread&uint32(bpf.WeftPieceFlagPIECES_OTHER) != 0 {
			m.Flags |= event.Other
		}
	case m.Flags&(event.End|event.Unread) == event.End && r.Unread != 0:
		m.Unread, m.Messages = 0, r.Unread
		m.Flags |= event.Pieces
	}
	return nil
}

func decodeSocket(sample []byte, ev *event.Event) error {
	r, _, err := as[bpf.WeftSocketRecord](sample)
	if err != nil {
		return err
	}
	*ev = event.Event{Kind: event.KindSocket, Time: r.Head.Time, Socket: r.Head.Socket, PID: r.Head.Pid, TID: r.Head.Tid}
	ev.Conn = event.Conn{
		Family: r.Family, Origin: event.Origin(r.Origin),
		NameLocal: uint64(r.NameLocal), NamePeer: uint64(r.NamePeer),
		NetNS: r.Netns, Cgroup: r.Cgroup, ConnectNS: r.ConnectNs,
	}
	switch r.Family {
	case familyUnix:
		ev.Conn.NameLocal, ev.Conn.NamePeer = r.Inode, r.PeerInode
	case familyInet:
		ev.Conn.Local = netip.AddrPortFrom(netip.AddrFrom4([4]byte(r.Local[:4])), r.LocalPort)
		ev.Conn.Peer = netip.AddrPortFrom(netip.AddrFrom4([4]byte(r.Peer[:4])), r.PeerPort)
	default:
		ev.Conn.Local = netip.AddrPortFrom(netip.AddrFrom16(r.Local).Unmap(), r.LocalPort)
		ev.Conn.Peer = netip.AddrPortFrom(netip.AddrFrom16(r.Peer).Unmap(), r.PeerPort)
	}
	return nil
}

func decodeClose(sample []byte, ev *event.Event) error {
	r, _, err := as[bpf.WeftCloseRecord](sample)
	if err != nil {
		return err
	}
	*ev = event.Event{Kind: event.KindClose, Time: r.Head.Time, Socket: r.Head.Socket}
	ev.Close = event.Close{
		Sent: r.Sent, Received: r.Received, Previous: r.Previous,
		Retransmits: r.Retransmits, Lost: r.Lost, Reset: r.Reset != 0,
		SentMessages: r.SentMessages, ReceivedMessages: r.ReceivedMessages,
	}
	return nil
}

func decodeHandover(sample []byte, ev *event.Event) error {
	r, _, err := as[bpf.WeftHandoverRecord](sample)
	if err != nil {
		return err
	}
	*ev = event.Event{Kind: event.KindHandover, Time: r.Head.Time, Socket: r.Head.Socket, PID: r.Head.Pid, TID: r.Head.Tid}
	ev.Message.Work, ev.Message.Origin = r.Goroutine, r.ParentGoroutine
	return nil
}

func decodeStream(sample []byte, ev *event.Event) error {
	r, _, err := as[bpf.WeftStreamRecord](sample)
	if err != nil {
		return err
	}
	*ev = event.Event{Kind: event.KindStream, Time: r.Head.Time, Socket: r.Head.Socket, PID: r.Head.Pid, TID: r.Head.Tid, Stream: r.Stream}
	ev.Message.Direction = event.Direction(r.Head.Direction & 1)
	ev.Message.Work, ev.Message.Origin = r.Goroutine, r.ParentGoroutine
	return nil
}

func decodeWaiters(sample []byte, ev *event.Event) error {
	r, _, err := as[bpf.WeftWaitersRecord](sample)
	if err != nil {
		return err
	}
	*ev = event.Event{Kind: event.KindWaiters, Time: r.Head.Time, Socket: r.Head.Socket, PID: r.Head.Pid, TID: r.Head.Tid}
	ev.Waiters.Worker, ev.Waiters.Count = r.Worker, uint8(min(r.Count, 255))
	ev.Waiters.Ready = r.Ready != 0
	for i, w := range r.Waiters {
		ev.Waiters.Of[i] = event.Waiter{Goroutine: w.Goroutine, Parent: w.Parent, Place: w.Place}
	}
	return nil
}

// decodeHeld fills ev from what a thread of Java holds, which aliases the sample.
func decodeHeld(sample []byte, ev *event.Event) error {
	r, rest, err := as[bpf.WeftHeldRecord](sample)
	if err != nil || r.Count > event.HeldMax || len(rest) < int(r.Count)*8 {
		return ErrRecord
	}
	*ev = event.Event{Kind: event.KindHeld, Time: r.Head.Time, Socket: r.Head.Socket, PID: r.Head.Pid, TID: r.Head.Tid}
	ev.Held = event.Held{
		Calls:  bpf.WeftDirection(r.Head.Direction) == bpf.WeftDirectionDIRECTION_SEND,
		Begins: bpf.WeftMessageFlag(r.Head.Flags)&bpf.WeftMessageFlagMESSAGE_START != 0,
		Frame:  bpf.WeftMessageFlag(r.Head.Flags)&bpf.WeftMessageFlagMESSAGE_FRAME != 0,
		Start:  r.Start, Top: r.Top, End: r.End, Collections: r.Collections, Depth: r.Depth,
	}
	if r.Count > 0 {
		ev.Held.Of = unsafe.Slice((*uint64)(unsafe.Pointer(unsafe.SliceData(rest))), r.Count)
	}
	return nil
}

func decodeThread(sample []byte, ev *event.Event) error {
	r, _, err := as[bpf.WeftThreadRecord](sample)
	if err != nil {
		return err
	}
	*ev = event.Event{Kind: event.KindThread, Time: r.Head.Time, Socket: r.Head.Socket, PID: r.Head.Pid, TID: r.Head.Tid}
	ev.Thread = event.Thread{Deed: event.Deed(r.Deed), Other: r.Other, Address: r.Address}
	if ev.Thread.Deed == event.Wakes {
		ev.Thread.Address &= 1<<32 - 1
	}
	return nil
}

// decodeHello fills ev from a record with bytes of a handshake; the payload aliases the sample.
func decodeHello(sample []byte, ev *event.Event) error {
	err := decodeMessage(sample, ev)
	ev.Kind = event.KindHello
	return err
}

func decodeSession(sample []byte, ev *event.Event) error {
	r, _, err := as[bpf.WeftSessionRecord](sample)
	if err != nil {
		return err
	}
	*ev = event.Event{Kind: event.KindSession, Time: r.Head.Time, Socket: r.Head.Socket, PID: r.Head.Pid, TID: r.Head.Tid}
	ev.Session = event.Session{Under: r.Under, Hello: r.Hello, Handshake: r.Handshake, Data: r.Data, Offset: r.Offset, Wire: r.Wire}
	return nil
}

// The address families of Linux that a socket record can hold, besides AF_INET6.
const (
	familyUnix = 1
	familyInet = 2
)
