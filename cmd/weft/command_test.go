package main

import (
	"encoding/json"
	"encoding/xml"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"weft/correlate/propagation"
)

func always(int) bool       { return true }
func never(int) bool        { return false }
func everyThird(i int) bool { return i%3 == 0 }

// TestCheckEnds holds the exit codes that a pipeline acts on.
func TestCheckEnds(t *testing.T) {
	healthy, broken, few, third := recordShop(t, 480, never), recordShop(t, 60, always), recordShop(t, 5, never), recordShop(t, 480, everyThird)
	torn := filepath.Join(t.TempDir(), "torn")
	if err := os.WriteFile(torn, []byte("no recording"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		args []string
		code int
		says string
	}{
		{[]string{healthy}, 0, "healthy: contexts go on"},
		{[]string{broken}, 1, "checkout drops traceparent toward payments on POST /charge: 60 of 60"},
		{[]string{few}, 3, "not enough data"},
		{[]string{third}, 1, "160 of 480"},
		{[]string{third, "--min-rate", "0.5"}, 0, "healthy"},
		{[]string{broken, "--service", "check*"}, 1, "python-requests/2.31.0 sends no carrier"},
		{[]string{broken, "--service", "payments"}, 3, "not enough data"},
		{[]string{broken, "--format", "yaml"}, 2, "--format"},
		{[]string{broken, "--no-such-flag"}, 2, "--no-such-flag"},
		{[]string{broken, "--min-rate", "2"}, 2, "--min-rate"},
		{[]string{broken, "--for", "-1s"}, 2, "it must be a time above 0"},
		{[]string{broken, healthy}, 2, "usage"},
		{[]string{torn}, 2, "recording"},
		{[]string{filepath.Join(t.TempDir(), "none")}, 2, "open recording"},
	} {
		out, messages, code := weft(t, append([]string{"check"}, c.args...)...)
		if code != c.code || !strings.Contains(out+messages, c.says) {
			t.Errorf("check %v: exit %d, want %d with %q in\n%s%s", c.args, code, c.code, c.says, out, messages)
		}
	}
}

// TestCheckProves holds that a broken check shows the evidence itself: there is nobody to ask when it has ended.
func TestCheckProves(t *testing.T) {
	path := recordShop(t, 60, always)
	for format, wants := range map[string][]string{
		"table":    {"linked by   thread", "| POST /pay HTTP/1.1", "ruled out", "no carrier"},
		"markdown": {"| BROKEN | checkout | POST /charge | payments |", "    | POST /pay HTTP/1.1"},
		"junit":    {"POST /pay HTTP/1.1"},
		"sarif":    {"POST /pay HTTP/1.1"},
		"json":     {"POST /pay HTTP/1.1", `"health": "broken"`},
	} {
		out, messages, code := weft(t, "check", path, "--format", format)
		if code != exitBroken {
			t.Errorf("%s: exit %d: %s", format, code, messages)
		}
		for _, want := range wants {
			if !strings.Contains(out, want) {
				t.Errorf("%s: no %q in\n%s", format, want, out)
			}
		}
		if strings.Contains(out, secret) || strings.Contains(out, "weft explain") {
			t.Errorf("%s: a secret, or a hint that leads nowhere, in\n%s", format, out)
		}
	}
}

// TestCheckForBuildServers parses what build servers read.
func TestCheckForBuildServers(t *testing.T) {
	path := recordShop(t, 60, always)
	var suites struct {
		XMLName xml.Name `xml:"testsuites"`
		Suites  []struct {
			Tests    int `xml:"tests,attr"`
			Failures int `xml:"failures,attr"`
			Cases    []struct {
				Class   string `xml:"classname,attr"`
				Name    string `xml:"name,attr"`
				Failure *struct {
					Message string `xml:"message,attr"`
					Text    string `xml:",chardata"`
				} `xml:"failure"`
			} `xml:"testcase"`
		} `xml:"testsuite"`
	}
	out, _, _ := weft(t, "check", path, "--format", "junit")
	if err := xml.Unmarshal([]byte(out), &suites); err != nil {
		t.Fatalf("%v in %s", err, out)
	}
	suite := suites.Suites[0]
	if suite.Tests != 1 || suite.Failures != 1 || suite.Cases[0].Class != "checkout" || suite.Cases[0].Name != "POST /charge -> payments" ||
		suite.Cases[0].Failure.Message != "0 of 60 go on" {
		t.Errorf("junit %+v", suite)
	}
	var log struct {
		Version string `json:"version"`
		Runs    []struct {
			Results []struct {
				Rule  string `json:"ruleId"`
				Level string `json:"level"`
			} `json:"results"`
		} `json:"runs"`
	}
	out, _, _ = weft(t, "check", path, "--format", "sarif")
	if err := json.Unmarshal([]byte(out), &log); err != nil {
		t.Fatalf("%v in %s", err, out)
	}
	if log.Version != "2.1.0" || len(log.Runs) != 1 || len(log.Runs[0].Results) != 1 || log.Runs[0].Results[0].Rule != "dropped" ||
		log.Runs[0].Results[0].Level != "error" {
		t.Errorf("sarif %+v", log)
	}
}

// TestReportOfARecording holds the two ways to it to the same words.
func TestReportOfARecording(t *testing.T) {
	path := recordShop(t, 90, everyThird)
	for _, format := range []string{"table", "json", "markdown"} {
		a, messages, code := weft(t, "report", path, "--format", format)
		b, _, other := weft(t, "replay", path, "--report", "--format", format)
		if code != 0 || other != 0 || a != b || !strings.Contains(a, "checkout drops traceparent toward payments on POST /charge: 30 of 90") {
			t.Errorf("%s: exits %d and %d, %s\n%s\nand\n%s", format, code, other, messages, a, b)
		}
	}
	out, _, _ := weft(t, "report", path, "--format", "json")
	var r propagation.Report
	if err := json.Unmarshal([]byte(out), &r); err != nil {
		t.Fatal(err)
	}
	e := r.Edges[0]
	if e.Verdicts["dropped"] != 30 || e.Verdicts["propagated"] != 60 || e.Rate.N != 90 || r.Totals.Pairs != 90 {
		t.Errorf("edge %+v of %+v", e, r.Totals)
	}
	if _, messages, code := weft(t, "report", path, "--format", "yaml"); code != 1 || !strings.Contains(messages, "--format") {
		t.Errorf("exit %d: %s", code, messages)
	}
	if _, messages, code := weft(t, "replay", path, "--format", "json"); code != 1 || !strings.Contains(messages, "usage") {
		t.Errorf("a format without a report: exit %d: %s", code, messages)
	}
}

// told is what the tests ask of a line of replay.
type told struct {
	Trace  string         `json:"traceId"`
	Span   string         `json:"spanId"`
	Parent string         `json:"parentSpanId"`
	Kind   int            `json:"kind"`
	Events []any          `json:"events"`
	Attr   map[string]any `json:"attributes"`
	From   map[string]any `json:"resource"`
}

func spansOf(t *testing.T, args ...string) (spans []told) {
	t.Helper()
	out, messages, code := weft(t, append([]string{"replay", "--output", "json"}, args...)...)
	if code != 0 {
		t.Fatalf("exit %d: %s", code, messages)
	}
	for line := range strings.Lines(out) {
		var s told
		if err := json.Unmarshal([]byte(line), &s); err != nil {
			t.Fatalf("%v in %s", err, line)
		}
		spans = append(spans, s)
	}
	return spans
}

// of gives the spans of a service and a kind.
func of(spans []told, service string, kind int) []told {
	return slices.DeleteFunc(slices.Clone(spans), func(s told) bool { return s.From["service.name"] != service || s.Kind != kind })
}

// TestExplain asks for the evidence of a verdict and of links, at either end of a connection.
func TestExplain(t *testing.T) {
	path := recordShop(t, 30, everyThird)
	spans := spansOf(t, path)
	clients, servers := of(spans, "checkout", 3), of(spans, "payments", 2)
	for _, c := range []struct {
		what string
		id   string
		want []string
	}{
		{"a verdict", clients[0].Span, []string{"verdict     dropped F1", "checkout drops traceparent", "linked by   thread", "| POST /charge HTTP/1.1", "| POST /pay HTTP/1.1"}},
		{"a link without a fault", clients[1].Span, []string{"verdict     propagated", "linked by   header", "| POST /charge HTTP/1.1", "| POST /pay HTTP/1.1"}},
		{"an incoming request", servers[0].Span, []string{"both ends of the connection were seen; its header carries no trace", "linked by   wire", "incoming", "outgoing", "| POST /pay HTTP/1.1"}},
		{"the first of all", of(spans, "checkout", 2)[1].Span, []string{"the header of the incoming request names its parent", "ruled out   wire: the other end of the connection was not seen", "| POST /charge HTTP/1.1"}},
	} {
		out, messages, code := weft(t, "explain", c.id, path)
		if code != 0 || strings.Contains(out, secret) {
			t.Errorf("%s: exit %d, %s\n%s", c.what, code, messages, out)
		}
		for _, want := range c.want {
			if !strings.Contains(out, want) {
				t.Errorf("%s: no %q in\n%s", c.what, want, out)
			}
		}
		var e propagation.Explanation
		out, _, _ = weft(t, "explain", c.id, path, "--format", "json")
		if err := json.Unmarshal([]byte(out), &e); err != nil || e.ID != c.id {
			t.Errorf("%s: %v in %s", c.what, err, out)
		}
	}
	paid := of(spansOf(t, path, "--no-repair"), "payments", 2)[0].Span
	if out, _, code := weft(t, "explain", paid, path, "--no-repair"); code != 0 || !strings.Contains(out, "repair is off") || strings.Contains(out, "was not seen") {
		t.Errorf("without repair: exit %d\n%s", code, out)
	}
	for _, id := range []string{"0123456789abcdef", "nothing", strings.Repeat("a", 100)} {
		if _, messages, code := weft(t, "explain", id, path); code != 1 || !strings.Contains(messages, "nothing is known") {
			t.Errorf("%s: exit %d: %s", id, code, messages)
		}
	}
}

// TestBreakOnTheSpan holds that the span at which the context breaks says so, and no other.
func TestBreakOnTheSpan(t *testing.T) {
	for _, s := range spansOf(t, recordShop(t, 30, everyThird)) {
		broke := s.Attr["weft.propagation.verdict"] == "dropped"
		if (len(s.Events) == 1) != broke || broke && s.Attr["weft.propagation.code"] != "F1" {
			t.Errorf("span %+v", s)
		}
	}
}

// TestNoRepair holds that one flag shows what a backend would see without weft: the trace in two.
func TestNoRepair(t *testing.T) {
	path := recordShop(t, 30, everyThird)
	whole, cut := of(spansOf(t, path), "payments", 2), of(spansOf(t, path, "--no-repair"), "payments", 2)
	clients := of(spansOf(t, path), "checkout", 3)
	for i := range clients {
		if whole[i].Trace != clients[i].Trace || whole[i].Parent != clients[i].Span {
			t.Errorf("with repair the trace of request %d is cut: %+v and %+v", i, clients[i], whole[i])
		}
		repaired := whole[i].Attr["weft.link.evidence"] == "wire"
		if dropped := everyThird(i); repaired != dropped || (cut[i].Parent == "") != dropped || (cut[i].Trace != whole[i].Trace) != dropped ||
			cut[i].Attr["weft.link.evidence"] != nil {
			t.Errorf("request %d: with repair %+v, without %+v", i, whole[i], cut[i])
		}
	}
}
