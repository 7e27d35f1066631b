package event

import (
	"bytes"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"unsafe"

	"weft/correlate/proto"
)

// redacted gives the payload of the events after a recording, joined.
func redacted(t *testing.T, redact Redaction, events ...Event) string {
	t.Helper()
	got, err := read(t, write(t, redact, events...))
	if err != nil || len(got) != len(events) {
		t.Fatalf("%d events of %d, error %v", len(got), len(events), err)
	}
	joined := ""
	for i := range got {
		joined += string(got[i].Message.Payload)
	}
	return joined
}

// pieces cuts a payload at ascending positions into the events of one head.
func pieces(socket uint64, payload string, cuts ...int) []Event {
	events := make([]Event, 0, len(cuts)+1)
	from := 0
	for i, to := range append(cuts, len(payload)) {
		m := Message{Flags: Open, Offset: uint64(from), Through: uint64(to), Payload: []byte(payload[from:to])}
		if i == 0 {
			m.Flags |= Start
		}
		if i == len(cuts) {
			m.Flags ^= Open | End
		}
		events = append(events, Event{Kind: KindMessage, Time: uint64(i), Socket: socket, Message: m})
		from = to
	}
	return events
}

func TestRedaction(t *testing.T) {
	const get = "GET / HTTP/1.1\r\n"
	custom := Redaction{Headers: []string{"X-Api-Key", " x-other "}}
	tests := []struct {
		redact      Redaction
		input, want string // in want, _ stands for NUL
	}{
		{Redaction{}, get + "Authorization: Bearer abc\r\nHost: a\r\n\r\n", get + "Authorization: **********\r\nHost: a\r\n\r\n"},
		{Redaction{}, get + "COOKIE:\ta=b; c\nHost:a\n\n", get + "COOKIE:\t******\nHost:a\n\n"},
		{Redaction{}, get + "proxy-authorization:x\r\n\r\n", get + "proxy-authorization:*\r\n\r\n"},
		{Redaction{}, "HTTP/1.1 200 OK\r\nSet-Cookie: a=b\r\nSet-Cookie: c\r\n\r\n", "HTTP/1.1 200 OK\r\nSet-Cookie: ***\r\nSet-Cookie: *\r\n\r\n"},
		{Redaction{}, get + "Cookie: a\r\n b\r\n\tc\r\nX: y\r\n\r\n", get + "Cookie: *\r\n *\r\n\t*\r\nX: y\r\n\r\n"},
		{Redaction{}, get + "X: y\r\n z\r\n\r\n", get + "X: y\r\n z\r\n\r\n"},
		{Redaction{}, get + "Cookie : a\r\nX: y\r\n\r\n", get + "Cookie : *\r\nX: y\r\n\r\n"},
		{Redaction{}, get + "Cookie a: b\r\nX: y\r\n\r\n", get + "***********\r\nX: y\r\n\r\n"},
		{Redaction{}, get + "c2VjcmV0\r\nX: y\r\n\r\n", get + "********\r\nX: y\r\n\r\n"},
		{Redaction{}, get + " secret\r\nX: y\r\n\r\n", get + " ******\r\nX: y\r\n\r\n"},
		{Redaction{}, get + strings.Repeat("n", 65) + ": y\r\n\r\n", get + strings.Repeat("n", 65) + ": *\r\n\r\n"},
		{custom, get + "x-API-key: a\r\nX-Other: b\r\nCookie: c\r\nX: y\r\n\r\n", get + "x-API-key: *\r\nX-Other: *\r\nCookie: *\r\nX: y\r\n\r\n"},
		{Redaction{}, get + "X-Api-Key: a\r\n\r\n", get + "X-Api-Key: a\r\n\r\n"},

		{Redaction{}, "GET /a?b=c&dd=e%20f=g&h=&word&1f2e HTTP/1.1\r\n\r\n", "GET /a?b=*&dd=*******&h=&word&**** HTTP/1.1\r\n\r\n"},
		{Redaction{}, "GET /a?token#x HTTP/1.1\r\n\r\n", "GET /a?token#* HTTP/1.1\r\n\r\n"},
		{Redaction{}, "GET /a?b=c d HTTP/x e&f=g HTTP/1.1\r\n\r\n", "GET /a?b=* * HTTP/* *&f=* HTTP/1.1\r\n\r\n"},
		{Redaction{KeepQuery: true}, "GET /a?b=c#d HTTP/1.1\r\n\r\n", "GET /a?b=c#d HTTP/1.1\r\n\r\n"},
		{Redaction{}, "GET http://u:p@h:1/x?y=z HTTP/1.1\r\n\r\n", "GET http://***@h:1/x?y=* HTTP/1.1\r\n\r\n"},
		{Redaction{KeepQuery: true}, "GET HTTPS://u:p@q@h?y=z HTTP/1.1\r\n\r\n", "GET HTTPS://*****@h?y=z HTTP/1.1\r\n\r\n"},
		{Redaction{}, "GET http://h:1/x@y HTTP/1.1\r\n\r\n", "GET http://h:1/x@y HTTP/1.1\r\n\r\n"},
		{Redaction{}, "CONNECT u@h:443 HTTP/1.1\r\n\r\n", "CONNECT *@h:443 HTTP/1.1\r\n\r\n"},
		{Redaction{}, "OPTIONS * HTTP/1.1\r\n\r\n", "OPTIONS * HTTP/1.1\r\n\r\n"},
		{Redaction{}, "GET  /a  HTTP/1.0\n\n", "GET  /a  HTTP/1.0\n\n"},
		{Redaction{}, "GET http:x HTTP/1.1\n\n", "GET _________________"},
		{Redaction{}, "GET /\r\nsecret", "GET /________"},

		{Redaction{}, get + "Content-Length: 6\r\n\r\nsecret" + get + "\r\n", get + "Content-Length: 6\r\n\r\n******" + get + "\r\n"},
		{Redaction{}, get + "Content-Length: 6, 6\r\n\r\nsecret", get + "Content-Length: 6, 6\r\n\r\n______"},
		{Redaction{}, get + "Transfer-Encoding: chunked\r\n\r\n6\r\nsec", get + "Transfer-Encoding: chunked\r\n\r\n______"},
		{Redaction{}, get + "\r\n\r\n" + get + "Cookie: a\r\n\r\n", get + "\r\n\r\n" + get + "Cookie: *\r\n\r\n"},
		{Redaction{}, "HTTP/1.1 200 OK\r\n\r\nGET /secret", "HTTP/1.1 200 OK\r\n\r\n___________"},
		{Redaction{}, "HTTP/1.1 100 C\r\n\r\nHTTP/1.1 204\r\nSet-Cookie: a\r\n\r\n", "HTTP/1.1 100 C\r\n\r\nHTTP/1.1 204\r\nSet-Cookie: *\r\n\r\n"},
		{Redaction{}, "HTTP/1.1 101 S\r\n\r\nsecret", "HTTP/1.1 101 S\r\n\r\n______"},
		{Redaction{}, "hunter2", "_______"},
		{Redaction{}, "AUTH hunter2\r\n", "AUTH _________"},
		{Redaction{}, "\x16\x03\x01secret", "_________"},
		{Redaction{}, "HTTP/1.1 secret\r\n", "HTTP/1.1 ________"},
	}
	for _, test := range tests {
		want := strings.ReplaceAll(test.want, "_", "\x00")
		events := pieces(1, test.input)
		if got := redacted(t, test.redact, events...); got != want {
			t.Errorf("%q:\ngot  %q\nwant %q", test.input, got, want)
		}
		if string(events[0].Message.Payload) != test.input {
			t.Errorf("%q: the event itself was changed", test.input)
		}
	}
}

