package https

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"weft/test/tracer"
)

// load is what is asked of a server: each connection asks for paths of its own.
type load struct {
	port                  int
	prefix                string // of the paths, /NAME/SERVER/CLIENT/CONNECTIONS
	connections, requests int
}

func (l load) paths() (paths []string) {
	for i := range l.connections {
		for j := range l.requests {
			paths = append(paths, fmt.Sprintf("%s/%d.%d", l.prefix, i, j))
		}
	}
	return paths
}

// eachConnection runs one process for each connection, which is given the URLs of its requests.
func (l load) eachConnection(ctx context.Context, argv ...string) error {
	var wait sync.WaitGroup
	faults := make([]error, l.connections)
	for i := range l.connections {
		wait.Go(func() {
			args := slices.Clone(argv[1:])
			for j := range l.requests {
				args = append(args, fmt.Sprintf("https://localhost:%d%s/%d.%d", l.port, l.prefix, i, j))
			}
			faults[i] = command(ctx, append([]string{argv[0]}, args...)...)
		})
	}
	wait.Wait()
	for _, err := range faults {
		if err != nil {
			return err
		}
	}
	return nil
}

func command(ctx context.Context, argv ...string) error {
	c := exec.CommandContext(ctx, argv[0], argv[1:]...)
	// They would have the certificates of the machine replaced, in programs that are told not to look at any.
	c.Env = slices.DeleteFunc(os.Environ(), func(v string) bool { return strings.Contains(v, "CA_BUNDLE") })
	if out, err := c.CombinedOutput(); err != nil {
		return fmt.Errorf("%v: %w: %s", argv[:2], err, out)
	}
	return nil
}

// clients are the programs that ask. The prefix of the paths, in the command line of each, has the name by which they are chosen.
var clients = map[string]func(context.Context, load) error{
	"curl": func(ctx context.Context, l load) error { return l.eachConnection(ctx, "curl", "-sSk", "--http1.1") },
	"wget": func(ctx context.Context, l load) error {
		return l.eachConnection(ctx, "wget", "-q", "--no-check-certificate", "-O", "/dev/null")
	},
	"python": func(ctx context.Context, l load) error { return l.script(ctx, "python3", "client.py", "threads") },
	"loop":   func(ctx context.Context, l load) error { return l.script(ctx, "python3", "client.py", "loop") },
	"node":   func(ctx context.Context, l load) error { return l.script(ctx, "node", "node.js", "ask") },
	"go": func(ctx context.Context, l load) error {
		return command(ctx, world.app, "ask", fmt.Sprintf("https://127.0.0.1:%d%s", l.port, l.prefix), strconv.Itoa(l.connections), strconv.Itoa(l.requests))
	},
}

func (l load) script(ctx context.Context, interpreter, script, how string) error {
	return command(ctx, interpreter, place(script), how, strconv.Itoa(l.port), l.prefix, strconv.Itoa(l.connections), strconv.Itoa(l.requests))
}

// TestRequests has every client ask one server, and one client ask every server; with MATRIX=all every client asks every server.
func TestRequests(t *testing.T) {
	w := trace(t)
	ctx, cancel := context.WithTimeout(context.Background(), 4*time.Minute)
	defer cancel()
	var loads []load
	for server, port := range world.ports {
		for client, run := range clients {
			if server == "behind" || client != "go" && server != "nginx" && os.Getenv("MATRIX") == "" {
				continue
			}
			for _, connections := range []int{1, 16} {
				l := load{port, fmt.Sprintf("/%s/%s/%s/%d", filepath.Base(world.dir), server, client, connections), connections, 6}
				if err := run(ctx, l); err != nil {
					t.Fatalf("%s asks %s: %v", client, server, err)
				}
				loads = append(loads, l)
			}
		}
	}
	checkAll(t, w, loads)
	if n := 2 * total(loads); len(w.Spans()) != n {
		t.Errorf("%d spans of %d", len(w.Spans()), n)
	}
	for reason, n := range w.Counts.Lost {
		if n != 0 {
			t.Errorf("%d lost: %s", n, reason)
		}
	}
}

func total(loads []load) (n int) {
	for _, l := range loads {
		n += l.connections * l.requests
	}
	return n
}

