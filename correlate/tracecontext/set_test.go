package tracecontext

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"testing"
)

// readHead reads a head of lines "name: value".
func readHead(t testing.TB, whole bool, lines ...string) *Set {
	t.Helper()
	r, err := NewReader([]string{"X-Trace-Token"})
	if err != nil {
		t.Fatal(err)
	}
	s := &Set{}
	feed(r, s, lines...)
	r.Settle(s, whole)
	return s
}

func feed(r *Reader, s *Set, lines ...string) {
	for _, line := range lines {
		name, value, _ := strings.Cut(line, ":")
		r.Field(s, []byte(name), []byte(strings.TrimSpace(value)))
	}
}

func TestSetOfNothing(t *testing.T) {
	var s Set
	for f := range Formats {
		if s.State(f) != Unknown || s.Carrier(f) != nil {
			t.Errorf("%v: %v before anything was read", f, s.State(f))
		}
	}
	if s.Any() || s.Best() != nil || len(s.Carriers()) != 0 || len(s.TraceState()) != 0 || len(s.Baggage()) != 0 {
		t.Error("something is in it")
	}
	for _, whole := range []bool{true, false} {
		want := Unknown
		if whole {
			want = Absent
		}
		if s := readHead(t, whole, "Host: a"); s.State(W3C) != want {
			t.Errorf("whole %v: %v", whole, s.State(W3C))
		}
	}
}

// A head that was cut says nothing of what is behind the cut, and all of what is before it.
func TestCutHead(t *testing.T) {
	tests := []struct {
		head string
		f    Format
		want State
	}{
		{"traceparent: " + usual, W3C, Valid},
		{"traceparent: " + usual[1:], W3C, Invalid},
		{"tracestate: a=1", W3C, Unknown},
		{"traceparent: " + usual, B3, Unknown},
		{"b3: 0", B3, Valid},
		{"b3: " + trace + "-" + parent, B3, Valid},
		{"x-b3-traceid: " + trace, B3, Unknown},
		{"x-b3-traceid: x", B3, Unknown},
		{"x-b3-traceid: x|x-b3-spanid: " + parent, B3, Invalid},
		{"x-b3-sampled: 1", B3, Unknown},
		{"jaeger-debug-id: a", Jaeger, Unknown},
		{"x-datadog-trace-id: 1|x-datadog-parent-id: 1", Datadog, Unknown}, // the high half may come
		{"x-datadog-trace-id: 1|x-datadog-parent-id: 1|x-datadog-tags: a=b", Datadog, Valid},
		{"x-datadog-trace-id: 1|x-datadog-tags: a=b", Datadog, Unknown},
		{"ot-tracer-traceid: 1", OpenTracing, Unknown},
		{"ot-tracer-spanid: 1", OpenTracing, Unknown},
		{"x-instana-l: 1", Instana, Unknown},
		{"x-instana-t: " + trace, Instana, Unknown},
		{"newrelic: e30=", NewRelic, Invalid},
		{"x-amzn-trace-id: Self=1", XRay, Invalid},
	}
	for _, test := range tests {
		s := readHead(t, false, strings.Split(test.head, "|")...)
		if got := s.State(test.f); got != test.want {
			t.Errorf("%s: %v, want %v", test.head, got, test.want)
		}
	}
}

func TestFieldsAndConflict(t *testing.T) {
	tests := []struct {
		head     string
		f        Format
		fields   int
		conflict bool
	}{
		{"traceparent: " + usual, W3C, 1, false},
		{"traceparent: " + usual + "|traceparent: " + usual, W3C, 2, false},
		{"traceparent: " + usual + "|traceparent: x", W3C, 2, true},
		{"traceparent: " + usual + ", " + usual, W3C, 2, false},
		{"traceparent: " + usual + "," + usual + "|traceparent: " + usual, W3C, 3, false},
		{"b3: 0|b3: 0", B3, 2, false},
		{"b3: 0|b3: 1", B3, 2, true},
		{"b3: " + trace + "-" + parent + "|x-b3-traceid: " + low + "|x-b3-spanid: " + parent, B3, 1, true},
		{"b3: " + trace + "-" + parent + "|x-b3-traceid: " + trace + "|x-b3-spanid: " + parent, B3, 1, false},
		{"b3: x|x-b3-traceid: " + trace + "|x-b3-spanid: " + parent, B3, 1, true},
		{"x-b3-traceid: " + trace + "|x-b3-spanid: " + parent + "|x-b3-spanid: 0", B3, 1, true},
		{"uber-trace-id: f:f:0:1|uber-trace-id: f:f:0:1", Jaeger, 2, false},
		{"uber-trace-id: f:f:0:1, f:e:0:1", Jaeger, 2, true},
		{"sentry-trace: " + trace + "-" + parent + "," + trace + "-" + parent, Sentry, 2, false},
		{"x-datadog-trace-id: 1|x-datadog-parent-id: 1|x-datadog-parent-id: 2", Datadog, 1, true},
		{"request-id: a|request-id: a", RequestID, 2, false},
		{"pinpoint-traceid: a|pinpoint-spanid: b", Opaque, 2, false},
	}
	for _, test := range tests {
		c := readHead(t, true, strings.Split(test.head, "|")...).Carrier(test.f)
		if c == nil || c.Fields != test.fields || c.Conflict != test.conflict {
			t.Errorf("%s: %+v, want %d fields, conflict %v", test.head, c, test.fields, test.conflict)
		}
	}
}

