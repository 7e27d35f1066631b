// Package collector is an OTLP receiver on loopback, by HTTP and by gRPC, that keeps what it gets for a test to look at.
package collector

import (
	"compress/gzip"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"sync"

	logservice "go.opentelemetry.io/proto/otlp/collector/logs/v1"
	metricservice "go.opentelemetry.io/proto/otlp/collector/metrics/v1"
	traceservice "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	logspb "go.opentelemetry.io/proto/otlp/logs/v1"
	metricspb "go.opentelemetry.io/proto/otlp/metrics/v1"
	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/grpc"
	_ "google.golang.org/grpc/encoding/gzip" // lets the server read compressed messages
	"google.golang.org/protobuf/proto"
)

// Protocols are the values of OTEL_EXPORTER_OTLP_PROTOCOL that a Collector speaks.
var Protocols = []string{"http/protobuf", "grpc"}

// Collector keeps what it gets until Close.
type Collector struct {
	URL string // for OTEL_EXPORTER_OTLP_ENDPOINT

	mu      sync.Mutex
	refuse  bool
	traces  []*tracepb.ResourceSpans
	metrics []*metricspb.ResourceMetrics
	logs    []*logspb.ResourceLogs
	close   func()
}

// Start serves a protocol on a free port of loopback.
func Start(protocol string) (*Collector, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	return Serve(l, protocol), nil
}

// Serve serves a protocol where somebody listens already.
func Serve(l net.Listener, protocol string) *Collector {
	c := &Collector{URL: "http://" + l.Addr().String()}
	if protocol == "grpc" {
		s := grpc.NewServer()
		traceservice.RegisterTraceServiceServer(s, traceServer{c: c})
		metricservice.RegisterMetricsServiceServer(s, metricServer{c: c})
		logservice.RegisterLogsServiceServer(s, logServer{c: c})
		go s.Serve(l)
		c.close = s.Stop
		return c
	}
	s := &http.Server{Handler: c}
	go s.Serve(l)
	c.close = func() { s.Close() }
	return c
}

// Close ends the server.
func (c *Collector) Close() { c.close() }

// Refuse makes it answer with an error from now on, or no more.
func (c *Collector) Refuse(refuse bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.refuse = refuse
}

// ServeHTTP takes a message by OTLP/HTTP.
func (c *Collector) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := read(r)
	if err == nil {
		err = c.take(r.URL.Path, body)
	}
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	w.Header().Set("Content-Type", "application/x-protobuf") // an empty answer is one without complaints
}

func read(r *http.Request) ([]byte, error) {
	if r.Header.Get("Content-Type") != "application/x-protobuf" {
		return nil, fmt.Errorf("content type %q", r.Header.Get("Content-Type"))
	}
	if r.Header.Get("Content-Encoding") != "gzip" {
		return io.ReadAll(r.Body)
	}
	z, err := gzip.NewReader(r.Body)
	if err != nil {
		return nil, err
	}
	return io.ReadAll(z)
}

func (c *Collector) take(path string, body []byte) error {
	var traces traceservice.ExportTraceServiceRequest
	var metrics metricservice.ExportMetricsServiceRequest
	var logs logservice.ExportLogsServiceRequest
	var err error
	switch path {
	case "/v1/traces":
		err = proto.Unmarshal(body, &traces)
	case "/v1/metrics":
		err = proto.Unmarshal(body, &metrics)
	case "/v1/logs":
		err = proto.Unmarshal(body, &logs)
	default:
		err = fmt.Errorf("nothing is at %s", path)
	}
	if err != nil {
		return err
	}
	return c.keep(traces.ResourceSpans, metrics.ResourceMetrics, logs.ResourceLogs)
}

func (c *Collector) keep(traces []*tracepb.ResourceSpans, metrics []*metricspb.ResourceMetrics, logs []*logspb.ResourceLogs) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.refuse {
		return fmt.Errorf("refused")
	}
	c.traces, c.metrics, c.logs = append(c.traces, traces...), append(c.metrics, metrics...), append(c.logs, logs...)
	return nil
}

type traceServer struct {
	traceservice.UnimplementedTraceServiceServer
	c *Collector
}

func (s traceServer) Export(_ context.Context, m *traceservice.ExportTraceServiceRequest) (*traceservice.ExportTraceServiceResponse, error) {
	return &traceservice.ExportTraceServiceResponse{}, s.c.keep(m.ResourceSpans, nil, nil)
}

type metricServer struct {
	metricservice.UnimplementedMetricsServiceServer
	c *Collector
}

func (s metricServer) Export(_ context.Context, m *metricservice.ExportMetricsServiceRequest) (*metricservice.ExportMetricsServiceResponse, error) {
	return &metricservice.ExportMetricsServiceResponse{}, s.c.keep(nil, m.ResourceMetrics, nil)
}

type logServer struct {
	logservice.UnimplementedLogsServiceServer
	c *Collector
}

func (s logServer) Export(_ context.Context, m *logservice.ExportLogsServiceRequest) (*logservice.ExportLogsServiceResponse, error) {
	return &logservice.ExportLogsServiceResponse{}, s.c.keep(nil, nil, m.ResourceLogs)
}
