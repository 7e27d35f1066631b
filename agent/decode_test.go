package agent

import (
	"errors"
	"net/netip"
	"reflect"
	"testing"
	"unsafe"

	"weft/bpf"
	"weft/correlate/event"
)

func bytesOf[T any](t *T) []byte {
	return unsafe.Slice((*byte)(unsafe.Pointer(t)), unsafe.Sizeof(*t))
}

func TestDecodeMessage(t *testing.T) {
	var r bpf.WeftMessageRecord
	r.Head.Kind = uint8(bpf.WeftRecordKindRECORD_MESSAGE)
	r.Head.Direction = uint8(bpf.WeftDirectionDIRECTION_SEND)
	r.Head.Flags = uint16(bpf.WeftMessageFlagMESSAGE_START | bpf.WeftMessageFlagMESSAGE_END)
	r.Head.Length, r.Head.Time, r.Head.Socket, r.Head.Pid, r.Head.Tid = 3, 4, 5, 6, 7
	r.Offset, r.Through, r.Body, r.Work, r.Rtt, r.Lost = 8, 9, 10, 11, 12, 13
	sample := append(bytesOf(&r), "GETrest of the sample"...)
	var ev event.Event
	if err := decodeMessage(sample, &ev); err != nil {
		t.Fatal(err)
	}
	m := &ev.Message
	if ev.Kind != event.KindMessage || ev.Time != 4 || ev.Socket != 5 || ev.PID != 6 || ev.TID != 7 {
		t.Errorf("head: %+v", ev)
	}
	if m.Direction != event.Send || m.Flags != event.Start|event.End || string(m.Payload) != "GET" {
		t.Errorf("message: %+v", m)
	}
	if m.Offset != 8 || m.Through != 9 || m.Body != 10 || m.Work != 11 || m.RTT != 12 || m.Lost != 13 {
		t.Errorf("message: %+v", m)
	}
}

// TestSize: a record takes its length of the ring, up to the next eight bytes, and a header.
func TestSize(t *testing.T) {
	a := &Agent{}
	r := bpf.WeftHandoverRecord{}
	r.Head.Kind = 255
	for _, n := range []int{0, 1, 8} {
		before := a.Size()
		if err := a.record(append(bytesOf(&r), make([]byte, n)...)); !errors.Is(err, ErrRecord) {
			t.Fatalf("a record of a kind that there is not: %v", err)
		}
		want := uint64(unsafe.Sizeof(r)) + 8 + uint64(n+7)/8*8
		if got := a.Size() - before; got != want {
			t.Errorf("a record of %d bytes takes %d of the ring, and has to take %d", int(unsafe.Sizeof(r))+n, got, want)
		}
	}
}

// TestDecodeShort cuts every kind of record at every length: an error, never a read past the end.
func TestDecodeShort(t *testing.T) {
	var message bpf.WeftMessageRecord
	message.Head.Length = 10
	whole := append(bytesOf(&message), "0123456789"...)
	for n := range whole {
		if err := decodeMessage(whole[:n:n], &event.Event{}); !errors.Is(err, ErrRecord) {
			t.Errorf("%d of %d bytes of a message: %v", n, len(whole), err)
		}
	}
	decoders := map[int]func([]byte, *event.Event) error{
		int(unsafe.Sizeof(bpf.WeftSocketRecord{})):   decodeSocket,
		int(unsafe.Sizeof(bpf.WeftCloseRecord{})):    decodeClose,
		int(unsafe.Sizeof(bpf.WeftHandoverRecord{})): decodeHandover,
		int(unsafe.Sizeof(bpf.WeftStreamRecord{})):   decodeStream,
		int(unsafe.Sizeof(bpf.WeftHeldRecord{})):     decodeHeld,
	}
	for size, decode := range decoders {
		for n := range size {
			if err := decode(make([]byte, n), &event.Event{}); !errors.Is(err, ErrRecord) {
				t.Errorf("%d of %d bytes: %v", n, size, err)
			}
		}
		if err := decode(make([]byte, size), &event.Event{}); err != nil {
			t.Errorf("%d bytes: %v", size, err)
		}
	}
}

func TestDecodeStream(t *testing.T) {
	r := bpf.WeftStreamRecord{Goroutine: 1, ParentGoroutine: 2, Stream: 3}
	r.Head.Socket, r.Head.Pid, r.Head.Tid, r.Head.Time, r.Head.Direction = 4, 5, 6, 7, 1
	want := event.Event{Kind: event.KindStream, Socket: 4, PID: 5, TID: 6, Time: 7, Stream: 3}
	want.Message.Direction, want.Message.Work, want.Message.Origin = event.Send, 1, 2
	var ev event.Event
	if err := decodeStream(bytesOf(&r), &ev); err != nil || !reflect.DeepEqual(ev, want) {
		t.Errorf("%v\n%+v\n%+v", err, ev, want)
	}
}

