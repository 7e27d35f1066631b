package proto

import (
	"bytes"
	"reflect"
	"strings"
	"testing"
	"unsafe"
)

// checkCut holds a parser to its contract: a prefix asks for more or gives what the whole gives.
func checkCut(t *testing.T, parser Parser, from Side, input []byte) {
	t.Helper()
	var whole, part Message
	n, err := parser.Next(from, input, &whole)
	for cut := range input {
		k, cutErr := parser.Next(from, input[:cut:cut], &part)
		switch {
		case k == 0 && cutErr == nil:
			if n > 0 && cut >= n {
				t.Fatalf("cut at %d of %q: asks for more than the head", cut, input)
			}
		case cutErr != nil:
			if cutErr != err {
				t.Fatalf("cut at %d of %q: error %v, whole %v", cut, input, cutErr, err)
			}
		case k != n || !reflect.DeepEqual(freeze(&part), freeze(&whole)):
			t.Fatalf("cut at %d of %q: n %d, whole %d\ncut   %+v\nwhole %+v", cut, input, k, n, freeze(&part), freeze(&whole))
		}
	}
}

// inside tells whether b aliases buf.
func inside(b, buf []byte) bool {
	if len(b) == 0 {
		return true
	}
	at, start := uintptr(unsafe.Pointer(&b[0])), uintptr(unsafe.Pointer(&buf[0]))
	return at >= start && at+uintptr(len(b)) <= start+uintptr(len(buf))
}

func checkAliases(t *testing.T, m *Message, buf []byte) {
	t.Helper()
	parts := [][]byte{m.Method, m.Target, m.Host, m.UserAgent, m.Connection}
	for _, f := range m.Fields {
		parts = append(parts, f.Name, f.Value)
	}
	for _, part := range parts {
		if !inside(part, buf) {
			t.Fatalf("%q is not in %q", part, buf)
		}
	}
	if len(m.Fields) > MaxFields {
		t.Fatalf("%d fields", len(m.Fields))
	}
}

func TestCut(t *testing.T) {
	head := "POST /x HTTP/1.1\r\nHost: a\r\ntraceparent: z\r\nX: y\r\n z\r\nContent-Length: 5\r\n\r\n"
	tests := []struct {
		upTo    string
		fields  int
		framing Framing
	}{
		{"HTTP/1.1\r\n", 0, NoBody},
		{"Host: a", 0, NoBody},
		{"Host: a\r", 0, NoBody},
		{"Host: a\r\n", 1, NoBody},
		{"z\r\nX: y\r", 2, NoBody},
		{"z\r\nX: y\r\n", 3, NoBody},
		{"z\r\nX: y\r\n ", 3, NoBody},
		{"y\r\n z\r\n", 3, NoBody},
		{"Content-Length: 5\r\n", 4, Length},
	}
	for _, test := range tests {
		input := []byte(head[:strings.Index(head, test.upTo)+len(test.upTo)])
		var m Message
		if err := (HTTP1{}).Cut(FromClient, input, &m); err != nil {
			t.Errorf("%q: %v", test.upTo, err)
		}
		if len(m.Fields) != test.fields || m.Framing != test.framing || !m.HeadCut || string(m.Target) != "/x" {
			t.Errorf("%q: %+v", test.upTo, freeze(&m))
		}
	}
}

func TestCutErrors(t *testing.T) {
	tests := []struct {
		from  Side
		input string
		err   error
		cut   bool
	}{
		{FromClient, "", ErrCut, false},
		{FromClient, "GET /", ErrCut, false},
		{FromServer, "HTTP/1.1 200 OK\r", ErrCut, false},
		{FromClient, "\x16\x03", ErrStartLine, false},
		{FromClient, "GET / HTTP/1.1\nX: \x00\n", ErrNUL, true},
		{FromClient, "GET / HTTP/1.1\nX: y\nZ: \x00", nil, true},
		{FromClient, "GET / HTTP/1.1\nX: y\n\nZ", nil, false},
		{FromServer, "HTTP/1.1 200 OK\n" + strings.Repeat("a: b\n", MaxHead/4), nil, true},
	}
	for _, test := range tests {
		var m Message
		if err := (HTTP1{}).Cut(test.from, []byte(test.input), &m); err != test.err || m.HeadCut != test.cut {
			t.Errorf("%.40q: error %v, cut %v", test.input, err, m.HeadCut)
		}
	}
	var m Message
	if err := (HTTP1{}).Cut(FromServer, []byte("HTTP/1.1 200 OK\nX: y\n"), &m); err != nil || m.Framing != UntilClose {
		t.Errorf("error %v, framing %d", err, m.Framing)
	}
}