// The secrets below are made of the letters Z, Q and X only, which occur nowhere else.
const secretBytes = "ZQX"

// TestNoSecretIsWritten cuts heads everywhere into two and three events and looks for every byte of a secret.
func TestNoSecretIsWritten(t *testing.T) {
	tests := []struct {
		head  string
		exact bool // what is not secret has to stay, wherever the cuts are
	}{
		{"GET /a/b?key=ZQXZ&other=QX HTTP/1.1\r\nHost: a.b\r\nAuthorization: ZQ XZ\r\nAccept: */*\r\nCookie: Z=Q; X\r\n Q\r\nContent-Length: 0\r\n\r\n", true},
		{"POST /?k=Z HTTP/1.0\nproxy-authorization:Q\nx-custom-token:\tX\nauth: b\n\n", true},
		{"HTTP/1.1 200 OK\r\nSet-Cookie: Z=Q\r\nServer: nginx\r\nset-cookie: X\r\n\r\n", true},
		{"GET http://Z:QX@host.name:8080/path?a=Z HTTP/1.1\r\nHost: a\r\nCookie: Q\r\n\r\n", false},
		{"GET https://ZQX@host/ HTTP/1.1\r\n\r\n", false},
	}
	for i, test := range tests {
		var events []Event
		socket := uint64(0)
		for a := 0; a <= len(test.head); a++ {
			for b := a; b <= len(test.head); b++ {
				events = append(events, pieces(socket, test.head, a, b)...)
				socket++
			}
			events = append(events, pieces(socket, test.head, a)...)
			socket++
		}
		got, err := read(t, write(t, Redaction{Headers: []string{"X-Custom-Token"}}, events...))
		if err != nil || len(got) != len(events) {
			t.Fatalf("%d events of %d, error %v", len(got), len(events), err)
		}
		checkWritten(t, i, events, got, test.exact)
	}
}

