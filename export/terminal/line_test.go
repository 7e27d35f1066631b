package terminal

import (
	"bytes"
	"encoding/json"
	"math"
	"net/netip"
	"reflect"
	"strconv"
	"testing"

	"weft/correlate/event"
	"weft/correlate/span"
)

var shop = &span.Resource{Service: "shop", Attributes: []event.Attribute{
	{Key: "process.pid", Value: "4711"}, {Key: "service.name", Value: "shop\xff"},
}}

func sample() *span.Span {
	return &span.Span{
		TraceID: span.TraceID{0: 0x4b, 15: 0x36}, SpanID: span.ID{0: 0xa1, 7: 1}, ParentID: span.ID{0: 0xb2}, TraceState: "a=b",
		Kind: span.Server, Start: 1_700_000_000_000_000_000, FirstByte: 1_700_000_000_002_000_000, End: 1_700_000_000_003_000_000,
		Resource: shop, TID: 12, Evidence: span.Header, Confidence: 0.5, Method: "GET", Route: "/users/{id}", Path: "/users/7",
		Scheme: "http", Host: "shop.example", HostPort: 8080, UserAgent: "curl/8.5.0", Minor: 1, Status: 503, ReplyBody: 512,
		Local: netip.MustParseAddrPort("127.0.0.1:8080"), Peer: netip.MustParseAddrPort("127.0.0.1:51000"), RTT: 45,
		Headers: []event.Attribute{{Key: "http.request.header.x", Value: "1"}, {Key: "http.request.header.x", Value: "2"}},
	}
}

const sampleLine = `{"traceId":"4b000000000000000000000000000036","spanId":"a100000000000001","parentSpanId":"b200000000000000",` +
	`"traceState":"a=b","name":"GET /users/{id}","kind":2,"startTimeUnixNano":"1700000000000000000",` +
	`"endTimeUnixNano":"1700000000003000000","status":{"code":2},"attributes":{"http.request.method":"GET","url.scheme":"http",` +
	`"url.path":"/users/7","http.route":"/users/{id}","user_agent.original":"curl/8.5.0","http.request.body.size":0,` +
	`"http.response.status_code":503,"http.response.body.size":512,"error.type":"503","weft.time_to_first_byte":0.002,` +
	`"server.address":"shop.example","server.port":8080,"client.address":"127.0.0.1","client.port":51000,` +
	`"network.transport":"tcp","network.protocol.name":"http","network.protocol.version":"1.1",` +
	`"network.peer.address":"127.0.0.1","network.peer.port":51000,"network.local.address":"127.0.0.1",` +
	`"network.local.port":8080,"thread.id":12,"weft.parent.evidence":"header","weft.parent.confidence":0.5,` +
	`"weft.connection.rtt":4.5e-05,"http.request.header.x":["1","2"]},` +
	`"resource":{"process.pid":4711,"service.name":"shop\ufffd"}}` + "\n"

func TestLine(t *testing.T) {
	var e lineEncoder
	for range 2 {
		if got := string(e.appendLine(nil, sample())); got != sampleLine {
			t.Errorf("got  %s\nwant %s", got, sampleLine)
		}
	}
}