func TestDecodeHeld(t *testing.T) {
	r := bpf.WeftHeldRecord{Start: 8, Top: 16, End: 24, Collections: 9, Depth: 10, Count: 2}
	r.Head.Socket, r.Head.Pid, r.Head.Tid, r.Head.Time = 4, 5, 6, 7
	r.Head.Direction, r.Head.Flags = 1, uint16(bpf.WeftMessageFlagMESSAGE_START|bpf.WeftMessageFlagMESSAGE_FRAME)
	held := []uint64{1 << 40, 2 << 48}
	want := event.Event{Kind: event.KindHeld, Socket: 4, PID: 5, TID: 6, Time: 7}
	want.Held = event.Held{Calls: true, Begins: true, Frame: true, Start: 8, Top: 16, End: 24, Collections: 9, Depth: 10, Of: held}
	sample := append(bytesOf(&r), bytesOf((*[2]uint64)(held))...)
	var ev event.Event
	if err := decodeHeld(sample, &ev); err != nil || !reflect.DeepEqual(ev, want) {
		t.Errorf("%v\n%+v\n%+v", err, ev, want)
	}
	if err := decodeHeld(sample[:len(sample)-1], &ev); !errors.Is(err, ErrRecord) {
		t.Errorf("with less than is told: %v", err)
	}
	r.Count = event.HeldMax + 1
	if err := decodeHeld(append(bytesOf(&r), make([]byte, 8*r.Count)...), &ev); !errors.Is(err, ErrRecord) {
		t.Errorf("with more than there can be: %v", err)
	}
}

func TestDecodeSocketAddresses(t *testing.T) {
	mapped := netip.MustParseAddr("::ffff:10.1.2.3").As16()
	for _, c := range []struct {
		name   string
		family uint16
		local  [16]byte
		want   string
	}{
		{"IPv4", familyInet, [16]byte{127, 0, 0, 1}, "127.0.0.1:80"},
		{"IPv6", 10, netip.MustParseAddr("fd00::1").As16(), "[fd00::1]:80"},
		{"IPv4 in IPv6", 10, mapped, "10.1.2.3:80"},
	} {
		r := bpf.WeftSocketRecord{Family: c.family, Local: c.local, LocalPort: 80}
		var ev event.Event
		if err := decodeSocket(bytesOf(&r), &ev); err != nil {
			t.Fatal(err)
		}
		if got := ev.Conn.Local.String(); got != c.want {
			t.Errorf("%s: %s, want %s", c.name, got, c.want)
		}
	}
	r := bpf.WeftSocketRecord{Family: familyUnix, Inode: 11, PeerInode: 12}
	var ev event.Event
	if err := decodeSocket(bytesOf(&r), &ev); err != nil {
		t.Fatal(err)
	}
	if ev.Conn.NameLocal != 11 || ev.Conn.NamePeer != 12 || ev.Conn.Local.IsValid() {
		t.Errorf("unix: %+v", ev.Conn)
	}
}

// TestEventFlags holds the flags of events and of records equal: the numbers stand in two languages.
func TestEventFlags(t *testing.T) {
	for flag, want := range map[event.Flags]bpf.WeftMessageFlag{
		event.Start: bpf.WeftMessageFlagMESSAGE_START, event.Open: bpf.WeftMessageFlagMESSAGE_OPEN,
		event.Cut: bpf.WeftMessageFlagMESSAGE_CUT, event.End: bpf.WeftMessageFlagMESSAGE_END,
		event.EOF: bpf.WeftMessageFlagMESSAGE_EOF, event.Lost: bpf.WeftMessageFlagMESSAGE_LOST,
		event.Unread: bpf.WeftMessageFlagMESSAGE_UNREAD, event.Tunnel: bpf.WeftMessageFlagMESSAGE_TUNNEL,
		event.ByPort: bpf.WeftMessageFlagMESSAGE_PORT,
	} {
		if uint32(flag) != uint32(want) {
			t.Errorf("event flag %d is %d in bpf/wire.h", flag, want)
		}
	}
	if Traced != Verdict(bpf.WeftChoiceCHOICE_TRACE) || Excluded != Verdict(bpf.WeftChoiceCHOICE_IGNORE) || Other != Verdict(bpf.WeftChoiceCHOICE_OTHER) {
		t.Error("the verdicts are not those of enum choice")
	}
}
