package signal

import (
	"cmp"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"weft/correlate/propagation"
	"weft/test/collector"
	"weft/test/tracer"
)

// lost is how many requests lose their context, kept how many do not.
const (
	lost = 150
	kept = 60
)

// TestRun follows one fault through everything that weft tells of it while it runs.
func TestRun(t *testing.T) {
	for _, protocol := range collector.Protocols {
		t.Run(protocol, func(t *testing.T) { follow(t, protocol) })
	}
}

func follow(t *testing.T, protocol string) {
	c, err := collector.Start(protocol)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	port, err := freePort()
	if err != nil {
		t.Fatal(err)
	}
	control := filepath.Join(t.TempDir(), "control")
	w, err := tracer.Start(world.weft, tracer.Options{
		Output: "otlp", Args: append(ours(), "--control", control, "--metrics-listen", fmt.Sprint(port)),
		Env: []string{"OTEL_EXPORTER_OTLP_ENDPOINT=" + c.URL, "OTEL_EXPORTER_OTLP_PROTOCOL=" + protocol,
			"OTEL_METRIC_EXPORT_INTERVAL=500", "OTEL_BSP_SCHEDULE_DELAY=100", "OTEL_BLRP_SCHEDULE_DELAY=100"},
	})
	if err != nil {
		t.Fatal(err)
	}
	defer w.Kill()
	send(t, drops, lost)
	send(t, carries, kept)
	checkSpans(t, c)
	checkRecord(t, c, w)
	checkMetrics(t, c, fmt.Sprint("http://127.0.0.1:", port, "/metrics"))
	checkLink(t, c, control)
	checkQuestions(t, control)
	if err := w.Stop(); err != nil {
		t.Fatal(err)
	}
	if n := len(c.Records()); n != 1 {
		t.Errorf("%d log records, want one", n)
	}
}

// clients gives the spans of shop's calls.
func clients(c *collector.Collector) (list []collector.Span) {
	for _, s := range c.Spans() {
		if s.Service == "shop" && s.Kind == tracer.Client {
			list = append(list, s)
		}
	}
	return list
}

func checkSpans(t *testing.T, c *collector.Collector) {
	t.Helper()
	within(t, 10*time.Second, "every span", func() bool { return len(clients(c)) >= lost+kept })
	events := 0
	for _, s := range clients(c) {
		attributes := collector.Values(s.Attributes)
		switch attributes["weft.propagation.verdict"] {
		case "dropped":
			if len(s.Events) != 1 || s.Events[0].Name != "weft.context.broken" || attributes["weft.propagation.code"] != "F1" ||
				collector.Values(s.Events[0].Attributes)["weft.propagation.format"] != "traceparent" {
				t.Fatalf("span %v", s)
			}
			events++
		case "propagated":
			if len(s.Events) != 0 {
				t.Fatalf("span %v", s)
			}
		default:
			t.Fatalf("span %v is not judged", s)
		}
	}
	if events != lost {
		t.Errorf("%d spans tell of a break, want %d", events, lost)
	}
}

func checkRecord(t *testing.T, c *collector.Collector, w *tracer.Tracer) {
	t.Helper()
	within(t, 15*time.Second, "a log record", func() bool { return len(c.Records()) > 0 })
	if len(c.Records()) == 0 {
		return
	}
	r := c.Records()[0]
	body := r.Body.GetStringValue()
	if r.EventName != "weft.propagation.broken" || r.SeverityText != "WARN" || r.Attributes["service.name"] != "shop" ||
		r.Attributes["http.route"] != drops || r.Attributes["weft.peer"] != "bank" || r.Attributes["weft.propagation.verdict"] != "dropped" ||
		!strings.HasPrefix(body, "shop drops traceparent toward bank on POST /charge: ") || !strings.Contains(body, "shop-client/1.2 sends no carrier") {
		t.Errorf("record %v %v", r.LogRecord, r.Attributes)
	}
	if log := w.Log(); strings.Count(log, body) != 1 || !strings.Contains(log, "level=WARN") {
		t.Errorf("no line for a person in\n%s", log)
	}
}

