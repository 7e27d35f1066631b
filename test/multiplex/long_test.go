package multiplex

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"weft/test/tracer"
)

// TestIndexed: a context that HPACK has sent once, and that is an index in the next 10,000 requests of the connection, is read of each.
func TestIndexed(t *testing.T) {
	const n, parent = 10_000, "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
	p := prepare(t)
	address := serve(t, p.command("go", "http-server"))
	w := p.trace(t, address)
	c := p.command("go", "h2-client", address, strconv.Itoa(n), "16")
	c.Env = append(c.Env, "SAME="+parent, "METHODS=/shop.Echo/S204")
	(&load{name: "client"}).run(t, c)
	w.Await(10*time.Second, func(spans []*tracer.Span) bool { return len(spans) >= 2*n })
	check(t, w.Stop())
	ends, connections := map[int]int{}, map[string]bool{}
	for _, s := range w.Spans() {
		ends[s.Kind]++
		if s.TraceID != strings.Split(parent, "-")[1] || s.Attr["weft.head.partly_unknown"] == true {
			t.Fatalf("the context of a request was not read: %v", s)
		}
		if s.Kind == tracer.Client {
			connections[fmt.Sprint(s.Attr["network.local.port"])] = true
		}
	}
	if ends[tracer.Client] != n || ends[tracer.Server] != n || len(connections) > 1 {
		t.Errorf("%v spans for %d requests, on %d connections", ends, n, len(connections))
	}
}

// TestBodies: a thousand requests at a time, on a few connections, each with a large body in both directions, are a span each, with the right
// sizes and parents, and a few small records. BODY is the size of one in bytes; 10485760 takes minutes.
func TestBodies(t *testing.T) {
	const n, recordsMax = 1000, 20
	size := 128 << 10
	if v, err := strconv.Atoi(os.Getenv("BODY")); err == nil {
		size = v
	}
	p := prepare(t)
	address := serve(t, p.command("go", "http-server"))
	w := p.trace(t, address)
	c := p.command("go", "h2-client", address, strconv.Itoa(n), strconv.Itoa(n))
	c.Env = append(c.Env, "NUMBERED=1", "METHODS=/shop.Echo/D"+strconv.Itoa(size))
	begun := time.Now()
	(&load{name: "client"}).run(t, c)
	t.Logf("%d bodies of %d bytes in each direction took %v", n, size, time.Since(begun))
	w.Await(10*time.Second, func(spans []*tracer.Span) bool { return len(spans) >= 2*n })
	check(t, w.Stop())
	clients, streams := map[string]*tracer.Span{}, map[string]int{}
	for _, s := range w.Spans() {
		if s.Attr.Int("http.request.body.size") != int64(size) || s.Attr.Int("http.response.body.size") != int64(size) {
			t.Errorf("sizes are wrong: %v", s)
		}
		if s.Kind == tracer.Client {
			clients[s.SpanID] = s
		} else {
			streams[fmt.Sprint(s.Attr["network.peer.port"])]++
		}
	}
	right := 0
	for _, s := range w.Spans() {
		if of := clients[s.ParentID]; s.Kind == tracer.Server && of != nil && of.Path() == s.Path() && of.TraceID == s.TraceID {
			right++
		}
	}
	if len(w.Spans()) != 2*n || len(clients) != n || right != n || most(streams) < n/10 {
		t.Errorf("%d spans for %d requests, %d with the right parent, by connection %v", len(w.Spans()), n, right, streams)
	}
	if per := w.Counts.Kernel["records"] / (2 * n); per > recordsMax {
		t.Errorf("%d records for a request at each end", per)
	}
}

func most(counts map[string]int) (n int) {
	for _, c := range counts {
		n = max(n, c)
	}
	return n
}
