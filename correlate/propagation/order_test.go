package propagation_test

import (
	"testing"

	"weft/correlate/propagation"
)

// TestOrder has two faults at a time: the one that comes first in the order of evaluation leads.
func TestOrder(t *testing.T) {
	testRules(t, propagation.Options{}, []rule{
		{"excluded before unknown", `
			in a get=/healthz : traceparent: $W
			call x cut=1`, "x excluded health_check"},
		{"excluded before unlinked", `
			call x to=collector:4318 post=/v1/traces`, "x excluded telemetry_export"},
		{"the first rule that applies excludes", `
			in a get=/healthz : traceparent: $W
			call x to=collector:4318 post=/v1/traces`, "x excluded telemetry_export"},
		{"unlinked before unknown", `
			call x cut=1`, "x unlinked"},
		{"unknown before no context", `
			in a cut=1
			call x : traceparent: $W`, "x unknown"},
		{"no context before malformed", `
			in a
			call x : traceparent: 00-`, "x no_context"},
		{"duplicated before malformed", `
			in a : traceparent: $W
			call x : b3: garbage | traceparent: 00-$T-$Q-01 | traceparent: 00-$T-$R-01`, "x duplicated"},
		{"duplicated before formats that disagree", `
			in a : traceparent: $W
			call x : traceparent: 00-$T-$Q-01 | traceparent: 00-$T-$R-01 | b3: $T-$Q-1 | sentry-trace: $U-$Q`, "x duplicated"},
		{"malformed before restarted", `
			in a : traceparent: $W
			call x : traceparent: 00-$T-$Q | b3: $U-$Q-1`, "x malformed"},
		{"formats that disagree before propagated", `
			in a : traceparent: $W
			call x : traceparent: 00-$T-$Q-00 | b3: $V-$Q-1`, "x formats_disagree"},
		{"restarted before formats that disagree: neither is the trace that came in", `
			in a : traceparent: $W
			call x : traceparent: 00-$U-$Q-01 | b3: $V-$Q-1`, "x restarted"},
		{"leaked before refused", `
			in b : traceparent: 00-$U-$R-01
			reply b
			in a : traceparent: 00-$T-$P-05
			call x : traceparent: 00-$U-$Q-01`, "x leaked"},
		{"refused before restarted", `
			in a : traceparent: 01-$T-$P-01
			call x : traceparent: 00-$U-$Q-01`, "x refused_valid"},
		{"truncated before propagated, and nothing is compared", `
			in a : traceparent: $W | tracestate: a=1
			call x : traceparent: 00-0000000000000000$L-$Q-00`, "x truncated"},
		{"stale with what else is wrong beside it", `
			call e to=collector:4318 post=/v1/traces
			in a : traceparent: 00-$T-$P-03 | tracestate: a=1 | baggage: b=1
			call x : traceparent: 00-$T-$P-00`, `
			e excluded telemetry_export
			x stale +sampled_flipped +random_lost +tracestate_lost +baggage_lost`},
		{"notes in their order", `
			in a : traceparent: 00-$T-$P-03 | tracestate: a=1 | baggage: b=1
			call x to=one:80 : traceparent: 00-$T-$Q-00
			call y to=two:80 : traceparent: 00-$T-$Q-00`, `
			x propagated +sampled_flipped +random_lost +tracestate_lost +baggage_lost
			y propagated +shared_parent +sampled_flipped +random_lost +tracestate_lost +baggage_lost`},
	})
}
