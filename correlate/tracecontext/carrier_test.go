package tracecontext

import (
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"strings"
	"testing"
)

const low = "a3ce929d0e0e4736" // half of trace

// says writes a carrier for comparison: state, rule, ids, width, decision.
func says(c *Carrier) string {
	if c == nil {
		return "none"
	}
	words := c.State.String()
	if c.Rule != "" {
		words += " " + string(c.Rule)
	}
	if c.State != Valid {
		if c.Context != (Context{}) {
			words += " with a context"
		}
		return words
	}
	switch {
	case c.Context.Width > 0:
		words += fmt.Sprintf(" %x %x %d", c.Context.TraceID[16-c.Context.Width/8:], c.Context.ParentID, c.Context.Width)
	case c.Context.TraceID != [16]byte{}:
		words += " text"
	}
	return words + " " + c.Context.Decision.String()
}

type carrierTest struct {
	head string // fields with "|" between them
	want string // as says has it
}

func testCarriers(t *testing.T, f Format, tests []carrierTest) {
	t.Helper()
	for _, test := range tests {
		s := readHead(t, true, strings.Split(test.head, "|")...)
		if got := says(s.Carrier(f)); got != test.want {
			t.Errorf("%s:\n got %s\nwant %s", test.head, got, test.want)
		}
		if c := s.Carrier(f); (c == nil) != (s.State(f) == Absent) || c != nil && s.State(f) != c.State {
			t.Errorf("%s: state %v", test.head, s.State(f))
		}
	}
}

const (
	full  = "valid " + trace + " " + parent + " 128 "
	short = "valid " + low + " " + parent + " 64 "
	free  = "valid " + trace + " 0000000000000000 128 "
)

func TestW3C(t *testing.T) {
	upper := "00-" + strings.ToUpper(trace) + "-" + parent + "-01"
	other := "00-" + trace + "-0000000000000001-01"
	testCarriers(t, W3C, []carrierTest{
		{"traceparent: " + usual, full + "accepted"},
		{"TraceParent: " + usual, full + "accepted"},
		{"TRACEPARENT: " + usual, full + "accepted"},
		{"trace-parent: " + usual, "none"},
		{"trace.parent: " + usual, "none"},
		{"trace_parent: " + usual, "none"},
		{"traceparent: 00-" + trace + "-" + parent + "-00", full + "denied"},
		{"traceparent: 00-" + trace + "-" + parent + "-02", full + "denied"},
		{"traceparent: 00-" + trace + "-" + parent + "-04", full + "denied"},
		{"traceparent: 00-" + trace + "-" + parent + "-09", full + "accepted"},
		{"traceparent: 00-" + trace + "-" + parent + "-ff", full + "accepted"},
		{"traceparent: " + upper, "invalid uppercase"},
		{"traceparent: " + usual + "-", "invalid length"},
		{"traceparent: ", "invalid length"},
		{"traceparent: 0af-" + trace + "-" + parent + "-0ff", "invalid delimiter"},
		{"traceparent: ff" + usual[2:], "invalid version"},
		{"traceparent: cc" + usual[2:] + "-what,the,future,will,be,like", full + "accepted"},
		{"traceparent: " + usual + "|traceparent: " + usual, "invalid repeated"},
		{"traceparent: " + usual + "|Traceparent: " + other, "invalid repeated"},
		{"traceparent: " + usual + ", " + usual, "invalid repeated"},
		{"traceparent: " + usual + "," + other, "invalid repeated"},
		{"traceparent: 01" + usual[2:] + "," + usual, "invalid repeated"},
		{"traceparent: " + upper + ", " + upper, "invalid repeated"},
		{"traceparent: " + usual + ",garbage", "invalid length"},
		{"traceparent: " + usual + "|traceparent: ", "invalid repeated"},
		{"tracestate: a=1", "none"},
		{"traceparent: " + usual + "|tracestate: A=1,,=", full + "accepted"},
		{"host: a|user-agent: b", "none"},
	})
}

