package propagation_test

import (
	"fmt"
	"runtime"
	"strings"
	"testing"
	"time"

	"weft/correlate/event"
	"weft/correlate/propagation"
)

// TestMemory has a week of 10,000 services that call 100 peers each, a million edges, one in 50 of which loses contexts, with
// services that export spans of their own and hostile names among them. What is kept is bounded.
func TestMemory(t *testing.T) {
	const services, peers, heapMax = 10_000, 100, 32 << 20
	l := newLedger(t, propagation.Options{})
	l.named = true
	long := strings.Repeat("x", 60_000)
	names, routes := make([]string, services), make([]string, 1000)
	for i := range names {
		names[i], routes[i%1000] = fmt.Sprint("service-", i), fmt.Sprint("/route/", i%1000)
	}
	before := heap()
	for p := range peers {
		for s := range services {
			n := p*services + s
			name, route, peer := names[s], routes[n%1000], "peer-"+names[p]
			if n%1000 == 7 {
				route, peer = route+long, peer+long
			}
			if n%100 == 9 {
				name = fmt.Sprint("job-", n)
				l.t.Feed(&event.Event{Kind: event.KindSocket, Time: l.now, Conn: event.Conn{Peer: addressOf("collector:4317")}}, name)
			}
			l.request(name, route, peer, n%50 == 3)
			if n%100 == 0 {
				l.tick(time.Minute)
			}
		}
	}
	l.tick(time.Second)
	grown := heap() - before
	for what, n := range l.t.Sizes() {
		most := map[string]int{
			"services": 2 * propagation.DefaultEdges, "edges": propagation.DefaultEdges, "edges in order": propagation.DefaultEdges,
			"recent traces": 1 << 14, "peers": 1 << 12, "spare clusters": 1 << 14, "spare calls": 1 << 14, "free waits": 1 << 14, "held back": 1 << 14,
			"calls held back": 1 << 14, "examples": propagation.DefaultExamples, "order of examples": propagation.DefaultExamples, "links": 1 << 12,
		}[what]
		if n > most {
			t.Errorf("%d %s, at most %d", n, what, most)
		}
	}
	r := l.t.Report()
	if r.Totals.Pairs != services*peers || len(r.Edges) != propagation.DefaultEdges || len(r.Services) > propagation.DefaultEdges {
		t.Errorf("%d edges, %d services, %+v", len(r.Edges), len(r.Services), r.Totals)
	}
	if grown > heapMax {
		t.Errorf("%d MiB more", grown>>20)
	}
	t.Logf("%d KiB for a million edges: %v", grown>>10, l.t.Sizes())
	runtime.KeepAlive(l)
}

// heap gives the bytes in use.
func heap() int64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

// TestWaiting has many requests that lose contexts within the time that their calls are held back.
func TestWaiting(t *testing.T) {
	l := newLedger(t, propagation.Options{})
	loses := make([]bool, 100)
	for i := range loses {
		loses[i] = true
	}
	for range 5000 {
		l.now -= uint64(len(loses)+1)*1000 + 1e6 // all at once
		l.request("shop", "/cart", "payments", loses...)
	}
	if n := l.t.Sizes()["calls held back"]; n > 1<<14 || n < 1<<13 {
		t.Errorf("%d calls are held back", n)
	}
	l.tick(time.Second)
	if n := l.t.Sizes(); n["calls held back"] != 0 || n["held back"] != 0 || l.t.Report().Totals.Pairs != 500_000 {
		t.Errorf("%v, %+v", n, l.t.Report().Totals)
	}
}
