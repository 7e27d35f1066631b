package backend

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"syscall"
	"testing"
	"time"

	"weft/correlate/event"
	"weft/correlate/span"
	"weft/export/otlp"
	"weft/test/collector"
	"weft/test/fleet"
)

// kinds are the traces of the test, by the path of their requests.
var kinds = map[string]struct {
	kept   bool
	change func(*span.Span)
}{
	"/fast":   {false, func(*span.Span) {}},
	"/error":  {true, func(s *span.Span) { s.Status = 503 }},
	"/slow":   {true, func(s *span.Span) { s.End = s.Start + int64(2*time.Second) }},
	"/broken": {true, func(s *span.Span) { s.Verdict, s.Break, s.Code, s.Carrier = "dropped", true, "F1", "traceparent" }},
}

// TestTailSampling sends traces through the configuration that is in the tree: those with an error, a slow request or a break come
// through as a whole, the others do not.
func TestTailSampling(t *testing.T) {
	cache, err := fleet.Cache()
	if err != nil {
		t.Fatal(err)
	}
	if err := fleet.InstallBackend(cache); err != nil {
		t.Fatal(err)
	}
	behind, err := collector.Start("grpc")
	if err != nil {
		t.Fatal(err)
	}
	defer behind.Close()
	ports, err := freePorts(1)
	if err != nil {
		t.Fatal(err)
	}
	tier(t, cache, "sampling.yaml", nil, "LISTEN="+ports[0], "BACKEND="+behind.URL[len("http://"):], "DECISION_WAIT=2s", "SAMPLING_PERCENTAGE=0")
	if err := (&Backend{}).await(ports[0]); err != nil {
		t.Fatal(err)
	}
	sendKinds(t, "http://"+ports[0])
	want := map[string]int{"/error": 2, "/slow": 2, "/broken": 2}
	got := map[string]int{}
	for deadline := time.Now().Add(30 * time.Second); time.Now().Before(deadline) && len(got) < len(want); time.Sleep(100 * time.Millisecond) {
		got = paths(behind)
	}
	time.Sleep(3 * time.Second) // for what must not come
	got = paths(behind)
	for kind, k := range kinds {
		if n := map[bool]int{true: 2}[k.kept]; got[kind] != n {
			t.Errorf("%d spans of %s came through, want %d", got[kind], kind, n)
		}
	}
}

// tier runs a collector with a configuration that is in the tree, until the test ends. prefix may be a program that starts it.
func tier(t *testing.T, cache, conf string, prefix []string, env ...string) {
	t.Helper()
	log, err := os.Create(filepath.Join(t.TempDir(), "log"))
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	// The collector's own metrics would take a fixed port.
	argv := append(slices.Clone(prefix), filepath.Join(cache, "bin", Collector), "--config", "../../deploy/collector/"+conf, "--set", "service.telemetry.metrics.level=none")
	c := exec.Command(argv[0], argv[1:]...)
	c.Env = append(os.Environ(), env...)
	c.Stdout, c.Stderr, c.SysProcAttr = log, log, &syscall.SysProcAttr{Pdeathsig: syscall.SIGTERM}
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = c.Process.Kill()
		_ = c.Wait()
		if text, _ := os.ReadFile(log.Name()); t.Failed() {
			t.Logf("%s: %s", conf, text[max(0, len(text)-4000):])
		}
	})
}

// sendKinds sends a trace of two spans for each kind, of which one is what the kind says, in messages of their own.
func sendKinds(t *testing.T, endpoint string) {
	t.Helper()
	resource := &span.Resource{Service: "shop", Attributes: []event.Attribute{{Key: "service.name", Value: "shop"}}}
	e, err := otlp.New(context.Background(), otlp.Options{Protocol: otlp.GRPC, Endpoint: endpoint, BatchSize: 1})
	if err != nil {
		t.Fatal(err)
	}
	names := []string{}
	for kind := range kinds {
		names = append(names, kind)
	}
	slices.Sort(names)
	for i, kind := range names {
		for half := range 2 {
			s := &span.Span{
				TraceID: span.TraceID{1, 15: byte(i)}, SpanID: span.ID{2, 6: byte(i), 7: byte(half)}, Kind: span.Client, Resource: resource, Sampled: true,
				Start: time.Now().UnixNano(), Method: "GET", Path: kind, Scheme: "http", Host: "shop", Status: 200, Minor: 1,
			}
			s.End = s.Start + int64(time.Millisecond)
			if half == 1 {
				kinds[kind].change(s)
			}
			e.Put(s)
		}
	}
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	if err := e.Close(ctx); err != nil || e.Counts().Exported != uint64(2*len(kinds)) {
		t.Fatalf("%v, counts %+v", err, e.Counts())
	}
}

// paths counts what came, by the path of the request.
func paths(c *collector.Collector) map[string]int {
	got := map[string]int{}
	for _, s := range c.Spans() {
		full, _ := collector.Values(s.Attributes)["url.full"].(string)
		for kind := range kinds {
			if len(full) >= len(kind) && full[len(full)-len(kind):] == kind {
				got[kind]++
			}
		}
	}
	return got
}
