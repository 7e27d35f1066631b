package propagation_test

import (
	"strings"
	"testing"

	"weft/correlate/propagation"
)

// TestTraps has what looks like a fault and is none, or like another one.
func TestTraps(t *testing.T) {
	testRules(t, propagation.Options{}, []rule{
		{"F1: after the reply, by a thread", `
			in a : traceparent: $W
			reply a
			call x`, "x unlinked"},
		{"F1: dropped although unsampled: the specification has it go on", `
			in a : traceparent: 00-$T-$P-00
			call x`, "x dropped"},
		{"F1: B3 denied, and nothing goes on: B3 allows to send the decision alone, not nothing", `
			in a : b3: $T-$P-0
			call x`, "x dropped"},
		{"F1: a decision alone came in", `
			in a : b3: 0
			call x`, "x no_context"},
		{"F1: only the decision goes on", `
			in a : b3: $T-$P-0
			call x : b3: 0`, "x dropped"},
		{"F1: only tracestate goes on", `
			in a : traceparent: $W | tracestate: a=1
			call x : tracestate: a=1`, "x dropped"},
		{"F1: only baggage goes on", `
			in a : traceparent: $W | baggage: a=1
			call x : baggage: a=1`, "x dropped"},
		{"F1: only a request id goes on", `
			in a : traceparent: $W | x-request-id: 7
			call x : x-request-id: 7`, "x dropped"},
		{"F1: only a request id came in", `
			in a : x-request-id: 7
			call x : x-request-id: 7`, "x no_context"},
		{"F1: carried under a name that the user gave", `
			in a : traceparent: $W
			call x : X-Own-Trace: a-$T`, "x propagated +format_switched"},
		{"F1: something goes on under a name that the user gave", `
			in a : traceparent: $W
			call x : X-Own-Trace: 4711`, "x unknown"},
		{"F1: something goes on that only its maker reads", `
			in a : traceparent: $W
			call x : x-dynatrace: FW4;1;2`, "x unknown"},
		{"F1: only what the user named came in, and is lost", `
			in a : X-Own-Trace: 4711
			call x`, "x dropped"},
		{"F1: only what the user named came in, and goes on", `
			in a : X-Own-Trace: 4711
			call x : x-own-trace: 4711`, "x passed_through"},
		{"F1: only what the user named came in, and another one goes on", `
			in a : X-Own-Trace: 4711
			call x : x-own-trace: 4712`, "x restarted"},
		{"F1: the field of a load balancer goes on, the trace does not", `
			in a : traceparent: $W | X-Amzn-Trace-Id: Root=1-67891233-abcdef012345678912345678
			call x : X-Amzn-Trace-Id: Root=1-67891233-abcdef012345678912345678`, "x dropped"},
		{"F1: the field of a load balancer is all that came", `
			in a : X-Amzn-Trace-Id: Root=1-67891233-abcdef012345678912345678
			call x : X-Amzn-Trace-Id: Root=1-67891233-abcdef012345678912345678`, "x passed_through"},
		{"F2: what came in was invalid, so a new trace is right", `
			in a : traceparent: 00-$T-0000000000000000-01
			call x : traceparent: 00-$U-$Q-01`, "x no_context"},
		{"F3: unchanged, by a service that makes no spans", `
			in a : traceparent: $W | tracestate: a=1
			call x : traceparent: $W | tracestate: a=1`, "x passed_through"},
		{"F3: unchanged and unsampled, by a service that makes spans", `
			call e to=collector:4318 post=/v1/traces
			in a : traceparent: 00-$T-$P-00
			call x : traceparent: 00-$T-$P-00`, `
			e excluded telemetry_export
			x passed_through`},
		{"F3: its own parent id, by a service that makes spans", `
			call e to=zipkin:9411 post=/api/v2/spans
			in a : traceparent: $W
			call x : traceparent: 00-$T-$Q-01`, `
			e excluded telemetry_export
			x propagated`},
		{"F3: another service makes spans", `
			call e at=other to=collector:4318 post=/v1/traces
			in a : traceparent: $W
			call x : traceparent: $W`, `
			e excluded telemetry_export
			x passed_through`},
		{"F3: nothing to be stale: a root without a parent, by a service that makes spans", `
			call e to=collector:4318 post=/v1/traces
			in a : X-Amzn-Trace-Id: Root=1-67891233-abcdef012345678912345678
			call x : X-Amzn-Trace-Id: Root=1-67891233-abcdef012345678912345678`, `
			e excluded telemetry_export
			x passed_through`},
		{"F4: garbage that came in like that is relayed", `
			in a : traceparent: garbage
			call x : traceparent: garbage`, "x no_context"},
		{"F4: garbage beside a valid carrier is relayed", `
			in a : traceparent: $W | b3: garbage
			call x : traceparent: 00-$T-$Q-01 | b3: garbage`, "x propagated"},
		{"F4: garbage that the service adds beside a valid carrier breaks nothing", `
			in a : traceparent: $W
			call x : traceparent: 00-$T-$Q-01 | b3: garbage`, "x propagated"},
		{"F4: ids in upper case", `
			in a : traceparent: $W
			call x : traceparent: 00-4BF92F3577B34DA6A3CE929D0E0E4736-$Q-01`, "x malformed"},
		{"F4: empty", `
			in a : traceparent: $W
			call x : traceparent:`, "x malformed"},
		{"F4: spaces put in where a line was folded", `
			in a : traceparent: $W
			call x : traceparent: 00-$T- $Q-01`, "x malformed"},
		{"F5: a format with room for 64 bits", `
			in a : traceparent: $W
			call x : ot-tracer-traceid: $L | ot-tracer-spanid: $Q | ot-tracer-sampled: true`, "x propagated +format_switched +width_lost"},
		{"F5: 64 bits came in, and are padded", `
			in a : b3: $L-$P-1
			call x : b3: 0000000000000000$L-$Q-1`, "x propagated"},
		{"F6: two fields that came in like that are relayed", `
			in a : traceparent: $W | traceparent: 00-$U-$R-01
			call x : traceparent: $W | traceparent: 00-$U-$R-01`, "x no_context"},
		{"F6: a proxy adds its own to the one that came", `
			in a : traceparent: $W
			call x : traceparent: $W | traceparent: $W`, "x duplicated"},
		{"F6: two fields joined by a comma", `
			in a : traceparent: $W
			call x : traceparent: 00-$T-$Q-01, 00-$U-$R-01`, "x duplicated"},
		{"F7: turned off without a new parent id", `
			in a : traceparent: $W
			call x : traceparent: 00-$T-$P-00`, "x passed_through +sampled_flipped"},
		{"F7: turned on without a new parent id", `
			in a : traceparent: 00-$T-$P-00
			call x : traceparent: 00-$T-$P-01`, "x passed_through +sampled_flipped"},
		{"F7: turned on, with a new parent id: allowed, and costs", `
			in a : traceparent: 00-$T-$P-00
			call x : traceparent: 00-$T-$Q-01`, "x propagated +sampled_raised"},
		{"F7: left open, and then decided", `
			in a : b3: $T-$P
			call x : b3: $T-$Q-0`, "x propagated"},
		{"F7: debug becomes sampled", `
			in a : b3: $T-$P-d
			call x : b3: $T-$Q-1`, "x propagated"},
		{"F8: the flag is new", `
			in a : traceparent: $W
			call x : traceparent: 00-$T-$Q-03`, "x propagated"},
		{"F9: its own member is put first", `
			in a : traceparent: $W | tracestate: a=1,b=2
			call x : traceparent: 00-$T-$Q-01 | tracestate: own=7,a=1,b=2`, "x propagated"},
		{"F9: its own member is changed and moved to the front", `
			in a : traceparent: $W | tracestate: a=1,own=2
			call x : traceparent: 00-$T-$Q-01 | tracestate: own=7,a=1`, "x propagated"},
		{"F9: in another order", `
			in a : traceparent: $W | tracestate: a=1,b=2,c=3
			call x : traceparent: 00-$T-$Q-01 | tracestate: c=3,b=2,a=1`, "x propagated +tracestate_lost"},
		{"F9: several fields become one", `
			in a : traceparent: $W | tracestate: a=1 | tracestate: b=2
			call x : traceparent: 00-$T-$Q-01 | tracestate: a=1,b=2`, "x propagated"},
		{"F9: empty members go", `
			in a : traceparent: $W | tracestate: a=1, ,b=2,
			call x : traceparent: 00-$T-$Q-01 | tracestate: a=1,b=2`, "x propagated"},
		{"F9: an invalid list is dropped", `
			in a : traceparent: $W | tracestate: A=1,b=2
			call x : traceparent: 00-$T-$Q-01`, "x propagated"},
		{"F9: changed beside an unchanged traceparent", `
			in a : traceparent: $W | tracestate: a=1
			call x : traceparent: $W | tracestate: own=7,a=1`, "x passed_through +tracestate_lost"},
		{"F9: a list too long for what has to be passed on is cut by whole members", `
			in a : traceparent: $W | tracestate: a=` + strings.Repeat("x", 250) + `,b=` + strings.Repeat("y", 250) + `,c=` + strings.Repeat("z", 100) + `
			call x : traceparent: 00-$T-$Q-01 | tracestate: a=` + strings.Repeat("x", 250) + `,b=` + strings.Repeat("y", 250), "x propagated"},
		{"F9: a member cut in its middle", `
			in a : traceparent: $W | tracestate: a=12345,b=67890
			call x : traceparent: 00-$T-$Q-01 | tracestate: a=12345,b=67`, "x propagated +tracestate_lost"},
		{"F10: spelled in another way", `
			in a : traceparent: $W | baggage: user=%C3%A4, tier=gold;p=1
			call x : traceparent: 00-$T-$Q-01 | baggage: tier=gold,user=%c3%a4`, "x propagated"},
		{"F10: more is added", `
			in a : traceparent: $W | baggage: user=alice
			call x : traceparent: 00-$T-$Q-01 | baggage: user=alice,more=1`, "x propagated"},
		{"F10: a value is corrupted", `
			in a : traceparent: $W | baggage: x=%E4%B8%AD
			call x : traceparent: 00-$T-$Q-01 | baggage: x=%25E4%B8%AD`, "x propagated +baggage_lost"},
		{"F11: another format beside the same", `
			in a : traceparent: $W
			call x : traceparent: 00-$T-$Q-01 | b3: $T-$Q-1`, "x propagated"},
		{"F11: another format and another trace", `
			in a : traceparent: $W
			call x : b3: $U-$Q-1`, "x restarted +format_switched"},
		{"F14: two calls without a parent id", `
			in a : traceparent: $W
			call x to=one:80 : X-Cloud-Trace-Context: $T
			call y to=two:80 : X-Cloud-Trace-Context: $T`, `
			x propagated +format_switched
			y propagated +format_switched`},
		{"F14: a retry with the same carrier", `
			in a : traceparent: $W
			call x get=/same status=503 : traceparent: 00-$T-$Q-01
			call y get=/same : traceparent: 00-$T-$Q-01`, `
			x propagated
			y propagated`},
		{"F14: passed through twice", `
			in a : traceparent: $W
			call x : traceparent: $W
			call y : traceparent: $W`, `
			x passed_through
			y passed_through`},
		{"F15: a trace that calls the service several times", `
			in b : traceparent: 00-$T-$R-01
			reply b
			in a : traceparent: $W
			call x : traceparent: 00-$T-$Q-01`, "x propagated"},
		{"F15: a trace that another service has seen is a new one here", `
			in b at=other : traceparent: 00-$U-$R-01
			reply b
			in a : traceparent: $W
			call x : traceparent: 00-$U-$Q-01`, "x restarted"},
		{"F17: X-Ray's id is one of its own", `
			in a : traceparent: $W
			call x : traceparent: 00-$T-$Q-01 | X-Amzn-Trace-Id: Root=1-67891233-abcdef012345678912345678`, "x propagated"},
		{"F17: the disagreement came in", `
			in a : traceparent: $W | b3: $U-$R-1
			call x : traceparent: 00-$T-$Q-01 | b3: $U-$R-1`, "x propagated"},
		{"F17: a request id names no trace", `
			in a : traceparent: $W
			call x : traceparent: 00-$T-$Q-01 | x-request-id: 67891233-abcd-4f01-a345-678912345678`, "x propagated"},
		{"F17: one format has half of the id of the other", `
			in a : traceparent: $W
			call x : traceparent: 00-$T-$Q-01 | x-datadog-trace-id: $t | x-datadog-parent-id: 170`, "x propagated"},
		{"F19: the Connection field names it, and the service passes it on", `
			in a : Connection: close, traceparent | traceparent: $W
			call x : traceparent: $W`, "x passed_through"},
		{"unknown: what came in was cut", `
			in a cut=1
			call x`, "x unknown"},
		{"unknown: what came in was cut behind its carrier, so it is known", `
			in a cut=1 : traceparent: $W
			call x`, "x dropped"},
		{"unknown: the call was cut behind its carrier, so it is known", `
			in a : traceparent: $W
			call x cut=1 : traceparent: 00-$T-$Q-01`, "x propagated"},
		{"unknown: the call was cut behind tracestate", `
			in a : traceparent: $W | tracestate: a=1
			call x cut=1 : traceparent: 00-$T-$Q-01`, "x propagated"},
		{"unknown: the call was cut behind a decision", `
			in a : b3: $T-$P-1
			call x cut=1 : b3: 1`, "x unknown"},
		{"unknown: the call was cut, and another format came before", `
			in a : traceparent: $W
			call x cut=1 : b3: $U-$Q-1`, "x unknown"},
	})
}
