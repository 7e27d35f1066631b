package tracecontext

// Format is a way of carrying a trace context in the fields of a message.
type Format uint8

// The formats, in the order in which a message's carriers are told.
const (
	W3C         Format = iota // traceparent, tracestate
	Baggage                   // baggage; names no trace
	B3                        // b3, x-b3-*
	Jaeger                    // uber-trace-id, uberctx-*, jaeger-*
	Datadog                   // x-datadog-*
	XRay                      // x-amzn-trace-id
	GoogleCloud               // x-cloud-trace-context
	OpenCensus                // grpc-trace-bin
	SkyWalking                // sw8, sw8-*
	OpenTracing               // ot-tracer-*, ot-baggage-*
	Elastic                   // elastic-apm-traceparent
	NewRelic                  // newrelic
	Instana                   // x-instana-*
	Sentry                    // sentry-trace
	RequestID                 // request-id, x-request-id: requests that belong together, but no trace
	Opaque                    // known names whose values only their makers read
	Custom                    // names that the user gave
	Formats                   // how many there are
)

var formatNames = [Formats]string{
	W3C: "traceparent", Baggage: "baggage", B3: "b3", Jaeger: "uber-trace-id", Datadog: "x-datadog-trace-id",
	XRay: "x-amzn-trace-id", GoogleCloud: "x-cloud-trace-context", OpenCensus: "grpc-trace-bin", SkyWalking: "sw8",
	OpenTracing: "ot-tracer-traceid", Elastic: "elastic-apm-traceparent", NewRelic: "newrelic", Instana: "x-instana-t",
	Sentry: "sentry-trace", RequestID: "x-request-id", Opaque: "opaque", Custom: "custom",
}

// String gives the name by which a user knows the format: that of its main field, in lower case.
func (f Format) String() string { return formatNames[f] }

// Decision says what the sender wants of the recording of the trace.
type Decision uint8

// The decisions.
const (
	Deferred Decision = iota // the receiver is to decide
	Denied
	Accepted
	Debug // accepted, past every sampler
)

var decisionNames = [...]string{"deferred", "denied", "accepted", "debug"}

// String gives a lower-case word.
func (d Decision) String() string { return decisionNames[d] }

// decide turns a flag of two states into a decision.
func decide(sampled bool) Decision {
	if sampled {
		return Accepted
	}
	return Denied
}

// Context is what a carrier says, in one form for all formats.
type Context struct {
	TraceID  [16]byte // zero: it names no trace, only a decision
	ParentID [8]byte  // zero: it names no parent
	Width    uint8    // bits of the trace id: 128, 64 (the left half is zero), or 0: TraceID is the hash of a text
	Decision Decision
	Flags    byte // of W3C
	Version  byte // of W3C, as received; above 0 the rest was read by the rules of version 0
}

// Carrier is what one format says in one message.
type Carrier struct {
	Format   Format
	State    State // Unknown: too long to be kept, or a part of it may be behind the cut of the head
	Rule     Rule  // of an invalid one: what it breaks; of a valid one: what had to be ignored in it
	Fields   int   // values of its main field: fields, and values that a proxy has joined by commas
	Conflict bool  // one of its fields came several times with different values
	Context  Context
}

// SameTrace tells whether two contexts name one trace. They do when all 128 bits are equal; or, which is narrow, when the low
// 64 bits are and one of the two has no more. Ids that are texts are only like other texts.
func SameTrace(a, b Context) (same, narrow bool) {
	switch {
	case a.TraceID == [16]byte{} || b.TraceID == [16]byte{} || (a.Width == 0) != (b.Width == 0):
		return false, false
	case a.TraceID == b.TraceID:
		return true, false
	case a.Width == 0 || !a.isShort() && !b.isShort():
		return false, false
	}
	same = [8]byte(a.TraceID[8:]) == [8]byte(b.TraceID[8:])
	return same, same
}

// isShort tells that no more than 64 bits of the trace id are set.
func (c *Context) isShort() bool { return c.Width == 64 || [8]byte(c.TraceID[:8]) == [8]byte{} }
