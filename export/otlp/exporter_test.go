package otlp

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	coltracepb "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/durationpb"

	"weft/correlate/span"
	"weft/export/queue"
)

var protocols = []string{"http/protobuf", "grpc"}

// each runs a test once a protocol.
func each(t *testing.T, test func(t *testing.T, protocol string)) {
	for _, p := range protocols {
		t.Run(p, func(t *testing.T) { test(t, p) })
	}
}

func start(t *testing.T, o Options) *Exporter {
	t.Helper()
	e, err := New(context.Background(), o)
	if err != nil {
		t.Fatal(err)
	}
	return e
}

func finish(t *testing.T, e *Exporter) queue.Counts {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	if err := e.Close(ctx); err != nil {
		t.Fatal(err)
	}
	return e.Counts()
}

// within waits until ok.
func within(t *testing.T, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(20 * time.Second); !ok(); time.Sleep(2 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("it did not come")
		}
	}
}

func TestEverySpanArrives(t *testing.T) {
	each(t, func(t *testing.T, protocol string) {
		r := &receiver{}
		var released atomic.Int64
		e := start(t, Options{
			Protocol: protocol, Endpoint: r.serve(t, protocol), BatchSize: 100, Interval: time.Hour,
			Release: func(s *span.Span) { *s = span.Span{}; released.Add(1) },
		})
		const n = 1050
		for i := range n {
			e.Put(sample(i))
		}
		within(t, func() bool { return len(r.spans()) >= 1000 }) // whole batches do not wait for the interval
		if got, want := finish(t, e), (queue.Counts{Put: n, Exported: n}); got != want {
			t.Errorf("counts %+v, want %+v", got, want)
		}
		seen := map[string]int{}
		for _, s := range r.spans() {
			seen[string(s.SpanId)]++
		}
		if len(seen) != n || len(r.spans()) != n || released.Load() != n {
			t.Errorf("%d spans, %d different, %d released", len(r.spans()), len(seen), released.Load())
		}
	})
}

func TestIntervalSendsWhatWaits(t *testing.T) {
	each(t, func(t *testing.T, protocol string) {
		r := &receiver{}
		e := start(t, Options{Protocol: protocol, Endpoint: r.serve(t, protocol), Interval: 10 * time.Millisecond})
		s := sample(0)
		e.Put(s)
		within(t, func() bool { return len(r.spans()) == 1 })
		check(t, r.spans()[0], sample(0))
		finish(t, e)
	})
}

func TestPartialSuccess(t *testing.T) {
	each(t, func(t *testing.T, protocol string) {
		r := &receiver{answer: func(n int) (*coltracepb.ExportTraceServiceResponse, int, error) {
			p := &coltracepb.ExportTracePartialSuccess{ErrorMessage: "odd (really)"}
			if n == 0 {
				p.RejectedSpans = 3
			}
			return &coltracepb.ExportTraceServiceResponse{PartialSuccess: p}, http.StatusOK, nil
		}}
		e := start(t, Options{Protocol: protocol, Endpoint: r.serve(t, protocol), BatchSize: 10, Interval: time.Hour})
		for i := range 15 {
			e.Put(sample(i))
		}
		if got, want := finish(t, e), (queue.Counts{Put: 15, Exported: 12, Rejected: 3}); got != want {
			t.Errorf("counts %+v, want %+v", got, want)
		}
	})
}

func TestRefusedForGood(t *testing.T) {
	each(t, func(t *testing.T, protocol string) {
		r := &receiver{answer: func(int) (*coltracepb.ExportTraceServiceResponse, int, error) {
			return nil, http.StatusUnauthorized, status.Error(codes.Unauthenticated, "who?")
		}}
		var log strings.Builder
		e := start(t, Options{
			Protocol: protocol, Endpoint: r.serve(t, protocol), BatchSize: 10, Interval: time.Hour,
			Logger: slog.New(slog.NewTextHandler(&log, nil)),
		})
		for i := range 25 {
			e.Put(sample(i))
		}
		if got, want := finish(t, e), (queue.Counts{Put: 25, ExportFailed: 25}); got != want {
			t.Errorf("counts %+v, want %+v", got, want)
		}
		if n := strings.Count(log.String(), "\n"); n != 1 || !strings.Contains(log.String(), "level=WARN") {
			t.Errorf("log %q", log.String())
		}
	})
}