// group gives the spans by their paths.
func group(spans []*tracer.Span) map[string][]*tracer.Span {
	byPath := map[string][]*tracer.Span{}
	for _, s := range spans {
		path := s.Attr.Text("url.path")
		if full := s.Attr.Text("url.full"); full != "" {
			_, rest, _ := strings.Cut(strings.TrimPrefix(full, "https://"), "/")
			path, _, _ = strings.Cut("/"+rest, "?")
		}
		byPath[path] = append(byPath[path], s)
	}
	return byPath
}

// check holds that each request of the load is one span at each end, the one the parent of the other.
func (l load) check(t *testing.T, spans map[string][]*tracer.Span) {
	t.Helper()
	wrong := 0
	for _, path := range l.paths() {
		if fault := pairFault(spans[path]); fault != "" {
			if wrong++; wrong <= 3 {
				t.Errorf("%s: %s", path, fault)
			}
		}
	}
	if wrong > 0 {
		t.Errorf("%s: %d of %d requests are wrong", l.prefix, wrong, l.connections*l.requests)
	}
}

func pairFault(spans []*tracer.Span) string {
	var client, server *tracer.Span
	for _, s := range spans {
		if s.Kind == tracer.Server {
			server = s
		} else {
			client = s
		}
		version := s.Attr.Text("tls.protocol.version")
		if s.Attr.Text("tls.protocol.name") != "tls" || version != "1.2" && version != "1.3" || s.Attr["weft.tls.handshake_time"] == nil {
			return fmt.Sprintf("%v", s.Attr)
		}
		if s.Attr.Int("http.response.status_code") != 200 || !strings.HasPrefix(s.Name, "GET") {
			return fmt.Sprintf("%s %v", s.Name, s.Attr)
		}
	}
	switch {
	case len(spans) != 2 || client == nil || server == nil:
		return fmt.Sprintf("%d spans: client %v, server %v", len(spans), client != nil, server != nil)
	case server.ParentID != client.SpanID || server.TraceID != client.TraceID || server.Attr.Text("weft.parent.evidence") != "wire":
		return fmt.Sprintf("the server's span is not part of the client's: %v", server.Attr)
	case server.Attr.Text("url.scheme") != "https":
		return "the scheme is " + server.Attr.Text("url.scheme")
	}
	return ""
}

// TestBreak finds the service that forgets the trace context, on the route where it does, as it does without TLS.
func TestBreak(t *testing.T) {
	w := trace(t)
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	const connections, requests = 8, 12
	for _, path := range []string{"/drop", "/pass"} {
		url := fmt.Sprintf("https://127.0.0.1:%d%s?to=https://127.0.0.1:%d", world.ports["go"], path, world.ports["behind"])
		if err := command(ctx, world.app, "ask", url, strconv.Itoa(connections), strconv.Itoa(requests)); err != nil {
			t.Fatal(err)
		}
	}
	const n = 2 * connections * requests
	w.Await(5*time.Second, func(spans []*tracer.Span) bool { return len(spans) >= 4*n })
	if err := w.Stop(); err != nil {
		t.Fatal(err)
	}
	verdicts := map[string]int{}
	for _, s := range w.Spans() {
		if s.Kind == tracer.Client && s.Attr.Int("server.port") == int64(world.ports["behind"]) {
			kind := strings.Split(s.Attr.Text("url.full"), "/")[3]
			verdicts[kind+" "+s.Attr.Text("weft.propagation.verdict")]++
		}
	}
	if len(w.Spans()) != 4*n || verdicts["drop dropped"] != n/2 || verdicts["pass propagated"] != n/2 {
		t.Errorf("%d spans of %d, verdicts %v", len(w.Spans()), 4*n, verdicts)
	}
}

// checkAll ends weft when it has told enough, and looks at the spans of each load.
func checkAll(t *testing.T, w *tracer.Tracer, loads []load) {
	t.Helper()
	w.Await(5*time.Second, func(spans []*tracer.Span) bool { return len(spans) >= 2*total(loads) })
	if err := w.Stop(); err != nil {
		t.Fatal(err)
	}
	spans := group(w.Spans())
	for _, l := range loads {
		l.check(t, spans)
	}
}
