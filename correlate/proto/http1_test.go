package proto

import (
	"bytes"
	"reflect"
	"strings"
	"testing"
)

// parsed is a Message without aliases, for comparison.
type parsed struct {
	Message
	fields string
}

func freeze(m *Message) parsed {
	p := parsed{Message: *m}
	for _, part := range []*[]byte{&p.Method, &p.Target, &p.Host, &p.UserAgent} {
		*part = bytes.Clone(*part)
	}
	p.Fields, p.Connection = nil, nil
	for _, f := range m.Fields {
		p.fields += string(f.Name) + "=" + string(f.Value) + "\n"
	}
	return p
}

const body = "BODY"

func TestHeads(t *testing.T) {
	tests := []struct {
		name string
		from Side
		head string // \n stands for CR LF, unless it opens with !
		want parsed
	}{
		{"curl", FromClient, "GET /a?b=c HTTP/1.1\nHost: localhost:8080\nUser-Agent: curl/7.88.1\nAccept: */*\n\n",
			parsed{Message: Message{Request: true, Minor: 1, Method: []byte("GET"), Target: []byte("/a?b=c"),
				Host: []byte("localhost:8080"), UserAgent: []byte("curl/7.88.1")},
				fields: "Host=localhost:8080\nUser-Agent=curl/7.88.1\nAccept=*/*\n"}},
		{"trace context", FromClient, "PROPFIND * HTTP/1.1\nHOST:a\ntraceparent:  x \t\nTraceParent: y\nTRACESTATE: a=1\ntracestate: b=2\n\n",
			parsed{Message: Message{Request: true, Minor: 1, Method: []byte("PROPFIND"), Target: []byte("*"), Host: []byte("a")},
				fields: "HOST=a\ntraceparent=x\nTraceParent=y\nTRACESTATE=a=1\ntracestate=b=2\n"}},
		{"absolute", FromClient, "POST http://u:p@h:1/x HTTP/1.0\nContent-Length: 5\n\n",
			parsed{Message: Message{Request: true, Method: []byte("POST"), Target: []byte("http://u:p@h:1/x"),
				Framing: Length, Length: 5, Close: true}, fields: "Content-Length=5\n"}},
		{"authority", FromClient, "CONNECT h:443 HTTP/1.1\nHost: h:443\n\n",
			parsed{Message: Message{Request: true, Minor: 1, Method: []byte("CONNECT"), Target: []byte("h:443"),
				Host: []byte("h:443")}, fields: "Host=h:443\n"}},
		{"odd method", FromClient, "m!#$%&'*+-.^_`|~0 / HTTP/1.9\n\n",
			parsed{Message: Message{Request: true, Minor: 9, Method: []byte("m!#$%&'*+-.^_`|~0"), Target: []byte("/")}}},
		{"spaces in the target", FromClient, "GET  /a b  HTTP/1.1\n\n",
			parsed{Message: Message{Request: true, Minor: 1, Method: []byte("GET"), Target: []byte("/a b")}}},
		{"empty lines before", FromClient, "!\r\n\n\r\nGET / HTTP/1.1\n\r\n",
			parsed{Message: Message{Request: true, Minor: 1, Method: []byte("GET"), Target: []byte("/")}}},
		{"bare LF", FromClient, "!GET / HTTP/1.1\nHost: a\n\n",
			parsed{Message: Message{Request: true, Minor: 1, Method: []byte("GET"), Target: []byte("/"), Host: []byte("a")},
				fields: "Host=a\n"}},
		{"upgrade", FromClient, "GET /ws HTTP/1.1\nConnection: keep-alive, Upgrade\nUpgrade: websocket\n\n",
			parsed{Message: Message{Request: true, Minor: 1, Method: []byte("GET"), Target: []byte("/ws"), Upgrade: true},
				fields: "Connection=keep-alive, Upgrade\nUpgrade=websocket\n"}},
		{"fold", FromClient, "GET / HTTP/1.1\nContent-Length:\n 7\nX: a\n\tb\n c\nHost: h\n\n",
			parsed{Message: Message{Request: true, Minor: 1, Method: []byte("GET"), Target: []byte("/"), Host: []byte("h"),
				Framing: Length, Length: 7}, fields: "Content-Length=7\nX=a\r\n\tb\r\n c\nHost=h\n"}},
		{"odd names", FromClient, "GET / HTTP/1.1\nX(y)[\xff]: 1\n\n",
			parsed{Message: Message{Request: true, Minor: 1, Method: []byte("GET"), Target: []byte("/")}, fields: "X(y)[\xff]=1\n"}},
		{"response", FromServer, "HTTP/1.1 200 OK\nServer: nginx\nContent-Length: 612\n\n",
			parsed{Message: Message{Minor: 1, Status: 200, Framing: Length, Length: 612}, fields: "Server=nginx\nContent-Length=612\n"}},
		{"no reason", FromServer, "HTTP/1.1 999\nTransfer-Encoding: gzip, Chunked\n\n",
			parsed{Message: Message{Minor: 1, Status: 999, Framing: Chunked}, fields: "Transfer-Encoding=gzip, Chunked\n"}},
		{"blank before colon", FromServer, "HTTP/1.1 200 \nContent-Length : 3\n\n",
			parsed{Message: Message{Minor: 1, Status: 200, Framing: Length, Length: 3}, fields: "Content-Length=3\n"}},
		{"old server", FromServer, "HTTP/1.0 200 OK\n\n",
			parsed{Message: Message{Status: 200, Framing: UntilClose, Close: true}}},
		{"old keep-alive", FromServer, "HTTP/1.0 200 OK\nConnection: Keep-Alive\nContent-Length: 0\n\n",
			parsed{Message: Message{Status: 200, Framing: Length}, fields: "Connection=Keep-Alive\nContent-Length=0\n"}},
		{"continue", FromServer, "HTTP/1.1 100 Continue\n\n",
			parsed{Message: Message{Minor: 1, Status: 100, Informational: true}}},
		{"switch", FromServer, "HTTP/1.1 101 Switching Protocols\nUpgrade: websocket\nConnection: Upgrade\n\n",
			parsed{Message: Message{Minor: 1, Status: 101, Framing: Tunnel}, fields: "Upgrade=websocket\nConnection=Upgrade\n"}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			head := wire(test.head)
			var m Message
			n, err := HTTP1{}.Next(test.from, []byte(head+body), &m)
			if err != nil || n != len(head) {
				t.Fatalf("n %d, error %v; want %d", n, err, len(head))
			}
			if got := freeze(&m); !reflect.DeepEqual(got, test.want) {
				t.Errorf("\ngot  %+v\nwant %+v", got, test.want)
			}
			checkCut(t, HTTP1{}, test.from, []byte(head+body))
		})
	}
}

