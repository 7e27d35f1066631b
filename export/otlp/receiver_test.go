package otlp

import (
	"compress/gzip"
	"context"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"

	coltracepb "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/grpc"
	_ "google.golang.org/grpc/encoding/gzip" // lets the server read compressed messages
	"google.golang.org/grpc/metadata"
	"google.golang.org/protobuf/proto"
)

// receiver is a collector that keeps what it gets. answer, if set, decides on the nth request, from 0.
type receiver struct {
	coltracepb.UnimplementedTraceServiceServer
	mu       sync.Mutex
	messages []*coltracepb.ExportTraceServiceRequest
	headers  []map[string][]string
	requests int
	answer   func(n int) (*coltracepb.ExportTraceServiceResponse, int, error) // HTTP status or gRPC error
}

// take keeps a request unless the answer is an error.
func (r *receiver) take(m *coltracepb.ExportTraceServiceRequest, h map[string][]string) (*coltracepb.ExportTraceServiceResponse, int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	n := r.requests
	r.requests++
	r.headers = append(r.headers, h)
	if r.answer != nil {
		reply, code, err := r.answer(n)
		if code >= 300 || err != nil {
			return nil, code, err
		}
		r.messages = append(r.messages, m)
		return reply, code, nil
	}
	r.messages = append(r.messages, m)
	return &coltracepb.ExportTraceServiceResponse{}, http.StatusOK, nil
}

// spans gives all spans received so far.
func (r *receiver) spans() []*tracepb.Span {
	r.mu.Lock()
	defer r.mu.Unlock()
	var all []*tracepb.Span
	for _, m := range r.messages {
		for _, rs := range m.ResourceSpans {
			for _, ss := range rs.ScopeSpans {
				all = append(all, ss.Spans...)
			}
		}
	}
	return all
}

func (r *receiver) Export(ctx context.Context, m *coltracepb.ExportTraceServiceRequest) (*coltracepb.ExportTraceServiceResponse, error) {
	h, _ := metadata.FromIncomingContext(ctx)
	reply, _, err := r.take(m, h)
	return reply, err
}

func (r *receiver) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	m, err := parse(req)
	if err != nil || req.URL.Path != "/v1/traces" || req.Header.Get("Content-Type") != "application/x-protobuf" {
		http.Error(w, "not a trace request", http.StatusBadRequest)
		return
	}
	reply, code, _ := r.take(m, req.Header)
	out, _ := proto.Marshal(reply)
	w.Header().Set("Content-Type", "application/x-protobuf")
	w.WriteHeader(code)
	_, _ = w.Write(out)
}

func parse(req *http.Request) (*coltracepb.ExportTraceServiceRequest, error) {
	body := io.Reader(req.Body)
	if req.Header.Get("Content-Encoding") == "gzip" {
		z, err := gzip.NewReader(req.Body)
		if err != nil {
			return nil, err
		}
		body = z
	}
	raw, err := io.ReadAll(body)
	if err != nil {
		return nil, err
	}
	m := &coltracepb.ExportTraceServiceRequest{}
	return m, proto.Unmarshal(raw, m)
}

// serve starts r and gives its URL.
func (r *receiver) serve(t testing.TB, protocol string) string {
	t.Helper()
	if protocol == "http/protobuf" {
		s := httptest.NewServer(r)
		t.Cleanup(s.Close)
		return s.URL
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := grpc.NewServer()
	coltracepb.RegisterTraceServiceServer(s, r)
	go func() { _ = s.Serve(l) }()
	t.Cleanup(s.Stop)
	return "http://" + l.Addr().String()
}

// nobody gives the URL of a port on which nobody listens.
func nobody(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return "http://" + l.Addr().String()
}