func TestB3(t *testing.T) {
	ids := "X-B3-TraceId: " + trace + "|X-B3-SpanId: " + parent
	testCarriers(t, B3, []carrierTest{
		{"b3: " + trace + "-" + parent, full + "deferred"},
		{"b3: " + trace + "-" + parent + "-1", full + "accepted"},
		{"b3: " + trace + "-" + parent + "-0", full + "denied"},
		{"b3: " + trace + "-" + parent + "-d", full + "debug"},
		{"b3: " + trace + "-" + parent + "-1-05e3ac9a4f6e3b90", full + "accepted"},
		{"b3: " + low + "-" + parent + "-1", short + "accepted"},
		{"b3: 0", "valid denied"},
		{"b3: 1", "valid accepted"},
		{"b3: d", "valid debug"},
		{"b3: x", "invalid decision"},
		{"b3: ", "invalid length"},
		{"b3: " + trace, "invalid length"},
		{"b3: " + low[1:] + "-" + parent + "-1", "invalid length"},
		{"b3: " + trace + "-" + parent[1:] + "-1", "invalid length"},
		{"b3: " + strings.ToUpper(trace) + "-" + parent + "-1", "invalid uppercase"},
		{"b3: " + trace[1:] + "g-" + parent + "-1", "invalid hex"},
		{"b3: " + strings.Repeat("0", 32) + "-" + parent + "-1", "invalid zero_trace_id"},
		{"b3: " + trace + "-0000000000000000-1", "invalid zero_parent_id"},
		{"b3: " + trace + "-" + parent + "-2", "invalid decision"},
		{"b3: " + trace + "-" + parent + "-true", "invalid decision"},
		{"b3: " + trace + "-" + parent + "-", "invalid decision"},
		{"b3: " + trace + "-" + parent + "-1-", "invalid parent_span_id"},
		{ids, full + "deferred"},
		{ids + "|x-b3-sampled: 1", full + "accepted"},
		{ids + "|x-b3-sampled: 0", full + "denied"},
		{ids + "|x-b3-sampled: true", full + "accepted"},
		{ids + "|x-b3-sampled: false", full + "denied"},
		{ids + "|x-b3-sampled: yes", "invalid decision"},
		{ids + "|x-b3-flags: 1", full + "debug"},
		{ids + "|x-b3-flags: 0|x-b3-sampled: 1", full + "accepted"},
		{ids + "|x-b3-parentspanid: 05e3ac9a4f6e3b90", full + "deferred"},
		{ids + "|x-b3-parentspanid: ", "invalid parent_span_id"},
		{"x-b3-traceid: " + low + "|x-b3-spanid: " + parent, short + "deferred"},
		{"x-b3-traceid: " + strings.ToUpper(trace) + "|x-b3-spanid: " + parent, "invalid uppercase"},
		{"x-b3-traceid: " + trace, "invalid missing_field"},
		{"x-b3-spanid: " + parent, "invalid missing_field"},
		{"x-b3-sampled: 0", "valid denied"},
		{"x-b3-flags: 1", "valid debug"},
		{"x-b3-parentspanid: " + parent, "none"},
		{"b3: " + trace + "-" + parent + "-1|x-b3-traceid: " + low + "|x-b3-spanid: " + parent, full + "accepted"},
		{"b3: garbage|" + ids, "valid length " + full[6:] + "deferred"},
		{"b3: garbage|x-b3-sampled: 1", "invalid length"},
		{"b3: garbage|x-b3-traceid: " + trace, "invalid length"},
		{"b3: " + trace + "-" + parent + "-1|b3: 0", full + "accepted"},
		{"b3: 0, 1", "valid denied"},
	})
}

