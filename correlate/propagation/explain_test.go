package propagation_test

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"time"

	"weft/correlate/propagation"
)

// TestExplain follows a finding to its evidence: both heads without secrets, what decided, what was ruled out, in words.
func TestExplain(t *testing.T) {
	n := newNode(t, propagation.Options{})
	n.play(`
		in a get=/cart?user=alice : traceparent: $W | Authorization: Bearer secret | Cookie: id=secret | X-Folded: abc\r\n secret-2
		call x agent=python-requests/2.31.0 : traceparent: 00-0000000000000000a3ce929d0e0e4737-a3ce929d0e0e4737-01 | X-Api-Key: secret
		call y : traceparent: 00-$T-$Q-01`)
	calls, r := n.end()
	if len(r.Edges) != 1 || len(r.Edges[0].Findings) != 1 {
		t.Fatal(calls, tell(r))
	}
	f := r.Edges[0].Findings[0]
	const want = "shop starts a new trace instead of continuing traceparent toward payments:8080 on GET /cart: 1 of 2 since "
	if !strings.HasPrefix(f.Sentence, want) || !strings.HasSuffix(f.Sentence, "; sent by python-requests/2.31.0; the ids look like those of zipkin style root") {
		t.Errorf("%s", f.Sentence)
	}
	if f.Client != "python-requests/2.31.0" || f.Fingerprint != "zipkin style root" || len(f.Examples) != 1 || f.Since.IsZero() || f.Last.Before(f.Since) {
		t.Fatalf("%+v", f)
	}
	e, ok := n.p.Explain(f.Examples[0])
	if !ok || e.In == nil {
		t.Fatalf("%v %+v", ok, e)
	}
	text, err := json.Marshal(e)
	if err != nil || strings.Contains(string(text), "secret") || strings.Contains(string(text), "alice") {
		t.Errorf("%s", text)
	}
	if e.ID != f.Examples[0] || e.Verdict != "restarted" || e.Code != "F2" || e.Sentence != f.Sentence || e.Evidence != "thread" || e.Confidence < 0.8 || e.Confidence >= 1 {
		t.Errorf("%+v", e)
	}
	if !strings.Contains(e.In.Head, "traceparent: 00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01") || !strings.Contains(e.Out.Head, "Host: payments:8080") ||
		!strings.Contains(e.Out.Connection, "10.0.1.1") || e.Out.SpanID != e.ID || len(e.In.Carriers) != 1 || e.Out.Carriers[0].Trace != "0000000000000000a3ce929d0e0e4737" {
		t.Errorf("%+v %+v", *e.In, e.Out)
	}
	const head = "GET /cart?user=***** HTTP/1.1\r\nHost: payments:8080\r\nX-Name: *\r\ntraceparent: 00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01\r\n" +
		"Authorization: ****** ******\r\nCookie: *********\r\nX-Folded: ***\r\n ********\r\n\r\n"
	if strings.ReplaceAll(e.In.Head, "Authorization: *************", "Authorization: ****** ******") != head {
		t.Errorf("%q", e.In.Head)
	}
	for _, said := range []string{"unknown: both heads", "another cause: linked by the thread", "health_check: does not apply", "leaked: "} {
		if !slices.ContainsFunc(e.RuledOut, func(line string) bool { return strings.HasPrefix(line, said) }) {
			t.Errorf("%q is not said: %v", said, e.RuledOut)
		}
	}
	right, ok := n.p.Explain("00000000000000aa")
	if !ok || right.In == nil || right.In.Head != e.In.Head || len(right.In.Carriers) != 1 || right.In.SpanID != e.In.SpanID ||
		!strings.Contains(right.Out.Head, "traceparent: 00-") || len(right.Out.Carriers) != 1 || right.Out.Connection == "" {
		t.Errorf("the link of what is right is explained by %+v", right)
	}
	for _, id := range []string{"", "x", "0000000000000000", "ffffffffffffffff", "00000000000000aa00"} {
		if e, ok := n.p.Explain(id); ok {
			t.Errorf("%q: %+v", id, e)
		}
	}
}

// TestSentences has each verdict in words.
func TestSentences(t *testing.T) {
	since := time.Date(2026, 11, 25, 10, 2, 0, 0, time.UTC)
	e := propagation.Edge{Service: "checkout", Route: "POST /charge", Peer: "payments"}
	f := propagation.Finding{Verdict: "dropped", Count: 412, Of: 412, Format: "traceparent", Since: since, Client: "python-requests/2.31", Where: "only on retries"}
	const want = "checkout drops traceparent toward payments on POST /charge: 412 of 412 since 10:02, only on retries; python-requests/2.31 sends no carrier"
	if got := propagation.Sentence(e, f, since.Add(time.Hour)); got != want {
		t.Error(got)
	}
	if got := propagation.Sentence(e, f, since.Add(24*time.Hour)); !strings.Contains(got, "since 2026-11-25 10:02") {
		t.Error(got)
	}
	seen := map[string]bool{}
	for v := propagation.PassedThrough; v < propagation.Verdicts; v++ {
		got := propagation.Sentence(e, propagation.Finding{Verdict: v.String(), Count: 1, Of: 2, Format: "b3"}, since)
		if seen[got] || strings.Contains(got, "%") || !strings.HasPrefix(got, "checkout ") || strings.Contains(got, "checkout  ") {
			t.Errorf("%v: %s", v, got)
		}
		seen[got] = true
	}
}

// TestReport holds the report to be plain data that goes to JSON and back, and its health to what its edges say.
func TestReport(t *testing.T) {
	r := newTraffic(t, 5, 16, true, propagation.Options{}, some(0.2)).run(500)
	text, err := json.Marshal(r)
	if err != nil {
		t.Fatal(err)
	}
	var back propagation.Report
	if err := json.Unmarshal(text, &back); err != nil {
		t.Fatal(err)
	}
	if again, err := json.Marshal(back); err != nil || string(again) != string(text) {
		t.Errorf("%s\nbecomes\n%s", text, again)
	}
	if r.Health() != propagation.Broken || len(r.Services) != 1 || r.Services[0].Health != propagation.Broken || r.Services[0].Rate.N != r.Edges[0].Rate.N {
		t.Errorf("%v %+v", r.Health(), r.Services)
	}
	none := r.Only(func(name string) bool { return name != "shop" })
	if len(none.Edges)+len(none.Services) != 0 || none.Health() != propagation.NotEnough || none.Totals.Pairs != r.Totals.Pairs {
		t.Errorf("%+v", none)
	}
}
