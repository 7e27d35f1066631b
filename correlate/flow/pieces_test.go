package flow

import (
	"fmt"
	"testing"

	"golang.org/x/net/http2"

	"weft/correlate/event"
)

// TestPieces: what the kernel side counts of a body is of the reply where it has come, and told of server-sent events alone.
func TestPieces(t *testing.T) {
	for _, test := range []struct {
		kind     string
		flags    event.Flags
		byClient bool
		want     string
	}{
		{"text/event-stream", event.Pieces, false, "5 pieces, 0 messages, 50 bytes"},
		{"text/event-stream;charset=utf-8", event.Pieces | event.Other, true, "5 pieces, 0 messages, 50 bytes"},
		{"text/event-stream", event.Pieces, true, "0 pieces, 0 messages, 0 bytes"},
		{"text/event-streams", event.Pieces, false, "0 pieces, 0 messages, 50 bytes"},
		{"application/grpc", 0, false, "0 pieces, 5 messages, 50 bytes"},
		{"application/grpc", event.Other, true, "0 pieces, 5 messages, 50 bytes"},
	} {
		s, table, client, srv := connection(t, true)
		client.request(1, true, "/events")
		srv.headers(1, false, ":status:200", "content-type:"+test.kind)
		from := srv
		if test.byClient {
			from = client
		}
		check(t, from.framer.WriteRSTStream(1, http2.ErrCodeCancel))
		frame := from.out.Bytes()
		table.Feed(&event.Event{Kind: event.KindMessage, Time: *from.now + 1, Socket: from.socket, PID: 3, TID: 4, Message: event.Message{
			Direction: from.direction, Flags: event.Frame | event.Start | test.flags, Offset: from.offset, Through: from.offset + uint64(len(frame)),
			Body: 50, Messages: 5, Payload: frame,
		}})
		if len(s.ended) != 1 {
			t.Fatalf("%d exchanges", len(s.ended))
		}
		x := &s.ended[0]
		if got := fmt.Sprintf("%d pieces, %d messages, %d bytes", x.Pieces, x.ReplyMessages, x.ReplyBody); got != test.want {
			t.Errorf("%s %x: %s, want %s", test.kind, test.flags, got, test.want)
		}
	}
}

// TestChunks: the same of HTTP/1, whose chunks are told at the end of the body, or with that of the connection.
func TestChunks(t *testing.T) {
	for _, ends := range []bool{true, false} {
		s := &seen{}
		table := New(Options{Max: 10}, s)
		feed := func(d event.Direction, flags event.Flags, offset uint64, text string, messages uint32) {
			table.Feed(&event.Event{Kind: event.KindMessage, Time: 1000 + offset, Socket: 7, PID: 3, TID: 4, Message: event.Message{
				Direction: d, Flags: flags, Offset: offset, Through: offset + uint64(len(text)), Messages: messages, Body: uint64(messages) * 10,
				Payload: []byte(text),
			}})
		}
		feed(event.Receive, event.Start|event.End, 0, "GET / HTTP/1.1\r\nHost: x\r\n\r\n", 0)
		feed(event.Send, event.Start, 0, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Type: Text/Event-Stream\r\n\r\n", 0)
		if ends {
			feed(event.Send, event.End|event.Pieces, 500, "", 5)
		}
		table.Feed(&event.Event{Kind: event.KindClose, Time: 9000, Socket: 7, Close: event.Close{Sent: 500, SentMessages: 5}})
		if len(s.ended) != 1 || s.ended[0].Pieces != 5 || ends != (s.ended[0].ReplyBody == 50) {
			t.Errorf("ends %v: %+v", ends, s.ended)
		}
	}
}