func TestJaeger(t *testing.T) {
	testCarriers(t, Jaeger, []carrierTest{
		{"uber-trace-id: " + trace + ":" + parent + ":0:1", full + "accepted"},
		{"Uber-Trace-Id: " + trace + ":" + parent + ":0:01", full + "accepted"},
		{"uber-trace-id: " + trace + ":" + parent + ":0:0", full + "denied"},
		{"uber-trace-id: " + trace + ":" + parent + ":0:3", full + "debug"},
		{"uber-trace-id: " + trace + ":" + parent + ":0:9", full + "accepted"},
		{"uber-trace-id: " + trace + ":" + parent + "::1", full + "accepted"},
		{"uber-trace-id: " + trace + "%3A" + parent + "%3a0%3A1", full + "accepted"},
		{"uber-trace-id: " + strings.ToUpper(trace) + ":" + parent + ":0:1", full + "accepted"},
		{"uber-trace-id: " + low + ":" + parent + ":0:1", short + "accepted"},
		{"uber-trace-id: abc:f:0:1", "valid 0000000000000abc 000000000000000f 64 accepted"},
		{"uber-trace-id: " + trace[15:] + ":f:0:1", "valid 00000000000000" + "0" + trace[15:] + " 000000000000000f 128 accepted"},
		{"uber-trace-id: 0:f:0:1", "invalid zero_trace_id"},
		{"uber-trace-id: f:0:0:1", "invalid zero_parent_id"},
		{"uber-trace-id: :f:0:1", "invalid length"},
		{"uber-trace-id: 0" + trace + ":f:0:1", "invalid length"},
		{"uber-trace-id: f:0" + parent + ":0:1", "invalid length"},
		{"uber-trace-id: xyz:f:0:1", "invalid hex"},
		{"uber-trace-id: f:f:0", "invalid delimiter"},
		{"uber-trace-id: f%3Af%3A0%3A%3", "invalid flags"},
		{"uber-trace-id: f%3Af%3A0%3A%zz", "invalid flags"},
		{"uber-trace-id: f:f:0:1:", "invalid delimiter"},
		{"uber-trace-id: f:f:0:", "invalid flags"},
		{"uber-trace-id: f:f:0:101", "invalid flags"},
		{"uber-trace-id: " + strings.Repeat("f:", 60), "invalid length"},
		{"uber-trace-id: f:f:0:1|uber-trace-id: f:f:0:1", "valid 000000000000000f 000000000000000f 64 accepted"},
		{"uber-trace-id: f:f:0:1|uber-trace-id: f:e:0:1", "invalid repeated"},
		{"jaeger-debug-id: x", "valid debug"},
		{"uberctx-a: b", "none"},
		{"jaeger-baggage: a=b", "none"},
	})
}

func TestDatadog(t *testing.T) {
	// 0xa3ce929d0e0e4736 and 0x00f067aa0ba902b7
	ids := "x-datadog-trace-id: 11803532876627986230|x-datadog-parent-id: 67667974448284343"
	testCarriers(t, Datadog, []carrierTest{
		{ids, short + "deferred"},
		{ids + "|x-datadog-sampling-priority: 2", short + "accepted"},
		{ids + "|x-datadog-sampling-priority: 1", short + "accepted"},
		{ids + "|x-datadog-sampling-priority: 0", short + "denied"},
		{ids + "|x-datadog-sampling-priority: -1", short + "denied"},
		{ids + "|x-datadog-sampling-priority: high", "invalid decision"},
		{ids + "|x-datadog-tags: _dd.p.dm=-1,_dd.p.tid=4bf92f3577b34da6", full + "deferred"},
		{ids + "|x-datadog-tags: _dd.p.tid=4BF92F3577B34DA6", "valid high_half " + short[6:] + "deferred"},
		{ids + "|x-datadog-tags: _dd.p.tid=4bf9", "valid high_half " + short[6:] + "deferred"},
		{ids + "|x-datadog-tags: _dd.p.tid=0000000000000000", short + "deferred"},
		{ids + "|x-datadog-tags: a=" + strings.Repeat("b", 512) + ",_dd.p.tid=4bf92f3577b34da6", "valid high_half " + short[6:] + "deferred"},
		{"x-datadog-trace-id: 1|x-datadog-parent-id: 18446744073709551615", "valid 0000000000000001 ffffffffffffffff 64 deferred"},
		{"x-datadog-trace-id: 18446744073709551616|x-datadog-parent-id: 1", "invalid decimal"},
		{"x-datadog-trace-id: " + low + "|x-datadog-parent-id: 1", "invalid decimal"},
		{"x-datadog-trace-id: |x-datadog-parent-id: 1", "invalid decimal"},
		{"x-datadog-trace-id: 1|x-datadog-parent-id: " + parent, "invalid decimal"},
		{"x-datadog-trace-id: 0|x-datadog-parent-id: 1", "invalid zero_trace_id"},
		{"x-datadog-trace-id: 1|x-datadog-parent-id: 0", "invalid zero_parent_id"},
		{"x-datadog-trace-id: 1|x-datadog-parent-id: 0|x-datadog-origin: rum", "valid 0000000000000001 0000000000000000 64 deferred"},
		{"x-datadog-trace-id: 1|x-datadog-origin: synthetics", "valid 0000000000000001 0000000000000000 64 deferred"},
		{"x-datadog-trace-id: 1", "invalid missing_field"},
		{"x-datadog-parent-id: 1", "invalid missing_field"},
		{"x-datadog-sampling-priority: 1|x-datadog-tags: a=b", "none"},
		{ids + "|x-datadog-trace-id: 5", "invalid repeated"},
		{ids + "|x-datadog-sampling-priority: 1|x-datadog-sampling-priority: 0", "invalid repeated"},
	})
}

