package propagation_test

import (
	"slices"
	"strings"
	"testing"

	"weft/correlate/propagation"
)

// rule is a script and what is said of each call, in the order in which calls end.
type rule struct{ name, script, want string }

func lines(text string) (out []string) {
	for line := range strings.Lines(text) {
		if line = strings.TrimSpace(line); line != "" {
			out = append(out, line)
		}
	}
	return out
}

func testRules(t *testing.T, o propagation.Options, rules []rule) {
	t.Helper()
	for _, test := range rules {
		t.Run(test.name, func(t *testing.T) {
			n := newNode(t, o)
			n.play(test.script)
			got, _ := n.end()
			if want := lines(test.want); !slices.Equal(got, want) {
				t.Errorf("%s\ngot  %s\nwant %s", test.script, strings.Join(got, "\n     "), strings.Join(want, "\n     "))
			}
		})
	}
}

// TestFaults has each fault of the taxonomy once, from the bytes of both heads.
func TestFaults(t *testing.T) {
	testRules(t, propagation.Options{}, []rule{
		{"no fault", `
			in a : traceparent: $W
			call x : traceparent: 00-$T-$Q-01`, "x propagated"},
		{"F1 dropped", `
			in a : traceparent: $W
			call x`, "x dropped"},
		{"F2 restarted", `
			in a : traceparent: $W
			call x : traceparent: 00-$U-$Q-01`, "x restarted"},
		{"F3 stale: unchanged, by a service with spans of its own", `
			call e to=collector:4318 post=/v1/traces
			in a : traceparent: $W
			call x : traceparent: $W`, `
			e excluded telemetry_export
			x stale`},
		{"F4 malformed", `
			in a : traceparent: $W
			call x : traceparent: 00-$T-$Q`, "x malformed"},
		{"F5 truncated: half of the id in a format that has room for all", `
			in a : traceparent: $W
			call x : traceparent: 00-0000000000000000$L-$Q-01`, "x truncated"},
		{"F6 duplicated", `
			in a : traceparent: $W
			call x : traceparent: 00-$T-$Q-01 | traceparent: 00-$U-$R-01`, "x duplicated"},
		{"F7 flag turned off", `
			in a : traceparent: $W
			call x : traceparent: 00-$T-$Q-00`, "x propagated +sampled_flipped"},
		{"F8 random flag lost", `
			in a : traceparent: 00-$T-$P-03
			call x : traceparent: 00-$T-$Q-01`, "x propagated +random_lost"},
		{"F9 tracestate lost", `
			in a : traceparent: $W | tracestate: a=1,b=2
			call x : traceparent: 00-$T-$Q-01 | tracestate: b=2`, "x propagated +tracestate_lost"},
		{"F10 baggage lost", `
			in a : traceparent: $W | baggage: user=alice,tier=gold
			call x : traceparent: 00-$T-$Q-01 | baggage: user=alice`, "x propagated +baggage_lost"},
		{"F11 another format, the same trace", `
			in a : traceparent: $W
			call x : b3: $T-$Q-1`, "x propagated +format_switched"},
		{"F14 two calls with one parent id", `
			in a : traceparent: $W
			call x to=one:80 : traceparent: 00-$T-$Q-01
			call y to=two:80 : traceparent: 00-$T-$Q-01`, `
			x propagated
			y propagated +shared_parent`},
		{"F15 the context of another request", `
			in b : traceparent: 00-$U-$R-01
			reply b
			in a : traceparent: $W
			call x : traceparent: 00-$U-$Q-01`, "x leaked"},
		{"F16 what had to be refused goes on", `
			in a : traceparent: ff-$T-$P-01
			call x : traceparent: 00-$T-$Q-01`, "x accepted_invalid"},
		{"F16 what is valid but unusual was refused", `
			in a : traceparent: 00-$T-$P-05
			call x : traceparent: 00-$U-$Q-01`, "x refused_valid"},
		{"F16 a tracestate that had to be discarded goes on", `
			in a : traceparent: $W | tracestate: A=1,b=2
			call x : traceparent: 00-$T-$Q-01 | tracestate: A=1,b=2`, "x propagated +tracestate_accepted"},
		{"F17 two carriers of one message name two traces", `
			in a : traceparent: $W
			call x : traceparent: 00-$T-$Q-01 | b3: $U-$R-1`, "x formats_disagree"},
		{"F18 nothing came in", `
			in a
			call x
			call y : traceparent: 00-$U-$Q-01`, `
			x no_context
			y no_context`},
		{"F19 the Connection field names it, and the service takes it off", `
			in a : Connection: close, traceparent | traceparent: $W
			call x`, "x stripped"},
		{"unknown: the head was cut before a carrier could come", `
			in a : traceparent: $W
			call x cut=1`, "x unknown"},
		{"unlinked: nothing says whose it is", `
			call x`, "x unlinked"},
	})
}
