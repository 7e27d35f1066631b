package otlp

import (
	"reflect"
	"testing"

	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/proto"

	"weft/correlate/span"
)

// checkEvents holds that a span has the event of a broken context if its context broke, and none otherwise.
func checkEvents(t *testing.T, got []*tracepb.Span_Event, s *span.Span) {
	t.Helper()
	if !s.Break {
		if len(got) > 0 {
			t.Errorf("events %v", got)
		}
		return
	}
	if len(got) != 1 || got[0].Name != "weft.context.broken" || got[0].TimeUnixNano != uint64(s.Start) {
		t.Fatalf("events %v", got)
	}
	expect := map[string]any{"weft.propagation.verdict": s.Verdict}
	for key, value := range map[string]string{
		"weft.propagation.code": s.Code, "weft.propagation.format": s.Carrier, "weft.propagation.rule": s.Rule,
	} {
		if value != "" {
			expect[key] = value
		}
	}
	if a := plain(got[0].Attributes); !reflect.DeepEqual(a, expect) {
		t.Errorf("attributes of the event %v, want %v", a, expect)
	}
}

func broken(i int) *span.Span {
	s := sample(i)
	s.Verdict, s.Break, s.Code, s.Carrier = "dropped", true, "F1", "traceparent"
	return s
}

func TestEncodeBreak(t *testing.T) {
	malformed := broken(3)
	malformed.Verdict, malformed.Code, malformed.Rule = "malformed", "F4", "lower case"
	propagated := sample(5)
	propagated.Verdict = "propagated"
	enc := newEncoder("")
	for _, s := range []*span.Span{broken(1), malformed, propagated} {
		enc.body = nil
		enc.appendSpan(s)
		got := &tracepb.Span{}
		if err := proto.Unmarshal(enc.body, got); err != nil || len(got.ProtoReflect().GetUnknown()) > 0 {
			t.Fatalf("%v in %v", err, got)
		}
		check(t, got, s)
	}
}

func TestBreakDoesNotAllocate(t *testing.T) {
	enc, s := newEncoder(""), broken(1)
	b := enc.appendBreak(nil, s)
	if n := testing.AllocsPerRun(20, func() { b = enc.appendBreak(b[:0], s) }); n > 0 {
		t.Errorf("%v allocations", n)
	}
}
