package report

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"io"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"weft/correlate/propagation"
)

var noon = time.Date(2026, 11, 25, 12, 0, 0, 0, time.UTC)

// sample has one edge of each health; the names of the broken one are what an enemy would choose.
func sample() *Judgement {
	const evil = "pay|ments<b>\x1b[2J`*_\x00\xff\u009b\u202e"
	return &Judgement{
		Health: propagation.Broken,
		Report: propagation.Report{
			From: noon.Add(-time.Hour), To: noon, MinRate: 0.99, Totals: propagation.Totals{Outgoing: 612, Pairs: 602, Unlinked: 10},
			Services: []propagation.Service{{Service: "checkout", OwnSpans: true, OwnProof: "POST /v1/traces to 127.0.0.1:4318"}},
			Edges: []propagation.Edge{
				{Service: "checkout", Route: "POST /charge", Peer: evil, Protocol: "http/1.1", Health: propagation.Broken,
					Rate: propagation.Rate{N: 412, Upper: 0.01}, Unknown: 3, Excluded: map[string]uint64{"token": 2},
					Findings: []propagation.Finding{
						{Verdict: "dropped", Code: "F1", Severity: "fault", Count: 412, Of: 412, Format: "traceparent",
							Sentence: "checkout drops traceparent toward " + evil, Examples: []string{"00f067aa0ba902b7"}},
						{Verdict: "random_lost", Code: "F8", Severity: "note", Count: 3, Of: 412, Sentence: "checkout clears the random flag"},
					}},
				{Service: "web", Route: "GET /", Peer: "checkout", Health: propagation.NotEnough, Rate: propagation.Rate{N: 2, K: 1, Estimate: 0.5, Upper: 1},
					Findings: []propagation.Finding{{Verdict: "dropped", Code: "F1", Severity: "fault", Count: 1, Of: 2, Sentence: "web drops traceparent"}}},
				{Service: "web", Route: "GET /a", Peer: "checkout", Health: propagation.Healthy, Rate: propagation.Rate{N: 188, K: 188, Estimate: 1, Lower: 0.98, Upper: 1}},
			},
			Exclusions: []propagation.Exclusion{{Name: "token", Why: "tokens are fetched once", Enabled: true, Count: 2}, {Name: "scrape"}},
		},
		Proofs: []propagation.Explanation{{
			ID: "00f067aa0ba902b7", Verdict: "dropped", Code: "F1", Sentence: "checkout drops traceparent", Service: "checkout", Peer: evil,
			Evidence: "thread", Confidence: 1, RuledOut: []string{"unknown: both heads were read whole"},
			In: &propagation.Message{Start: noon, End: noon.Add(time.Millisecond), PID: 7, TID: 8, SpanID: "01", TraceID: "02", Connection: "a -> b",
				Head:     "POST /charge HTTP/1.1\r\ntraceparent: 00-02-01-01\r\n\r\n",
				Carriers: []propagation.Carrier{{Format: "traceparent", State: "valid", Trace: "02", Parent: "01"}}},
			Out: propagation.Message{Start: noon, PID: 7, TID: 8, SpanID: "00f067aa0ba902b7", TraceID: "02", Head: "POST /pay HTTP/1.1\r\nHost: x]]>\x1b[0m\r\n\r\n"},
		}},
	}
}

func write(t *testing.T, format string) string {
	t.Helper()
	var b bytes.Buffer
	if err := WriteJudgement(&b, sample(), format, false); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// TestNothingSteersATerminal holds that names and heads from the traffic stay text, in the report and in its proofs.
func TestNothingSteersATerminal(t *testing.T) {
	for _, format := range []string{Table, Markdown, JUnit, SARIF, JSON} {
		var report bytes.Buffer
		if err := Write(&report, sample().Report, format, false); err != nil {
			t.Fatal(err)
		}
		for _, text := range []string{write(t, format), report.String()} {
			if i := strings.IndexAny(text, "\x1b\x00\u009b\u202e"); i >= 0 || !utf8.ValidString(text) {
				t.Errorf("%s has %q", format, text[max(0, i-20):])
			}
		}
	}
}

func TestTable(t *testing.T) {
	text := write(t, Table)
	for _, want := range []string{
		"11:00:00 to 12:00:00 UTC, limit 99.00 %",
		"BROKEN           checkout  POST /charge", "0 of 412", "not enough data  web", "healthy          web       GET /a",
		"Noticed, and no fault\n  checkout clears the random flag", "2 excluded by token: tokens are fetched once", "exclusion scrape is switched off",
		"checkout exports spans of its own: POST /v1/traces", "Proof 1: checkout drops traceparent", "  | POST /pay HTTP/1.1", "  no carrier",
		"carrier traceparent: valid, trace 02 parent 01", "BROKEN: contexts do not go on",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("no %q in\n%s", want, text)
		}
	}
	var b bytes.Buffer
	if err := Write(&b, sample().Report, "text", true); err != nil {
		t.Fatal(err)
	}
	if text := b.String(); !strings.Contains(text, "proof: weft explain 00f067aa0ba902b7") || !strings.Contains(text, "\x1b[31m") {
		t.Errorf("in colours, with a hint where the proof is:\n%s", text)
	}
}

// TestMarkdown holds that a table stays a table, whatever the names.
func TestMarkdown(t *testing.T) {
	text := write(t, Markdown)
	rows := 0
	for line := range strings.Lines(text) {
		if strings.HasPrefix(line, "| ") {
			rows++
			if cells := strings.Count(strings.ReplaceAll(line, `\|`, ""), "|"); cells != 10 {
				t.Errorf("%d bars in %s", cells, line)
			}
		}
	}
	if rows != 4 || strings.Contains(text, "<b>") {
		t.Errorf("%d rows in\n%s", rows, text)
	}
}