func checkMetrics(t *testing.T, c *collector.Collector, url string) {
	t.Helper()
	value := func(name, key, want string) float64 {
		for _, p := range c.Points(name) {
			if p.Attributes["service.name"] == "shop" && p.Attributes[key] == want {
				return p.Value
			}
		}
		return -1
	}
	within(t, 10*time.Second, "the count of dropped contexts", func() bool {
		return value("weft.propagation.pairs", "weft.propagation.verdict", "dropped") == lost &&
			value("weft.propagation.pairs", "weft.propagation.verdict", "propagated") == kept
	})
	if got := value("weft.propagation.broken", "http.route", drops); got != 1 {
		t.Errorf("broken is %v", got)
	}
	if rate, upper := value("weft.propagation.rate", "http.route", drops), value("weft.propagation.rate.upper", "http.route", drops); rate != 0 || upper <= 0 || upper > 0.05 {
		t.Errorf("rate %v, at most %v", rate, upper)
	}
	if rate, lower := value("weft.propagation.rate", "http.route", carries), value("weft.propagation.rate.lower", "http.route", carries); rate != 1 || lower < 0.9 {
		t.Errorf("rate %v, at least %v", rate, lower)
	}
	reply, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer reply.Body.Close()
	text, err := io.ReadAll(reply.Body)
	if err != nil {
		t.Fatal(err)
	}
	found := false
	for line := range strings.Lines(string(text)) {
		found = found || strings.HasPrefix(line, "weft_propagation_pairs_total{") && strings.Contains(line, `weft_propagation_verdict="dropped"`) &&
			strings.HasSuffix(strings.TrimSpace(line), fmt.Sprint("} ", lost))
	}
	if !found || !strings.Contains(string(text), "weft_kernel_operations_total") {
		t.Errorf("Prometheus gets\n%s", text)
	}
}

// checkLink asks the running weft why the last call without a carrier is part of its request: what each kind of evidence has said, and
// which one has decided. The span tells the same.
func checkLink(t *testing.T, c *collector.Collector, control string) {
	t.Helper()
	dropped := slices.DeleteFunc(clients(c), func(s collector.Span) bool {
		return collector.Values(s.Attributes)["weft.propagation.verdict"] != "dropped"
	})
	last := slices.MaxFunc(dropped, func(a, b collector.Span) int { return cmp.Compare(a.StartTimeUnixNano, b.StartTimeUnixNano) })
	out, err := exec.Command(world.weft, "explain", hex.EncodeToString(last.SpanId), "--format", "json", "--control", control).Output()
	if err != nil {
		t.Fatal(err)
	}
	var e propagation.Explanation
	if err := json.Unmarshal(out, &e); err != nil {
		t.Fatal(err)
	}
	evidence := collector.Values(last.Attributes)["weft.parent.evidence"]
	decided := slices.ContainsFunc(e.Considered, func(line string) bool { return strings.HasPrefix(line, e.Evidence+": one request") })
	if e.Evidence != evidence || !decided || !strings.Contains(e.Sentence, "goroutine") {
		t.Errorf("the span says %q, weft explain %s", evidence, out)
	}
	if e.In == nil || e.In.SpanID != hex.EncodeToString(last.ParentSpanId) || e.In.PID != e.Out.PID || e.In.Start.After(e.Out.Start) {
		t.Errorf("the request is told as %+v, the span names %x", e.In, last.ParentSpanId)
	}
}

// checkQuestions asks the running weft as a person does.
func checkQuestions(t *testing.T, control string) {
	t.Helper()
	out, err := exec.Command(world.weft, "report", "--format", "json", "--control", control).Output()
	if err != nil {
		t.Fatal(err)
	}
	var r propagation.Report
	if err := json.Unmarshal(out, &r); err != nil {
		t.Fatal(err)
	}
	e := r.Edges[0]
	if e.Service != "shop" || e.Health != propagation.Broken || e.Verdicts["dropped"] != lost || len(e.Findings) != 1 || len(e.Findings[0].Examples) == 0 {
		t.Fatalf("edge %+v", e)
	}
	text, err := exec.Command(world.weft, "explain", e.Findings[0].Examples[0], "--control", control).CombinedOutput()
	if err != nil || strings.Contains(string(text), "hunter2") {
		t.Errorf("explain: %v\n%s", err, text)
	}
	for _, want := range []string{"verdict     dropped F1", "| POST /charge HTTP/1.1", "| POST /pay HTTP/1.1", "Shop-Client", "goroutine"} {
		if !strings.Contains(strings.ToLower(string(text)), strings.ToLower(want)) {
			t.Errorf("no %q in\n%s", want, text)
		}
	}
}