func TestXRay(t *testing.T) {
	root := "X-Amzn-Trace-Id: Root=1-4bf92f35-77b34da6a3ce929d0e0e4736"
	testCarriers(t, XRay, []carrierTest{
		{root + ";Parent=" + parent + ";Sampled=1", full + "accepted"},
		{root + "; Parent=" + parent + "; Sampled=0", full + "denied"},
		{root + ";Parent=" + parent + ";Sampled=?", full + "deferred"},
		{root + ";Parent=" + parent, full + "deferred"},
		{root, free + "deferred"},
		{root + ";Parent=", free + "deferred"},
		{"x-amzn-trace-id: Self=1-67891234-12456789abcdef012345678;Root=1-4bf92f35-77b34da6a3ce929d0e0e4736;CalledFrom=app", free + "deferred"},
		{"x-amzn-trace-id: Sampled=1;Lineage=a87bd80c:1|68fd508a:5;Parent=" + parent + ";Root=1-4bf92f35-77b34da6a3ce929d0e0e4736", "invalid missing_part"},
		{"x-amzn-trace-id: Sampled=1;Parent=" + parent + ";Root=1-4bf92f35-77b34da6a3ce929d0e0e4736", full + "accepted"},
		{"x-amzn-trace-id: Self=1-67891234-12456789abcdef012345678", "invalid missing_part"},
		{"x-amzn-trace-id: ", "invalid missing_part"},
		{"x-amzn-trace-id: Root=" + trace, "invalid length"},
		{"x-amzn-trace-id: Root=2-4bf92f35-77b34da6a3ce929d0e0e4736", "invalid version"},
		{"x-amzn-trace-id: Root=1-4bf92f35077b34da6a3ce929d0e0e4736", "invalid delimiter"},
		{"x-amzn-trace-id: Root=1-4BF92F35-77B34DA6A3CE929D0E0E4736", "invalid uppercase"},
		{"x-amzn-trace-id: Root=1-00000000-000000000000000000000000", "invalid zero_trace_id"},
		{root + ";Parent=1", "invalid length"},
		{root + ";Parent=0000000000000000", "invalid zero_parent_id"},
		{root + ";Sampled=yes", "invalid decision"},
		{root + "|" + root + ";Sampled=1", "invalid repeated"},
	})
}

func TestGoogleCloud(t *testing.T) {
	const decimalSpan = "67667974448284343"
	testCarriers(t, GoogleCloud, []carrierTest{
		{"X-Cloud-Trace-Context: " + trace + "/" + decimalSpan + ";o=1", full + "accepted"},
		{"x-cloud-trace-context: " + trace + "/" + decimalSpan + ";o=0", full + "denied"},
		{"x-cloud-trace-context: " + trace + "/" + decimalSpan + ";o=", full + "deferred"},
		{"x-cloud-trace-context: " + trace + "/" + decimalSpan, full + "deferred"},
		{"x-cloud-trace-context: " + trace + "/;o=1", free + "accepted"},
		{"x-cloud-trace-context: " + trace + "/0;o=1", free + "accepted"},
		{"x-cloud-trace-context: " + trace + ";o=1", free + "accepted"},
		{"x-cloud-trace-context: " + trace, free + "deferred"},
		{"x-cloud-trace-context: " + trace + "/" + parent + "a;o=1", "invalid decimal"},
		{"x-cloud-trace-context: " + trace + "/18446744073709551616", "invalid decimal"},
		{"x-cloud-trace-context: " + low + "/1;o=1", "invalid length"},
		{"x-cloud-trace-context: " + trace[1:] + "x/1;o=1", "invalid hex"},
		{"x-cloud-trace-context: " + strings.Repeat("0", 32) + "/1", "invalid zero_trace_id"},
		{"x-cloud-trace-context: " + trace + "/1;o=yes", "invalid decision"},
		{"x-cloud-trace-context: " + trace + "/1;1", "invalid decision"},
	})
}

