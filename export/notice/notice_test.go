package notice

import (
	"bytes"
	"context"
	"log/slog"
	"reflect"
	"strings"
	"sync"
	"testing"
	"time"

	logspb "go.opentelemetry.io/proto/otlp/logs/v1"

	"weft/correlate/propagation"
	"weft/export/queue"
	"weft/test/collector"
)

var at = time.Date(2026, 11, 25, 10, 2, 0, 0, time.UTC)

func breaks() propagation.Transition {
	return propagation.Transition{At: at, From: propagation.NotEnough, Edge: propagation.Edge{
		Service: "checkout", Route: "POST /charge", Peer: "payments", Protocol: "http/1.1", Health: propagation.Broken,
		Rate: propagation.Rate{N: 412, K: 0, Upper: 0.01},
		Findings: []propagation.Finding{
			{Verdict: "random_lost", Severity: "note", Sentence: "no matter"},
			{Verdict: "dropped", Code: "F1", Severity: "fault", Format: "traceparent", Client: "python-requests/2.31", Where: "only on retries",
				Sentence: "checkout drops traceparent toward payments on POST /charge: 412 of 412 since 10:02", Examples: []string{"00f067aa0ba902b7"}},
		},
	}}
}

func mends() propagation.Transition {
	t := breaks()
	t.From, t.Edge.Health = propagation.Broken, propagation.Healthy
	t.Edge.Rate = propagation.Rate{N: 500, K: 500, Estimate: 1, Lower: 0.992, Upper: 1}
	return t
}

// page is a log that can be read while it is written.
type page struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (p *page) Write(b []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.text.Write(b)
}

func (p *page) lines() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return strings.Split(strings.TrimSpace(p.text.String()), "\n")
}

