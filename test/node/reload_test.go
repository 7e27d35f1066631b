package node

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"weft/test/tracer"
)

// TestRulesChangeWithoutARestart excludes a container by the file, and includes it again.
func TestRulesChangeWithoutARestart(t *testing.T) {
	containers := chain(t)
	file := filepath.Join(t.TempDir(), "weft.yaml")
	write := func(content string) {
		if err := os.WriteFile(file, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("trace.exclude: [{cgroup: \"" + containers[2].cgroup() + "\"}]\n")
	w := startWeft(t, tracer.Options{Args: []string{"--config", file}})
	url := "http://" + address(1) + ":8080"
	out := send(t, url, 5, "t-out")
	w.Await(20*time.Second, func(spans []*tracer.Span) bool { return len(spans) >= 5*len(out) })
	write("trace.exclude: [{env: WHO=nobody}]\n")
	var in []string
	await(t, "the new rules", func() bool {
		in = send(t, url, 1, "t-in")
		return w.Await(time.Second, func(spans []*tracer.Span) bool { return len(byToken(spans)["t-in-0"]) >= 6 })
	})
	if err := w.Stop(); err != nil {
		t.Fatal(err)
	}
	groups := byToken(w.Spans())
	for _, token := range out {
		for _, s := range groups[token] {
			if s.PID() == containers[2].pid {
				t.Errorf("of a container that is excluded: %s", s)
			}
		}
		if n := len(groups[token]); n != 5 {
			t.Errorf("%s has %d spans", token, n)
		}
	}
	if len(out) != 5 || len(in) != 1 {
		t.Errorf("%d and %d requests were answered", len(out), len(in))
	}
}