// wire gives a head its line ends.
func wire(head string) string {
	if raw, ok := strings.CutPrefix(head, "!"); ok {
		return raw
	}
	return strings.ReplaceAll(head, "\n", "\r\n")
}

func TestFraming(t *testing.T) {
	const ok, get, post = "HTTP/1.1 200 OK\n", "GET / HTTP/1.1\n", "POST / HTTP/1.1\n"
	tests := []struct {
		head      string
		framing   Framing
		length    uint64
		ambiguous bool
		err       error
	}{
		{ok, UntilClose, 0, false, nil},
		{get, NoBody, 0, false, nil},
		{post + "Content-Length: 0\n", Length, 0, false, nil},
		{post + "Content-Length: 5\nContent-Length: 5\n", Length, 5, false, nil},
		{post + "Content-Length: 5, 05\n", Length, 5, false, nil},
		{post + "Content-Length: 5\nContent-Length: 6\n", 0, 0, false, ErrLength},
		{post + "Content-Length: 5, 6\n", 0, 0, false, ErrLength},
		{post + "Content-Length: 5,\n", 0, 0, false, ErrLength},
		{post + "Content-Length: +5\n", 0, 0, false, ErrLength},
		{post + "Content-Length: 0x5\n", 0, 0, false, ErrLength},
		{post + "Content-Length:\n", 0, 0, false, ErrLength},
		{post + "Content-Length: 5 5\n", 0, 0, false, ErrLength},
		{post + "Content-Length: 999999999999999999\n", Length, 999999999999999999, false, nil},
		{post + "Content-Length: 18446744073709551616\n", 0, 0, false, ErrLength},
		{post + "Transfer-Encoding: chunked\n", Chunked, 0, false, nil},
		{post + "Transfer-Encoding: chunked\nContent-Length: 5\n", Chunked, 0, true, nil},
		{post + "Content-Length: 5\nContent-Length: 6\nTransfer-Encoding: chunked\n", Chunked, 0, true, nil},
		{post + "Transfer-Encoding: gzip\nTransfer-Encoding: chunked\n", Chunked, 0, false, nil},
		{post + "Transfer-Encoding: chunked, ,\n", Chunked, 0, false, nil},
		{post + "Transfer-Encoding: chunked, gzip\n", 0, 0, false, ErrCoding},
		{post + "Transfer-Encoding: xchunked\n", 0, 0, false, ErrCoding},
		{post + "Transfer-Encoding: chunked;q=1\n", 0, 0, false, ErrCoding},
		{post + "Transfer-Encoding: identity\nContent-Length: 5\n", 0, 0, true, ErrCoding},
		{post + "Transfer-Encoding:\n", 0, 0, false, ErrCoding},
		{ok + "Transfer-Encoding: gzip\nContent-Length: 5\n", UntilClose, 0, true, nil},
		{"HTTP/1.0 200 OK\nTransfer-Encoding: chunked\n", Chunked, 0, true, nil},
		{ok + "Content-Length: 5\nContent-Length: 6\n", 0, 0, false, ErrLength},
		{"HTTP/1.1 204 No Content\nContent-Length: 5\n", NoBody, 0, false, nil},
		{"HTTP/1.1 304 Not Modified\nTransfer-Encoding: chunked\n", NoBody, 0, false, nil},
		{"HTTP/1.1 103 Early Hints\nContent-Length: 5\n", NoBody, 0, false, nil},
		{"HTTP/1.1 101 Switching Protocols\nContent-Length: 5\n", Tunnel, 0, false, nil},
	}
	for _, test := range tests {
		from := FromClient
		if strings.HasPrefix(test.head, "HTTP/") {
			from = FromServer
		}
		input := []byte(wire(test.head+"\n") + body)
		var m Message
		n, err := HTTP1{}.Next(from, input, &m)
		if err != test.err || (err == nil && n != len(input)-len(body)) || (err != nil && n != 0) {
			t.Errorf("%q: n %d, error %v; want %v", test.head, n, err, test.err)
			continue
		}
		if err == nil && (m.Framing != test.framing || m.Length != test.length || m.Ambiguous != test.ambiguous) {
			t.Errorf("%q: framing %d, length %d, ambiguous %v", test.head, m.Framing, m.Length, m.Ambiguous)
		}
		checkCut(t, HTTP1{}, from, input)
	}
}

