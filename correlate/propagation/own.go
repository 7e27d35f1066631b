package propagation

import (
	"strings"

	"weft/correlate/flow"
)

// exporter is a way in which programs send spans of their own.
type exporter struct {
	name string
	path string // prefix of the target of a POST or PUT
}

// exporters speak HTTP, or gRPC over it. OTLP: opentelemetry.io/docs/specs/otlp; Zipkin: zipkin.io/zipkin-api; Jaeger's collector; the Datadog agent;
// SkyWalking's HTTP protocol; New Relic's trace API; Elastic APM's intake; Instana's agent; Sentry's envelopes.
var exporters = [...]exporter{
	{"OTLP", "/v1/traces"},
	{"Zipkin", "/api/v2/spans"},
	{"Zipkin", "/api/v1/spans"},
	{"Jaeger", "/api/traces"},
	{"Datadog", "/v0.3/traces"},
	{"Datadog", "/v0.4/traces"},
	{"Datadog", "/v0.5/traces"},
	{"Datadog", "/v0.7/traces"},
	{"Datadog", "/v1.0/traces"},
	{"SkyWalking", "/v3/segment"},
	{"New Relic", "/trace/v1"},
	{"Elastic", "/intake/v2/events"},
	{"Instana", "/com.instana.plugin."},
	{"OTLP", "/opentelemetry.proto.collector.trace"},
	{"SkyWalking", "/skywalking.v3.TraceSegmentReportService"},
}

// otherTelemetry goes the same ways but tells nothing of spans. Datadog's tracers also get /info.
var otherTelemetry = [...]string{"/v1/metrics", "/v1/logs", "/telemetry/proxy/", "/v0.6/stats", "/v0.7/config", "/api/v1/write",
	"/opentelemetry.proto.collector.", "/skywalking.v3.", "/profiling/v1/input", "/loki/api/v1/push", "/evp_proxy/"}

// exporterPorts are those of exporters: who connects there has spans to send, whether or not what it says can be read.
var exporterPorts = map[uint16]string{4317: "OTLP by gRPC", 11800: "SkyWalking by gRPC"}

// spansOf names the protocol by which a request carries spans; empty when it carries none.
func spansOf(x *flow.Exchange, path string) string {
	if x.Method != "POST" && x.Method != "PUT" {
		return ""
	}
	for i := range exporters {
		if strings.HasPrefix(path, exporters[i].path) || strings.HasSuffix(path, exporters[i].path) && exporters[i].name == "OTLP" {
			return exporters[i].name
		}
	}
	return ""
}

// exporterOf names the kind of telemetry that a request carries; empty for none.
func exporterOf(x *flow.Exchange, path string) string {
	switch {
	case x.Method == "GET":
		if path == "/info" && (strings.Contains(x.UserAgent, "atadog") || strings.HasSuffix(x.Host, ":8126")) {
			return "telemetry"
		}
		return ""
	case spansOf(x, path) != "":
		return spansOf(x, path)
	}
	for _, prefix := range otherTelemetry {
		if strings.HasPrefix(path, prefix) {
			return "telemetry"
		}
	}
	return ""
}
