package tracecontext

import (
	"strings"
	"testing"
)

var (
	plainHead = []string{"Host: api.example.com", "User-Agent: python-requests/2.32.3", "Accept-Encoding: gzip, deflate", "Accept: */*",
		"Connection: keep-alive", "Content-Type: application/json", "Content-Length: 123", "X-Forwarded-For: 10.1.2.3"}
	usualHead = append(append([]string{}, plainHead[:7]...), "traceparent: "+usual)
	fullHead  = append(append([]string{}, plainHead[:5]...), "traceparent: "+usual, "tracestate: dd=s:1;o:rum;p:00f067aa0ba902b7,rojo=00f067aa0ba902b7",
		"baggage: userId=alice,serverNode=DF%2028,isProduction=false")
	everyHead = append(append([]string{}, fullHead...), "b3: "+trace+"-"+parent+"-1", "x-datadog-trace-id: 11803532876627986230",
		"x-datadog-parent-id: 67667974448284343", "x-datadog-sampling-priority: 1", "x-datadog-tags: _dd.p.tid=4bf92f3577b34da6",
		"uber-trace-id: "+trace+":"+parent+":0:1", "x-amzn-trace-id: Root=1-4bf92f35-77b34da6a3ce929d0e0e4736;Parent="+parent+";Sampled=1",
		"x-cloud-trace-context: "+trace+"/67667974448284343;o=1", "grpc-trace-bin: AABL+S81d7NNpqPOkp0ODkc2AQDwZ6oLqQK3AgE",
		"sw8: 1-TRACEID-SEGMENTID-3-U0VSVklDRQ==-SU5TVEFOQ0U=-RU5EUE9JTlQ=-aXB2NDpwb3J0", "ot-tracer-traceid: "+low, "ot-tracer-spanid: "+parent,
		"elastic-apm-traceparent: "+usual, "x-instana-t: "+trace, "x-instana-s: "+parent, "sentry-trace: "+trace+"-"+parent+"-1",
		`newrelic: {"v":[0,1],"d":{"tr":"`+trace+`","id":"`+parent+`","sa":true}}`, "x-request-id: 7f1a1a4e-8d0c-4b0f-9a57-ddcc8a0a2f11", "x-dynatrace: FW4;a")
)

// prepare gives a function that reads one head, as often as it is called.
func prepare(t testing.TB, head []string) (read func() *Set) {
	r, err := NewReader(nil)
	if err != nil {
		t.Fatal(err)
	}
	var names, values [][]byte
	for _, line := range head {
		name, value, _ := strings.Cut(line, ": ")
		names, values = append(names, []byte(name)), append(values, []byte(value))
	}
	s := &Set{}
	return func() *Set {
		s.Reset()
		for i := range names {
			r.Field(s, names[i], values[i])
		}
		r.Settle(s, true)
		return s
	}
}

func TestReadingDoesNotAllocate(t *testing.T) {
	for _, head := range [][]string{plainHead, usualHead, fullHead, everyHead} {
		read := prepare(t, head)
		for _, c := range read().Carriers() {
			if c.State != Valid {
				t.Errorf("%+v", c)
			}
		}
		if n := testing.AllocsPerRun(100, func() { read() }); n != 0 {
			t.Errorf("%d fields: %v allocations", len(head), n)
		}
	}
}

func TestComparingDoesNotAllocate(t *testing.T) {
	in, out := prepare(t, fullHead)(), prepare(t, everyHead)()
	if n := testing.AllocsPerRun(100, func() {
		CompareState(in, out)
		CompareBaggage(in, out)
		out.Best()
		Fingerprint(out.Best().Context, out, 1)
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func BenchmarkRead(b *testing.B) {
	for _, test := range []struct {
		name  string
		head  []string
		found int
	}{{"no_carrier", plainHead, 0}, {"traceparent", usualHead, 1}, {"traceparent_tracestate_baggage", fullHead, 2}, {"every_format", everyHead, 16}} {
		b.Run(test.name, func(b *testing.B) {
			read := prepare(b, test.head)
			b.ReportAllocs()
			for b.Loop() {
				if len(read().Carriers()) != test.found {
					b.Fatalf("%+v", read().Carriers())
				}
			}
		})
	}
}

// BenchmarkField has one field that is no carrier.
func BenchmarkField(b *testing.B) {
	for _, name := range []string{"Host", "Content-Type", "User-Agent", "X-Forwarded-For"} {
		b.Run(name, func(b *testing.B) {
			r, err := NewReader(nil)
			if err != nil {
				b.Fatal(err)
			}
			s, name, value := &Set{}, []byte(name), []byte("value")
			for b.Loop() {
				r.Field(s, name, value)
			}
			if s.present != 0 {
				b.Fatal("kept")
			}
		})
	}
}

func BenchmarkCompare(b *testing.B) {
	in, out := prepare(b, fullHead)(), prepare(b, everyHead)()
	b.ReportAllocs()
	for b.Loop() {
		CompareState(in, out)
		CompareBaggage(in, out)
	}
}

// BenchmarkHostile has heads that are as expensive as the bounds allow.
func BenchmarkHostile(b *testing.B) {
	heads := map[string][]string{
		"members": {"tracestate: " + strings.Repeat("a,", 4000), "baggage: " + strings.Repeat("a=1,", 2000)},
		"fields":  strings.Split(strings.Repeat("b3: x|x-b3-spanid: x|ot-baggage-a: b|", 250), "|"),
		"commas":  {"x-b3-traceid: " + strings.Repeat(",", 8000), "sentry-trace: " + strings.Repeat("\t,", 4000)},
		"json":    {"newrelic: " + strings.Repeat(`{"`, 4000)},
	}
	for name, head := range heads {
		b.Run(name, func(b *testing.B) {
			in, read := prepare(b, fullHead)(), prepare(b, head)
			for b.Loop() {
				s := read()
				CompareState(in, s)
				CompareBaggage(in, s)
				CompareState(s, s)
				CompareBaggage(s, s)
			}
		})
	}
}
