package signal

import (
	"path/filepath"
	"testing"
	"time"

	"weft/test/tracer"
)

// TestNoRepair holds that weft shows one trace where the context was lost, and with one flag the two that a backend would see.
func TestNoRepair(t *testing.T) {
	for _, c := range []struct {
		name  string
		args  []string
		whole bool
	}{{"repair", nil, true}, {"no repair", []string{"--no-repair"}, false}} {
		t.Run(c.name, func(t *testing.T) {
			w, err := tracer.Start(world.weft, tracer.Options{
				Args: append(append(ours(), "--control", filepath.Join(t.TempDir(), "control")), c.args...),
			})
			if err != nil {
				t.Fatal(err)
			}
			defer w.Kill()
			const n = 20
			send(t, drops, n)
			w.Await(10*time.Second, func(list []*tracer.Span) bool { return len(of(list, "bank", tracer.Server)) >= n })
			if err := w.Stop(); err != nil {
				t.Fatal(err)
			}
			calls := map[string]*tracer.Span{}
			for _, s := range of(w.Spans(), "shop", tracer.Client) {
				calls[s.SpanID] = s
			}
			paid := of(w.Spans(), "bank", tracer.Server)
			if len(calls) != n || len(paid) != n {
				t.Fatalf("%d calls, %d answers", len(calls), len(paid))
			}
			for _, s := range paid {
				call := calls[s.ParentID]
				whole := call != nil && call.TraceID == s.TraceID && s.Attr.Text("weft.link.evidence") == "wire"
				cut := s.ParentID == "" && s.Attr["weft.link.evidence"] == nil
				if whole != c.whole || cut == c.whole {
					t.Errorf("%v under %v", s, call)
				}
			}
		})
	}
}

// of gives the spans of a service and a kind.
func of(list []*tracer.Span, service string, kind int) (out []*tracer.Span) {
	for _, s := range list {
		if s.Service() == service && s.Kind == kind {
			out = append(out, s)
		}
	}
	return out
}