func TestLooks(t *testing.T) {
	looks := Protocols[0].Looks
	for _, head := range []string{"GET / HTTP/1.1\r\n", "\r\nOPTIONS * HTTP/1.0\r\nX: y", "BREW http://h/ HTTP/1.1\n"} {
		for cut := 1; cut <= len(head); cut++ {
			if !looks(FromClient, []byte(head[:cut])) {
				t.Errorf("%q does not look like a request", head[:cut])
			}
		}
	}
	if !looks(FromServer, []byte("HTTP/1.1 200 OK\r\n")) || !looks(FromServer, []byte("HT")) {
		t.Error("a response does not look like one")
	}
	for _, input := range []string{"", "\x16\x03\x01", "EHLO x\r\n", "*1\r\n", "HTTP/1.1 200 OK\r\n", "\x00\x00\x00\x10"} {
		if looks(FromClient, []byte(input)) {
			t.Errorf("%q looks like a request", input)
		}
	}
	if looks(FromServer, []byte("+OK\r\n")) || looks(FromServer, []byte("GET / HTTP/1.1\r\n")) || looks(FromServer, nil) {
		t.Error("something else looks like a response")
	}
}

func TestErrorTable(t *testing.T) {
	seen := map[Reason]bool{}
	for e := Error(0); e < Errors; e++ {
		if e.Reason() == "" || e.Error() == "" || seen[e.Reason()] {
			t.Errorf("error %d: reason %q, text %q", e, e.Reason(), e.Error())
		}
		seen[e.Reason()] = true
	}
}

// FuzzNext holds all parsers to the contract of Parser.
func FuzzNext(f *testing.F) {
	for _, seed := range []string{
		"GET /a?b=c HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\ntraceparent: x\r\n\r\n",
		"\r\nPOST http://u@h/ HTTP/1.0\nContent-Length: 5, 5\nX: y\n z\n\nabc",
		"HTTP/1.1 200 OK\r\nContent-Length : 5\r\nTransfer-Encoding: gzip\r\n\r\nabc",
		"HTTP/1.0 404\nConnection: keep-alive, close\n\n",
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, input []byte) {
		if len(input) > 400 {
			return // the time of checkCut grows with the square
		}
		original := bytes.Clone(input)
		for _, row := range Protocols {
			for _, from := range []Side{FromClient, FromServer} {
				checkContract(t, row, from, input)
			}
		}
		if !bytes.Equal(input, original) {
			t.Fatal("the input was changed")
		}
	})
}

func checkContract(t *testing.T, row Row, from Side, input []byte) {
	t.Helper()
	var m, cut Message
	n, err := row.Parser.Next(from, input, &m)
	if _, known := err.(Error); n < 0 || n > len(input) || (err != nil && (n != 0 || !known)) {
		t.Fatalf("%s: n %d of %d, error %v", row.Name, n, len(input), err)
	}
	if len(input) > 0 && err == nil && !row.Looks(from, input) {
		t.Fatalf("%s: %q is read but does not look like it", row.Name, input)
	}
	if len(input) > 0 {
		checkAliases(t, &m, input)
	}
	checkCut(t, row.Parser, from, input)
	cutErr := row.Parser.Cut(from, input, &cut)
	if n > 0 && (cutErr != nil || !reflect.DeepEqual(freeze(&m), freeze(&cut))) {
		t.Fatalf("%s: cut differs from whole for %q: %v", row.Name, input, cutErr)
	}
	m.Answer([]byte("HEAD"))
}
