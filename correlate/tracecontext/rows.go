package tracecontext

// row is the name of one field.
type row struct {
	name   string // in lower case
	format Format
	field  uint8 // for the family to tell its fields apart
	prefix bool  // more may follow
}

// mainField is the field of each family that holds the trace id, or all.
const mainField = 0

// rows are the fields of all formats.
var rows = [...]row{
	{name: "traceparent", format: W3C},
	{name: "tracestate", format: W3C, field: stateField},
	{name: "baggage", format: Baggage},
	{name: "b3", format: B3},
	{name: "x-b3-traceid", format: B3, field: b3TraceID},
	{name: "x-b3-spanid", format: B3, field: b3SpanID},
	{name: "x-b3-parentspanid", format: B3, field: b3ParentID},
	{name: "x-b3-sampled", format: B3, field: b3Sampled},
	{name: "x-b3-flags", format: B3, field: b3Flags},
	{name: "uber-trace-id", format: Jaeger},
	{name: "uberctx-", format: Jaeger, field: jaegerContext, prefix: true},
	{name: "jaeger-debug-id", format: Jaeger, field: jaegerDebugID},
	{name: "jaeger-baggage", format: Jaeger, field: jaegerBaggage},
	{name: "x-datadog-trace-id", format: Datadog},
	{name: "x-datadog-parent-id", format: Datadog, field: datadogParentID},
	{name: "x-datadog-sampling-priority", format: Datadog, field: datadogPriority},
	{name: "x-datadog-origin", format: Datadog, field: datadogOrigin},
	{name: "x-datadog-tags", format: Datadog, field: datadogTags},
	{name: "x-amzn-trace-id", format: XRay},
	{name: "x-cloud-trace-context", format: GoogleCloud},
	{name: "grpc-trace-bin", format: OpenCensus},
	{name: "sw8", format: SkyWalking},
	{name: "sw8-x", format: SkyWalking, field: skyWalkingExtra},
	{name: "sw8-correlation", format: SkyWalking, field: skyWalkingExtra},
	{name: "ot-tracer-traceid", format: OpenTracing},
	{name: "ot-tracer-spanid", format: OpenTracing, field: otSpanID},
	{name: "ot-tracer-sampled", format: OpenTracing, field: otSampled},
	{name: "ot-baggage-", format: OpenTracing, field: otBaggage, prefix: true},
	{name: "elastic-apm-traceparent", format: Elastic},
	{name: "newrelic", format: NewRelic},
	{name: "x-instana-t", format: Instana},
	{name: "x-instana-s", format: Instana, field: instanaSpanID},
	{name: "x-instana-l", format: Instana, field: instanaLevel},
	{name: "sentry-trace", format: Sentry},
	{name: "x-request-id", format: RequestID},
	{name: "request-id", format: RequestID, field: requestHierarchy},
	{name: "correlation-context", format: RequestID, field: requestContext},
	{name: "x-dynatrace", format: Opaque},
	{name: "dtheaders", format: Opaque},
	{name: "dtdtracetaginfo", format: Opaque},
	{name: "x-ot-span-context", format: Opaque},
	{name: "x-honeycomb-trace", format: Opaque},
	{name: "sw3", format: Opaque},
	{name: "sw6", format: Opaque},
	{name: "pinpoint-", format: Opaque, prefix: true},
	{name: "eagleeye-", format: Opaque, prefix: true},
	{name: "x-tingyun", format: Opaque},
	{name: "cloudwiserequestinfo", format: Opaque},
	{name: "new_rpc_trace_context", format: Opaque},
	{name: "singularityheader", format: Opaque},
}
