package otlp

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	coltracepb "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/durationpb"

	"weft/correlate/span"
	"weft/export/queue"
	"weft/export/spill"
)

// away is the answer of a collector that refuses for a while.
func away(t *testing.T, after time.Duration) (*coltracepb.ExportTraceServiceResponse, int, error) {
	t.Helper()
	s, err := status.New(codes.ResourceExhausted, "later").WithDetails(&errdetails.RetryInfo{RetryDelay: durationpb.New(after)})
	if err != nil {
		t.Fatal(err)
	}
	return nil, http.StatusTooManyRequests, s.Err()
}

func disk(t *testing.T) *spill.Options {
	return &spill.Options{Dir: filepath.Join(t.TempDir(), "spill"), Size: 16 << 20, Age: time.Hour}
}

// distinct fails unless the receiver has each of n samples once, as they were put.
func distinct(t *testing.T, r *receiver, n int) {
	t.Helper()
	seen := map[string]bool{}
	for _, s := range r.spans() {
		seen[string(s.SpanId)] = true
		check(t, s, sample(int(s.SpanId[6])<<8|int(s.SpanId[7])))
	}
	if len(seen) != n || len(r.spans()) != n {
		t.Errorf("%d spans arrived, %d different, of %d", len(r.spans()), len(seen), n)
	}
}

func TestCollectorAwayLosesNothing(t *testing.T) {
	each(t, func(t *testing.T, protocol string) {
		var down atomic.Bool
		down.Store(true)
		r := &receiver{answer: func(int) (*coltracepb.ExportTraceServiceResponse, int, error) {
			if down.Load() {
				return away(t, 0)
			}
			return &coltracepb.ExportTraceServiceResponse{}, http.StatusOK, nil
		}}
		var log strings.Builder
		e := start(t, Options{
			Protocol: protocol, Endpoint: r.serve(t, protocol), BatchSize: 50, QueueSize: 200, Interval: 10 * time.Millisecond, Spill: disk(t),
			Logger: slog.New(slog.NewTextHandler(&log, nil)),
		})
		for i := range 2000 {
			e.Put(sample(i))
			if i%100 == 99 {
				within(t, func() bool { c := e.Counts(); return c.Waiting < 100 })
			}
		}
		within(t, func() bool { return e.Counts().Spilled == 2000 })
		down.Store(false)
		for i := range 500 {
			e.Put(sample(2000 + i))
			if i%100 == 99 {
				within(t, func() bool { c := e.Counts(); return c.Waiting < 100 })
			}
		}
		within(t, func() bool { return e.Counts().Exported == 2500 })
		distinct(t, r, 2500)
		if got, want := finish(t, e), (queue.Counts{Put: 2500, Exported: 2500}); got != want {
			t.Errorf("counts %+v, want %+v", got, want)
		}
		if n := strings.Count(log.String(), "\n"); n != 2 || !strings.Contains(log.String(), "again") {
			t.Errorf("log %q", log.String())
		}
	})
}

func TestSpillOutlastsTheRun(t *testing.T) {
	each(t, func(t *testing.T, protocol string) {
		on := disk(t)
		e := start(t, Options{Protocol: protocol, Endpoint: nobody(t), BatchSize: 50, Interval: time.Hour, Spill: on})
		for i := range 120 {
			e.Put(sample(i)) // 20 of them are in no whole message at the end
		}
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		if err := e.Close(ctx); err != nil {
			t.Error(err)
		}
		if got, want := e.Counts(), (queue.Counts{Put: 120, Spilled: 120}); got != want {
			t.Errorf("counts %+v, want %+v", got, want)
		}
		r := &receiver{}
		e = start(t, Options{Protocol: protocol, Endpoint: r.serve(t, protocol), BatchSize: 50, Interval: 10 * time.Millisecond, Spill: on})
		for i := range 30 {
			e.Put(sample(120 + i))
		}
		within(t, func() bool { return e.Counts().Exported == 150 })
		distinct(t, r, 150)
		if got, want := finish(t, e), (queue.Counts{Put: 30, Recovered: 120, Exported: 150}); got != want {
			t.Errorf("counts %+v, want %+v", got, want)
		}
	})
}

