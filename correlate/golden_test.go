package correlate

import (
	"bufio"
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"weft/correlate/event"
	"weft/correlate/span"
)

var (
	update = flag.Bool("update", false, "write the golden spans anew")
	scrub  = flag.String("scrub", "", "copy this recording to testdata, without what tells of the machine")
)

// recordings are short runs of real servers; <name>.jsonl has their spans, one a line.
//
//	go-chain       curl and three Go services, first without any header, then with new and with passed carriers
//	nginx-python   curl, nginx with files and as a proxy, Python's http.server behind it
//	gunicorn-node  curl, Flask under gunicorn with processes and threads, Node
func recordings(t testing.TB) []string {
	paths, err := filepath.Glob("testdata/*.weft")
	if err != nil || len(paths) == 0 {
		t.Fatal("no recordings", err)
	}
	return paths
}

func TestGolden(t *testing.T) {
	for _, path := range recordings(t) {
		t.Run(filepath.Base(path), func(t *testing.T) {
			got := replay(t, path)
			if again := replay(t, path); !bytes.Equal(got, again) {
				t.Error("played again it gives other spans")
			}
			golden := strings.TrimSuffix(path, ".weft") + ".jsonl"
			if *update {
				if err := os.WriteFile(golden, got, 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(golden)
			if err != nil {
				t.Fatal(err)
			}
			a, b := strings.Split(string(got), "\n"), strings.Split(string(want), "\n")
			for i := range min(len(a), len(b)) {
				if a[i] != b[i] {
					t.Fatalf("span %d:\ngot  %s\nwant %s", i, a[i], b[i])
				}
			}
			if len(a) != len(b) {
				t.Errorf("%d spans, want %d", len(a)-1, len(b)-1)
			}
		})
	}
}

// replay gives the spans of a recording and holds it to its account.
func replay(t *testing.T, path string) []byte {
	var out bytes.Buffer
	p, err := New(Options{Hold: 2e8, Sockets: 1000, Poison: true}, func() *span.Span { return new(span.Span) }, func(s *span.Span) {
		line, err := json.Marshal(tell(s))
		if err != nil {
			t.Fatal(err)
		}
		out.Write(append(line, '\n'))
	})
	if err != nil {
		t.Fatal(err)
	}
	each(t, path, p.Feed)
	p.Close()
	c := p.Counts()
	for i, n := range c.Flow.Reasons {
		if n != 0 {
			t.Errorf("reason %d: %d", i, n)
		}
	}
	if c.Flow.Exchanges != c.Server+c.Client || c.Flow.Live != 0 {
		t.Errorf("%d exchanges, %d server and %d client spans, %d kept", c.Flow.Exchanges, c.Server, c.Client, c.Flow.Live)
	}
	return out.Bytes()
}

// tell gives the facts of a span under the names of OTLP.
func tell(s *span.Span) map[string]any {
	m := map[string]any{
		"traceId": s.TraceID.String(), "spanId": s.SpanID.String(), "name": s.Name(), "kind": s.Kind, "service": s.Resource.Service,
		"start": s.Start, "end": s.End, "status": s.StatusCode(),
	}
	if s.ParentID.IsValid() {
		m["parentSpanId"] = s.ParentID.String()
	}
	attributes := map[string]any{}
	for _, a := range s.Attributes(nil) {
		switch a.Kind {
		case span.Int:
			attributes[a.Key] = a.Int
		case span.Double:
			attributes[a.Key] = a.Float
		case span.Bool:
			attributes[a.Key] = a.Int != 0
		default:
			attributes[a.Key] = string(a.AppendText(nil))
		}
	}
	m["attributes"] = attributes
	return m
}

func each(t testing.TB, path string, visit func(*event.Event)) {
	file, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	r, err := event.NewReader(bufio.NewReader(file))
	if err != nil {
		t.Fatal(err)
	}
	var ev event.Event
	for {
		switch err := r.Next(&ev); err {
		case nil:
			visit(&ev)
		case io.EOF:
			return
		default:
			t.Fatal(err)
		}
	}
}

// told are the attributes of a process that a recording in testdata may hold.
var told = []string{"process.executable.name", "process.pid", "process.runtime.name", "service.name"}

// TestScrubbed holds the recordings to telling nothing of the machine that they were made on. With -scrub it first copies
// a recording so.
func TestScrubbed(t *testing.T) {
	if *scrub != "" {
		if err := copyScrubbed(t, *scrub, filepath.Join("testdata", filepath.Base(*scrub))); err != nil {
			t.Fatal(err)
		}
	}
	size := int64(0)
	for _, path := range recordings(t) {
		info, err := os.Stat(path)
		if err != nil {
			t.Fatal(err)
		}
		size += info.Size()
		each(t, path, func(ev *event.Event) {
			if ev.Kind == event.KindSocket && ev.Conn.Cgroup != 0 {
				t.Errorf("%s: cgroup of a socket", path)
			}
			if ev.Kind != event.KindProcess {
				return
			}
			for _, a := range ev.Process.Attributes {
				if !slices.Contains(told, a.Key) {
					t.Errorf("%s: %s of process %d", path, a.Key, ev.PID)
				}
			}
		})
	}
	if size > 100<<10 {
		t.Errorf("the recordings have %d bytes", size)
	}
}

// copyScrubbed leaves out the processes without connections and what tells of the machine.
func copyScrubbed(t *testing.T, from, to string) error {
	talks := map[uint32]bool{}
	each(t, from, func(ev *event.Event) {
		if ev.Kind == event.KindMessage {
			talks[ev.PID] = true
		}
	})
	file, err := os.Create(to)
	if err != nil {
		return fmt.Errorf("create recording: %w", err)
	}
	defer file.Close()
	w, err := event.NewWriter(file, event.Redaction{})
	if err != nil {
		return err
	}
	each(t, from, func(ev *event.Event) {
		if (ev.Kind == event.KindProcess || ev.Kind == event.KindExit) && !talks[ev.PID] {
			return
		}
		ev.Conn.Cgroup = 0
		if ev.Process != nil {
			p := *ev.Process
			p.Attributes = slices.DeleteFunc(slices.Clone(p.Attributes), func(a event.Attribute) bool { return !slices.Contains(told, a.Key) })
			ev.Process = &p
		}
		if err := w.Write(ev); err != nil {
			t.Fatal(err)
		}
	})
	return w.Close()
}
