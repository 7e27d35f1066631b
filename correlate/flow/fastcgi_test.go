package flow

import (
	"fmt"
	"testing"

	"weft/correlate/event"
)

const cgiEnd = "\x01\x04\x00\x01\x00\x00\x00\x00"

// cgiParams are pairs whose parts are shorter than 128 bytes.
func cgiParams(pairs ...string) (out string) {
	for i := 0; i < len(pairs); i += 2 {
		out += fmt.Sprintf("%c%c%s%s", len(pairs[i]), len(pairs[i+1]), pairs[i], pairs[i+1])
	}
	return out
}

// TestFastCGI: parameters come in pieces and are read as one head, and who asks whom is known from whatever comes first.
func TestFastCGI(t *testing.T) {
	asks := cgiParams("REQUEST_METHOD", "POST", "REQUEST_URI", "/a", "CONTENT_LENGTH", "9")
	for _, test := range []struct {
		name     string
		pieces   []string
		flags    event.Flags
		tells    bool // the end of the request's body is seen
		want     string
		requests int
	}{
		{"whole", []string{asks}, 0, true, "POST /a 404, 12 and 34 bytes, server true", 1},
		{"the body's end is not read", []string{asks}, 0, false, "POST /a 404, 9 and 34 bytes, server true", 1},
		{"pieces", []string{asks[:5], asks[5:20], asks[20:]}, 0, true, "POST /a 404, 12 and 34 bytes, server true", 1},
		{"cut", []string{asks}, event.Cut, true, "POST /a 404, 12 and 34 bytes, server true", 1},
		{"no request in it", []string{"\x01\x01ab"}, 0, false, "", 1},
		{"only the answer is seen", nil, 0, false, "", 0},
	} {
		s := &seen{}
		table := New(Options{Max: 10}, s)
		at := uint64(0)
		feed := func(d event.Direction, flags event.Flags, text string, body uint64) {
			at += 100
			table.Feed(&event.Event{Kind: event.KindMessage, Time: 1000 + at, Socket: 7, PID: 3, TID: 4, Message: event.Message{
				Direction: d, Flags: event.FastCGI | flags, Offset: at, Through: at + uint64(len(text)), Body: body, Payload: []byte(text),
			}})
		}
		for i, piece := range test.pieces {
			flags := event.Open
			if i == 0 {
				flags |= event.Start
			}
			feed(event.Receive, flags, piece, 0)
		}
		if test.pieces != nil {
			feed(event.Receive, test.flags, cgiEnd, 0)
		}
		if test.tells {
			feed(event.Receive, event.End, "", 12)
		}
		feed(event.Send, event.Start, "Status: 404\r\n\r\n", 0)
		feed(event.Send, event.End, "", 34)
		got := ""
		for i := range s.ended {
			x := &s.ended[i]
			got += fmt.Sprintf("%s %s %d, %d and %d bytes, server %v", x.Method, x.Target, x.Status, x.RequestBody, x.ReplyBody, x.Server)
		}
		if n := table.Counts().Exchanges; got != test.want || int(n) != test.requests {
			t.Errorf("%s: %q and %d requests, want %q and %d", test.name, got, n, test.want, test.requests)
		}
		if role := table.conns[7].role; role != server {
			t.Errorf("%s: role %d", test.name, role)
		}
	}
}
