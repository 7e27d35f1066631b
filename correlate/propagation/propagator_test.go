package propagation_test

import (
	"testing"

	"weft/correlate/propagation"
)

// TestPropagators has what the propagators in use make of unusual carriers, and how they disagree about formats.
func TestPropagators(t *testing.T) {
	const datadog = " | x-datadog-parent-id: 170 | x-datadog-sampling-priority: 1"
	testRules(t, propagation.Options{}, []rule{
		{"ids in upper case, refused: a new trace is right", `
			in a : traceparent: 00-4BF92F3577B34DA6A3CE929D0E0E4736-$P-01
			call x : traceparent: 00-$U-$Q-01`, "x no_context"},
		{"ids in upper case, made lower and continued", `
			in a : traceparent: 00-4BF92F3577B34DA6A3CE929D0E0E4736-$P-01
			call x : traceparent: 00-$T-$Q-01`, "x accepted_invalid"},
		{"ids in upper case, passed on", `
			in a : traceparent: 00-4BF92F3577B34DA6A3CE929D0E0E4736-$P-01
			call x : traceparent: 00-4BF92F3577B34DA6A3CE929D0E0E4736-$P-01`, "x no_context"},
		{"flags 04, refused", `
			in a : traceparent: 00-$T-$P-04
			call x : traceparent: 00-$U-$Q-01`, "x refused_valid"},
		{"flags 04, continued", `
			in a : traceparent: 00-$T-$P-04
			call x : traceparent: 00-$T-$Q-00`, "x propagated"},
		{"flags ff, continued", `
			in a : traceparent: 00-$T-$P-ff
			call x : traceparent: 00-$T-$Q-03`, "x propagated"},
		{"flags ff, refused", `
			in a : traceparent: 00-$T-$P-ff
			call x : traceparent: 00-$U-$Q-01`, "x refused_valid"},
		{"flags ff, passed on in a wrong form", `
			in a : traceparent: 00-$T-$P-ff
			call x : traceparent: 00-$T-$P-0ff`, "x malformed"},
		{"flags 02 lose the random one", `
			in a : traceparent: 00-$T-$P-02
			call x : traceparent: 00-$T-$Q-00`, "x propagated +random_lost"},
		{"flags 02 keep the random one and are sampled anew", `
			in a : traceparent: 00-$T-$P-02
			call x : traceparent: 00-$T-$Q-03`, "x propagated +sampled_raised"},
		{"a hyphen behind version 00, continued", `
			in a : traceparent: 00-$T-$P-01-
			call x : traceparent: 00-$T-$Q-01`, "x accepted_invalid"},
		{"a hyphen behind version 00, refused", `
			in a : traceparent: 00-$T-$P-01-
			call x : traceparent: 00-$U-$Q-01`, "x no_context"},
		{"version cc with more behind, continued by version 00", `
			in a : traceparent: cc-$T-$P-01-what-the-future-will-be-like
			call x : traceparent: 00-$T-$Q-01`, "x propagated"},
		{"version cc with more behind, refused", `
			in a : traceparent: cc-$T-$P-01-what-the-future-will-be-like
			call x : traceparent: 00-$U-$Q-01`, "x refused_valid"},
		{"twice the same, the first one continued", `
			in a : traceparent: $W | traceparent: $W
			call x : traceparent: 00-$T-$Q-01`, "x accepted_invalid"},
		{"two that differ, the first one continued", `
			in a : traceparent: $W | traceparent: 00-$U-$R-01
			call x : traceparent: 00-$T-$Q-01`, "x accepted_invalid"},
		{"two that differ, a new trace", `
			in a : traceparent: $W | traceparent: 00-$U-$R-01
			call x : traceparent: 00-$V-$Q-01`, "x no_context"},
		{"two joined by a comma, a new trace", `
			in a : traceparent: $W, 00-$U-$R-01
			call x : traceparent: 00-$V-$Q-01`, "x no_context"},
		{"two joined by a comma, the first one continued", `
			in a : traceparent: $W,00-$U-$R-01
			call x : traceparent: 00-$T-$Q-01`, "x accepted_invalid"},
		{"an invalid traceparent beside a valid b3, which goes on", `
			in a : traceparent: 00-$T-$P | b3: $U-$P-1
			call x : traceparent: 00-$U-$Q-01`, "x propagated +format_switched"},
		{"an invalid traceparent beside a valid b3, and all is lost", `
			in a : traceparent: 00-$T-$P | b3: $U-$P-1
			call x`, "x dropped"},
		{"blanks around the value", `
			in a : traceparent:  	$W 	
			call x : traceparent: 00-$T-$Q-01`, "x propagated"},
		{"the name in another case", `
			in a : TrAcEpArEnT: $W
			call x : Traceparent: 00-$T-$Q-01`, "x propagated"},
		{"a name with a delimiter is another field", `
			in a : trace-parent: $W
			call x`, "x no_context"},
		{"a name with an underscore is another field", `
			in a : traceparent: $W
			call x : trace_parent: $W`, "x dropped"},
		{"tracestate without traceparent is nothing", `
			in a : tracestate: a=1
			call x`, "x no_context"},
		{"tracestate: whole list dropped for an empty member", `
			in a : traceparent: $W | tracestate: a=1,,b=2
			call x : traceparent: 00-$T-$Q-01`, "x propagated +tracestate_lost"},
		{"tracestate: an empty member passed on", `
			in a : traceparent: $W | tracestate: a=1, ,b=2
			call x : traceparent: 00-$T-$Q-01 | tracestate: own=1,a=1,,b=2`, "x propagated"},
		{"tracestate: only the first field read", `
			in a : traceparent: $W | tracestate: a=1 | tracestate: b=2
			call x : traceparent: 00-$T-$Q-01 | tracestate: a=1`, "x propagated +tracestate_lost"},
		{"tracestate: a key that begins with a digit, of level 2", `
			in a : traceparent: $W | tracestate: 0a=1,b=2
			call x : traceparent: 00-$T-$Q-01 | tracestate: b=2`, "x propagated +tracestate_lost"},
		{"baggage: a semicolon encoded", `
			in a : traceparent: $W | baggage: user=alice,x=%E4%B8%AD;p=1
			call x : traceparent: 00-$T-$Q-01 | baggage: user=alice,x=%E4%B8%AD%3Bp%3D1`, "x propagated +baggage_lost"},

		{"b3: joined, client and server share one span id", `
			in a : X-B3-TraceId: $T | X-B3-SpanId: $P | X-B3-Sampled: 1
			call x : X-B3-TraceId: $T | X-B3-SpanId: $Q | X-B3-ParentSpanId: $P | X-B3-Sampled: 1`, "x propagated"},
		{"b3: several fields become one", `
			in a : X-B3-TraceId: $T | X-B3-SpanId: $P | X-B3-Sampled: 1
			call x : b3: $T-$Q-1`, "x propagated"},
		{"b3: 64 bits, padded in another format", `
			in a : b3: $L-$P-1
			call x : traceparent: 00-0000000000000000$L-$Q-01`, "x propagated +format_switched"},
		{"b3: half of a long id", `
			in a : b3: $T-$P-1
			call x : b3: $L-$Q-1`, "x propagated +width_lost"},
		{"b3: left open becomes denied", `
			in a : b3: $T-$P
			call x : b3: $T-$Q-0`, "x propagated"},
		{"b3: denied becomes left open", `
			in a : b3: $T-$P-0
			call x : b3: $T-$Q`, "x propagated"},
		{"b3: debug becomes denied", `
			in a : b3: $T-$P-d
			call x : b3: $T-$Q-0`, "x propagated +sampled_flipped"},
		{"b3: ids in upper case, passed on", `
			in a : X-B3-TraceId: 4BF92F3577B34DA6A3CE929D0E0E4736 | X-B3-SpanId: $P
			call x : X-B3-TraceId: 4BF92F3577B34DA6A3CE929D0E0E4736 | X-B3-SpanId: $P`, "x no_context"},
		{"b3: ids in upper case, lowered", `
			in a : X-B3-TraceId: 4BF92F3577B34DA6A3CE929D0E0E4736 | X-B3-SpanId: $P
			call x : X-B3-TraceId: $T | X-B3-SpanId: $Q`, "x accepted_invalid"},
		{"b3: an empty parent of the parent", `
			in a : b3: $T-$P-1
			call x : X-B3-TraceId: $T | X-B3-SpanId: $Q | X-B3-ParentSpanId: `, "x malformed"},
		{"b3: one digit short, padded and continued", `
			in a : b3: 3ce929d0e0e4736-$P-1
			call x : b3: 03ce929d0e0e4736-$Q-1`, "x accepted_invalid"},
		{"b3: 64 bits in upper case, lowered", `
			in a : X-B3-TraceId: A3CE929D0E0E4736 | X-B3-SpanId: $P
			call x : X-B3-TraceId: $L | X-B3-SpanId: $Q`, "x accepted_invalid"},

		{"jaeger: without leading zeros", `
			in a : uber-trace-id: 4bf92f3577b34da6a3ce929d0e0e4736:f067aa0ba902b7:0:1
			call x : uber-trace-id: $T:$Q:0:1`, "x propagated"},
		{"jaeger: encoded", `
			in a : uber-trace-id: $T%3A$P%3A0%3A1
			call x : uber-trace-id: $T:$Q:0:1`, "x propagated"},
		{"jaeger: sampled becomes debug, which is sampled too", `
			in a : uber-trace-id: $T:$P:0:1
			call x : uber-trace-id: $T:$Q:0:3`, "x propagated"},
		{"jaeger: dropped by a service that knows W3C only", `
			in a : uber-trace-id: $T:$P:0:1
			call x : traceparent: 00-$U-$Q-01`, "x restarted +format_switched"},
		{"jaeger: baggage in a field of its own", `
			in a : uber-trace-id: $T:$P:0:1 | uberctx-user: alice
			call x : uber-trace-id: $T:$Q:0:1 | uberctx-user: alice`, "x propagated"},
		{"jaeger: baggage in a field of its own, lost", `
			in a : uber-trace-id: $T:$P:0:1 | uberctx-user: alice
			call x : uber-trace-id: $T:$Q:0:1`, "x propagated +baggage_lost"},

		{"datadog: decimal, with the high half as a tag", `
			in a : x-datadog-trace-id: $t | x-datadog-parent-id: $p | x-datadog-tags: _dd.p.dm=-1,_dd.p.tid=$H
			call x : x-datadog-trace-id: $t` + datadog + ` | x-datadog-tags: _dd.p.tid=$H`, "x propagated"},
		{"datadog: continued as W3C", `
			in a : x-datadog-trace-id: $t | x-datadog-parent-id: $p | x-datadog-tags: _dd.p.tid=$H
			call x : traceparent: 00-$T-$Q-01`, "x propagated +format_switched"},
		{"datadog: continued without the high half", `
			in a : x-datadog-trace-id: $t | x-datadog-parent-id: $p | x-datadog-tags: _dd.p.tid=$H
			call x : x-datadog-trace-id: $t` + datadog, "x propagated +width_lost"},
		{"datadog: a high half that is none", `
			in a : x-datadog-trace-id: $t | x-datadog-parent-id: $p | x-datadog-tags: _dd.p.tid=$H
			call x : x-datadog-trace-id: $t` + datadog + ` | x-datadog-tags: _dd.p.tid=XYZ`, "x propagated +width_lost"},
		{"datadog: without the high half came in, and is no W3C id yet", `
			in a : x-datadog-trace-id: $t | x-datadog-parent-id: $p
			call x : x-datadog-trace-id: $t` + datadog + ` | traceparent: 00-0000000000000000$L-$Q-01`, "x propagated"},
		{"datadog: both formats, and they disagree", `
			in a : traceparent: $W | x-datadog-trace-id: $t | x-datadog-parent-id: $p | x-datadog-tags: _dd.p.tid=$H
			call x : traceparent: 00-$T-$Q-01 | x-datadog-trace-id: 4711` + datadog, "x formats_disagree"},
		{"datadog: hexadecimal where decimal has to be", `
			in a : x-datadog-trace-id: $t | x-datadog-parent-id: $p
			call x : x-datadog-trace-id: $L` + datadog, "x malformed"},
		{"datadog: without a parent, and continued", `
			in a : x-datadog-trace-id: $t
			call x : x-datadog-trace-id: $t` + datadog, "x accepted_invalid"},
		{"datadog: unchanged", `
			in a : x-datadog-trace-id: $t | x-datadog-parent-id: $p
			call x : x-datadog-trace-id: $t | x-datadog-parent-id: $p`, "x passed_through"},
		{"datadog: denied by its priority", `
			in a : x-datadog-trace-id: $t | x-datadog-parent-id: $p | x-datadog-sampling-priority: 1
			call x : x-datadog-trace-id: $t | x-datadog-parent-id: 170 | x-datadog-sampling-priority: -1`, "x propagated +sampled_flipped"},

		{"x-ray: only the root, as of a load balancer, continued", `
			in a : X-Amzn-Trace-Id: Root=1-4bf92f35-77b34da6a3ce929d0e0e4736
			call x : X-Amzn-Trace-Id: Root=1-4bf92f35-77b34da6a3ce929d0e0e4736;Parent=$Q;Sampled=1`, "x propagated"},
		{"x-ray: only the root, not read: a new trace", `
			in a : X-Amzn-Trace-Id: Root=1-4bf92f35-77b34da6a3ce929d0e0e4736
			call x : X-Amzn-Trace-Id: Root=1-67891233-abcdef012345678912345678;Parent=$Q;Sampled=1`, "x restarted"},
		{"x-ray: continued as W3C", `
			in a : X-Amzn-Trace-Id: Root=1-4bf92f35-77b34da6a3ce929d0e0e4736;Parent=$P;Sampled=1
			call x : traceparent: 00-$T-$Q-01`, "x propagated +format_switched"},
		{"x-ray: a root of another version, continued", `
			in a : X-Amzn-Trace-Id: Root=2-4bf92f35-77b34da6a3ce929d0e0e4736
			call x : traceparent: 00-$T-$Q-01`, "x accepted_invalid"},
		{"x-ray: without a root", `
			in a : X-Amzn-Trace-Id: Self=1-67891233-abcdef012345678912345678
			call x`, "x no_context"},
		{"google: the span is decimal", `
			in a : X-Cloud-Trace-Context: $T/$p;o=1
			call x : traceparent: 00-$T-$P-01`, "x propagated +format_switched"},
		{"google: unchanged", `
			in a : X-Cloud-Trace-Context: $T/$p;o=1
			call x : X-Cloud-Trace-Context: $T/$p;o=1`, "x passed_through"},
		{"google: a span in hexadecimal", `
			in a : X-Cloud-Trace-Context: $T/$p;o=1
			call x : X-Cloud-Trace-Context: $T/$P-x;o=1`, "x malformed"},
		{"opencensus in base64, continued as W3C", `
			in a : grpc-trace-bin: AABL+S81d7NNpqPOkp0ODkc2AQDwZ6oLqQK3AgE
			call x : traceparent: 00-$T-$Q-01`, "x propagated +format_switched"},
		{"sentry: left open, continued", `
			in a : sentry-trace: $T-$P
			call x : sentry-trace: $T-$Q-1`, "x propagated"},
		{"elastic: beside traceparent", `
			in a : traceparent: $W | elastic-apm-traceparent: $W
			call x : traceparent: 00-$T-$Q-01 | elastic-apm-traceparent: 00-$T-$Q-01`, "x propagated"},
		{"skywalking: continued in its text", `
			in a : sw8: 1-VFJBQ0VJRA==-U0VHTUVOVA==-3-U0VSVklDRQ==-SU5TVEFOQ0U=-RU5EUE9JTlQ=-UEVFUg==
			call x : sw8: 1-VFJBQ0VJRA==-T1RIRVI=-0-U0hPUA==-SU5TVEFOQ0U=-RU5EUE9JTlQ=-UEVFUg==`, "x propagated"},
		{"skywalking: another trace", `
			in a : sw8: 1-VFJBQ0VJRA==-U0VHTUVOVA==-3-U0VSVklDRQ==-SU5TVEFOQ0U=-RU5EUE9JTlQ=-UEVFUg==
			call x : sw8: 1-T1RIRVI=-T1RIRVI=-0-U0hPUA==-SU5TVEFOQ0U=-RU5EUE9JTlQ=-UEVFUg==`, "x restarted"},
		{"skywalking: lost", `
			in a : sw8: 1-VFJBQ0VJRA==-U0VHTUVOVA==-3-U0VSVklDRQ==-SU5TVEFOQ0U=-RU5EUE9JTlQ=-UEVFUg==
			call x`, "x dropped"},
		{"instana, continued", `
			in a : X-INSTANA-T: $T | X-INSTANA-S: $P | X-INSTANA-L: 1
			call x : X-INSTANA-T: $T | X-INSTANA-S: $Q | X-INSTANA-L: 1`, "x propagated"},
		{"opentracing, continued", `
			in a : ot-tracer-traceid: $L | ot-tracer-spanid: $P | ot-tracer-sampled: true
			call x : ot-tracer-traceid: $L | ot-tracer-spanid: $Q | ot-tracer-sampled: true`, "x propagated"},
	})
}