func TestBest(t *testing.T) {
	heads := map[Format]string{
		W3C: "traceparent: " + usual, B3: "b3: " + trace + "-" + parent, Datadog: "x-datadog-trace-id: 1|x-datadog-parent-id: 1",
		Jaeger: "uber-trace-id: f:f:0:1", XRay: "x-amzn-trace-id: Root=1-4bf92f35-77b34da6a3ce929d0e0e4736",
		GoogleCloud: "x-cloud-trace-context: " + trace, OpenCensus: "grpc-trace-bin: AABL+S81d7NNpqPOkp0ODkc2AQDwZ6oLqQK3AgE",
		Elastic: "elastic-apm-traceparent: " + usual, OpenTracing: "ot-tracer-traceid: 1|ot-tracer-spanid: 1",
		Sentry: "sentry-trace: " + trace + "-" + parent, Instana: "x-instana-t: " + trace + "|x-instana-s: " + parent,
		NewRelic: `newrelic: {"v":[0,1],"d":{"tr":"` + trace + `","id":"` + parent + `"}}`,
	}
	order := []Format{W3C, B3, Datadog, Jaeger, XRay, GoogleCloud, OpenCensus, Elastic, OpenTracing, Sentry, Instana, NewRelic}
	for i, f := range order {
		var lines []string
		for _, later := range order[i:] {
			lines = append(lines, strings.Split(heads[later], "|")...)
		}
		slices.Reverse(lines)
		s := readHead(t, true, lines...)
		if best := s.Best(); best == nil || best.Format != f || len(s.Carriers()) != len(order)-i {
			t.Errorf("%v is not the best of %+v", f, s.Carriers())
		}
	}
	for _, head := range []string{"b3: 0", "x-request-id: a", "x-dynatrace: a", "x-trace-token: a", "baggage: a=1", "x-instana-l: 0", "jaeger-debug-id: a",
		"sw8: 1-TRACEID-SEGMENTID-3-U0VSVklDRQ==-SU5TVEFOQ0U=-RU5EUE9JTlQ=-aXB2NDpwb3J0", "traceparent: x"} {
		if s := readHead(t, true, head); s.Best() != nil || len(s.Carriers()) != 1 {
			t.Errorf("%s: %+v", head, s.Carriers())
		}
	}
}

func TestAny(t *testing.T) {
	tests := map[string]bool{
		"host: a": false, "x-request-id: a": false, "request-id: a": false, "baggage: a=1": false, "tracestate: a=1": false,
		"uberctx-a: b": false, "traceparent: x": true, "b3: 0": true, "x-dynatrace: a": true, "x-trace-token: a": true,
		"baggage: " + strings.Repeat("a", 9000): false, "traceparent: " + strings.Repeat("a", 9000): true,
	}
	for head, want := range tests {
		if s := readHead(t, true, head); s.Any() != want {
			t.Errorf("%.40s: %v", head, s.Any())
		}
	}
}

func TestLists(t *testing.T) {
	s := readHead(t, true, "tracestate: ", "tracestate: a=1\t, ,b=2 ,", "baggage: x = 1;p", "TraceState: c=3", "tracestate:,", "Baggage: ,y=2")
	if got := string(s.TraceState()); got != "a=1,b=2,c=3" {
		t.Errorf("tracestate %q", got)
	}
	if got := string(s.Baggage()); got != "x = 1;p,y=2" {
		t.Errorf("baggage %q", got)
	}
}

func TestEach(t *testing.T) {
	s := readHead(t, true, "Host: a", "Traceparent: "+usual, "X-B3-TRACEID: ", "ot-baggage-User: b c")
	var got []string
	s.Each(func(name, value []byte) { got = append(got, string(name)+"="+string(value)) })
	if want := []string{"Traceparent=" + usual, "X-B3-TRACEID=", "ot-baggage-User=b c"}; !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
}

func TestReset(t *testing.T) {
	r, err := NewReader(nil)
	if err != nil {
		t.Fatal(err)
	}
	s := &Set{}
	for i := range 3 {
		value := []byte(usual)
		r.Field(s, []byte("traceparent"), value)
		copy(value, "xxxx") // what is kept is a copy
		r.Settle(s, true)
		r.Settle(s, true)
		if c := s.Carriers(); len(c) != 1 || c[0].State != Valid {
			t.Fatalf("round %d: %+v", i, c)
		}
		moved := *s
		moved.Reset()
		*s = moved
		if s.State(W3C) != Unknown || s.Any() || s.Best() != nil {
			t.Fatalf("round %d: %+v is left", i, s)
		}
	}
}