// census gives the bytes of grpc-trace-bin.
func census(options string) []byte {
	p, err := hex.DecodeString("0000" + trace + "01" + parent + options)
	if err != nil {
		panic(err)
	}
	return p
}

func TestOpenCensus(t *testing.T) {
	in64 := func(p []byte) string { return base64.StdEncoding.EncodeToString(p) }
	changed := func(at int, to byte) string {
		p := census("0201")
		p[at] = to
		return in64(p)
	}
	testCarriers(t, OpenCensus, []carrierTest{
		{"grpc-trace-bin: " + in64(census("0201")), full + "accepted"},
		{"grpc-trace-bin: " + base64.RawStdEncoding.EncodeToString(census("0201")), full + "accepted"},
		{"grpc-trace-bin: " + in64(census("0200")), full + "denied"},
		{"grpc-trace-bin: " + in64(census("")), full + "denied"},
		{"grpc-trace-bin: " + in64(census("020103aa")), full + "accepted"},
		{"grpc-trace-bin: " + in64(census("02")), "invalid length"},
		{"grpc-trace-bin: " + in64(census("")[:20]), "invalid length"},
		{"grpc-trace-bin: " + in64(make([]byte, 200)), "invalid length"},
		{"grpc-trace-bin: ", "invalid length"},
		{"grpc-trace-bin: !!!!", "invalid base64"},
		{"grpc-trace-bin: " + changed(0, 1), "invalid version"},
		{"grpc-trace-bin: " + changed(1, 1), "invalid delimiter"},
		{"grpc-trace-bin: " + changed(18, 2), "invalid delimiter"},
		{"grpc-trace-bin: " + changed(27, 3), "invalid delimiter"},
		{"grpc-trace-bin: " + in64(append(make([]byte, 18), census("")[18:]...)), "invalid zero_trace_id"},
		{"grpc-trace-bin: " + in64(append(census("")[:19], make([]byte, 8)...)), "invalid zero_parent_id"},
	})
}

func TestSkyWalking(t *testing.T) {
	const usual = "1-TRACEID-SEGMENTID-3-U0VSVklDRQ==-SU5TVEFOQ0U=-RU5EUE9JTlQ=-aXB2NDpwb3J0"
	testCarriers(t, SkyWalking, []carrierTest{
		{"sw8: " + usual, "valid text accepted"},
		{"sw8: 0" + usual[1:], "valid text denied"},
		{"sw8: 2" + usual[1:], "invalid decision"},
		{"sw8: " + usual + "-x", "invalid delimiter"},
		{"sw8: 1-TRACEID", "invalid delimiter"},
		{"sw8: ", "invalid delimiter"},
		{"sw8: " + strings.Replace(usual, "TRACEID", "TRACE.ID", 1), "invalid base64"},
		{"sw8: " + strings.Replace(usual, "TRACEID", "", 1), "invalid base64"},
		{"sw8: " + strings.Replace(usual, "-3-", "-x-", 1), "invalid decimal"},
		{"sw8: " + strings.Replace(usual, "TRACEID", strings.Repeat("A", 2048), 1), "invalid length"},
		{"sw8-x: 0|sw8-correlation: a:b", "none"},
	})
	one := readHead(t, true, "sw8: "+usual).Carrier(SkyWalking).Context
	next := readHead(t, true, "sw8: "+strings.Replace(usual, "-3-", "-4-", 1)).Carrier(SkyWalking).Context
	if same, narrow := SameTrace(one, next); !same || narrow || one.ParentID == next.ParentID {
		t.Errorf("another span of the trace: %v, %v; parents %x and %x", same, narrow, one.ParentID, next.ParentID)
	}
}

