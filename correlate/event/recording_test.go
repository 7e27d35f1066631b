package event

import (
	"bytes"
	"errors"
	"io"
	"math"
	"net/netip"
	"reflect"
	"strings"
	"testing"

	"github.com/klauspost/compress/zstd"
)

// write records the events.
func write(t testing.TB, redact Redaction, events ...Event) []byte {
	t.Helper()
	var file bytes.Buffer
	w, err := NewWriter(&file, redact)
	if err != nil {
		t.Fatal(err)
	}
	for i := range events {
		if err := w.Write(&events[i]); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return file.Bytes()
}

// read gives the events up to the first error, which is nil for io.EOF.
func read(t testing.TB, file []byte) ([]Event, error) {
	t.Helper()
	r, err := NewReader(bytes.NewReader(file))
	if err != nil {
		return nil, err
	}
	var events []Event
	for {
		var ev Event
		if err := r.Next(&ev); err == io.EOF {
			return events, nil
		} else if err != nil {
			return events, err
		}
		ev.Message.Payload = bytes.Clone(ev.Message.Payload)
		events = append(events, ev)
	}
}

// everyKind is a sequence with each kind, each value, and values at their limits.
func everyKind() []Event {
	head := []byte("GET /orders HTTP/1.1\r\nHost: a\r\n\r\n")
	full := Message{
		Direction: Send, Flags: Start | Open | Cut | End | EOF | Unread | Tunnel, Unread: 255, Offset: math.MaxUint64,
		Through: 1, Body: math.MaxUint64, Previous: math.MaxUint64, Work: 18, Origin: 1,
		RTT: math.MaxUint32, Retransmits: math.MaxUint32, Lost: math.MaxUint32, Payload: head,
	}
	four, six := netip.MustParseAddrPort("10.1.2.3:80"), netip.MustParseAddrPort("[2001:db8::1]:65535")
	mapped := netip.MustParseAddrPort("[::ffff:10.1.2.3]:1")
	return []Event{
		{Kind: KindClock, Time: 5e9, Wall: 1763846460123456789},
		{Kind: KindClock, Wall: math.MinInt64},
		{Kind: KindPause, Time: 5e9 + 1},
		{Kind: KindProcess, Time: 6e9, PID: 7, TID: 7, Process: &Process{Service: "orders", Exports: true, Go: true, Program: 1<<63 + 5,
			Attributes: []Attribute{{"process.pid", "7"}, {"service.name", "orders"}, {"x", ""}, {"", "y"}}}},
		{Kind: KindProcess, Process: &Process{Service: "bare"}},
		{Kind: KindProcess, Process: &Process{Go: true}},
		{Kind: KindProcess},
		{Kind: KindRename, Time: 6e9, PID: 7, Process: &Process{Service: "orders-v2", Attributes: []Attribute{{"k8s.pod.name", "orders-1"}}}},
		{Kind: KindSocket, Time: 7e9, Socket: 1 << 40, PID: 7, TID: 9, Conn: Conn{Family: 2, Origin: Connected, Local: four, Peer: six,
			NameLocal: 1, NamePeer: math.MaxUint64, NetNS: 4026531840, Cgroup: 12, ConnectNS: 55000, Listening: true}},
		{Kind: KindSocket, Conn: Conn{Family: math.MaxUint16, Origin: Accepted, Local: mapped}},
		{Kind: KindSocket, Conn: Conn{Peer: netip.AddrPortFrom(netip.Addr{}, 3)}},
		{Kind: KindMessage, Time: 7e9 + 1, Socket: 1 << 40, PID: 7, TID: 3, Message: full},
		{Kind: KindMessage, Time: 7e9, Socket: 2, PID: 1 << 31, TID: math.MaxUint32,
			Message: Message{Flags: Start | End, Offset: 12, Through: 12 + uint64(len(head)) + 5, Previous: 6e9, Payload: head}},
		{Kind: KindMessage, Message: Message{Flags: End | Lost, Through: 900}},
		{Kind: KindMessage, Time: 7e9, Socket: 1<<63 | 5, Message: Message{Flags: Start | End | TLS, Through: 3, Wire: 1 + 1<<40, Payload: []byte("GET")}},
		{Kind: KindHello, Time: 7e9, Socket: 2, PID: 7, TID: 7, Message: Message{Direction: Send, Offset: 5, Through: 8, Payload: []byte{22, 3, 1}}},
		{Kind: KindSession, Time: 7e9, Socket: 1<<63 | 5, PID: 7, TID: 7, Session: Session{
			Under: 2, Hello: 1e9, Handshake: [2]uint64{2e9, 3e9}, Data: [2]uint64{4e9, 5e9}, Offset: NoOffset, Wire: 9,
		}},
		{Kind: KindMessage, Time: 8e9, Socket: 3, Message: Message{Flags: End | Pieces, Offset: 5, Through: 5, Body: 9, Messages: 300}},
		{Kind: KindHandover, Time: 8e9, Socket: 3, Message: Message{Work: 99}},
		{Kind: KindStream, Time: 8e9 + 1, Socket: 3, Message: Message{Direction: Send, Work: 99, Origin: 98}, Stream: 1<<31 - 1},
		{Kind: KindWaiters, Time: 8e9, Socket: 3, PID: 7, TID: 7, Waiters: Waiters{
			Worker: 9, Count: 2, Of: [WaitersMax]Waiter{{Goroutine: 5, Parent: math.MaxUint64, Place: 67}, {Goroutine: 6}},
		}},
		{Kind: KindWaiters, Time: 8e9, Socket: 3, PID: 7, TID: 7, Waiters: Waiters{Worker: 9, Count: 1, Of: [WaitersMax]Waiter{{Goroutine: 5}}, Ready: true}},
		{Kind: KindThread, Time: 8e9, PID: 7, TID: 9, Thread: Thread{Deed: Wakes, Other: 8, Address: 1<<47 - 3}},
		{Kind: KindThread, Time: 8e9, Socket: 1 << 40, PID: 7, TID: 9, Thread: Thread{Deed: Connects}},
		{Kind: KindThread, Time: 8e9, Socket: 1 << 40, PID: 7, Thread: Thread{Deed: Unused, Address: 1}},
		{Kind: KindHeld, Time: 8e9, Socket: 3, PID: 7, TID: 9, Held: Held{Begins: true, Frame: true, Start: 1 << 46, Top: 1<<46 + 8, End: 1<<46 + 800, Collections: math.MaxUint32}},
		{Kind: KindHeld, Time: 8e9, Socket: 4, PID: 7, TID: 9, Held: Held{
			Calls: true, Start: 1 << 46, Top: 1<<46 + 8, End: 1<<46 + 800, Depth: 900, Of: []uint64{1 << 31, 1<<47 - 8 | 3<<HeldPlace, 254 << HeldPlace},
		}},
		{Kind: KindFork, PID: 8, TID: 8, Parent: math.MaxUint32},
		{Kind: KindExit, PID: 8, TID: 8},
		{Kind: KindClose, Time: 9e9, Socket: 2, Close: Close{Sent: 5, Received: math.MaxUint64, Previous: 8e9, Retransmits: 3, Lost: 4, Reset: true,
			SentMessages: 5, ReceivedMessages: math.MaxUint32}},
		{Kind: KindClose, Time: math.MaxUint64, Socket: math.MaxUint64},
		{Kind: KindLoss, Time: 1, Loss: Loss{LostServer: 1, LostClient: math.MaxUint64, Records: 3}},
	}
}

func TestRecordingKeepsEvents(t *testing.T) {
	want := everyKind()
	got, err := read(t, write(t, Redaction{}, want...))
	if err != nil || len(got) != len(want) {
		t.Fatalf("%d events of %d, error %v", len(got), len(want), err)
	}
	for i := range want {
		if !reflect.DeepEqual(got[i], want[i]) {
			t.Errorf("event %d:\ngot  %+v\nwant %+v", i, got[i], want[i])
		}
	}
	kinds := map[Kind]bool{}
	for i := range want {
		kinds[want[i].Kind] = true
	}
	if len(kinds) != int(KindRename)+7 { // 11 is none; behind 13 there are KindStream, KindWaiters, KindPause, KindThread and KindHeld
		t.Errorf("%d kinds are tested", len(kinds))
	}
}

// TestRecordingIsByteIdentical: the same events give the same file, and what was read gives it again.
func TestRecordingIsByteIdentical(t *testing.T) {
	file := write(t, Redaction{}, everyKind()...)
	events, err := read(t, file)
	if err != nil {
		t.Fatal(err)
	}
	if again := write(t, Redaction{}, events...); !bytes.Equal(again, file) {
		t.Error("the recording of a replay differs")
	}
}

func TestWriterRefusesWhatIsTooLarge(t *testing.T) {
	var file bytes.Buffer
	w, err := NewWriter(&file, Redaction{})
	if err != nil {
		t.Fatal(err)
	}
	big := Event{Kind: KindMessage, Time: 3, Message: Message{Flags: Start, Payload: make([]byte, maxFrame)}}
	small := Event{Kind: KindExit, Time: 4, PID: 1, TID: 1}
	if err := w.Write(&big); !errors.Is(err, ErrTooLarge) {
		t.Errorf("error %v", err)
	}
	if err := errors.Join(w.Write(&small), w.Close()); err != nil {
		t.Fatal(err)
	}
	if got, err := read(t, file.Bytes()); err != nil || len(got) != 1 || !reflect.DeepEqual(got[0], small) {
		t.Errorf("%+v, error %v", got, err)
	}
}

func TestLargestFrame(t *testing.T) {
	ev := Event{Kind: KindProcess, Process: &Process{Service: strings.Repeat("s", maxFrame-100)}}
	got, err := read(t, write(t, Redaction{}, ev, ev, ev))
	if err != nil || len(got) != 3 || !reflect.DeepEqual(got[2], ev) {
		t.Errorf("%d events, error %v", len(got), err)
	}
}

func TestFlushedRecordingIsReadable(t *testing.T) {
	var file bytes.Buffer
	w, err := NewWriter(&file, Redaction{})
	if err != nil {
		t.Fatal(err)
	}
	want := everyKind()
	for i := range want {
		if err := w.Write(&want[i]); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Flush(); err != nil {
		t.Fatal(err)
	}
	got, err := read(t, file.Bytes())
	if !errors.Is(err, io.ErrUnexpectedEOF) || len(got) != len(want) {
		t.Errorf("%d events of %d, error %v", len(got), len(want), err)
	}
}

func TestNoRecording(t *testing.T) {
	good := write(t, Redaction{}, everyKind()...)
	other := bytes.Clone(good)
	other[len(recordingMagic)]++
	for _, file := range [][]byte{nil, good[:5], other, []byte("#!/bin/sh\nexit 0\n")} {
		if _, err := NewReader(bytes.NewReader(file)); !errors.Is(err, ErrNoRecording) {
			t.Errorf("%q: error %v", file[:min(len(file), 10)], err)
		}
	}
}

// TestDamagedRecording: whatever byte is changed or missing, the events before it are right, and the error says where.
func TestDamagedRecording(t *testing.T) {
	want := everyKind()
	file := write(t, Redaction{}, want...)
	for i := len(recordingMagic) + 2; i < len(file); i++ { // with the header alone it is an empty recording
		got, err := read(t, file[:i])
		checkPrefix(t, got, want)
		if !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Errorf("cut at %d: error %v", i, err)
		}
		damaged := bytes.Clone(file)
		damaged[i] ^= 0x41
		if _, err = read(t, damaged); err == nil || !strings.Contains(err.Error(), "offset") {
			t.Errorf("damaged at %d: error %v", i, err)
		}
	}
}

func checkPrefix(t *testing.T, got, want []Event) {
	t.Helper()
	for i := range got {
		if !reflect.DeepEqual(got[i], want[i]) {
			t.Fatalf("event %d: %+v, want %+v", i, got[i], want[i])
		}
	}
}

func TestCorruptFrames(t *testing.T) {
	exit := string(appendFrame(nil, &Event{Kind: KindExit, PID: 1, TID: 1}))
	tests := map[string]string{
		"unknown kind":       "\x05\x7f\x00\x00\x00\x00",
		"kind 0":             "\x05\x00\x00\x00\x00\x00",
		"empty frame":        "\x00",
		"frame too long":     "\xff\xff\xff\x7f",
		"endless length":     "\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff",
		"rest behind event":  "\x06\x06\x00\x00\x00\x00\x00",
		"pid too large":      "\x09\x06\x00\x00\xff\xff\xff\xff\x7f\x00",
		"payload too long":   "\x0a\x01\x00\x00\x00\x00\x00\x00\x00\x05\x00",
		"attributes missing": "\x08\x04\x00\x00\x00\x00\x01\x00\x40",
		"address of 5 bytes": "\x0d\x02\x00\x00\x00\x00\x02\x00\x00\x05\x01\x02\x03\x04",
	}
	for name, frame := range tests {
		got, err := read(t, pack(t, []byte(exit+frame+exit)))
		if !errors.Is(err, ErrCorrupt) || len(got) != 1 {
			t.Errorf("%s: %d events, error %v", name, len(got), err)
		}
		if err != nil && !strings.Contains(err.Error(), "after 1 events, at offset 6") {
			t.Errorf("%s: error %v does not say where", name, err)
		}
	}
}

func appendFrame(b []byte, ev *Event) []byte {
	r := newRedactor(Redaction{})
	frame := appendEvent(nil, ev, ev.Time, &r)
	return append(append(b, byte(len(frame))), frame...)
}

// pack makes a recording of raw frames.
func pack(t testing.TB, frames []byte) []byte {
	t.Helper()
	file := bytes.NewBufferString(recordingMagic + string(rune(recordingVersion)))
	w, err := zstd.NewWriter(file, zstd.WithEncoderConcurrency(1), zstd.WithWindowSize(recordingWindow))
	if err != nil {
		t.Fatal(err)
	}
	if _, err = w.Write(frames); err != nil {
		t.Fatal(err)
	}
	if err = w.Close(); err != nil {
		t.Fatal(err)
	}
	return file.Bytes()
}

// FuzzReader reads damaged files and, packed properly, damaged frames. What is read is written and read again.
func FuzzReader(f *testing.F) {
	events := everyKind()
	file := write(f, Redaction{}, events...)
	f.Add(file[len(recordingMagic)+1:])
	var frames []byte
	for i := range events {
		frames = appendFrame(frames, &events[i])
	}
	f.Add(frames)
	f.Fuzz(func(t *testing.T, input []byte) {
		raw := append([]byte(recordingMagic), recordingVersion)
		if events, err := read(t, append(raw, input...)); err != nil && !strings.Contains(err.Error(), "offset") {
			t.Fatalf("%d events, error %v does not say where", len(events), err)
		}
		events, err := read(t, pack(t, input))
		if err != nil && !errors.Is(err, ErrCorrupt) && !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Fatalf("error %v", err)
		}
		keep := Redaction{KeepArguments: true}
		for i := range events {
			events[i].Message.Payload = nil // blanked, which FuzzRedaction looks at
		}
		again, err := read(t, write(t, keep, events...))
		if err != nil || !reflect.DeepEqual(again, events) {
			t.Fatalf("error %v\nfirst %+v\nagain %+v", err, events, again)
		}
	})
}