func TestErrors(t *testing.T) {
	const get = "GET / HTTP/1.1\n"
	tests := []struct {
		from Side
		head string
		err  error
	}{
		{FromClient, "\x16\x03\x01\x02\x00\x01", ErrStartLine},
		{FromClient, "*1\n$4\nPING\n", ErrStartLine},
		{FromClient, "GET /\n\n", ErrStartLine},
		{FromClient, "GET / HTTP/1.10\n\n", ErrStartLine},
		{FromClient, "GET / http/1.1\n\n", ErrStartLine},
		{FromClient, "GET HTTP/1.1\n\n", ErrStartLine},
		{FromClient, "GET\t/ HTTP/1.1\n\n", ErrStartLine},
		{FromClient, " GET / HTTP/1.1\n\n", ErrStartLine},
		{FromClient, "GET /\x01 HTTP/1.1\n\n", ErrStartLine},
		{FromClient, "GET /\x7f HTTP/1.1\n\n", ErrStartLine},
		{FromClient, "\n\r GET / HTTP/1.1\n\n", ErrStartLine},
		{FromClient, strings.Repeat("A", 65), ErrStartLine},
		{FromClient, "PRI * HTTP/2.0\n\nSM\n\n", ErrVersion},
		{FromServer, "HTTP/2.0 200 OK\n\n", ErrVersion},
		{FromServer, "HTTP/1.1 20 OK\n\n", ErrStartLine},
		{FromServer, "HTTP/1.1 2000\n\n", ErrStartLine},
		{FromServer, "HTTP/1.1 099\n\n", ErrStartLine},
		{FromServer, "HTTP/1.1 2x0\n\n", ErrStartLine},
		{FromServer, "ICY 200 OK\n\n", ErrStartLine},
		{FromServer, "\nHTTP/1.1 200 OK\n\n", ErrStartLine},
		{FromClient, get + "no colon\n\n", ErrField},
		{FromClient, get + ": empty\n\n", ErrField},
		{FromClient, get + " fold: first\n\n", ErrField},
		{FromClient, get + "Host : a\n\n", ErrField},
		{FromClient, get + "Ho st: a\n\n", ErrField},
		{FromClient, get + "Ho\x00st: a\n\n", ErrField},
		{FromClient, get + "Ho\x1bst: a\n\n", ErrField},
		{FromClient, get + "Ho\x7fst: a\n\n", ErrField},
		{FromClient, get + "Host: a\x00b\n\n", ErrNUL},
		{FromServer, "HTTP/1.1 200 \x00\n\n", ErrNUL},
		{FromClient, get + "X: " + strings.Repeat("a", MaxHead) + "\n\n", ErrTooLong},
		{FromClient, strings.Repeat("\n", MaxHead) + get + "\n", ErrTooLong},
	}
	for _, test := range tests {
		input := []byte(wire(test.head))
		var m Message
		if n, err := (HTTP1{}).Next(test.from, input, &m); n != 0 || err != test.err {
			t.Errorf("%.40q: n %d, error %v; want %v", test.head, n, err, test.err)
		}
		if len(input) < 1000 {
			checkCut(t, HTTP1{}, test.from, input)
		}
	}
}

