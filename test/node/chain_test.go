package node

import (
	"slices"
	"sync"
	"testing"
	"time"

	"weft/test/tracer"
)

// chain starts three containers, each of which asks the next: the first asks the second by the address of a Service.
func chain(t *testing.T) []*container {
	t.Helper()
	connect(t, 3)
	serveAs(t, 2)
	list := []*container{
		newContainer(3, space(3), "OTEL_SERVICE_NAME=stock"),
		newContainer(2, space(2), "OTEL_SERVICE_NAME=cart", "NEXT=http://"+address(3)+":8080"),
		newContainer(1, space(1), "OTEL_SERVICE_NAME=shop", "NEXT=http://"+cluster),
	}
	for _, c := range list {
		c.start(t)
	}
	slices.Reverse(list)
	return list
}

// whole fails unless the spans of one request are one chain from the client through the three containers.
func whole(t *testing.T, token string, spans []*tracer.Span, containers []*container) bool {
	t.Helper()
	ok := isWhole(spans, containers)
	if !ok {
		t.Errorf("%s has %d spans:", token, len(spans))
		for _, s := range spans {
			t.Log(s, s.Resource)
		}
	}
	return ok
}

// isWhole follows the spans from the root, each to the one under it.
func isWhole(spans []*tracer.Span, containers []*container) bool {
	names := []string{"client", "shop", "shop", "cart", "cart", "stock"}
	above, trace := "", ""
	for i, name := range names {
		at := slices.IndexFunc(spans, func(s *tracer.Span) bool { return s.ParentID == above && (i > 0 || s.Service() == name) })
		if at < 0 || len(spans) != len(names) {
			return false
		}
		s := spans[at]
		if s.Service() != name || (s.Kind == tracer.Client) != (i%2 == 0) || i > 0 && s.TraceID != trace {
			return false
		}
		above, trace = s.SpanID, s.TraceID
		if i == 0 {
			continue // the client is in no container
		}
		c := containers[(i-1)/2]
		if s.Resource.Text("container.id") != c.id || s.Resource.Text("k8s.pod.uid") != c.pod ||
			s.Resource.Text("k8s.pod.qos_class") != "Burstable" || s.PID() != c.pid {
			return false
		}
	}
	return true
}

// complete waits until every request has its six spans.
func complete(w *tracer.Tracer, tokens []string) {
	w.Await(20*time.Second, func(spans []*tracer.Span) bool {
		groups := byToken(spans)
		return !slices.ContainsFunc(tokens, func(token string) bool { return len(groups[token]) < 6 })
	})
}

func TestChainAcrossContainers(t *testing.T) {
	containers := chain(t)
	older := send(t, "http://"+address(1)+":8080", 1, "t-older") // connections that weft finds when it starts
	w := startWeft(t, tracer.Options{})
	served := send(t, "http://"+address(1)+":8080", 40, "t-chain")
	if len(older) != 1 || len(served) != 40 {
		t.Fatalf("%d of 40 requests were answered", len(served))
	}
	complete(w, served)
	if err := w.Stop(); err != nil {
		t.Fatal(err)
	}
	groups := byToken(w.Spans())
	for _, token := range served {
		if !whole(t, token, groups[token], containers) {
			break
		}
	}
}

// TestRestartUnderLoad kills a container of the chain while requests are under way: what was answered is told as a whole, before and
// after.
func TestRestartUnderLoad(t *testing.T) {
	containers := chain(t)
	w := startWeft(t, tracer.Options{})
	var before, during, after []string
	before = send(t, "http://"+address(1)+":8080", 20, "t-before")
	var load sync.WaitGroup
	load.Go(func() { during = send(t, "http://"+address(1)+":8080", 300, "t-during") })
	time.Sleep(100 * time.Millisecond)
	containers[1].kill()
	old := *containers[1]
	containers[1].start(t)
	load.Wait()
	time.Sleep(100 * time.Millisecond) // a new program of Go is looked at meanwhile; until then its calls have no parent
	after = send(t, "http://"+address(1)+":8080", 20, "t-after")
	if len(before) != 20 || len(after) != 20 {
		t.Fatalf("%d and %d of 20 requests were answered", len(before), len(after))
	}
	t.Logf("%d of 300 requests were answered around the restart", len(during))
	complete(w, slices.Concat(before, during, after))
	if err := w.Stop(); err != nil {
		t.Fatal(err)
	}
	groups := byToken(w.Spans())
	for _, token := range before {
		whole(t, token, groups[token], []*container{containers[0], &old, containers[2]})
	}
	for _, token := range after {
		whole(t, token, groups[token], containers)
	}
	for _, token := range slices.Concat(during, after) {
		if n := len(groups[token]); n != 6 {
			t.Errorf("%s was answered and has %d spans", token, n)
		}
	}
	// What was in flight is told as failed, or counted: each exchange is one or the other.
	var lost uint64
	for _, n := range w.Counts.Lost {
		lost += n
	}
	if spans := uint64(len(w.Spans())); spans+lost != w.Counts.Other["exchanges"] {
		t.Errorf("%d spans and %d losses of %d exchanges", spans, lost, w.Counts.Other["exchanges"])
	}
}