func TestJUnit(t *testing.T) {
	d := xml.NewDecoder(strings.NewReader(write(t, JUnit)))
	var path []string
	cases := map[string]int{}
	text := ""
	for {
		token, err := d.Token()
		if err == io.EOF {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		switch token := token.(type) {
		case xml.StartElement:
			path = append(path, token.Name.Local)
			cases[strings.Join(path, "/")]++
			if token.Name.Local == "testsuite" {
				checkSuite(t, token.Attr)
			}
		case xml.EndElement:
			path = path[:len(path)-1]
		case xml.CharData:
			text += string(token)
		}
	}
	want := map[string]int{
		"testsuites": 1, "testsuites/testsuite": 1, "testsuites/testsuite/testcase": 3,
		"testsuites/testsuite/testcase/failure": 1, "testsuites/testsuite/testcase/skipped": 1,
	}
	for name, n := range want {
		if cases[name] != n {
			t.Errorf("%d of %s, want %d", cases[name], name, n)
		}
	}
	if !strings.Contains(text, "checkout drops traceparent toward pay|ments") || !strings.Contains(text, "| POST /pay HTTP/1.1") || len(cases) != len(want) {
		t.Errorf("elements %v, text %s", cases, text)
	}
}

func checkSuite(t *testing.T, attributes []xml.Attr) {
	t.Helper()
	got := map[string]string{}
	for _, a := range attributes {
		got[a.Name.Local] = a.Value
	}
	if got["tests"] != "3" || got["failures"] != "1" || got["skipped"] != "1" || got["time"] != "3600" || got["timestamp"] != "2026-11-25T12:00:00" {
		t.Errorf("suite %v", got)
	}
}

// TestSARIF holds the shape that SARIF 2.1.0 requires: sections 3.13, 3.14, 3.18, 3.19, 3.27.
func TestSARIF(t *testing.T) {
	var log struct {
		Schema  string `json:"$schema"`
		Version string `json:"version"`
		Runs    []struct {
			Tool struct {
				Driver struct {
					Name  string
					Rules []struct {
						ID, Name         string
						ShortDescription struct{ Text string }
					}
				}
			}
			Results []struct {
				RuleID    string
				Level     string
				Message   struct{ Text string }
				Locations []struct {
					LogicalLocations []struct{ Name, FullyQualifiedName, Kind string }
				}
				Properties map[string]propagation.Explanation
			}
		}
	}
	if err := json.Unmarshal([]byte(write(t, SARIF)), &log); err != nil {
		t.Fatal(err)
	}
	if log.Version != "2.1.0" || !strings.HasSuffix(log.Schema, "/sarif-schema-2.1.0.json") || len(log.Runs) != 1 {
		t.Fatalf("log %+v", log)
	}
	run := log.Runs[0]
	var rules []string
	for _, r := range run.Tool.Driver.Rules {
		if r.ShortDescription.Text == "" || slices.Contains(rules, r.ID) {
			t.Errorf("rule %+v", r)
		}
		rules = append(rules, r.ID)
	}
	if run.Tool.Driver.Name != "weft" || len(run.Results) != 2 {
		t.Fatalf("run %+v", run)
	}
	for i, level := range []string{"error", "warning"} {
		r := run.Results[i]
		at := r.Locations[0].LogicalLocations[0]
		if r.Level != level || !slices.Contains(rules, r.RuleID) || r.Message.Text == "" || at.Name == "" || at.FullyQualifiedName == "" || at.Kind != "module" {
			t.Errorf("result %+v", r)
		}
	}
	if proof := run.Results[0].Properties["proof"]; proof.ID != "00f067aa0ba902b7" || proof.In == nil {
		t.Errorf("proof %+v", proof)
	}
}

func TestJSON(t *testing.T) {
	var got Judgement
	if err := json.Unmarshal([]byte(write(t, JSON)), &got); err != nil {
		t.Fatal(err)
	}
	if got.Health != propagation.Broken || len(got.Edges) != 3 || got.Edges[0].Rate.N != 412 || len(got.Proofs) != 1 || got.MinRate != 0.99 {
		t.Errorf("got %+v", got)
	}
}

func TestUnknownFormat(t *testing.T) {
	for _, format := range []string{"", "yaml"} {
		if err := Write(io.Discard, propagation.Report{}, format, false); IsFormat(format) || err == nil || !strings.Contains(err.Error(), "sarif") {
			t.Errorf("%q gives %v", format, err)
		}
		if err := Explain(io.Discard, propagation.Explanation{}, format); err == nil {
			t.Errorf("explain takes %q", format)
		}
	}
}

// TestEmpty holds that a report of nothing is well-formed too.
func TestEmpty(t *testing.T) {
	for _, format := range formats {
		var b bytes.Buffer
		if err := WriteJudgement(&b, &Judgement{Health: propagation.NotEnough}, format, false); err != nil || b.Len() == 0 {
			t.Errorf("%s: %v", format, err)
		}
		switch format {
		case JSON, SARIF:
			if !json.Valid(b.Bytes()) {
				t.Errorf("%s", b.String())
			}
		case JUnit:
			if err := xml.Unmarshal(b.Bytes(), new(junitSuites)); err != nil {
				t.Error(err)
			}
		}
	}
}
