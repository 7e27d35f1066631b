package endtoend

import (
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"weft/test/tracer"
)

// TestTunnel takes connections out of HTTP, by Upgrade and by CONNECT, and sends through them what looks like HTTP:
// the exchange that opened the tunnel is told, what went through it is not.
func TestTunnel(t *testing.T) {
	w := startWeftForAll(t)
	b := newBook()
	m := world.fleet.Members["go"]
	const tunnels = 8
	b.explains = func(s *tracer.Span) bool {
		return s.Attr.Text("http.request.method") == "CONNECT" && s.Port() == m.Port
	}
	for range tunnels {
		c := dial(t, "upgrade", m)
		r := request{method: "GET", path: "/upgrade", headers: []string{"Connection: Upgrade", "Upgrade: websocket"}, status: 101}
		entry := c.do(b, r)
		entry.request, entry.reply = -1, -1
		entry.attributes = tracer.Attributes{"weft.connection.upgraded": true}
		c.through(t)
		c.conn.Close()
		entry.end = time.Now().UnixNano()
	}
	for range tunnels {
		c := dial(t, "connect", m)
		c.write("CONNECT shop.test:443 HTTP/1.1\r\nHost: shop.test:443\r\n\r\n")
		line, err := c.in.ReadString('\n')
		if _, second := c.in.ReadString('\n'); !strings.HasPrefix(line, "HTTP/1.1 200 ") || err != nil || second != nil {
			t.Errorf("CONNECT got %q, %v, %v", line, err, second)
		}
		c.through(t)
		c.conn.Close()
	}
	spans := stopWeft(t, w)
	kinds := map[int]int{}
	for _, s := range spans {
		if b.explains(s) {
			kinds[s.Kind]++
			if s.Attr.Int("http.response.status_code") != 200 || s.Attr.Text("server.address") != "shop.test" || s.Attr.Int("server.port") != 443 {
				t.Errorf("not the CONNECT that was made: %v at %v:%v", s, s.Attr["server.address"], s.Attr["server.port"])
			}
		}
	}
	if kinds[tracer.Server] != tunnels || kinds[tracer.Client] != tunnels {
		t.Errorf("%d CONNECT gave %d server and %d client spans", tunnels, kinds[tracer.Server], kinds[tracer.Client])
	}
	b.verify(t, spans)
}

// through sends bytes through the tunnel, which come back: frames, and a request and a reply that are none.
func (w *wire) through(t *testing.T) {
	t.Helper()
	for _, text := range []string{
		"\x81\x85\x00\x00\x00\x00hello",
		fmt.Sprintf("GET /hello/%s HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n", newToken()),
		"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
		"\x88\x80\x00\x00\x00\x00",
	} {
		w.write(text)
		back := make([]byte, len(text))
		if _, err := io.ReadFull(w.in, back); err != nil || string(back) != text {
			t.Errorf("%s: %q came back as %q, %v", w.group, text, back, err)
		}
	}
}
