package multiplex

import (
	"cmp"
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	"weft/test/tracer"
)

// middle is a service in Go that asks another one for each request.
type middle struct {
	mode, by         string // what it is, and how it asks
	spawns, forgets  bool
	workers, streams int
	address          string
	pid              int
}

func (m *middle) String() string {
	text := fmt.Sprintf("%s asks by %s", m.mode, m.by)
	for word, is := range map[string]bool{"spawns": m.spawns, "forgets": m.forgets, "workers": m.workers > 0} {
		if is {
			text += ", " + word
		}
	}
	return text + ", " + strconv.Itoa(m.streams)
}

// TestForgetful: of a service of HTTP/2 in Go every call is known by the goroutine that makes it, without the service having been
// idle: one that does not pass the context on is found, one that does is not accused, and every span has its right parent.
func TestForgetful(t *testing.T) {
	const n = 256
	p := prepare(t)
	services := []*middle{
		{mode: "grpc-server", by: "grpc", forgets: true, streams: 1},
		{mode: "grpc-server", by: "grpc", forgets: true, streams: 16},
		{mode: "grpc-server", by: "grpc", forgets: true, streams: 128},
		{mode: "grpc-server", by: "grpc", streams: 128},
		{mode: "grpc-server", by: "grpc", forgets: true, workers: 8, streams: 16},
		{mode: "grpc-server", by: "http1", forgets: true, spawns: true, streams: 16},
		{mode: "http-server", by: "h2", forgets: true, streams: 128},
		{mode: "http-server", by: "http1", forgets: true, streams: 16},
		{mode: "h2-server", by: "grpc", forgets: true, spawns: true, streams: 16},
		{mode: "h2-server", by: "h2", streams: 16},
	}
	next := map[string]string{"grpc": serve(t, p.command("go", "grpc-server")), "h2": serve(t, p.command("go", "http-server"))}
	next["http1"] = next["h2"]
	addresses := []string{next["grpc"], next["h2"]}
	for _, m := range services {
		m.start(t, p, next[m.by])
		addresses = append(addresses, m.address)
	}
	w := p.trace(t, addresses...)
	for _, m := range services {
		m.ask(t, p, n)
	}
	time.Sleep(300 * time.Millisecond)
	check(t, w.Stop())
	for _, m := range services {
		t.Run(m.String(), func(t *testing.T) { m.judge(t, w, n) })
	}
}

// start starts the service, which asks the server at next.
func (m *middle) start(t *testing.T, p place, next string) {
	c := p.command("go", m.mode)
	c.Env = append(c.Env, "NEXT="+next, "NEXT_BY="+m.by, "OTEL_SERVICE_NAME=middle", "WORKERS="+strconv.Itoa(m.workers))
	if m.forgets {
		c.Env = append(c.Env, "FORGET=1")
	}
	if m.spawns {
		c.Env = append(c.Env, "SPAWN=1")
	}
	m.address = serve(t, c)
	m.pid = c.Process.Pid
}

// ask sends it n requests that have numbers. One that spawns is asked without numbers before: goroutines of goroutines are not known
// until the list of them is found.
func (m *middle) ask(t *testing.T, p place, n int) {
	if m.spawns {
		m.load(t, p, 16)
		time.Sleep(500 * time.Millisecond)
	}
	m.load(t, p, n, "NUMBERED=1")
}

func (m *middle) load(t *testing.T, p place, n int, env ...string) {
	client := "h2-client"
	if m.mode == "grpc-server" {
		client = "grpc-client"
	}
	c := p.command("go", client, m.address, strconv.Itoa(n), strconv.Itoa(m.streams))
	c.Env = append(append(c.Env, "METHODS=/shop.Echo/S0"), env...)
	(&load{name: "client"}).run(t, c)
}

// judge compares the calls of the service with what was asked of it.
func (m *middle) judge(t *testing.T, w *tracer.Tracer, n int) {
	t.Helper()
	numbers := map[string]string{} // of requests, by span id
	for _, s := range w.Spans() {
		if s.Kind == tracer.Server && s.PID() == m.pid {
			numbers[s.SpanID] = number(s)
		}
	}
	verdicts, evidence, calls, wrong, right := map[string]int{}, map[string]int{}, 0, 0, 0
	for _, s := range w.Spans() {
		if s.Kind != tracer.Client || s.PID() != m.pid || number(s) == "" {
			continue
		}
		calls++
		verdicts[s.Attr.Text("weft.propagation.verdict")]++
		evidence[s.Attr.Text("weft.parent.evidence")]++
		switch of, linked := numbers[s.ParentID]; {
		case linked && of == number(s):
			right++
		case s.ParentID != "":
			wrong++
		}
	}
	t.Logf("%d calls: %d parents right, %d wrong; evidence %v, verdicts %v", calls, right, wrong, evidence, verdicts)
	expected := "propagated"
	if m.forgets {
		expected = "dropped"
	}
	least := n * 99 / 100
	if m.spawns {
		least = n * 95 / 100 // the list of its goroutines is not all that may be late
	}
	if calls != n || wrong > 0 || right < least {
		t.Errorf("%d of %d calls are told; %d have the right parent, %d a wrong one", calls, n, right, wrong)
	}
	if verdicts[expected] < least || verdicts[expected]+verdicts[""] != n {
		t.Errorf("verdicts are %v, not %q", verdicts, expected)
	}
}

// number is that of a method that was asked for; empty if it has none.
func number(s *tracer.Span) string {
	service, _, _ := strings.Cut(strings.TrimPrefix(cmp.Or(s.Path(), s.Name), "/"), "/")
	return strings.TrimPrefix(strings.TrimPrefix(service, "shop.Echo"), "shop.Next")
}
