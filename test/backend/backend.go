// Package backend owns a real OpenTelemetry Collector and a real Jaeger behind it, as the tests see them: the address
// that takes OTLP, and the traces that Jaeger's API gives back.
package backend

import (
	"bytes"
	"embed"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"text/template"
	"time"
)

// Collector is the program of the collector in the cache's bin; its name changes with its parts.
const Collector = "otelcol-v0.161.0-tiers"

//go:embed conf
var conf embed.FS

// Backend is a collector and the Jaeger that it sends to.
type Backend struct {
	GRPC, HTTP string // where the collector takes OTLP, host:port
	query      string // Jaeger's API, host:port
	dir        string
	running    []*exec.Cmd
}

// Start runs both from the cache and waits until they answer.
func Start(cache string) (*Backend, error) {
	dir, err := os.MkdirTemp("", "weft-backend")
	if err != nil {
		return nil, err
	}
	b := &Backend{dir: dir}
	ports, err := freePorts(8)
	if err != nil {
		return nil, err
	}
	b.GRPC, b.HTTP, b.query = ports[0], ports[1], ports[2]
	values := map[string]string{
		"GRPC": b.GRPC, "HTTP": b.HTTP, "Query": b.query, "QueryGRPC": ports[3], "JaegerGRPC": ports[4], "JaegerHTTP": ports[5],
	}
	for _, p := range []struct{ program, conf string }{{"jaeger-v1.76.0", "jaeger.yaml"}, {Collector, "collector.yaml"}} {
		if err := b.run(filepath.Join(cache, "bin", p.program), p.conf, values); err != nil {
			b.Stop()
			return nil, fmt.Errorf("start %s: %w", p.program, err)
		}
	}
	for _, address := range []string{b.GRPC, b.HTTP, b.query, ports[4]} {
		if err := b.await(address); err != nil {
			b.Stop()
			return nil, err
		}
	}
	return b, nil
}

func (b *Backend) run(program, name string, values map[string]string) error {
	t, err := template.ParseFS(conf, "conf/"+name)
	if err != nil {
		return err
	}
	var text bytes.Buffer
	if err := t.Execute(&text, values); err != nil {
		return err
	}
	path := filepath.Join(b.dir, name)
	if err := os.WriteFile(path, text.Bytes(), 0o644); err != nil {
		return err
	}
	log, err := os.Create(path + ".log")
	if err != nil {
		return err
	}
	defer log.Close()
	cmd := exec.Command(program, "--config", path)
	cmd.Stdout, cmd.Stderr = log, log
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGTERM}
	if err := cmd.Start(); err != nil {
		return err
	}
	b.running = append(b.running, cmd)
	return nil
}

func (b *Backend) await(address string) error {
	for deadline := time.Now().Add(60 * time.Second); time.Now().Before(deadline); time.Sleep(50 * time.Millisecond) {
		if conn, err := net.Dial("tcp", address); err == nil {
			return conn.Close()
		}
	}
	return fmt.Errorf("nobody listens on %s; they say: %s", address, b.Log())
}

// Log is what both wrote.
func (b *Backend) Log() string {
	var all string
	for _, name := range []string{"jaeger.yaml.log", "collector.yaml.log"} {
		text, _ := os.ReadFile(filepath.Join(b.dir, name))
		all += name + ":\n" + string(text[max(0, len(text)-4000):])
	}
	return all
}

// Stop ends both and removes their folder.
func (b *Backend) Stop() {
	for i := len(b.running) - 1; i >= 0; i-- {
		b.running[i].Process.Signal(syscall.SIGTERM)
		late := time.AfterFunc(10*time.Second, func() { b.running[i].Process.Kill() })
		b.running[i].Wait()
		late.Stop()
	}
	os.RemoveAll(b.dir)
}

// Trace is a trace as Jaeger's API gives it.
type Trace struct {
	TraceID   string             `json:"traceID"`
	Spans     []Span             `json:"spans"`
	Processes map[string]Process `json:"processes"`
}

// Process is the resource of spans.
type Process struct {
	ServiceName string `json:"serviceName"`
	Tags        []Tag  `json:"tags"`
}

// Span is a span of a Trace.
type Span struct {
	TraceID    string      `json:"traceID"`
	SpanID     string      `json:"spanID"`
	Name       string      `json:"operationName"`
	References []Reference `json:"references"`
	Start      int64       `json:"startTime"` // Unix microseconds
	Duration   int64       `json:"duration"`  // microseconds
	Tags       []Tag       `json:"tags"`
	ProcessID  string      `json:"processID"`
	Warnings   []string    `json:"warnings"`
}

// Reference names a parent.
type Reference struct {
	Type   string `json:"refType"`
	SpanID string `json:"spanID"`
}

// Tag is an attribute.
type Tag struct {
	Key   string `json:"key"`
	Value any    `json:"value"`
}

// Tag gives an attribute of the span as text, empty if it is absent.
func (s *Span) Tag(key string) string { return find(s.Tags, key) }

// Tag gives an attribute of the resource as text, empty if it is absent.
func (p *Process) Tag(key string) string { return find(p.Tags, key) }

func find(tags []Tag, key string) string {
	for _, t := range tags {
		if t.Key == key {
			return fmt.Sprint(t.Value)
		}
	}
	return ""
}

// Parent is the id of the span's parent, empty for a root.
func (s *Span) Parent() string {
	for _, r := range s.References {
		if r.Type == "CHILD_OF" {
			return r.SpanID
		}
	}
	return ""
}

// Await asks Jaeger for a trace until it has the given number of spans.
func (b *Backend) Await(traceID string, spans int) (*Trace, error) {
	var last *Trace
	var err error
	for deadline := time.Now().Add(30 * time.Second); time.Now().Before(deadline); time.Sleep(100 * time.Millisecond) {
		if last, err = b.Trace(traceID); err == nil && len(last.Spans) >= spans {
			return last, nil
		}
	}
	return last, fmt.Errorf("no trace %s of %d spans: %v, %+v", traceID, spans, err, last)
}

// Trace asks Jaeger for one trace.
func (b *Backend) Trace(traceID string) (*Trace, error) {
	var answer struct {
		Data []Trace `json:"data"`
	}
	if err := b.get("/api/traces/"+traceID, &answer); err != nil {
		return nil, err
	}
	if len(answer.Data) != 1 {
		return nil, fmt.Errorf("%d traces %s", len(answer.Data), traceID)
	}
	return &answer.Data[0], nil
}

// Services asks Jaeger for the names of all services.
func (b *Backend) Services() ([]string, error) {
	var answer struct {
		Data []string `json:"data"`
	}
	err := b.get("/api/services", &answer)
	return answer.Data, err
}

func (b *Backend) get(path string, answer any) error {
	reply, err := http.Get("http://" + b.query + path)
	if err != nil {
		return err
	}
	defer reply.Body.Close()
	text, err := io.ReadAll(reply.Body)
	if err != nil {
		return err
	}
	if reply.StatusCode != http.StatusOK {
		return fmt.Errorf("ask Jaeger for %s: %s: %s", path, reply.Status, text)
	}
	return json.Unmarshal(text, answer)
}

// freePorts gives loopback addresses that nobody listens on.
func freePorts(n int) (addresses []string, err error) {
	for range n {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return nil, err
		}
		defer l.Close()
		addresses = append(addresses, l.Addr().String())
	}
	return addresses, nil
}
