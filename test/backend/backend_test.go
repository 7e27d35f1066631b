package backend

import (
	"fmt"
	"net/url"
	"path/filepath"
	"slices"
	"strconv"
	"testing"
	"time"

	"weft/test/fleet"
	"weft/test/tracer"
)

// TestJaeger traces a chain of three services, sends the spans through the collector to Jaeger by each protocol, and
// finds each call by Jaeger's API as one trace of the right shape.
func TestJaeger(t *testing.T) {
	cache, err := fleet.Install()
	if err != nil {
		t.Fatal(err)
	}
	if err := fleet.InstallBackend(cache); err != nil {
		t.Fatal(err)
	}
	members, err := fleet.Start(cache, "go", "http.server", "jdk")
	if err != nil {
		t.Fatal(err)
	}
	defer members.Stop()
	b, err := Start(cache)
	if err != nil {
		t.Fatal(err)
	}
	defer b.Stop()
	t.Cleanup(func() {
		if t.Failed() {
			t.Log(b.Log())
		}
	})
	for _, p := range []struct{ protocol, endpoint string }{{"grpc", b.GRPC}, {"http/protobuf", b.HTTP}} {
		t.Run(p.protocol, func(t *testing.T) { trace(t, cache, members, b, p.protocol, p.endpoint) })
	}
}

// trace runs weft with one protocol while some calls are made, and looks for each of them in Jaeger.
func trace(t *testing.T, cache string, members *fleet.Fleet, b *Backend, protocol, endpoint string) {
	w, err := tracer.Start(filepath.Join(cache, "bin", "weft"), tracer.Options{
		Output: "otlp", Args: rules(t, members),
		Env: []string{"OTEL_EXPORTER_OTLP_PROTOCOL=" + protocol, "OTEL_EXPORTER_OTLP_ENDPOINT=http://" + endpoint},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		w.Kill()
		if t.Failed() {
			t.Log(w.Log())
		}
	})
	const calls = 20
	jobs, ids := make([]fleet.Job, calls), make([]string, calls)
	for i := range jobs {
		ids[i] = fmt.Sprintf("%032x", time.Now().UnixNano()+int64(i))
		jobs[i] = fleet.Job{
			Method: "GET", URL: nested(members, i),
			Headers: map[string]string{"traceparent": fmt.Sprintf("00-%s-%016x-01", ids[i], i+1)},
		}
	}
	// One after the other first: of processes of which nothing is known, threads say nothing while requests are side by side.
	if _, err := fleet.Clients["go"].Run(cache, []fleet.Job{{Method: "GET", URL: nested(members, 0)}, {Method: "GET", URL: nested(members, 1)}}, 1, true); err != nil {
		t.Fatal(err)
	}
	results, err := fleet.Clients["go"].Run(cache, jobs, 4, true)
	if err != nil {
		t.Fatal(err)
	}
	for i, r := range results {
		if r.Error != "" || r.Status != 200 {
			t.Fatalf("the client got %+v", r)
		}
		found, err := b.Await(ids[i], 6)
		if err != nil {
			t.Fatal(err)
		}
		shape(t, found, r)
	}
	if err := w.Stop(); err != nil {
		t.Error(err)
	}
	services, err := b.Services()
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"goclient", "goserver", "web", "JdkServer"} {
		if !slices.Contains(services, want) {
			t.Errorf("Jaeger knows the services %v, not %s", services, want)
		}
	}
}

func rules(t *testing.T, members *fleet.Fleet) (args []string) {
	for _, m := range members.All() {
		args = append(args, "--port", strconv.Itoa(m.Port))
	}
	return append(args, "--control", filepath.Join(t.TempDir(), "control"))
}

// nested is the address of a call from the Go server to http.server to the JDK's. Every other one sends no header.
func nested(members *fleet.Fleet, i int) string {
	query := fmt.Sprintf("/call/t-%d?trace=%s&url=", i, []string{"", "new"}[i%2])
	last := members.Members["jdk"].URL(fmt.Sprintf("/hello/t-%d", i))
	middle := members.Members["http.server"].URL(query) + url.QueryEscape(last)
	return members.Members["go"].URL(query) + url.QueryEscape(middle)
}

// shape checks that a trace is one line of client and server spans from the client to the last server.
func shape(t *testing.T, trace *Trace, r fleet.Result) {
	t.Helper()
	children := map[string][]*Span{}
	ids := map[string]bool{}
	for i := range trace.Spans {
		ids[trace.Spans[i].SpanID] = true
	}
	for i, s := range trace.Spans {
		parent := s.Parent()
		if !ids[parent] {
			parent = ""
		}
		children[parent] = append(children[parent], &trace.Spans[i])
	}
	parent := ""
	for _, want := range []struct{ service, kind string }{
		{"goclient", "client"}, {"goserver", "server"}, {"goserver", "client"}, {"web", "server"}, {"web", "client"}, {"JdkServer", "server"},
	} {
		if len(children[parent]) != 1 {
			t.Errorf("trace %s: %d spans under %q, want one %s of %s: %+v", trace.TraceID, len(children[parent]), parent, want.kind, want.service, trace)
			return
		}
		s := children[parent][0]
		fact(t, trace, s, want.service, want.kind)
		if start := r.Start/1000 - 1000; s.Start < start || s.Start+s.Duration > r.End/1000+500000 {
			t.Errorf("trace %s: from %d for %d us, the client's call was from %d to %d", trace.TraceID, s.Start, s.Duration, r.Start/1000, r.End/1000)
		}
		parent = s.SpanID
	}
	if len(children[parent]) != 0 {
		t.Errorf("trace %s: more than six spans: %+v", trace.TraceID, trace)
	}
}

func fact(t *testing.T, trace *Trace, s *Span, service, kind string) {
	t.Helper()
	process := trace.Processes[s.ProcessID]
	for _, f := range []struct{ name, got, want string }{
		{"service", process.ServiceName, service},
		{"span.kind", s.Tag("span.kind"), kind},
		{"http.request.method", s.Tag("http.request.method"), "GET"},
		{"http.response.status_code", s.Tag("http.response.status_code"), "200"},
		{"url.scheme", s.Tag("url.scheme"), map[string]string{"server": "http"}[kind]},
		{"warnings", fmt.Sprint(s.Warnings), "[]"},
	} {
		if f.got != f.want {
			t.Errorf("trace %s: %s is %q, want %q: %+v", trace.TraceID, f.name, f.got, f.want, s)
		}
	}
	if process.Tag("process.pid") == "" || process.Tag("host.name") == "" {
		t.Errorf("trace %s: a resource without process or host: %+v", trace.TraceID, process)
	}
}
