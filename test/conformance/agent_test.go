package conformance

import (
	"encoding/json"
	"fmt"
	"maps"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"testing"
	"time"

	"weft/correlate/propagation"
	"weft/test/tracer"
)

// agent is a running weft.
type agent struct {
	*tracer.Tracer
	path, control string
	upstream      int
}

// startWeft traces what goes over two ports.
func startWeft(t *testing.T, cache string, service, upstream int) *agent {
	t.Helper()
	a := &agent{path: filepath.Join(cache, "bin", "weft"), control: filepath.Join(t.TempDir(), "control"), upstream: upstream}
	var err error
	a.Tracer, err = tracer.Start(a.path, tracer.Options{
		Args: []string{"--control", a.control, "--port", strconv.Itoa(service), "--port", strconv.Itoa(upstream)},
		Env:  []string{"OTEL_TRACES_SAMPLER=always_on"}, // the case of the random flag comes with the flag not to record
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(a.Kill)
	time.Sleep(time.Second) // what the service does on its own account is part of the evidence
	return a
}

// ask reads what a command of weft says as JSON.
func (a *agent) ask(t *testing.T, answer any, command ...string) {
	t.Helper()
	out, err := exec.Command(a.path, append(command, "--format", "json", "--control", a.control)...).CombinedOutput()
	if err != nil {
		t.Fatalf("weft %v: %v: %s", command, err, out)
	}
	if err := json.Unmarshal(out, answer); err != nil {
		t.Fatalf("weft %v: %v", command, err)
	}
}

// calls gives the spans of the requests that the service made, by token, in their order.
func (a *agent) calls(t *testing.T, exchanges []Exchange) map[string][]*tracer.Span {
	t.Helper()
	made := func(s *tracer.Span) bool { return s.Kind == tracer.Client && s.Port() == a.upstream }
	want := 0
	for i := range exchanges {
		want += len(exchanges[i].Heads)
	}
	a.Await(20*time.Second, func(all []*tracer.Span) bool {
		return len(slices.DeleteFunc(slices.Clone(all), func(s *tracer.Span) bool { return !made(s) })) >= want
	})
	calls := map[string][]*tracer.Span{}
	for _, s := range a.Spans() {
		if made(s) {
			calls[s.Token()] = append(calls[s.Token()], s)
		}
	}
	for i := range exchanges {
		x := &exchanges[i]
		slices.SortFunc(calls[x.Token], func(a, b *tracer.Span) int { return int(a.Start - b.Start) })
		if len(calls[x.Token]) != len(x.Heads) {
			t.Fatalf("%s (%s): %d spans of %d calls", x.Case, x.Request.Variant, len(calls[x.Token]), len(x.Heads))
		}
	}
	return calls
}

// verdict asks weft about one request, which it has to have linked to the one that caused it.
func (a *agent) verdict(t *testing.T, s *tracer.Span) (v Verdict) {
	t.Helper()
	v.Lead = s.Attr.Text("weft.propagation.verdict")
	said, _ := s.Attr["weft.propagation.notes"].([]any)
	for _, note := range said {
		v.Notes = append(v.Notes, fmt.Sprint(note))
	}
	var e propagation.Explanation
	a.ask(t, &e, "explain", s.SpanID)
	if e.In == nil || e.Among > 1 {
		t.Errorf("%v: not linked: %s", s, e.Sentence)
	}
	if e.Verdict != v.Lead && !slices.Contains(v.Notes, e.Verdict) || !slices.Equal(e.Notes, v.Notes) {
		t.Errorf("%v: its span says %q, weft explain %q with %q", s, v, e.Verdict, e.Notes)
	}
	return v
}

// account holds weft's report against its verdicts of single requests: all are counted, none is unknown or left out.
func (a *agent) account(t *testing.T, service string, all []Verdict) {
	t.Helper()
	want := map[string]int{}
	for _, v := range all {
		for _, name := range append([]string{v.Lead}, v.Notes...) {
			want[name]++
		}
	}
	judged := len(all) - want[""]
	delete(want, "propagated") // the report has no findings of what is right
	delete(want, "")
	var r propagation.Report
	var got map[string]int
	n, noContext := 0, 0
	for deadline := time.Now().Add(5 * time.Second); time.Now().Before(deadline); time.Sleep(100 * time.Millisecond) {
		a.ask(t, &r, "report")
		got, n, noContext = map[string]int{}, 0, 0
		for _, e := range r.Edges {
			if e.Service != service {
				continue
			}
			n, noContext = n+int(e.Rate.N), noContext+int(e.NoContext)
			if e.Unknown != 0 || len(e.Excluded) != 0 {
				t.Fatalf("%s: %d unknown, %v excluded", e.Route, e.Unknown, e.Excluded)
			}
			for _, f := range e.Findings {
				got[f.Verdict] += int(f.Count)
			}
		}
		if maps.Equal(got, want) && n+got["accepted_invalid"] == judged && noContext == len(all)-judged {
			return
		}
	}
	t.Errorf("the report counts %d pairs, %d without a context and %v; there were %d, %d and %v", n, noContext, got, judged, len(all)-judged, want)
}
