package event

import (
	"encoding/binary"
	"strings"
	"testing"
)

const cgiRecordEnd = "\x01\x04\x00\x01\x00\x00\x00\x00"

func cgiPairs(texts ...string) string {
	var out []byte
	for i := 0; i < len(texts); i += 2 {
		for _, s := range texts[i : i+2] {
			if len(s) < 100 {
				out = append(out, byte(len(s)))
			} else {
				out = binary.BigEndian.AppendUint32(out, uint32(len(s))|1<<31)
			}
		}
		out = append(append(out, texts[i]...), texts[i+1]...)
	}
	return string(out)
}

// TestRedactionOfParameters: what is secret is overwritten wherever the parameters are cut, and its length stays.
func TestRedactionOfParameters(t *testing.T) {
	long := strings.Repeat("l", 200)
	whole := cgiPairs("REQUEST_METHOD", "GET", "REQUEST_URI", "/a/b?token=x", "DB_PASSWORD", "hidden", "HTTP_COOKIE", long, "HTTP_X_API_KEY", "k", "HTTP_HOST", "h",
		"HTTP_"+long, "v", "QUERY_STRING", "token=x", "SCRIPT_NAME", "/s")
	want := cgiPairs("REQUEST_METHOD", "GET", "REQUEST_URI", "/a/b?*******", "DB_PASSWORD", "******", "HTTP_COOKIE", strings.Repeat("*", 200), "HTTP_X_API_KEY", "*",
		"HTTP_HOST", "h", "HTTP_"+long, "*", "QUERY_STRING", "*******", "SCRIPT_NAME", "/s")
	for cut := 1; cut < len(whole); cut++ {
		events := pieces(7, whole, cut)
		for i := range events {
			events[i].Message.Flags = events[i].Message.Flags&^End | FastCGI | Open
		}
		events = append(events, Event{Kind: KindMessage, Time: 9, Socket: 7, Message: Message{Flags: FastCGI, Offset: 1, Payload: []byte(cgiRecordEnd)}})
		if got := redacted(t, Redaction{Headers: []string{"X-Api-Key"}}, events...); got != want+cgiRecordEnd {
			t.Fatalf("cut at %d:\n%q, want\n%q", cut, got, want)
		}
	}
	for _, test := range []struct {
		name        string
		flags       Flags
		redact      Redaction
		input, want string
	}{
		{"a target that is no path", Start | Open, Redaction{}, cgiPairs("REQUEST_URI", "http://u:p@h/"), cgiPairs("REQUEST_URI", "*************")},
		{"queries are kept", Start | Open, Redaction{KeepQuery: true}, cgiPairs("REQUEST_URI", "/a?b=c"), cgiPairs("REQUEST_URI", "/a?b=c")},
		{"the beginning is missing", Open, Redaction{}, cgiPairs("HTTP_HOST", "h"), strings.Repeat("\x00", 12)},
		{"records are missing", Start | Open | Lost, Redaction{}, cgiPairs("HTTP_HOST", "h"), strings.Repeat("\x00", 12)},
		{"an answer", Start, Redaction{}, "Set-Cookie: a=b\r\nStatus: 404\r\n\r\n", "Set-Cookie: ***\r\nStatus: 404\r\n\r\n"},
		{"an answer that is none", Start, Redaction{}, "secret words", "************"},
	} {
		event := Event{Kind: KindMessage, Socket: 7, Message: Message{Flags: FastCGI | test.flags, Payload: []byte(test.input)}}
		if got := redacted(t, test.redact, event); got != test.want {
			t.Errorf("%s: %q, want %q", test.name, got, test.want)
		}
	}
}
