package propagation

import (
	"math/rand/v2"
	"strings"
	"testing"

	"weft/correlate/tracecontext"
)

// pieces are fields of one trace, of another, and of none, with the same names.
var pieces = [...]string{
	"traceparent: 00-T-00f067aa0ba902b7-01", "traceparent: 00-T-00000000000000aa-01", "traceparent: 00-T-00f067aa0ba902b7-00",
	"traceparent: 00-T-00000000000000aa-03", "traceparent: 00-0000000000000000a3ce929d0e0e4736-00000000000000aa-01",
	"traceparent: 00-U-00000000000000aa-01", "traceparent: ff-T-00f067aa0ba902b7-01", "traceparent: 01-T-00f067aa0ba902b7-09", "traceparent: 00-",
	"tracestate: a=1,b=2", "tracestate: b=2,a=1", "tracestate: a=1", "tracestate: A=1", "baggage: a=1,b=2", "baggage: a=1",
	"b3: T-00f067aa0ba902b7-1", "b3: a3ce929d0e0e4736-00000000000000aa-1", "b3: U-00000000000000aa-0", "b3: 0", "b3: nothing",
	"x-datadog-trace-id: 11803532876627986230\r\nx-datadog-parent-id: 170", "x-datadog-trace-id: 7\r\nx-datadog-parent-id: 170",
	"uber-trace-id: T:f067aa0ba902b7:0:1", "uber-trace-id: U:aa:0:1", "x-amzn-trace-id: Root=1-4bf92f35-77b34da6a3ce929d0e0e4736",
	"x-amzn-trace-id: Root=1-67891233-abcdef012345678912345678;Parent=00000000000000aa", "x-cloud-trace-context: T/170;o=1",
	"sw8: 1-VFJBQ0VJRA==-U0VHTUVOVA==-3-U0VSVklDRQ==-SU5TVEFOQ0U=-RU5EUE9JTlQ=-UEVFUg==", "sentry-trace: T-00f067aa0ba902b7",
	"x-request-id: 7", "x-own-trace: 7", "x-own-trace: T", "x-dynatrace: FW4;1",
}

// TestOneVerdict judges pairs of random messages: one verdict leads, whatever is wrong at once, and what is certain from the
// fields alone is said.
func TestOneVerdict(t *testing.T) {
	r := rand.New(rand.NewPCG(7, 11))
	ids := strings.NewReplacer("T", "4bf92f3577b34da6a3ce929d0e0e4736", "U", "1111111111111111aaaaaaaaaaaaaaaa")
	message := func() (text string) {
		for range r.IntN(4) {
			name, value, _ := strings.Cut(pieces[r.IntN(len(pieces))], ":")
			text += name + ":" + value + "\r\n"
		}
		return text
	}
	spell := func(text string) []byte {
		for _, name := range []string{"traceparent: 0", "traceparent: f", "b3: ", "uber-trace-id: ", "x-cloud-trace-context: ", "sentry-trace: ", "x-own-trace: "} {
			for line := range strings.Lines(text) {
				if strings.HasPrefix(line, name) {
					text = strings.ReplaceAll(text, line, ids.Replace(line))
				}
			}
		}
		return []byte(strings.TrimSuffix(text, "\r\n"))
	}
	var leads [Verdicts]int
	var outcomes [noContext + 1]int
	for range 60_000 {
		in, out, cut := message(), message(), r.IntN(8) == 0
		from, _ := carriersOf(t, spell(in), false)
		to, whole := carriersOf(t, spell(out), cut)
		leak := r.IntN(2) == 0
		j, o := judge(from, to, surroundings{ownSpans: r.IntN(2) == 0, nominated: leak, leaked: func(*tracecontext.Context) bool { return leak }})
		holdVerdict(t, j, o)
		leads[j.lead]++
		outcomes[o]++
		id := identity(from)
		switch {
		case id != nil && whole && out == "" && j.lead != Dropped && j.lead != Stripped:
			t.Errorf("%q to nothing is %v", in, j.lead)
		case !whole && (j.lead == Dropped || j.lead == Stripped):
			t.Errorf("%q to the cut %q is %v", in, out, j.lead)
		case id == nil && o == judged && j.lead != Accepted:
			t.Errorf("%q has nothing to go on, and %q is %v", in, out, j.lead)
		case id != nil && o == noContext:
			t.Errorf("%q has a context, and for %q it has none", in, out)
		case id != nil && id.Format == tracecontext.W3C && goesOnIn(id, to) && (j.lead == Dropped || j.lead == Restarted || j.lead == Leaked || j.lead == Refused):
			t.Errorf("%q to %q is %v", in, out, j.lead)
		}
		if t.Failed() {
			return
		}
	}
	for v := range Verdicts {
		if seldom := v == Unjudged || notable&(1<<v) != 0; !seldom && leads[v] == 0 {
			t.Errorf("%v never led", v)
		}
	}
	if outcomes[unknown] == 0 || outcomes[noContext] == 0 {
		t.Errorf("outcomes %v", outcomes)
	}
}

// goesOnIn tells that a message has the trace of a carrier in the same format.
func goesOnIn(c *tracecontext.Carrier, s *tracecontext.Set) bool {
	to := s.Carrier(c.Format)
	return to != nil && to.State == tracecontext.Valid && to.Context.TraceID == c.Context.TraceID
}
