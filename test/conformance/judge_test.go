package conformance

import (
	"slices"
	"strings"
	"testing"

	"weft/correlate/propagation"
)

const child = "00-" + id + "-1122334455667788-"

func requestNamed(t *testing.T, name, variant string) Request {
	t.Helper()
	for _, c := range Cases() {
		for _, r := range c.Requests {
			if c.Name == name && r.Variant == variant {
				return r
			}
		}
	}
	t.Fatalf("no case %s (%s)", name, variant)
	return Request{}
}

// TestJudge judges what services could send on, line by line.
func TestJudge(t *testing.T) {
	const fresh = "Traceparent: 00-0af7651916cd43dd8448eb211c80319c-1122334455667788-01"
	tests := []struct {
		name, variant string
		heads         []string // vertical bars separate fields
		want          []Outcome
	}{
		{"traceparent_included_tracestate_missing", "", []string{"traceparent: " + child + "01"}, nil},
		{"traceparent_included_tracestate_missing", "", []string{fresh}, []Outcome{Restarted}},
		{"traceparent_included_tracestate_missing", "", []string{"host: a"}, []Outcome{Dropped}},
		{"traceparent_included_tracestate_missing", "", []string{valid}, []Outcome{Forwarded}},
		{"traceparent_included_tracestate_missing", "", []string{"traceparent: " + strings.ToUpper(child) + "01"}, []Outcome{Malformed}},
		{"traceparent_included_tracestate_missing", "", []string{fresh + "|" + fresh}, []Outcome{Malformed}},
		{"traceparent_duplicated", "", []string{fresh}, nil},
		{"traceparent_duplicated", "", []string{"traceparent: 00-" + id2 + "-1122334455667788-01"}, []Outcome{Continued}},
		{"traceparent_trace_id_too_short", "", []string{"traceparent: 00-0" + id[:31] + "-1122334455667788-01"}, []Outcome{Continued}},
		{"traceparent_random_flag", "", []string{"traceparent: " + child + "03"}, nil},
		{"traceparent_random_flag", "", []string{"traceparent: " + child + "00"}, []Outcome{RandomLost}},
		{"multiple_requests_with_valid_traceparent", "", []string{"traceparent: " + child + "01", "traceparent: " + child + "01"}, []Outcome{Shared}},
		{"tracestate_included_traceparent_missing", "one member", []string{fresh}, nil},
		{"tracestate_included_traceparent_missing", "one member", []string{fresh + "|tracestate: foo=1"}, []Outcome{StateKept}},
		{"tracestate_included_traceparent_included", "two members", []string{"traceparent: " + child + "01|tracestate: dd=s:1,foo=1, bar=2"}, nil},
		{"tracestate_included_traceparent_included", "two members", []string{"traceparent: " + child + "01|tracestate: foo=1|tracestate: bar=2"}, nil},
		{"tracestate_included_traceparent_included", "two members", []string{"traceparent: " + child + "01|tracestate: bar=2,foo=1"}, []Outcome{StatePart}},
		{"tracestate_included_traceparent_included", "two members", []string{"traceparent: " + child + "01|tracestate: dd=s:1"}, []Outcome{StateLost}},
		{"tracestate_included_traceparent_included", "two members", []string{fresh}, []Outcome{Restarted}},
		{"tracestate_duplicated_keys", "different", []string{"traceparent: " + child + "01|tracestate: foo=2"}, nil},
		{"tracestate_value_illegal_characters", "empty", []string{"traceparent: " + child + "01|tracestate: bar=3"}, []Outcome{StateMended}},
		{"tracestate_member_count_limit", "32", []string{"traceparent: " + child + "01|tracestate: dd=s:1," + numbered(31)}, nil},
		{"tracestate_member_count_limit", "32", []string{"traceparent: " + child + "01|tracestate: " + numbered(31)}, []Outcome{StatePart}},
	}
	for _, test := range tests {
		x := Exchange{Request: requestNamed(t, test.name, test.variant)}
		for _, fields := range test.heads {
			x.Heads = append(x.Heads, ReadHead("GET / HTTP/1.1\r\n"+strings.ReplaceAll(fields, "|", "\r\n")+"\r\n"))
		}
		if got := x.Judge(len(x.Heads) - 1); !slices.Equal(got, test.want) {
			t.Errorf("%s (%s): %q is judged %q, not %q", test.name, test.variant, test.heads, got, test.want)
		}
	}
}

func TestAgree(t *testing.T) {
	tests := []struct {
		verdict Verdict
		want    Want
		found   []Outcome
		agrees  bool
	}{
		{Verdict{"propagated", nil}, same, nil, true},
		{Verdict{}, anew, nil, true},
		{Verdict{}, same, nil, false},
		{Verdict{"propagated", nil}, anew, nil, false},
		{Verdict{"restarted", nil}, anew, nil, false},
		{Verdict{"propagated", []string{"tracestate_lost"}}, same, nil, false},
		{Verdict{"restarted", nil}, same, []Outcome{Restarted}, true},
		{Verdict{"refused_valid", nil}, same, []Outcome{Restarted}, true},
		{Verdict{"propagated", nil}, same, []Outcome{Restarted}, false},
		{Verdict{}, anew, []Outcome{Continued}, false},
		{Verdict{"accepted_invalid", nil}, anew, []Outcome{Continued}, true},
		{Verdict{"propagated", nil}, same, []Outcome{StateLost}, false},
		{Verdict{"propagated", []string{"tracestate_lost"}}, same, []Outcome{StatePart}, true},
		{Verdict{"propagated", []string{"tracestate_lost", "random_lost"}}, same, []Outcome{RandomLost, StatePart}, true},
		{Verdict{"propagated", []string{"tracestate_lost", "random_lost"}}, same, []Outcome{StatePart}, false},
	}
	for _, test := range tests {
		if err := test.verdict.Agree(test.want, test.found); (err == nil) != test.agrees {
			t.Errorf("%q of %q, where %q is wanted: %v", test.verdict, test.found, test.want, err)
		}
	}
}

// TestEveryDeviationHasAVerdict: weft has the verdicts that are wanted of it, and all but that of a proxy are notes or faults.
func TestEveryDeviationHasAVerdict(t *testing.T) {
	severity := map[string]propagation.Severity{}
	for v := range propagation.Verdicts {
		severity[v.String()] = v.Severity()
	}
	var names []string
	for _, of := range leads {
		names = append(names, of...)
	}
	for _, of := range notes {
		names = append(names, of)
	}
	for _, name := range names {
		if s, known := severity[name]; !known || s == propagation.Fine && name != "passed_through" {
			t.Errorf("%s is known to weft: %v, as %v", name, known, s)
		}
	}
}