// TestSpillBoundAndDamage holds the account when the disk drops what is oldest and gives back what nobody can read.
func TestSpillBoundAndDamage(t *testing.T) {
	on := disk(t)
	on.Size = 16 << 12 // 16 messages that compress to one block
	e := start(t, Options{Protocol: HTTP, Endpoint: nobody(t), BatchSize: 10, Interval: time.Hour, Spill: on})
	for i := range 300 {
		e.Put(sample(i))
		if i%10 == 9 {
			within(t, func() bool { return e.Counts().Waiting == 0 })
		}
	}
	if got, want := e.Counts(), (queue.Counts{Put: 300, Spilled: 160, SpillFull: 140}); got != want {
		t.Errorf("counts %+v, want %+v", got, want)
	}
	finish(t, e)
	files, err := filepath.Glob(filepath.Join(on.Dir, "*.zst"))
	if err != nil || len(files) != 16 {
		t.Fatalf("%v %v", files, err)
	}
	for _, f := range files[2:5] {
		if err := os.WriteFile(f, []byte("noise"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	r := &receiver{}
	e = start(t, Options{Protocol: HTTP, Endpoint: r.serve(t, HTTP), Interval: time.Hour, Spill: on})
	within(t, func() bool { return e.Counts().Exported == 130 })
	if got, want := finish(t, e), (queue.Counts{Recovered: 160, Exported: 130, SpillCorrupt: 30}); got != want {
		t.Errorf("counts %+v, want %+v", got, want)
	}
	distinct(t, r, 130)
}

func TestCollectorAsksToBeLeftAlone(t *testing.T) {
	each(t, func(t *testing.T, protocol string) {
		t.Parallel() // it pauses for a second
		var attempts []time.Time
		r := &receiver{}
		r.answer = func(n int) (*coltracepb.ExportTraceServiceResponse, int, error) {
			attempts = append(attempts, time.Now()) // under the receiver's lock
			if n == 0 {
				return away(t, time.Second)
			}
			return &coltracepb.ExportTraceServiceResponse{}, http.StatusOK, nil
		}
		e := start(t, Options{Protocol: protocol, Endpoint: r.retryAfter(t, protocol, "1"), BatchSize: 10, Interval: time.Hour, Spill: disk(t)})
		for i := range 10 {
			e.Put(sample(i))
		}
		within(t, func() bool { return e.Counts().Spilled == 10 })
		for i := range 20 {
			e.Put(sample(10 + i))
		}
		within(t, func() bool { return e.Counts().Exported == 30 })
		finish(t, e)
		if gap := attempts[1].Sub(attempts[0]); gap < 990*time.Millisecond {
			t.Errorf("asked again after %v", gap)
		}
		distinct(t, r, 30)
	})
}

// retryAfter serves r with a header that HTTP has for what gRPC says in its status.
func (r *receiver) retryAfter(t *testing.T, protocol, seconds string) string {
	t.Helper()
	if protocol == GRPC {
		return r.serve(t, protocol)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		w.Header().Set("Retry-After", seconds)
		r.ServeHTTP(w, q)
	})}
	go func() { _ = s.Serve(l) }()
	t.Cleanup(func() { _ = s.Close() })
	return "http://" + l.Addr().String()
}

// TestHalfOpen has a collector that takes connections and says nothing.
func TestHalfOpen(t *testing.T) {
	each(t, func(t *testing.T, protocol string) {
		t.Setenv("OTEL_EXPORTER_OTLP_TIMEOUT", "200")
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		e := start(t, Options{Protocol: protocol, Endpoint: "http://" + l.Addr().String(), BatchSize: 10, QueueSize: 100, Interval: time.Hour, Spill: disk(t)})
		for i := range 1000 {
			e.Put(sample(i))
			if i%20 == 19 {
				within(t, func() bool { return e.Counts().Waiting <= 60 })
			}
		}
		within(t, func() bool { return e.Counts().Spilled == 1000 })
		if got, want := finish(t, e), (queue.Counts{Put: 1000, Spilled: 1000}); got != want {
			t.Errorf("counts %+v, want %+v", got, want)
		}
	})
}

// TestSlowCollector holds that what comes faster than it goes waits on disk, and that live spans are not behind all of it.
func TestSlowCollector(t *testing.T) {
	var slow atomic.Bool
	slow.Store(true)
	r := &receiver{answer: func(int) (*coltracepb.ExportTraceServiceResponse, int, error) {
		if slow.Load() {
			time.Sleep(20 * time.Millisecond)
		}
		return &coltracepb.ExportTraceServiceResponse{}, http.StatusOK, nil
	}}
	e := start(t, Options{Protocol: HTTP, Endpoint: r.serve(t, HTTP), BatchSize: 10, QueueSize: 100, Interval: 10 * time.Millisecond, Spill: disk(t)})
	for i := range 3000 {
		e.Put(sample(i))
		if i%10 == 9 {
			within(t, func() bool { return e.Counts().Waiting < 80 })
		}
	}
	if c := e.Counts(); c.Spilled < 1000 || c.QueueFull > 0 {
		t.Fatalf("counts %+v", c)
	}
	marked := sample(3000)
	e.Put(marked)
	within(t, func() bool {
		for _, s := range r.spans() {
			if string(s.SpanId) == string(marked.SpanID[:]) {
				return true
			}
		}
		return false
	})
	if c := e.Counts(); c.Spilled == 0 {
		t.Errorf("the live span came after the backlog: %+v", c)
	}
	slow.Store(false)
	within(t, func() bool { return e.Counts().Exported == 3001 })
	finish(t, e)
	distinct(t, r, 3001)
}

func TestNoRoomOnDisk(t *testing.T) {
	on := disk(t)
	e := start(t, Options{Protocol: HTTP, Endpoint: nobody(t), BatchSize: 10, Interval: time.Hour, Spill: on})
	if err := os.RemoveAll(on.Dir); err != nil {
		t.Fatal(err)
	}
	for i := range 100 {
		e.Put(sample(i))
	}
	if got, want := finish(t, e), (queue.Counts{Put: 100, SpillFailed: 100}); got != want {
		t.Errorf("counts %+v, want %+v", got, want)
	}
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := New(context.Background(), Options{Protocol: HTTP, Endpoint: nobody(t), Spill: &spill.Options{Dir: file, Size: 1 << 20, Age: time.Hour}}); err == nil {
		t.Error("a file is taken for a folder")
	}
}

func TestRefusedForGoodDoesNotWait(t *testing.T) {
	each(t, func(t *testing.T, protocol string) {
		r := &receiver{answer: func(int) (*coltracepb.ExportTraceServiceResponse, int, error) {
			return nil, http.StatusBadRequest, status.Error(codes.InvalidArgument, "no")
		}}
		e := start(t, Options{Protocol: protocol, Endpoint: r.serve(t, protocol), BatchSize: 10, Interval: time.Hour, Spill: disk(t)})
		for i := range 25 {
			e.Put(sample(i))
		}
		if got, want := finish(t, e), (queue.Counts{Put: 25, ExportFailed: 25}); got != want {
			t.Errorf("counts %+v, want %+v", got, want)
		}
	})
}

func TestRetryAfter(t *testing.T) {
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	for text, want := range map[string]time.Duration{
		"": 0, "x": 0, "-1": 0, "7": 7 * time.Second, "99999999999": 0,
		now.Add(time.Minute).Format(http.TimeFormat): time.Minute, now.Add(-time.Minute).Format(http.TimeFormat): 0,
	} {
		if got := retryAfter(text, now); got != want {
			t.Errorf("%q: %v", text, got)
		}
	}
}

func TestSplitKeepsMessages(t *testing.T) {
	m := newMessage()
	enc := newEncoder("1")
	for i := range 4 {
		s := sample(i)
		s.Resource = &span.Resource{Attributes: shop.Attributes, Service: fmt.Sprint(i)}
		enc.add(m, s)
	}
	raw := marshal(t, m.finish())
	if again := marshal(t, split(raw)); string(again) != string(raw) {
		t.Errorf("%d bytes became %d others", len(raw), len(again))
	}
	if got := split([]byte{0xff, 1, 2}); got != nil {
		t.Errorf("noise is %v", got)
	}
}

func marshal(t *testing.T, list []*tracepb.ResourceSpans) []byte {
	t.Helper()
	raw, err := proto.MarshalOptions{Deterministic: true}.Marshal(&coltracepb.ExportTraceServiceRequest{ResourceSpans: list})
	if err != nil {
		t.Fatal(err)
	}
	return raw
}
