package metrics

import (
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/prometheus/otlptranslator"
)

var update = flag.Bool("update", false, "write docs/METRICS.md anew")

const pageHead = `# Metrics and log records

<!-- Made from the tables of export/metrics/table.go: go test ./export/metrics -update -->

weft tells numbers in two ways, both off until somebody says where to:

- by OTLP, when an endpoint for all signals or for metrics is set: ` + "`OTEL_EXPORTER_OTLP_ENDPOINT=http://127.0.0.1:4318 weft run`" + `. A push every
  60 seconds, or every ` + "`OTEL_METRIC_EXPORT_INTERVAL`" + ` milliseconds, and one at the end.
- for a Prometheus server, which fetches them: ` + "`weft run --metrics-listen 9464`" + `, then http://127.0.0.1:9464/metrics. A port alone is on
  loopback; name a host to be reached from elsewhere.

[CONFIGURATION.md](CONFIGURATION.md#variables-of-opentelemetry) has the variables. The resource is weft itself: ` + "`service.name`" + ` is ` + "`weft`" + `,
with ` + "`service.version` and `host.name`" + `. The numbers are of all requests that weft saw, whatever the sampler left out.

"Those of an edge" are ` + "`service.name`, `http.request.method`, `http.route`, `weft.peer`, `network.protocol.name` and `network.protocol.version`" + `: the
service that calls, on which of the requests that it received, whom, and how. At most metrics.edges edges have series of their own, 1000
if that is not set: broken ones first, then those that had some before. Values are cut at 200 bytes. The counters of an edge that
was forgotten (breaks.edges) begin again with it.

`

const pageTail = `
` + "`passed_through`" + ` of a service turns to ` + "`stale`" + ` when it is found to make spans of its own: what was counted before moves with it.

## Questions

What breaks, and how often (PromQL):

    weft_propagation_broken == 1
    1 - weft_propagation_rate_ratio
    sum by (service_name, weft_peer, weft_propagation_verdict) (rate(weft_propagation_pairs_total[5m]))

What weft could not judge, of all that it saw leaving:

    sum by (weft_outcome) (rate(weft_propagation_requests_total[5m]))

Whether weft itself loses anything:

    sum by (weft_reason) (rate(weft_losses_total[5m])) > 0
    sum by (weft_outcome) (rate(weft_export_spans_total{weft_outcome!="exported"}[5m])) > 0

## The log record of an edge that breaks or mends

Rates are compared with the limit every five seconds. When an edge becomes broken, and when it is surely above the limit again, weft
writes one line to its log on the standard error, and sends one log record by OTLP if an endpoint for all signals or for logs is set:

| field | broken | whole again |
|---|---|---|
| event name | ` + "`weft.propagation.broken`" + ` | ` + "`weft.propagation.healthy`" + ` |
| severity | WARN | INFO |
| body | the sentence of the report: "checkout drops traceparent toward payments on POST /charge: 412 of 412 since 10:02; ..." | "checkout carries contexts on toward payments on POST /charge: 500 of 500" |
| attributes | those of an edge, ` + "`weft.propagation.health`, `weft.propagation.rate`, `.rate.lower`, `.rate.upper`, `.rate.pairs`" + ` | the same |
| more attributes | ` + "`weft.propagation.verdict`, `.code`, `.format`, `.client`, `.where`" + ` as far as they are known; ` + "`.examples`" + `: span ids for ` + "`weft explain`" + ` | |

Notices wait in a bounded queue; what finds no room is counted in ` + "`weft.export.log_records`" + `. They never hold up the data path.
`

func page(t *testing.T) string {
	namer := otlptranslator.NewMetricNamer("", otlptranslator.UnderscoreEscapingWithSuffixes)
	var b strings.Builder
	b.WriteString(pageHead + "| metric | in Prometheus | type | unit | says | attributes |\n|---|---|---|---|---|---|\n")
	write := func(rows []row, kind string, as otlptranslator.MetricType) {
		for _, r := range rows {
			name, err := namer.Build(otlptranslator.Metric{Name: r.name, Unit: r.unit, Type: as})
			if err != nil {
				t.Fatal(err)
			}
			fmt.Fprintf(&b, "| `%s` | `%s` | %s | `%s` | %s | %s |\n", r.name, name, kind, r.unit, r.does, r.attributes)
		}
	}
	write(counterRows[:], "counter", otlptranslator.MetricTypeMonotonicCounter)
	write(gaugeRows[:], "gauge", otlptranslator.MetricTypeGauge)
	write(shareRows[:], "gauge", otlptranslator.MetricTypeGauge)
	b.WriteString(pageTail)
	return b.String()
}

func TestDocumentationIsCurrent(t *testing.T) {
	const name = "../../docs/METRICS.md"
	want := page(t)
	if *update {
		if err := os.WriteFile(name, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if got, err := os.ReadFile(name); err != nil || string(got) != want {
		t.Errorf("%s does not follow the tables; run go test ./export/metrics -update (%v)", name, err)
	}
}

// TestPrometheusNames holds the names of the page to those that are served.
func TestPrometheusNames(t *testing.T) {
	m, err := New(t.Context(), Options{Report: report, Account: account, Listen: "127.0.0.1:0"})
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close(t.Context())
	known := page(t)
	for line := range strings.Lines(scrape(t, m)) {
		name, ok := strings.CutPrefix(line, "# TYPE ")
		if name, _, _ = strings.Cut(name, " "); ok && name != "target_info" && !strings.Contains(known, "`"+name+"`") {
			t.Errorf("%s is not on the page", name)
		}
	}
}
