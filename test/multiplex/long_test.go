package multiplex

import (
	"fmt"
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