// checkWritten compares what was written with what was read.
func checkWritten(t *testing.T, test int, written, read []Event, exact bool) {
	t.Helper()
	for i := range read {
		was, is := written[i].Message.Payload, read[i].Message.Payload
		if bytes.ContainsAny(is, secretBytes) {
			t.Fatalf("head %d: %q was written for %q", test, is, was)
		}
		if want := starred(was); exact && !bytes.Equal(want, secretSpaces(is, want)) {
			t.Fatalf("head %d: %q was written for %q", test, is, was)
		}
		same := read[i]
		same.Message.Payload = was
		if len(is) != len(was) || (len(was) > 0 && !reflect.DeepEqual(same, written[i])) {
			t.Fatalf("head %d: %+v was written as %+v", test, written[i], read[i])
		}
	}
}

// starred replaces secret letters.
func starred(p []byte) []byte {
	return bytes.Map(func(r rune) rune {
		if strings.ContainsRune(secretBytes, r) {
			return '*'
		}
		return r
	}, p)
}

// secretSpaces undoes stars for what stands between secret letters, such as "=" and blanks, which count as secret too.
func secretSpaces(is, want []byte) []byte {
	undone := bytes.Clone(is)
	for i := range min(len(undone), len(want)) {
		if undone[i] == '*' && bytes.IndexByte([]byte("=; "), want[i]) >= 0 {
			undone[i] = want[i]
		}
	}
	return undone
}

// TestOpenHeadsAreKeptApart mixes sockets and directions, and takes the memory of a head away.
func TestOpenHeadsAreKeptApart(t *testing.T) {
	message := func(socket uint64, d Direction, flags Flags, payload string) Event {
		return Event{Kind: KindMessage, Socket: socket, Message: Message{Direction: d, Flags: flags, Payload: []byte(payload)}}
	}
	const open = "GET / HTTP/1.1\r\nCookie: "
	tests := []struct {
		name   string
		events []Event
		want   string // of the last event; _ stands for NUL
	}{
		{"goes on", []Event{message(1, Send, Start|Open, open), message(1, Send, 0, "a\r\nX: y\r\n\r\n")}, "*\r\nX: y\r\n\r\n"},
		{"other direction", []Event{message(1, Send, Start|Open, open), message(1, Receive, Start|Open, "GET / HTTP/1.1\r\nX: "),
			message(1, Send, 0, "a\r\n\r\n")}, "*\r\n\r\n"},
		{"other socket", []Event{message(1, Send, Start|Open, open), message(2, Send, Start|Open, "GET / HTTP/1.1\r\nX: "),
			message(2, Send, 0, "a\r\n\r\n")}, "a\r\n\r\n"},
		{"not open", []Event{message(1, Send, Start, open), message(1, Send, 0, "a\r\n")}, "___"},
		{"no beginning", []Event{message(1, Send, Open, "X: y\r\n")}, "______"},
		{"new start", []Event{message(1, Send, Start|Open, open), message(1, Send, Start, "GET / HTTP/1.1\r\n")}, "GET / HTTP/1.1\r\n"},
		{"lost", []Event{message(1, Send, Start|Open, open), message(1, Receive, Lost, ""), message(1, Send, Open, "a\r\n")}, "___"},
		{"closed", []Event{message(1, Send, Start|Open, open), {Kind: KindClose, Socket: 1}, message(1, Send, Open, "a\r\n")}, "___"},
		{"handover", []Event{{Kind: KindHandover, Message: Message{Payload: []byte("secret")}}}, ""},
		{"stream", []Event{{Kind: KindStream, Message: Message{Payload: []byte("secret")}}}, ""},
	}
	for _, test := range tests {
		got, err := read(t, write(t, Redaction{}, test.events...))
		if err != nil {
			t.Fatal(err)
		}
		if last := string(got[len(got)-1].Message.Payload); last != strings.ReplaceAll(test.want, "_", "\x00") {
			t.Errorf("%s: %q, want %q", test.name, last, test.want)
		}
	}
}

