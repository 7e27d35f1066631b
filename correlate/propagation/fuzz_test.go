package propagation

import (
	"bytes"
	"sync"
	"testing"

	"weft/correlate/proto"
	"weft/correlate/tracecontext"
)

var reader = sync.OnceValue(func() *tracecontext.Reader {
	r, err := tracecontext.NewReader([]string{"x-own-trace"})
	if err != nil {
		panic(err)
	}
	return r
})

// carriersOf reads the fields of a head, nil if it is no request. whole: all of its fields were read; one that is cut may be whole
// all the same.
func carriersOf(t *testing.T, fields []byte, cut bool) (s *tracecontext.Set, whole bool) {
	t.Helper()
	head := append([]byte("GET /a HTTP/1.1\r\nHost: a\r\n"), fields...)
	var m proto.Message
	var err error
	parser, n := proto.Protocols[0].Parser, 0
	if cut {
		n, err = len(head), parser.Cut(proto.FromClient, head, &m)
	} else {
		n, err = parser.Next(proto.FromClient, append(head, "\r\n\r\n"...), &m)
	}
	if err != nil || n == 0 {
		return nil, false
	}
	s, whole = &tracecontext.Set{}, !m.HeadCut && m.Dropped == 0
	for _, f := range m.Fields {
		reader().Field(s, f.Name, f.Value)
	}
	reader().Settle(s, whole)
	return s, whole
}

// FuzzJudge holds what is said of any two heads to what always has to be so.
func FuzzJudge(f *testing.F) {
	const (
		usual = "traceparent: 00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
		next  = "traceparent: 00-4bf92f3577b34da6a3ce929d0e0e4736-00000000000000aa-01"
		other = "traceparent: 00-1111111111111111aaaaaaaaaaaaaaaa-00000000000000aa-01"
		b3    = "b3: a3ce929d0e0e4736-00f067aa0ba902b7-1"
		dd    = "x-datadog-trace-id: 11803532876627986230\r\nx-datadog-parent-id: 67667974448284343"
		xray  = "x-amzn-trace-id: Root=1-4bf92f35-77b34da6a3ce929d0e0e4736"
	)
	for _, in := range []string{"", usual, usual + "\r\ntracestate: a=1,b=2\r\nbaggage: a=b", b3, dd, xray, "b3: 0", "x-own-trace: 1", "x-dynatrace: 1", usual + "\r\n" + usual} {
		for _, out := range []string{"", usual, next + "\r\ntracestate: b=2", other, b3, dd, xray, "traceparent: 00-4BF9", usual + "\r\n" + other, "x-own-trace: 1"} {
			f.Add([]byte(in), []byte(out), false, false, true, false)
			f.Add([]byte(in), []byte(out), true, true, false, true)
		}
	}
	f.Fuzz(func(t *testing.T, in, out []byte, inCut, outCut, own, leaks bool) {
		from, inWhole := carriersOf(t, in, inCut)
		to, outWhole := carriersOf(t, out, outCut)
		if from == nil || to == nil {
			return
		}
		s := surroundings{ownSpans: own, nominated: leaks, leaked: func(*tracecontext.Context) bool { return leaks }}
		j, o := judge(from, to, s)
		holdVerdict(t, j, o)
		if !outWhole && (j.lead == Dropped || j.lead == Stripped) {
			t.Errorf("the outgoing head was cut, and is %v", j.lead)
		}
		if again, same := judge(from, to, s); again.lead != j.lead || again.notes != j.notes || same != o {
			t.Errorf("%v becomes %v", j.lead, again.lead)
		}
		if j, o = judge(from, from, s); o == judged && (j.lead != PassedThrough && j.lead != Stale || j.notes != 0) {
			t.Errorf("unchanged, and %v with %v", j.lead, j.notes.Strings(nil))
		}
		if !inWhole && outWhole && bytes.Equal(in, out) {
			if j, o = judge(from, to, s); o == judged && !j.lead.Continues() && j.lead != Disagreeing {
				t.Errorf("the same fields behind a cut head, and %v", j.lead)
			}
		}
	})
}

// notable are the verdicts that may stand beside a leading one: all but those that may lead.
const notable = 1<<Verdicts - 1 - (1<<Unjudged | 1<<Propagated | 1<<PassedThrough | 1<<Dropped | 1<<Leaked | 1<<Truncated | 1<<Restarted |
	1<<Stale | 1<<Malformed | 1<<Duplicated | 1<<Accepted | 1<<Refused | 1<<Disagreeing | 1<<Stripped)

// holdVerdict holds a judgement to one leading verdict where there is one, and to notes that fit it.
func holdVerdict(t *testing.T, j judgement, o outcome) {
	t.Helper()
	switch {
	case (o == judged) != (j.lead != Unjudged):
		t.Errorf("outcome %d with %v", o, j.lead)
	case j.lead >= Verdicts || notable&(1<<j.lead) != 0:
		t.Errorf("%v leads", j.lead)
	case j.notes&^notable != 0:
		t.Errorf("%v are beside %v", j.notes.Strings(nil), j.lead)
	case o != judged && j.notes != 0:
		t.Errorf("notes %v without a verdict", j.notes.Strings(nil))
	case j.notes&^(1<<FormatSwitched) != 0 && !j.lead.Continues():
		t.Errorf("%v compared with what is %v", j.notes.Strings(nil), j.lead)
	case j.rule != "" && j.lead != Malformed && j.lead != Duplicated && j.lead != Accepted:
		t.Errorf("rule %q with %v", j.rule, j.lead)
	case j.to == nil && o == judged && j.lead != Dropped && j.lead != Stripped && !(j.lead == Propagated && j.notes.Has(FormatSwitched)):
		t.Errorf("%v of no carrier", j.lead)
	}
}
