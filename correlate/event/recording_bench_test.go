package event

import (
	"bytes"
	"fmt"
	"io"
	"testing"
)

// traffic is n message events with payloads of about 300 bytes: requests and replies of 64 connections.
func traffic(n int) []Event {
	events := make([]Event, n)
	for i := range events {
		head := fmt.Sprintf("GET /api/v1/orders/%d?expand=items&page=%d HTTP/1.1\r\nHost: orders.shop.svc.cluster.local:8080\r\n"+
			"User-Agent: python-requests/2.32.3\r\nAccept-Encoding: gzip, deflate\r\nAccept: */*\r\nConnection: keep-alive\r\n"+
			"traceparent: 00-%016x%016x-%016x-01\r\ntracestate: vendor=value\r\n\r\n",
			i*7919%100000, i%9, uint64(i)*0x9e3779b97f4a7c15, uint64(i)*0xbf58476d1ce4e5b9, uint64(i)*0x94d049bb133111eb)
		offset := uint64(i/64) * 300
		events[i] = Event{Kind: KindMessage, Time: 1e12 + uint64(i)*20_000 + uint64(i)*7919%1000, Socket: uint64(4000 + i%64), PID: 812, TID: 812 + uint32(i%8),
			Message: Message{Direction: Direction(i & 1), Flags: Start | End, Offset: offset, Through: offset + uint64(len(head)),
				Previous: 1e12 + uint64(i)*20_000 - 3_000_000, RTT: 41 + uint32(i%13), Payload: []byte(head)}}
	}
	return events
}

func BenchmarkReader(b *testing.B) {
	events := traffic(100_000)
	file := write(b, Redaction{}, events...)
	b.ReportAllocs()
	var ev Event
	count := 0
	for b.Loop() {
		r, err := NewReader(bytes.NewReader(file))
		if err != nil {
			b.Fatal(err)
		}
		for err = r.Next(&ev); err == nil; err = r.Next(&ev) {
			count++
		}
		if err != io.EOF {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(count)/b.Elapsed().Seconds(), "events/s")
	b.ReportMetric(float64(len(file))/float64(len(events)), "B/event")
}

// BenchmarkDecode leaves decompression out.
func BenchmarkDecode(b *testing.B) {
	events := traffic(1)
	r := newRedactor(Redaction{})
	frame := appendEvent(nil, &events[0], 5, &r)
	b.ReportAllocs()
	var ev Event
	for b.Loop() {
		ev = Event{}
		if !decodeEvent(frame, 7, &ev) {
			b.Fatal("corrupt")
		}
	}
}

func BenchmarkWriter(b *testing.B) {
	events := traffic(10_000)
	w, err := NewWriter(io.Discard, Redaction{})
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	i := 0
	for b.Loop() {
		if err := w.Write(&events[i%len(events)]); err != nil {
			b.Fatal(err)
		}
		i++
	}
}

// BenchmarkRedact is the share of blanking in Write.
func BenchmarkRedact(b *testing.B) {
	events := traffic(1)
	r := newRedactor(Redaction{})
	payload := bytes.Clone(events[0].Message.Payload)
	b.ReportAllocs()
	for b.Loop() {
		r.message(&events[0], payload)
	}
}

func TestRecordingDoesNotAllocate(t *testing.T) {
	events := traffic(3000)
	file := write(t, Redaction{}, append(append(events, events...), events...)...)
	w, err := NewWriter(io.Discard, Redaction{})
	if err != nil {
		t.Fatal(err)
	}
	i := 0
	if n := testing.AllocsPerRun(2500, func() {
		if err := w.Write(&events[i%len(events)]); err != nil {
			t.Fatal(err)
		}
		i++
	}); n != 0 {
		t.Errorf("%v allocations per event written", n)
	}
	r, err := NewReader(bytes.NewReader(file))
	if err != nil {
		t.Fatal(err)
	}
	var ev Event
	if n := testing.AllocsPerRun(8000, func() {
		if err := r.Next(&ev); err != nil {
			t.Fatal(err)
		}
	}); n != 0 {
		t.Errorf("%v allocations per event read", n)
	}
}