func TestOpenHeadsAreBounded(t *testing.T) {
	r := newRedactor(Redaction{})
	for socket := range uint64(3 * maxOpen) {
		ev := Event{Kind: KindMessage, Socket: socket, Message: Message{Flags: Start | Open}}
		r.message(&ev, []byte("GET / HTTP/1.1\r\nCookie: "))
		if len(r.open) > maxOpen {
			t.Fatalf("%d heads are remembered", len(r.open))
		}
	}
	if size := unsafe.Sizeof(head{}); size > 128 {
		t.Errorf("a head takes %d bytes: a map does not hold it in place", size)
	}
}

func TestArgumentsAreDropped(t *testing.T) {
	all := []Attribute{{"process.command", "a"}, {"process.command_args", "b"}, {"process.command_line", "c"}, {"service.name", "d"}}
	ev := Event{Kind: KindProcess, Process: &Process{Service: "d", Attributes: all}}
	for keep, want := range map[bool][]Attribute{true: all, false: {all[0], all[3]}} {
		got, err := read(t, write(t, Redaction{KeepArguments: keep}, ev))
		if err != nil || len(got) != 1 || !reflect.DeepEqual(got[0].Process.Attributes, want) {
			t.Errorf("keep %v: %+v, error %v", keep, got, err)
		}
	}
	if len(ev.Process.Attributes) != 4 || ev.Process.Attributes[1].Value != "b" {
		t.Error("the event itself was changed")
	}
}

// FuzzRedaction compares the redactor with the parser: what the parser takes for a secret must not be written, however
// the head is cut.
func FuzzRedaction(f *testing.F) {
	f.Add([]byte("GET http://u:p@h/a?b=c&d HTTP/1.1\r\nCookie: a\r\n b\r\nX: y\r\nAuthorization : c\r\n\r\n"), 20, 50)
	f.Add([]byte("HTTP/1.1 200 OK\nset-cookie:a=b\nContent-Length:5\n\nhello"), 3, 30)
	f.Fuzz(func(t *testing.T, input []byte, a, b int) {
		if len(input) > 2000 {
			return
		}
		a = min(max(a, 0), len(input))
		b = min(max(b, a), len(input))
		r := newRedactor(Redaction{})
		written := make([]byte, 0, len(input))
		for _, ev := range pieces(1, string(input), a, b) {
			payload := bytes.Clone(ev.Message.Payload)
			r.message(&ev, payload)
			written = append(written, payload...)
		}
		for i := range input {
			if written[i] != input[i] && written[i] != '*' && written[i] != 0 {
				t.Fatalf("byte %d of %q became %q", i, input, written)
			}
		}
		for _, from := range []proto.Side{proto.FromClient, proto.FromServer} {
			var m proto.Message
			if n, err := (proto.HTTP1{}).Next(from, input, &m); n > 0 && err == nil {
				checkSecrets(t, &m, input, written)
			}
		}
	})
}

func checkSecrets(t *testing.T, m *proto.Message, input, written []byte) {
	t.Helper()
	for _, field := range m.Fields {
		switch strings.ToLower(string(field.Name)) {
		case "authorization", "proxy-authorization", "cookie", "set-cookie":
			checkBlanked(t, field.Value, input, written)
		}
	}
	target := m.Target
	if bytes.Contains(target, []byte(" ")) {
		return // parts of a version between blanks are kept
	}
	if scheme, rest, found := bytes.Cut(target, []byte("://")); found && strings.HasPrefix(strings.ToLower(string(scheme)), "http") {
		if end := bytes.IndexAny(rest, "/?#"); end >= 0 {
			rest = rest[:end]
		}
		if at := bytes.LastIndexByte(rest, '@'); at >= 0 {
			checkBlanked(t, rest[:at], input, written)
		}
	}
	mark := bytes.IndexAny(target, "?#")
	if mark < 0 || target[mark] == '#' {
		return
	}
	for _, parameter := range bytes.Split(target[mark+1:], []byte("&")) {
		if _, value, found := bytes.Cut(parameter, []byte("=")); found {
			checkBlanked(t, value, input, written)
		}
	}
}

// checkBlanked: nothing but blanks and line ends of a part of the input is in what was written.
func checkBlanked(t *testing.T, part, input, written []byte) {
	t.Helper()
	if len(part) == 0 {
		return
	}
	at := int(uintptr(unsafe.Pointer(&part[0])) - uintptr(unsafe.Pointer(&input[0])))
	for i, c := range written[at : at+len(part)] {
		if c != '*' && c != 0 && !strings.ContainsRune("\r\n\t ", rune(c)) {
			t.Fatalf("%s of %q was written as %q", fmt.Sprintf("byte %d of %q", i, part), input, written)
		}
	}
}