func TestOpenTracing(t *testing.T) {
	ids := "ot-tracer-traceid: " + low + "|ot-tracer-spanid: " + parent
	testCarriers(t, OpenTracing, []carrierTest{
		{ids + "|ot-tracer-sampled: true", short + "accepted"},
		{ids + "|ot-tracer-sampled: false", short + "denied"},
		{ids, short + "deferred"},
		{ids + "|ot-tracer-sampled: maybe", "invalid decision"},
		{"ot-tracer-traceid: " + trace + "|ot-tracer-spanid: " + parent, full + "deferred"},
		{"ot-tracer-traceid: 1f|ot-tracer-spanid: 2", "valid 000000000000001f 0000000000000002 64 deferred"},
		{"ot-tracer-traceid: 0|ot-tracer-spanid: 2", "invalid zero_trace_id"},
		{"ot-tracer-traceid: 1|ot-tracer-spanid: 0", "invalid zero_parent_id"},
		{"ot-tracer-traceid: " + trace, "invalid missing_field"},
		{"ot-tracer-spanid: " + parent, "invalid missing_field"},
		{"ot-tracer-sampled: true|ot-baggage-a: b", "none"},
	})
}

func TestElastic(t *testing.T) {
	testCarriers(t, Elastic, []carrierTest{
		{"Elastic-Apm-Traceparent: " + usual, full + "accepted"},
		{"elastic-apm-traceparent: " + usual[1:], "invalid length"},
		{"elastic-apm-traceparent: " + usual + "|elastic-apm-traceparent: " + usual, "invalid repeated"},
	})
}

