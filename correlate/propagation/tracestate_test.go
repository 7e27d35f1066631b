package propagation

import (
	"slices"
	"strings"
	"testing"

	"weft/correlate/tracecontext"
)

// TestTracestate judges pairs of heads that differ in tracestate. A list that is not valid has to be discarded whole, but a
// proxy may pass on what it does not read.
func TestTracestate(t *testing.T) {
	const came = "traceparent: 00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
	const next = "traceparent: 00-4bf92f3577b34da6a3ce929d0e0e4736-53995c3f42cd8ad8-01"
	const other = "traceparent: 00-0af7651916cd43dd8448eb211c80319c-53995c3f42cd8ad8-01"
	tests := []struct {
		in, out string
		lead    Verdict
		notes   []string
	}{
		{came + "|tracestate: a=1,b=2", next + "|tracestate: own=x,a=1,b=2", Propagated, nil},
		{came + "|tracestate: a=1,b=2", next + "|tracestate: a=1", Propagated, []string{"tracestate_lost"}},
		{came + "|tracestate: A=1,b=2", next, Propagated, nil},
		{came + "|tracestate: A=1,b=2", next + "|tracestate: own=x", Propagated, nil},
		{came + "|tracestate: A=1,b=2", next + "|tracestate: A=1,b=2", Propagated, []string{"tracestate_accepted"}},
		{came + "|tracestate: A=1,b=2", next + "|tracestate: own=x,b=2", Propagated, []string{"tracestate_accepted"}},
		{came + "|tracestate: A=1,b=2", came + "|tracestate: A=1,b=2", PassedThrough, nil},
		{came + "|tracestate: A=1,b=2", other + "|tracestate: A=1,b=2", Restarted, nil},
		{came + "|tracestate: a=1,a=2", next + "|tracestate: a=2", Propagated, nil},
		{came + "|tracestate: a=1,a=2", next, Propagated, []string{"tracestate_lost"}},
	}
	for _, test := range tests {
		never := func(*tracecontext.Context) bool { return false }
		j, o := judge(stateFields(t, test.in), stateFields(t, test.out), surroundings{leaked: never})
		if got := j.notes.Strings(nil); o != judged || j.lead != test.lead || !slices.Equal(got, test.notes) {
			t.Errorf("%s\nbecomes %s\n%v with %v, not %v with %v", test.in, test.out, j.lead, got, test.lead, test.notes)
		}
	}
}

// stateFields reads the fields of a whole head, which vertical bars separate.
func stateFields(t *testing.T, fields string) *tracecontext.Set {
	t.Helper()
	reader, err := tracecontext.NewReader(nil)
	if err != nil {
		t.Fatal(err)
	}
	s := &tracecontext.Set{}
	for field := range strings.SplitSeq(fields, "|") {
		name, value, _ := strings.Cut(field, ":")
		reader.Field(s, []byte(name), []byte(value))
	}
	reader.Settle(s, true)
	return s
}