func TestLineOfABreak(t *testing.T) {
	var e lineEncoder
	s := sample()
	s.Kind, s.Verdict, s.Break, s.Code, s.Carrier = span.Client, "dropped", true, "F1", "traceparent"
	want := []any{map[string]any{
		"timeUnixNano": strconv.FormatInt(s.Start, 10), "name": "weft.context.broken",
		"attributes": map[string]any{
			"weft.propagation.verdict": "dropped", "weft.propagation.code": "F1", "weft.propagation.format": "traceparent",
		},
	}}
	if got := parse(t, e.appendLine(nil, s))["events"]; !reflect.DeepEqual(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

func TestLineOfARoot(t *testing.T) {
	var e lineEncoder
	var got map[string]any
	line := e.appendLine(nil, &span.Span{Kind: span.Client})
	if err := json.Unmarshal(line, &got); err != nil {
		t.Fatal(err)
	}
	_, parent := got["parentSpanId"]
	_, state := got["traceState"]
	if parent || state || !reflect.DeepEqual(got["resource"], map[string]any{}) {
		t.Errorf("got %s", line)
	}
}

// TestLineOfAHostileResource holds that a process cannot break lines by its environment.
func TestLineOfAHostileResource(t *testing.T) {
	var e lineEncoder
	s := sample()
	s.Resource = &span.Resource{Attributes: []event.Attribute{{Key: "a\"\n", Value: "b\x1b"}}}
	want := map[string]any{"a\"\n": "b\x1b"}
	if got := parse(t, e.appendLine(nil, s))["resource"]; !reflect.DeepEqual(got, want) {
		t.Errorf("got %v", got)
	}
}

// want gives what encoding/json makes of the same span.
func want(t *testing.T, s *span.Span) map[string]any {
	t.Helper()
	attributes := map[string]any{}
	for _, a := range s.Attributes(nil) {
		switch a.Kind {
		case span.Int:
			attributes[a.Key] = a.Int
		case span.Double:
			attributes[a.Key] = a.Float
		case span.Bool:
			attributes[a.Key] = a.Int == 1
		case span.Strings:
			values, _ := attributes[a.Key].([]any)
			attributes[a.Key] = append(values, a.Text())
		default:
			attributes[a.Key] = a.Text()
		}
	}
	raw, err := json.Marshal(map[string]any{
		"traceId": s.TraceID.String(), "spanId": s.SpanID.String(), "parentSpanId": s.ParentID.String(), "traceState": s.TraceState,
		"name": s.Name(), "kind": s.Kind, "startTimeUnixNano": strconv.FormatInt(s.Start, 10),
		"endTimeUnixNano": strconv.FormatInt(s.End, 10), "status": map[string]any{"code": s.StatusCode()}, "attributes": attributes,
		"resource": map[string]any{"process.pid": 4711, "service.name": "shop\xff"},
	})
	if err != nil {
		t.Fatal(err)
	}
	return parse(t, raw)
}

// parse reads JSON without loss in its numbers.
func parse(t *testing.T, raw []byte) map[string]any {
	t.Helper()
	d := json.NewDecoder(bytes.NewReader(raw))
	d.UseNumber()
	var m map[string]any
	if err := d.Decode(&m); err != nil {
		t.Fatalf("%v: %q", err, raw)
	}
	floats(m)
	return m
}

// floats makes numbers that are not integers comparable.
func floats(m map[string]any) {
	for k, v := range m {
		switch v := v.(type) {
		case map[string]any:
			floats(v)
		case json.Number:
			if _, err := v.Int64(); err != nil {
				m[k], _ = v.Float64()
			}
		}
	}
}

// FuzzLine holds the line against encoding/json, and its text against what a terminal may obey.
func FuzzLine(f *testing.F) {
	f.Add("GET", "/a\xff\x1b[2J", "q=\x00\u2028", "host\x80", "\"\\\u009b", "r/{id}\U0001f600", "v\xc3", "a=b", uint16(200), 0.5)
	f.Fuzz(func(t *testing.T, method, path, query, host, agent, route, header, state string, status uint16, confidence float64) {
		if math.IsNaN(confidence) || math.IsInf(confidence, 0) {
			return
		}
		s := sample()
		s.Method, s.Path, s.Query, s.Host, s.UserAgent, s.Route = method, path, query, host, agent, route
		s.TraceState, s.Status, s.Confidence, s.Kind = state+"x", status, confidence, span.Kind(2+status%2)
		s.Headers = []event.Attribute{{Key: "http.request.header." + header, Value: header}}
		var e lineEncoder
		line := e.appendLine(nil, s)
		if n := bytes.IndexByte(line, '\n'); n != len(line)-1 {
			t.Fatalf("more than a line: %q", line)
		}
		for _, r := range string(line[:len(line)-1]) {
			if r < ' ' || r >= 0x7f && r < 0xa0 {
				t.Fatalf("control character %U in %q", r, line)
			}
		}
		if got, want := parse(t, line), want(t, s); !reflect.DeepEqual(got, want) {
			t.Fatalf("got %v, want %v", got, want)
		}
	})
}

func TestNumbersThatJSONDoesNotHave(t *testing.T) {
	for f, want := range map[float64]string{math.Inf(1): `"Infinity"`, math.Inf(-1): `"-Infinity"`, 1e300: "1e+300", 0.25: "0.25"} {
		if got := string(appendNumber(nil, f)); got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
	if got := string(appendNumber(nil, math.NaN())); got != `"NaN"` {
		t.Errorf("got %s", got)
	}
}

func TestPrintable(t *testing.T) {
	for in, want := range map[string]string{
		"/ü/x":             "/ü/x",
		"\x1b[31mred\x00":  `\x1b[31mred\x00`,
		"a\xffb":           `a\xffb`,
		"\u202egnp.exe":    `\u202egnp.exe`,
		"line\nbreak":      `line\nbreak`,
		"123456789012345":  "123456789012345",
		"1234567890123456": "123456789012345…",
	} {
		if got := string(appendPrintable(nil, in, 15)); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}

func TestDuration(t *testing.T) {
	for ns, want := range map[int64]string{
		0: "0.00 µs", 1500: "1.50 µs", 834_000: "834 µs", 12_340_000: "12.3 ms", 1_240_000_000: "1.24 s", 125e9: "125 s", -2_000_000: "-2.00 ms",
	} {
		if got := string(appendDuration(nil, ns)); got != want {
			t.Errorf("%d: got %q, want %q", ns, got, want)
		}
	}
}

func TestLineDoesNotAllocate(t *testing.T) {
	var e lineEncoder
	s, buffer := sample(), make([]byte, 0, 8192)
	e.appendLine(buffer, s)
	if n := testing.AllocsPerRun(100, func() { e.appendLine(buffer, s) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func BenchmarkLine(b *testing.B) {
	var e lineEncoder
	s, buffer := sample(), make([]byte, 0, 8192)
	b.ReportAllocs()
	for b.Loop() {
		buffer = e.appendLine(buffer[:0], s)
	}
	b.ReportMetric(float64(len(buffer)), "B/span")
}