func TestAskedToTryAgain(t *testing.T) {
	each(t, func(t *testing.T, protocol string) {
		t.Parallel() // the client pauses for seconds
		busy, err := status.New(codes.ResourceExhausted, "busy").WithDetails(&errdetails.RetryInfo{RetryDelay: durationpb.New(time.Millisecond)})
		if err != nil {
			t.Fatal(err)
		}
		r := &receiver{answer: func(n int) (*coltracepb.ExportTraceServiceResponse, int, error) {
			if n == 0 {
				return nil, http.StatusServiceUnavailable, busy.Err()
			}
			return &coltracepb.ExportTraceServiceResponse{}, http.StatusOK, nil
		}}
		e := start(t, Options{Protocol: protocol, Endpoint: r.serve(t, protocol), Interval: time.Hour})
		e.Put(sample(0))
		if got, want := finish(t, e), (queue.Counts{Put: 1, Exported: 1}); got != want || len(r.spans()) != 1 {
			t.Errorf("counts %+v, want %+v; %d arrived", got, want, len(r.spans()))
		}
	})
}

// TestCollectorComesLate holds that what was put before the collector was there arrives when it comes.
func TestCollectorComesLate(t *testing.T) {
	away := nobody(t)
	r := &receiver{}
	e := start(t, Options{Endpoint: away, BatchSize: 10, Interval: 5 * time.Millisecond})
	for i := range 35 {
		e.Put(sample(i))
	}
	time.Sleep(20 * time.Millisecond)
	server := &http.Server{Addr: strings.TrimPrefix(away, "http://"), Handler: r, ReadHeaderTimeout: time.Second}
	go func() { _ = server.ListenAndServe() }()
	defer server.Close()
	within(t, func() bool { return len(r.spans()) == 35 })
	if got, want := finish(t, e), (queue.Counts{Put: 35, Exported: 35}); got != want {
		t.Errorf("counts %+v, want %+v", got, want)
	}
}

func TestCollectorAway(t *testing.T) {
	each(t, func(t *testing.T, protocol string) {
		var released atomic.Int64
		e := start(t, Options{
			Protocol: protocol, Endpoint: nobody(t), QueueSize: 50, BatchSize: 10, Interval: time.Millisecond,
			Timeout: 100 * time.Millisecond, Release: func(*span.Span) { released.Add(1) },
		})
		for i := range 500 {
			e.Put(sample(i))
			if i%100 == 99 {
				time.Sleep(20 * time.Millisecond)
			}
		}
		within(t, func() bool { return e.Counts().ExportFailed > 0 })
		got := finish(t, e)
		if got.Put != 500 || got.QueueFull == 0 || got.ExportFailed+got.QueueFull != 500 || released.Load() != 500 {
			t.Errorf("counts %+v, %d released", got, released.Load())
		}
	})
}

func TestCloseEndsAtItsDeadline(t *testing.T) {
	each(t, func(t *testing.T, protocol string) {
		held := make(chan struct{})
		var once sync.Once
		free := func() { once.Do(func() { close(held) }) }
		defer free()
		r := &receiver{answer: func(int) (*coltracepb.ExportTraceServiceResponse, int, error) {
			<-held
			return nil, http.StatusOK, errors.New("late")
		}}
		var released atomic.Int64
		e := start(t, Options{
			Protocol: protocol, Endpoint: r.serve(t, protocol), BatchSize: 10, Release: func(*span.Span) { released.Add(1) },
		})
		for i := range 100 {
			e.Put(sample(i))
		}
		ctx, cancel := context.WithTimeout(context.Background(), 30*time.Millisecond)
		defer cancel()
		if err := e.Close(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("error %v", err)
		}
		e.Put(sample(0))
		if got, want := e.Counts(), (queue.Counts{Put: 101, Shutdown: 101}); got != want || released.Load() != 101 {
			t.Errorf("counts %+v, want %+v, %d released", got, want, released.Load())
		}
		free()
	})
}

func TestLargeSpansAreSentInSeveralMessages(t *testing.T) {
	each(t, func(t *testing.T, protocol string) {
		r := &receiver{}
		e := start(t, Options{Protocol: protocol, Endpoint: r.serve(t, protocol), Interval: time.Hour})
		for i := range 200 {
			s := sample(i)
			s.Path = "/" + strings.Repeat("x", 60_000)
			e.Put(s)
		}
		if got, want := finish(t, e), (queue.Counts{Put: 200, Exported: 200}); got != want || len(r.spans()) != 200 {
			t.Errorf("counts %+v, want %+v; %d arrived", got, want, len(r.spans()))
		}
		if len(r.messages) < 6 {
			t.Errorf("12 MB in %d messages", len(r.messages))
		}
	})
}