func start(t *testing.T, o Options) *Notices {
	t.Helper()
	n, err := New(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func TestLines(t *testing.T) {
	p := &page{}
	n := start(t, Options{Logger: slog.New(slog.NewTextHandler(p, nil))})
	n.Put(breaks())
	n.Put(mends())
	if err := n.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	lines := p.lines()
	if len(lines) != 2 ||
		!strings.Contains(lines[0], `level=WARN msg="trace context breaks: checkout drops traceparent toward payments on POST /charge: 412 of 412 since 10:02"`) ||
		!strings.Contains(lines[1], `level=INFO msg="trace context is whole again: checkout carries contexts on toward payments on POST /charge: 500 of 500"`) {
		t.Errorf("got %q", lines)
	}
	if got, want := n.Counts(), (queue.Counts{Put: 2, Exported: 2}); got != want {
		t.Errorf("counts %+v, want %+v", got, want)
	}
	n.Put(breaks())
	if got, want := n.Counts(), (queue.Counts{Put: 3, Exported: 2, Shutdown: 1}); got != want {
		t.Errorf("counts %+v, want %+v", got, want)
	}
}

func TestRecords(t *testing.T) {
	for _, protocol := range collector.Protocols {
		t.Run(protocol, func(t *testing.T) {
			c, err := collector.Start(protocol)
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			t.Setenv("OTEL_EXPORTER_OTLP_ENDPOINT", c.URL)
			t.Setenv("OTEL_EXPORTER_OTLP_PROTOCOL", protocol)
			n := start(t, Options{Push: true, Version: "1.2.3"})
			n.Put(breaks())
			n.Put(mends())
			if err := n.Close(t.Context()); err != nil {
				t.Fatal(err)
			}
			list := c.Records()
			if len(list) != 2 {
				t.Fatalf("%d records", len(list))
			}
			checkBroken(t, list[0])
			mended := list[1]
			if mended.EventName != "weft.propagation.healthy" || mended.SeverityNumber != logspb.SeverityNumber_SEVERITY_NUMBER_INFO ||
				mended.SeverityText != "INFO" || mended.Attributes["weft.propagation.rate.lower"] != 0.992 ||
				mended.Attributes["weft.propagation.verdict"] != nil {
				t.Errorf("got %v", mended)
			}
			if got, want := n.Counts(), (queue.Counts{Put: 2, Exported: 2}); got != want {
				t.Errorf("counts %+v, want %+v", got, want)
			}
		})
	}
}

func checkBroken(t *testing.T, r collector.Record) {
	t.Helper()
	if r.EventName != "weft.propagation.broken" || r.SeverityNumber != logspb.SeverityNumber_SEVERITY_NUMBER_WARN || r.SeverityText != "WARN" ||
		r.TimeUnixNano != uint64(at.UnixNano()) || r.ObservedTimeUnixNano == 0 ||
		r.Body.GetStringValue() != "checkout drops traceparent toward payments on POST /charge: 412 of 412 since 10:02" {
		t.Errorf("got %v", r.LogRecord)
	}
	want := map[string]any{
		"service.name": "checkout", "http.request.method": "POST", "http.route": "/charge", "weft.peer": "payments",
		"network.protocol.name": "http", "network.protocol.version": "1.1", "weft.propagation.health": "broken",
		"weft.propagation.rate": 0.0, "weft.propagation.rate.lower": 0.0, "weft.propagation.rate.upper": 0.01, "weft.propagation.rate.pairs": int64(412),
		"weft.propagation.verdict": "dropped", "weft.propagation.code": "F1", "weft.propagation.format": "traceparent",
		"weft.propagation.client": "python-requests/2.31", "weft.propagation.where": "only on retries",
		"weft.propagation.examples": []any{"00f067aa0ba902b7"},
	}
	if !reflect.DeepEqual(r.Attributes, want) {
		t.Errorf("attributes %v, want %v", r.Attributes, want)
	}
	if r.Resource["service.name"] != "weft" || r.Resource["service.version"] != "1.2.3" {
		t.Errorf("resource %v", r.Resource)
	}
}

// stuck is a log that nobody reads until it is freed.
type stuck struct{ free chan struct{} }

func (s stuck) Write(b []byte) (int, error) {
	<-s.free
	return len(b), nil
}

// TestPutNeverBlocks holds that a log that does not move costs notices, which are counted, and no time.
func TestPutNeverBlocks(t *testing.T) {
	s := stuck{make(chan struct{})}
	n := start(t, Options{Logger: slog.New(slog.NewTextHandler(s, nil)), Limit: 10})
	const all = 1000
	done := make(chan struct{})
	go func() {
		for range all {
			n.Put(breaks())
		}
		close(done)
	}()
	select {
	case <-done:
	case <-time.After(20 * time.Second):
		t.Fatal("Put blocks")
	}
	c := n.Counts()
	if c.Put != all || c.Waiting > 11 || c.QueueFull < all-11 || c.Waiting+c.QueueFull != all {
		t.Errorf("counts %+v", c)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	if err := n.Close(ctx); err == nil {
		t.Error("nothing is said of the notices that were given up")
	}
	if got, want := n.Counts(), (queue.Counts{Put: all, QueueFull: c.QueueFull, Shutdown: all - c.QueueFull}); got != want {
		t.Errorf("counts %+v, want %+v", got, want)
	}
	close(s.free)
	<-n.told
	if got := n.Counts(); got.Exported != 0 || got.Put != got.Dropped() {
		t.Errorf("what was given up is counted again: %+v", got)
	}
}

// TestQueueOfTheSDK holds that no record is lost in silence when the collector takes none.
func TestQueueOfTheSDK(t *testing.T) {
	c, err := collector.Start("http/protobuf")
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	c.Refuse(true)
	p := &page{}
	t.Setenv("OTEL_EXPORTER_OTLP_ENDPOINT", c.URL)
	t.Setenv("OTEL_BLRP_MAX_QUEUE_SIZE", "5")
	t.Setenv("OTEL_BLRP_SCHEDULE_DELAY", "3600000")
	n := start(t, Options{Push: true, Logger: slog.New(slog.NewTextHandler(p, nil))})
	for range 20 {
		n.Put(breaks())
	}
	_ = n.Close(t.Context()) // an error if the last batch was still waiting
	got := n.Counts()
	if got.Put != 20 || got.Waiting != 0 || got.Exported != 0 || got.ExportFailed == 0 || got.ExportFailed+got.QueueFull != 20 {
		t.Errorf("counts %+v", got)
	}
	if text := strings.Join(p.lines(), "\n"); strings.Count(text, "does not accept log records") != 1 {
		t.Errorf("log\n%s", text)
	}
}

func TestSettingsAreChecked(t *testing.T) {
	for name, value := range map[string]string{
		"OTEL_EXPORTER_OTLP_LOGS_PROTOCOL": "http/json", "OTEL_BLRP_SCHEDULE_DELAY": "1s", "OTEL_EXPORTER_OTLP_LOGS_TIMEOUT": "x",
	} {
		t.Run(name, func(t *testing.T) {
			t.Setenv(name, value)
			if _, err := New(t.Context(), Options{Push: true}); err == nil || !strings.Contains(err.Error(), name) {
				t.Errorf("%s=%s gives %v", name, value, err)
			}
		})
	}
}