func TestMaxHeadIsRead(t *testing.T) {
	const open, end = "GET / HTTP/1.1\r\nX: ", "\r\ntraceparent: z\r\n\r\n"
	head := open + strings.Repeat("a", MaxHead-len(open)-len(end)) + end
	var m Message
	if n, err := (HTTP1{}).Next(FromClient, []byte(head+body), &m); n != MaxHead || err != nil {
		t.Fatalf("n %d, error %v", n, err)
	}
	if last := m.Fields[len(m.Fields)-1]; string(last.Value) != "z" {
		t.Errorf("the last field is %q", last.Value)
	}
}

func TestManyFields(t *testing.T) {
	head := "GET / HTTP/1.1\n" + strings.Repeat("a: b\n", MaxFields+3) + "traceparent: z\nContent-Length: 9\n\n"
	var m Message
	if _, err := (HTTP1{}).Next(FromClient, []byte(head), &m); err != nil {
		t.Fatal(err)
	}
	if len(m.Fields) != MaxFields || m.Dropped != 5 || m.Length != 9 {
		t.Errorf("%d fields, %d dropped, length %d", len(m.Fields), m.Dropped, m.Length)
	}
}

func TestAnswer(t *testing.T) {
	tests := []struct {
		method, head string
		want         Framing
	}{
		{"HEAD", "HTTP/1.1 200 OK\nContent-Length: 5\n\n", NoBody},
		{"HEAD", "HTTP/1.1 200 OK\n\n", NoBody},
		{"head", "HTTP/1.1 200 OK\nContent-Length: 5\n\n", Length},
		{"HEAD", "HTTP/1.1 101 Switching Protocols\n\n", Tunnel},
		{"CONNECT", "HTTP/1.1 200 OK\nContent-Length: 5\n\n", Tunnel},
		{"CONNECT", "HTTP/1.1 100 Continue\n\n", NoBody},
		{"CONNECT", "HTTP/1.1 407 Proxy Authentication Required\nContent-Length: 5\n\n", Length},
		{"GET", "HTTP/1.1 200 OK\nTransfer-Encoding: chunked\n\n", Chunked},
		{"", "HTTP/1.1 200 OK\n\n", UntilClose},
	}
	for _, test := range tests {
		var m Message
		if _, err := (HTTP1{}).Next(FromServer, []byte(test.head), &m); err != nil {
			t.Fatal(err)
		}
		m.Answer([]byte(test.method))
		if m.Framing != test.want {
			t.Errorf("%s, %q: framing %d, want %d", test.method, test.head, m.Framing, test.want)
		}
	}
}

func TestLists(t *testing.T) {
	for _, test := range []struct {
		list, token string
		want        bool
	}{
		{"close, TraceParent", "traceparent", true}, {"traceparent", "Traceparent", true}, {"close", "traceparent", false},
		{"", "a", false}, {"xtraceparent ,traceparentx", "traceparent", false}, {"a,,b", "b", true},
	} {
		if got := Lists([]byte(test.list), []byte(test.token)); got != test.want {
			t.Errorf("%q has %q: %v", test.list, test.token, got)
		}
	}
}

func TestForEach(t *testing.T) {
	var m Message
	if _, err := (HTTP1{}).Next(FromClient, []byte("GET / HTTP/1.1\nTraceState: a\nx: y\ntracestate: b\n\n"), &m); err != nil {
		t.Fatal(err)
	}
	got := ""
	m.ForEach("tracestate", func(value []byte) { got += string(value) + ";" })
	if got != "a;b;" {
		t.Errorf("got %q", got)
	}
}
