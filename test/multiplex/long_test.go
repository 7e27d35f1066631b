package multiplex

import (
	"cmp"
	"fmt"
	"os"
	"slices"
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

// TestBodies: a thousand requests at a time on one connection, each with a large body in both directions, are a span each, with the right
// sizes and parents, and a few small records. BODY is the size of one in bytes; 10485760 takes minutes.
func TestBodies(t *testing.T) {
	const n, sizeMax = 1 + 1000, 4096 // the first is alone: it opens the connection
	size := 128 << 10
	if v, err := strconv.Atoi(os.Getenv("BODY")); err == nil {
		size = v
	}
	p := prepare(t)
	address := serve(t, p.command("go", "http-server"))
	w := p.trace(t, address)
	c := p.command("go", "h2-client", address, strconv.Itoa(n), strconv.Itoa(n-1))
	c.Env = append(c.Env, "NUMBERED=1", "ALONE=1", "METHODS=/shop.Echo/D"+strconv.Itoa(size))
	begun := time.Now()
	(&load{name: "client"}).run(t, c)
	t.Logf("%d bodies of %d bytes in each direction took %v", n, size, time.Since(begun))
	w.Await(10*time.Second, func(spans []*tracer.Span) bool { return len(spans) >= 2*n })
	check(t, w.Stop())
	verifyBodies(t, w, n, int64(size))
	per := w.Counts.Kernel["records_size"] / n
	t.Logf("%d bytes of the ring for a request, both ends of it: %d records, of which %d tell of no process", per,
		w.Counts.Kernel["records"], w.Counts.Other["events"])
	if per == 0 || per > sizeMax {
		t.Errorf("%d bytes of the ring for a request, both ends of it", per)
	}
}

// verifyBodies holds that n requests of one connection, with bodies of a size, are all there, and how many were under way at a time.
func verifyBodies(t *testing.T, w *tracer.Tracer, n int, size int64) {
	t.Helper()
	clients, connections, edges := map[string]*tracer.Span{}, map[string]int{}, []edge{}
	for _, s := range w.Spans() {
		if s.Attr.Int("http.request.body.size") != size || s.Attr.Int("http.response.body.size") != size || s.Attr.Int("http.response.status_code") != 200 {
			t.Errorf("sizes or status are wrong: %v", s)
		}
		if s.Kind == tracer.Client {
			clients[s.SpanID] = s
			edges = append(edges, edge{s.Start, 1}, edge{s.End, -1})
		} else {
			connections[fmt.Sprint(s.Attr["network.peer.port"])]++
		}
	}
	right := 0
	for _, s := range w.Spans() {
		if of := clients[s.ParentID]; s.Kind == tracer.Server && of != nil && of.Path() == s.Path() && of.TraceID == s.TraceID {
			right++
		}
	}
	if len(w.Spans()) != 2*n || len(clients) != n || right != n || len(connections) != 1 {
		t.Errorf("%d spans for %d requests, %d with the right parent, by connection %v", len(w.Spans()), n, right, connections)
	}
	for why, lost := range w.Counts.Lost {
		if lost != 0 {
			t.Errorf("%d lost: %s", lost, why)
		}
	}
	most := mostAtATime(edges)
	t.Logf("%d requests were under way at a time", most)
	if most < n/10 {
		t.Errorf("no more than %d requests were under way at a time", most)
	}
}

// edge is the begin or the end of a request.
type edge struct {
	at   tracer.Nano
	step int
}

// mostAtATime tells how many requests were under way at once.
func mostAtATime(edges []edge) (most int) {
	slices.SortFunc(edges, func(a, b edge) int { return cmp.Compare(a.at, b.at) })
	now := 0
	for _, e := range edges {
		now += e.step
		most = max(most, now)
	}
	return most
}
