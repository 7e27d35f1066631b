package endtoend

import (
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"strings"
	"testing"
	"time"

	"weft/test/fleet"
	"weft/test/tracer"
)

// TestRaw writes to the wire what ordinary clients do not write: pipelined requests, any token as method, heads cut
// anywhere, heads of 30 KiB, HTTP/1.0, replies that end with the connection, and interim replies.
func TestRaw(t *testing.T) {
	w := startWeft(t)
	b := newBook()
	each(b, pipelined(t), "go", "nginx", "nginx-proxy", "apache", "haproxy", "http.server", "fastapi", "node",
		"express", "tomcat", "netty", "hyper", "puma")
	each(b, methods(t), "go", "hyper", "nginx")
	each(b, longHead(t), names()...)
	each(b, cut(t), "go", "nginx", "haproxy", "http.server", "flask-gthread", "fastapi", "node", "jdk", "tomcat", "netty", "hyper", "puma")
	each(b, old(t), "go", "nginx", "apache", "node", "express", "tomcat", "puma", "flask-sync", "jdk", "hyper")
	each(b, interim(t), "go", "nginx-proxy", "haproxy", "http.server", "flask-gthread", "fastapi", "node", "express", "jdk",
		"tomcat", "netty", "hyper", "puma")
	b.verify(t, stopWeft(t, w))
}

// names gives every member that listens on a port.
func names() (list []string) {
	for _, m := range world.fleet.All() {
		if !m.Unix {
			list = append(list, m.Name)
		}
	}
	return list
}

func each(b *book, scene func(*book, *fleet.Member), members ...string) {
	for _, name := range members {
		scene(b, world.fleet.Members[name])
	}
}

// pipelined sends fifty requests before it reads the first reply, cut once in the middle of one.
func pipelined(t *testing.T) func(*book, *fleet.Member) {
	return func(b *book, m *fleet.Member) {
		c := dial(t, "pipelined/"+m.Name, m)
		defer c.conn.Close()
		r := request{method: "GET", path: "/hello", reply: 6}
		var tokens []string
		var all strings.Builder
		for range 50 {
			token, text := r.text()
			tokens = append(tokens, token)
			all.WriteString(text)
		}
		start := time.Now().UnixNano()
		c.write(all.String()[:all.Len()/2+7])
		time.Sleep(2 * time.Millisecond)
		c.write(all.String()[all.Len()/2+7:])
		for _, token := range tokens {
			c.expect(b, r, token, start)
		}
	}
}

func methods(t *testing.T) func(*book, *fleet.Member) {
	return func(b *book, m *fleet.Member) {
		c := dial(t, "methods/"+m.Name, m)
		defer c.conn.Close()
		for _, method := range []string{"OPTIONS", "PUT", "PATCH", "DELETE", "PURGE", "PROPFIND", "M-SEARCH", "QUERY", "REPORT"} {
			c.do(b, request{method: method, path: "/hello", reply: 6})
		}
	}
}

// longHead puts 32 KiB of headers before the traceparent: the trace goes on all the same.
func longHead(t *testing.T) func(*book, *fleet.Member) {
	return func(b *book, m *fleet.Member) {
		c := dial(t, "longhead/"+m.Name, m)
		defer c.conn.Close()
		traceID, parentID := ids()
		r := request{method: "GET", path: "/hello", reply: 6}
		for i := range 8 {
			r.headers = append(r.headers, fmt.Sprintf("X-Filler-%d: %s", i, strings.Repeat("f", 4000)))
		}
		r.headers = append(r.headers, "traceparent: 00-"+traceID+"-"+parentID+"-01")
		w := c.do(b, r)
		w.traceID, w.parentID = traceID, parentID
	}
}

// ids makes a trace id and a span id that nobody else has.
func ids() (traceID, spanID string) {
	var b [24]byte
	rand.Read(b[:])
	return hex.EncodeToString(b[:16]), hex.EncodeToString(b[16:])
}

// cut sends a head in two pieces, cut at each of its bytes in turn, and once byte by byte.
func cut(t *testing.T) func(*book, *fleet.Member) {
	return func(b *book, m *fleet.Member) {
		c := dial(t, "cut/"+m.Name, m)
		defer func() { c.conn.Close() }()
		r := request{method: "GET", path: "/bytes/1000", headers: []string{"X-Long: value", "Accept: */*"}, reply: 1000}
		_, text := r.text()
		for at := 1; at < len(text)-1; at++ {
			token, text := r.text()
			start := time.Now().UnixNano()
			c.write(text[:at])
			time.Sleep(300 * time.Microsecond)
			c.write(text[at:])
			c.expect(b, r, token, start)
		}
		token, text := r.text()
		start := time.Now().UnixNano()
		for i := range text {
			c.write(text[i : i+1])
		}
		c.expect(b, r, token, start)
	}
}

// old speaks HTTP/1.0: the reply's body ends with the connection.
func old(t *testing.T) func(*book, *fleet.Member) {
	return func(b *book, m *fleet.Member) {
		for _, n := range []int64{0, 1, 65536} {
			c := dial(t, "http-1.0/"+m.Name, m)
			w := c.do(b, request{method: "GET", path: fmt.Sprintf("/chunked/%d", n), version: "1.0", reply: n})
			w.attributes = tracer.Attributes{"network.protocol.version": "1.0"}
			c.conn.Close()
		}
	}
}

// interim waits for 100 Continue before it sends the body.
func interim(t *testing.T) func(*book, *fleet.Member) {
	return func(b *book, m *fleet.Member) {
		c := dial(t, "interim/"+m.Name, m)
		defer c.conn.Close()
		for range 3 {
			r := request{method: "POST", path: "/echo-size", headers: []string{"Content-Length: 5000", "Expect: 100-continue"}, reply: 4}
			token, head := r.text()
			start := time.Now().UnixNano()
			c.write(head)
			if line, err := c.in.ReadString('\n'); err != nil || !strings.Contains(line, " 100 ") {
				t.Errorf("%s: no 100 Continue but %q, %v", c.group, line, err)
				return
			}
			for line := "x"; strings.TrimSpace(line) != ""; {
				line, _ = c.in.ReadString('\n')
			}
			r.body = strings.Repeat("b", 5000)
			c.write(r.body)
			c.expect(b, r, token, start)
		}
	}
}