func TestSetIsBounded(t *testing.T) {
	r, err := NewReader([]string{"own"})
	if err != nil {
		t.Fatal(err)
	}
	var s Set
	long := bytes.Repeat([]byte("a"), 5000)
	r.Field(&s, []byte("baggage"), long)
	r.Field(&s, []byte("baggage"), long)
	r.Field(&s, []byte("own"), long)
	r.Field(&s, []byte("traceparent"), []byte(usual))
	r.Field(&s, []byte("x-dynatrace"), long)
	r.Field(&s, []byte("newrelic"), long)
	r.Settle(&s, true)
	for f, want := range map[Format]State{Baggage: Unknown, Custom: Valid, W3C: Valid, Opaque: Valid, NewRelic: Unknown, B3: Absent} {
		if s.State(f) != want {
			t.Errorf("%v: %v, want %v", f, s.State(f), want)
		}
	}
	for range 100_000 {
		r.Field(&s, []byte("b3"), nil)
	}
	r.Settle(&s, true)
	if s.State(B3) != Unknown || len(s.entries) > setMax/entryCost || cap(s.text) > 4*setMax {
		t.Errorf("%v, %d fields, %d bytes", s.State(B3), len(s.entries), cap(s.text))
	}
	if s.Reset(); cap(s.text) > spareMax || cap(s.entries) > spareOf {
		t.Errorf("room for %d bytes and %d fields is kept", cap(s.text), cap(s.entries))
	}
}

func TestCustomNames(t *testing.T) {
	for _, bad := range []string{"", "a b", "a:", "ä", "a\x00", "\x10"} {
		if _, err := NewReader([]string{"fine", bad}); err == nil || !strings.Contains(err.Error(), fmt.Sprintf("%q", bad)) {
			t.Errorf("%q: %v", bad, err)
		}
	}
	long := "x" + strings.Repeat("y", 100)
	r, err := NewReader([]string{"X-Request-ID", "TraceParent", long, "b3"})
	if err != nil {
		t.Fatal(err)
	}
	var s Set
	feed(r, &s, "x-request-id: a", "traceparent: "+usual, strings.ToUpper(long)+": b", "b3: 0", "x"+long+": c")
	r.Settle(&s, true)
	if s.State(RequestID) != Absent || s.State(W3C) != Valid || s.State(B3) != Valid || s.Carrier(Custom).Fields != 2 {
		t.Errorf("%+v", s.Carriers())
	}
}

func TestSameTrace(t *testing.T) {
	long := Context{TraceID: [16]byte{1, 15: 2}, Width: 128}
	half := Context{TraceID: [16]byte{15: 2}, Width: 64}
	zeros := Context{TraceID: [16]byte{15: 2}, Width: 128}
	text := Context{TraceID: [16]byte{1, 15: 2}}
	tests := []struct {
		a, b         Context
		same, narrow bool
	}{
		{long, long, true, false},
		{long, half, true, true},
		{half, long, true, true},
		{long, zeros, true, true},
		{half, half, true, false},
		{half, zeros, true, false},
		{long, Context{TraceID: [16]byte{2, 15: 2}, Width: 128}, false, false},
		{long, Context{TraceID: [16]byte{15: 3}, Width: 64}, false, false},
		{long, text, false, false},
		{text, text, true, false},
		{text, Context{TraceID: [16]byte{15: 2}}, false, false},
		{Context{}, Context{}, false, false},
		{Context{Width: 128}, long, false, false},
	}
	for _, test := range tests {
		if same, narrow := SameTrace(test.a, test.b); same != test.same || narrow != test.narrow {
			t.Errorf("%x %d, %x %d: %v, %v", test.a.TraceID, test.a.Width, test.b.TraceID, test.b.Width, same, narrow)
		}
	}
}

func TestNames(t *testing.T) {
	seen := make(map[string]bool)
	for f := range Formats {
		if name := f.String(); name == "" || seen[name] {
			t.Errorf("%d is called %q", f, name)
		}
		seen[f.String()] = true
		if families[f] == nil {
			t.Errorf("nothing reads %v", f)
		}
	}
	for _, row := range rows {
		if row.name != strings.ToLower(row.name) || find(rows[:], []byte(row.name+"x"[:btoi(row.prefix)])).format != row.format {
			t.Errorf("%s is not found", row.name)
		}
	}
	if Debug.String() != "debug" || Deferred.String() != "deferred" {
		t.Error("decisions have other names")
	}
}

func btoi(b bool) int {
	if b {
		return 1
	}
	return 0
}