func TestNewRelic(t *testing.T) {
	send := func(text string) string { return "newrelic: " + base64.StdEncoding.EncodeToString([]byte(text)) }
	const data = `"ty":"App","ac":"33","ap":"27","ti":1518469636035,"pr":0.5,`
	payload := func(rest string) string { return send(`{"v":[0,1],"d":{` + data + rest + `}}`) }
	ids := `"tr":"` + trace + `","id":"` + parent + `"`
	testCarriers(t, NewRelic, []carrierTest{
		{payload(ids + `,"sa":true`), full + "accepted"},
		{payload(ids + `,"sa":false`), full + "denied"},
		{payload(ids), full + "deferred"},
		{payload(`"x":{"tr":"f","y":["}"]},"z":"\"}",` + ids), full + "deferred"},
		{strings.Replace(payload(ids), "newrelic", "NEWRELIC", 1), full + "deferred"},
		{"newrelic: {\"v\":[0,1], \"d\" : {" + ids + " } }", full + "deferred"},
		{payload(`"tr":"` + low + `","tx":"` + parent + `"`), short + "deferred"},
		{payload(`"tr":"` + low + `"`), "invalid missing_part"},
		{payload(`"id":"` + low + `"`), "invalid missing_part"},
		{payload(`"tr":"xyz","id":"` + low + `"`), "invalid hex"},
		{payload(ids + `,"sa":"yes"`), "invalid decision"},
		{send(`{"v":[1,0],"d":{` + ids + `}}`), "invalid version"},
		{send(`{"d":{` + ids + `}}`), "invalid json"},
		{send(`{"v":[0,1],"d":{` + ids), "invalid json"},
		{send(`{"v":[0,1]}`), "invalid json"},
		{send(`[]`), "invalid json"},
		{send(`{"v":[0,1],"d":{"tr`), "invalid json"},
		{send(`{"v":[0,1],"d":{"tr":"a"`), "invalid json"},
		{send(`{"v":[0,1],"d":{"tr":"\`), "invalid json"},
		{send(`{"v":[0,1],"d":"a","e":`), "invalid json"},
		{send(`{"v":[0,1] "d":{}}`), "invalid json"},
		{send(`{"v":[0,1],"d":"a"}`), "invalid json"},
		{send(`{"v":[0,1],"d":{tr:1}}`), "invalid json"},
		{send(`{"v":[0,1],"d":{"tr" "a"}}`), "invalid json"},
		{payload(`"tr":5,"id":"` + low + `"`), "invalid missing_part"},
		{payload(`"t\"r":5,` + ids), full + "deferred"},
		{"newrelic: ", "invalid json"},
		{"newrelic: ****", "invalid base64"},
		{send(strings.Repeat("{", 2000)), "invalid length"},
	})
}

func TestInstana(t *testing.T) {
	ids := "X-INSTANA-T: " + trace + "|X-INSTANA-S: " + parent
	testCarriers(t, Instana, []carrierTest{
		{ids + "|X-INSTANA-L: 1", full + "accepted"},
		{ids + "|x-instana-l: 0", full + "denied"},
		{ids, full + "deferred"},
		{"x-instana-t: " + low + "|x-instana-s: " + parent + "|x-instana-l: 1", short + "accepted"},
		{"x-instana-l: 0", "valid denied"},
		{"x-instana-l: 1,correlationType=web;correlationId=abc", "valid accepted"},
		{"x-instana-l: 2", "invalid decision"},
		{"x-instana-l: ", "invalid decision"},
		{"x-instana-t: " + trace, "invalid missing_field"},
		{"x-instana-s: " + parent, "invalid missing_field"},
		{"x-instana-t: " + low[1:] + "|x-instana-s: " + parent, "invalid length"},
		{"x-instana-t: " + low + "|x-instana-s: 0000000000000000", "invalid zero_parent_id"},
	})
}

func TestSentry(t *testing.T) {
	testCarriers(t, Sentry, []carrierTest{
		{"sentry-trace: " + trace + "-" + parent + "-1", full + "accepted"},
		{"Sentry-Trace: " + trace + "-" + parent + "-0", full + "denied"},
		{"sentry-trace: " + trace + "-" + parent, full + "deferred"},
		{"sentry-trace: " + trace + "-" + parent + "-", "invalid decision"},
		{"sentry-trace: " + trace + "-" + parent + "-2", "invalid decision"},
		{"sentry-trace: " + low + "-" + parent + "-1", "invalid length"},
		{"sentry-trace: " + trace, "invalid length"},
		{"sentry-trace: " + usual, "invalid length"},
		{"sentry-trace: " + strings.ToUpper(trace) + "-" + parent, "invalid uppercase"},
	})
}

func TestTexts(t *testing.T) {
	testCarriers(t, RequestID, []carrierTest{
		{"X-Request-Id: 7f1a1a4e-8d0c-4b0f-9a57-ddcc8a0a2f11", "valid text deferred"},
		{"x-request-id: 7f1a1a4e-8d0c-9b0f-9a57-ddcc8a0a2f11", "valid text accepted"},
		{"x-request-id: 7f1a1a4e-8d0c-ab0f-9a57-ddcc8a0a2f11", "valid text accepted"},
		{"x-request-id: abc", "valid text deferred"},
		{"x-request-id: ", "invalid length"},
		{"x-request-id: a|x-request-id: b", "invalid repeated"},
		{"correlation-context: a=b", "none"},
	})
	testCarriers(t, Custom, []carrierTest{
		{"x-trace-token: a b, c", "valid text deferred"},
		{"x-trace-token: ", "invalid length"},
		{"x-trace-toke: a", "none"},
	})
	for _, name := range []string{"X-Dynatrace", "dtdTraceTagInfo", "x-ot-span-context", "X-Honeycomb-Trace", "sw6", "Pinpoint-TraceID",
		"EagleEye-TraceId", "X-Tingyun", "new_rpc_trace_context", "singularityheader", "cloudwiserequestinfo"} {
		testCarriers(t, Opaque, []carrierTest{{name + ": any", "valid deferred"}, {"x" + name + ": any", "none"}})
	}
	testCarriers(t, Opaque, []carrierTest{{"pinpoint-: a", "none"}, {"pinpoin: a", "none"}})
}

func TestHierarchyKeepsItsRoot(t *testing.T) {
	a := readHead(t, true, "request-id: |4bf92f.1.").Carrier(RequestID).Context
	b := readHead(t, true, "request-id: |4bf92f.1.da4e_2.").Carrier(RequestID).Context
	if same, _ := SameTrace(a, b); !same {
		t.Error("the roots are equal")
	}
	if c := readHead(t, true, "request-id: |.").Carrier(RequestID); says(c) != "invalid length" {
		t.Errorf("no root: %s", says(c))
	}
}

func TestBaggage(t *testing.T) {
	testCarriers(t, Baggage, []carrierTest{
		{"baggage: user=alice,x=%E4%B8%AD;p=1 ; q", "valid deferred"},
		{"baggage: user = alice , ,|Baggage: b=", "valid deferred"},
		{"baggage: ", "valid deferred"},
		{"baggage: user", "invalid key"},
		{"baggage: us er=alice", "invalid key"},
		{"baggage: =alice", "invalid key"},
		{"baggage: a=1;=2", "invalid key"},
		{"baggage: user=al ice", "invalid value"},
		{"baggage: user=\"alice\"", "invalid value"},
		{"baggage: user=\xe4", "invalid value"},
		{"baggage: " + list(180), "valid deferred"},
		{"baggage: " + list(181), "invalid members"},
	})
}
