package endtoend

import (
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"weft/test/fleet"
	"weft/test/tracer"
)

// hostile is bytes that are no request or no whole one, by name.
func hostile() map[string]string {
	noise := make([]byte, 64<<10)
	r := rand.NewChaCha8([32]byte{1})
	r.Read(noise)
	return map[string]string{
		"noise":                string(noise),
		"nul":                  strings.Repeat("\x00", 64<<10),
		"tls":                  "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + string(noise[:506]),
		"http2":                "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\x00\x00\x00\x04\x00\x00\x00\x00\x00",
		"endless path":         "GET /" + strings.Repeat("a", 2<<20),
		"endless header":       "GET / HTTP/1.1\r\nHost: a\r\nX: " + strings.Repeat("b", 2<<20),
		"endless headers":      "GET / HTTP/1.1\r\nHost: a\r\n" + strings.Repeat("X-Header: value\r\n", 100000),
		"two lengths":          "POST /echo-size/x HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello!",
		"length and chunks":    "POST /echo-size/x HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
		"negative length":      "POST /echo-size/x HTTP/1.1\r\nHost: a\r\nContent-Length: -1\r\n\r\n",
		"boundless length":     "POST /echo-size/x HTTP/1.1\r\nHost: a\r\nContent-Length: 99999999999999999999999\r\n\r\n",
		"huge length":          "POST /echo-size/x HTTP/1.1\r\nHost: a\r\nContent-Length: 9223372036854775807\r\n\r\nx",
		"huge chunk":           "POST /echo-size/x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nffffffffffffffff\r\nx",
		"bad chunk":            "POST /echo-size/x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n",
		"half a head":          "GET /hello/x HTTP/1.1\r\nHost: a\r\nAcc",
		"half a body":          "POST /echo-size/x HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\nhalf",
		"a reply":              "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello",
		"bare line feeds":      "GET /hello/x HTTP/1.1\nHost: a\n\n",
		"nul in a header":      "GET /hello/x HTTP/1.1\r\nHost: a\r\nX: a\x00b\r\n\r\n",
		"many traceparents":    "GET /hello/x HTTP/1.1\r\nHost: a\r\n" + strings.Repeat("traceparent: 00-0-0-0\r\n", 50) + "\r\n",
		"spaces before colons": "GET /hello/x HTTP/1.1\r\nHost : a\r\nContent-Length : 3\r\n\r\nabc",
	}
}

// memory is the most that weft may hold resident after hostile bytes, KiB.
const memory = 256 << 10

// TestHostile sends bytes that are no request to every server, and good requests before, between and after them: the
// good ones are told as ever, nothing is told of requests that nobody made, and weft goes on.
func TestHostile(t *testing.T) {
	w := startWeft(t)
	b := newBook()
	ports := map[int]bool{}
	for _, name := range names() {
		m := world.fleet.Members[name]
		ports[m.Port] = true
		good := dial(t, "hostile/"+name, m)
		for what, bytes := range hostile() {
			attack(t, m, bytes)
			if m.Name == "flask-sync" || m.Name == "puma-threads" || len(what)%3 == 0 {
				good.conn.Close() // these two end connections as they like; the others see new and old ones
				good = dial(t, "hostile/"+name, m)
			}
			good.do(b, request{method: "GET", path: "/hello", reply: 6})
		}
		good.conn.Close()
	}
	// A server may take some of it for a request and answer; then weft may tell of it, but never of a token.
	b.explains = func(s *tracer.Span) bool { return s.Token() == "" }
	if kib := resident(t, w.PID()); kib > memory {
		t.Errorf("weft holds %d KiB, more than %d", kib, memory)
	}
	b.verify(t, stopWeft(t, w))
}

// attack sends bytes on a connection of its own and ends it when the server has had time to answer or close.
func attack(t *testing.T, m *fleet.Member, bytes string) {
	t.Helper()
	c := dial(t, "attack", m)
	defer c.conn.Close()
	c.conn.SetDeadline(time.Now().Add(30 * time.Millisecond))
	c.write(bytes)
	io.Copy(io.Discard, c.in)
}

var residentLine = regexp.MustCompile(`VmRSS:\s+(\d+) kB`)

func resident(t *testing.T, pid int) int {
	t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		t.Fatal(err)
	}
	found := residentLine.FindSubmatch(text)
	if found == nil {
		t.Fatalf("no resident size in %s", text)
	}
	kib, _ := strconv.Atoi(string(found[1]))
	return kib
}
