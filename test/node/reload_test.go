package node

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
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

// TestTreatmentsChangeWithoutARestart tells more of one container and nothing of another one, from the change of the file on.
func TestTreatmentsChangeWithoutARestart(t *testing.T) {
	containers := chain(t)
	file := filepath.Join(t.TempDir(), "weft.yaml")
	write := func(content string) {
		if err := os.WriteFile(file, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("query: drop\n")
	w := startWeft(t, tracer.Options{Args: []string{"--config", file}})
	url := "http://" + address(1) + ":8080"
	before := send(t, url, 5, "t-before")
	complete(w, before)
	write(fmt.Sprintf("query: drop\ntrace.rules: [{cgroup: %q, headers.request: [user-agent], query: redact}, {cgroup: %q, sample: 0}]\n",
		containers[1].cgroup(), containers[2].cgroup()))
	agent := func(s *tracer.Span) bool { return s.Attr["http.request.header.user-agent"] != nil }
	await(t, "the new rules", func() bool {
		send(t, url, 1, "t-try")
		return w.Await(time.Second, func(spans []*tracer.Span) bool { return slices.ContainsFunc(spans, agent) })
	})
	after := send(t, url, 5, "t-after")
	w.Await(20*time.Second, func(spans []*tracer.Span) bool {
		groups := byToken(spans)
		return !slices.ContainsFunc(after, func(token string) bool { return len(groups[token]) < 5 })
	})
	if err := w.Stop(); err != nil {
		t.Fatal(err)
	}
	groups := byToken(w.Spans())
	for _, token := range slices.Concat(before, after) {
		changed := strings.HasPrefix(token, "t-after")
		for _, s := range groups[token] {
			if agent(s) != (changed && s.PID() == containers[1].pid) || changed && s.PID() == containers[2].pid {
				t.Errorf("%s: %s %v", token, s, s.Attr)
			}
		}
		if n := len(groups[token]); !changed && n != 6 || changed && n != 5 {
			t.Errorf("%s has %d spans", token, n)
		}
	}
	if len(before) != 5 || len(after) != 5 {
		t.Errorf("%d and %d requests were answered", len(before), len(after))
	}
}
