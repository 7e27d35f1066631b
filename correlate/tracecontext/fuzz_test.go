package tracecontext

import (
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"strings"
	"testing"
)

// fields are those that a message has, by name.
type fields map[string]string

// fuzzed reads fields of which all but the names are up to the fuzzer, and holds to the contract of Set.
func fuzzed(t *testing.T, f Format, whole bool, message fields) *Carrier {
	t.Helper()
	r, err := NewReader([]string{"own"})
	if err != nil {
		t.Fatal(err)
	}
	s := &Set{}
	for name, value := range message {
		r.Field(s, []byte(name), []byte(value))
	}
	r.Settle(s, whole)
	c := s.Carrier(f)
	if c == nil {
		if want := map[bool]State{true: Absent, false: Unknown}[whole]; s.State(f) != want {
			t.Fatalf("%q: %v without a carrier", message, s.State(f))
		}
		return nil
	}
	switch {
	case c.State == Absent || s.State(f) != c.State || c.Format != f || c.Fields < 0:
	case c.State == Invalid && (c.Rule == "" || c.Context != Context{}):
	case c.State == Unknown && c.Context != Context{}:
	case c.State == Valid && c.Context.Width == 64 && [8]byte(c.Context.TraceID[:8]) != [8]byte{}:
	case c.State == Valid && c.Context.Width != 0 && c.Context.TraceID == [16]byte{}:
	default:
		Fingerprint(c.Context, s, 1)
		CompareState(s, s)
		CompareBaggage(s, s)
		return c
	}
	t.Fatalf("%q: %+v", message, c)
	return nil
}

// again holds a carrier that was written in its usual form against what was read at first.
func again(t *testing.T, first *Carrier, message fields) {
	t.Helper()
	c := fuzzed(t, first.Format, true, message)
	if c == nil || c.State != Valid || c.Context != first.Context {
		t.Fatalf("%+v written as %q becomes %+v", first.Context, message, c)
	}
}

// named tells that a carrier names a trace by a number.
func named(c *Carrier) bool { return c != nil && c.State == Valid && c.Context.Width > 0 }

func traceText(c *Context) string { return hex.EncodeToString(c.TraceID[16-c.Width/8:]) }

func parentText(c *Context) string { return hex.EncodeToString(c.ParentID[:]) }

func FuzzW3C(f *testing.F) {
	f.Add(usual, "a=1,b=2", true)
	f.Add("cc"+usual[2:]+"-x", "a=1, ,", false)
	f.Add(usual+", "+usual, "", true)
	f.Fuzz(func(t *testing.T, value, state string, whole bool) {
		c := fuzzed(t, W3C, whole, fields{"traceparent": value, "tracestate": state})
		if named(c) {
			again(t, c, fields{"traceparent": fmt.Sprintf("%02x-%s-%s-%02x", c.Context.Version, traceText(&c.Context), parentText(&c.Context), c.Context.Flags)})
		}
		if plain, _, _ := Parse([]byte(value)); c == nil || c.Context != plain {
			t.Fatalf("%q: %+v, Parse has %+v", value, c, plain)
		}
		fuzzed(t, Elastic, whole, fields{"elastic-apm-traceparent": value})
	})
}

func FuzzB3(f *testing.F) {
	f.Add(trace+"-"+parent+"-1-"+parent, trace, parent, "1", true)
	f.Add("d", low, parent, "true", false)
	words := map[Decision]string{Denied: "-0", Accepted: "-1", Debug: "-d"}
	f.Fuzz(func(t *testing.T, one, trace, span, sampled string, whole bool) {
		single := fuzzed(t, B3, whole, fields{"b3": one})
		several := fuzzed(t, B3, whole, fields{"x-b3-traceid": trace, "x-b3-spanid": span, "x-b3-parentspanid": span, "x-b3-sampled": sampled, "x-b3-flags": sampled})
		for _, c := range []*Carrier{single, several} {
			if named(c) {
				again(t, c, fields{"b3": traceText(&c.Context) + "-" + parentText(&c.Context) + words[c.Context.Decision]})
			}
		}
		both := fuzzed(t, B3, whole, fields{"b3": one, "x-b3-traceid": trace, "x-b3-spanid": span})
		if named(single) && both.Context != single.Context {
			t.Fatalf("%q: %+v beside other fields, %+v alone", one, both, single)
		}
	})
}

func FuzzJaeger(f *testing.F) {
	f.Add(trace+":"+parent+":0:1", "a", true)
	f.Add("abc%3Af%3a0%3A3", "b=%41+c", false)
	f.Fuzz(func(t *testing.T, value, baggage string, whole bool) {
		c := fuzzed(t, Jaeger, whole, fields{"uber-trace-id": value, "uberctx-" + baggage: baggage, "jaeger-baggage": baggage})
		if named(c) {
			flags := map[Decision]string{Denied: "0", Accepted: "1", Debug: "3"}[c.Context.Decision]
			again(t, c, fields{"uber-trace-id": traceText(&c.Context) + "%3A" + strings.TrimLeft(parentText(&c.Context), "0") + ":0:" + flags})
		}
	})
}

func FuzzDatadog(f *testing.F) {
	f.Add("11803532876627986230", "67667974448284343", "1", "_dd.p.dm=-1,_dd.p.tid=4bf92f3577b34da6", true)
	f.Add("18446744073709551616", "0", "-1", "_dd.p.tid=zz", false)
	f.Fuzz(func(t *testing.T, trace, span, priority, tags string, whole bool) {
		c := fuzzed(t, Datadog, whole, fields{"x-datadog-trace-id": trace, "x-datadog-parent-id": span, "x-datadog-sampling-priority": priority, "x-datadog-tags": tags})
		if named(c) {
			id := &c.Context.TraceID
			again(t, c, fields{"x-datadog-trace-id": fmt.Sprint(binary.BigEndian.Uint64(id[8:])), "x-datadog-parent-id": fmt.Sprint(binary.BigEndian.Uint64(c.Context.ParentID[:])),
				"x-datadog-sampling-priority": map[Decision]string{Denied: "0", Accepted: "1"}[c.Context.Decision], "x-datadog-tags": "_dd.p.tid=" + hex.EncodeToString(id[:8])})
		}
	})
}

func FuzzXRay(f *testing.F) {
	f.Add("Root=1-4bf92f35-77b34da6a3ce929d0e0e4736;Parent="+parent+";Sampled=1", true)
	f.Add("Self=1-x; Root=1-4bf92f35-77b34da6a3ce929d0e0e4736 ;Parent=;Sampled=?", false)
	f.Fuzz(func(t *testing.T, value string, whole bool) {
		c := fuzzed(t, XRay, whole, fields{"x-amzn-trace-id": value})
		if named(c) {
			text := "Sampled=" + map[Decision]string{Deferred: "?", Denied: "0", Accepted: "1"}[c.Context.Decision]
			if c.Context.ParentID != [8]byte{} {
				text += ";Parent=" + parentText(&c.Context)
			}
			id := traceText(&c.Context)
			again(t, c, fields{"x-amzn-trace-id": text + ";Root=1-" + id[:8] + "-" + id[8:]})
		}
	})
}

func FuzzGoogleCloud(f *testing.F) {
	f.Add(trace+"/67667974448284343;o=1", true)
	f.Add(trace+";o=", false)
	f.Fuzz(func(t *testing.T, value string, whole bool) {
		c := fuzzed(t, GoogleCloud, whole, fields{"x-cloud-trace-context": value})
		if named(c) {
			again(t, c, fields{"x-cloud-trace-context": fmt.Sprintf("%s/%d;o=%s", traceText(&c.Context), binary.BigEndian.Uint64(c.Context.ParentID[:]),
				map[Decision]string{Denied: "0", Accepted: "1"}[c.Context.Decision])})
		}
	})
}

func FuzzOpenCensus(f *testing.F) {
	f.Add(base64.StdEncoding.EncodeToString(census("0201")), true)
	f.Add(base64.RawStdEncoding.EncodeToString(census("")), false)
	f.Fuzz(func(t *testing.T, value string, whole bool) {
		c := fuzzed(t, OpenCensus, whole, fields{"grpc-trace-bin": value})
		if named(c) {
			p := append([]byte{0, 0}, c.Context.TraceID[:]...)
			p = append(append(p, 1), c.Context.ParentID[:]...)
			p = append(p, 2, byte(c.Context.Decision-Denied))
			again(t, c, fields{"grpc-trace-bin": base64.StdEncoding.EncodeToString(p)})
		}
	})
}

func FuzzSkyWalking(f *testing.F) {
	f.Add("1-TRACEID-SEGMENTID-3-U0VSVklDRQ==-SU5TVEFOQ0U=-RU5EUE9JTlQ=-aXB2NDpwb3J0", "a:b", true)
	f.Fuzz(func(t *testing.T, value, more string, whole bool) {
		c := fuzzed(t, SkyWalking, whole, fields{"sw8": value, "sw8-correlation": more, "sw8-x": more})
		if c.State == Valid && (c.Context.Width != 0 || c.Context.TraceID == [16]byte{} || strings.Count(value, "-") != 7) {
			t.Fatalf("%q: %+v", value, c)
		}
	})
}

func FuzzOpenTracing(f *testing.F) {
	f.Add(low, parent, "true", "a", true)
	f.Add("1f", "2", "0", "", false)
	f.Fuzz(func(t *testing.T, trace, span, sampled, baggage string, whole bool) {
		c := fuzzed(t, OpenTracing, whole, fields{"ot-tracer-traceid": trace, "ot-tracer-spanid": span, "ot-tracer-sampled": sampled, "ot-baggage-" + baggage: baggage})
		if named(c) {
			again(t, c, fields{"ot-tracer-traceid": traceText(&c.Context), "ot-tracer-spanid": parentText(&c.Context),
				"ot-tracer-sampled": fmt.Sprint(c.Context.Decision == Accepted)})
		}
	})
}

func FuzzNewRelic(f *testing.F) {
	text := `{"v":[0,1],"d":{"ty":"App","tr":"` + trace + `","id":"` + parent + `","sa":true}}`
	f.Add(text, true)
	f.Add(base64.StdEncoding.EncodeToString([]byte(text)), false)
	f.Fuzz(func(t *testing.T, text string, whole bool) {
		fuzzed(t, NewRelic, whole, fields{"newrelic": text})
		c := fuzzed(t, NewRelic, whole, fields{"newrelic": base64.StdEncoding.EncodeToString([]byte(text))})
		if named(c) {
			sampled := map[Decision]string{Denied: `,"sa":false`, Accepted: `,"sa":true`}[c.Context.Decision]
			again(t, c, fields{"newrelic": `{"v":[0,1],"d":{"tr":"` + traceText(&c.Context) + `","tx":"` + parentText(&c.Context) + `"` + sampled + `}}`})
		}
	})
}

func FuzzInstana(f *testing.F) {
	f.Add(trace, parent, "1", true)
	f.Add("", "", "0,correlationType=web;correlationId=a", false)
	f.Fuzz(func(t *testing.T, trace, span, level string, whole bool) {
		c := fuzzed(t, Instana, whole, fields{"x-instana-t": trace, "x-instana-s": span, "x-instana-l": level})
		if named(c) {
			again(t, c, fields{"x-instana-t": traceText(&c.Context), "x-instana-s": parentText(&c.Context),
				"x-instana-l": map[Decision]string{Denied: "0", Accepted: "1"}[c.Context.Decision]})
		}
	})
}

func FuzzSentry(f *testing.F) {
	f.Add(trace+"-"+parent+"-1", true)
	f.Add(trace+"-"+parent, false)
	f.Fuzz(func(t *testing.T, value string, whole bool) {
		c := fuzzed(t, Sentry, whole, fields{"sentry-trace": value})
		if named(c) {
			again(t, c, fields{"sentry-trace": traceText(&c.Context) + "-" + parentText(&c.Context) +
				map[Decision]string{Denied: "-0", Accepted: "-1"}[c.Context.Decision]})
		}
	})
}

func FuzzTexts(f *testing.F) {
	f.Add("|root.1.", "a", true)
	f.Fuzz(func(t *testing.T, one, two string, whole bool) {
		for format, message := range map[Format]fields{
			RequestID: {"request-id": one, "x-request-id": two}, Opaque: {"x-dynatrace": one, "pinpoint-" + two: two}, Custom: {"own": one},
		} {
			if c := fuzzed(t, format, whole, message); c.Context.Width != 0 {
				t.Fatalf("%q: %+v", message, c)
			}
		}
	})
}

// Whatever a message carries is found again in the same message, and in one that has more in front.
func FuzzCompare(f *testing.F) {
	f.Add("a=1,b=2", "user=alice,x=%E4%B8%AD;p=1", "a=1", "x=%e4")
	f.Fuzz(func(t *testing.T, state, baggage, otherState, otherBaggage string) {
		in := readHead(t, true, "tracestate: "+state, "baggage: "+baggage)
		out := readHead(t, true, "tracestate: "+otherState, "baggage: "+otherBaggage)
		if lost, cut, kept := CompareState(in, out); (lost || cut) && kept {
			t.Fatalf("%q: both valid and not", state)
		}
		CompareBaggage(in, out)
		more := readHead(t, true, "tracestate: fuzz@own=1", "tracestate: "+state, "baggage: fuzz=1", "baggage: "+baggage)
		for _, same := range []*Set{in, more} {
			if lost, cut, _ := CompareState(in, same); (lost || cut) && !strings.Contains(state, "fuzz@own") {
				t.Fatalf("%q: lost %v, cut %v in %q", state, lost, cut, same.TraceState())
			}
			if lost, partial := CompareBaggage(in, same); (lost || partial) && strings.Count(baggage, ",") < baggageMax/2 {
				t.Fatalf("%q: lost %v, partial %v in %q", baggage, lost, partial, same.Baggage())
			}
		}
	})
}

// A reader takes no name but those that it knows, and keeps what it takes.
func FuzzField(f *testing.F) {
	f.Add("TraceParent", usual)
	f.Add("uberctx-a", "b")
	f.Add("\r3", "0")
	f.Fuzz(func(t *testing.T, name, value string) {
		if _, err := NewReader([]string{name}); isToken([]byte(name)) != (err == nil) {
			t.Fatalf("%q: %v", name, err)
		}
		r, err := NewReader(nil)
		if err != nil {
			t.Fatal(err)
		}
		var s Set
		r.Field(&s, []byte(name), []byte(value))
		r.Settle(&s, true)
		known := false
		for _, row := range rows {
			low := []byte(name)
			for i, c := range low {
				if 'A' <= c && c <= 'Z' {
					low[i] += 'a' - 'A'
				}
			}
			known = known || string(low) == row.name && !row.prefix || row.prefix && len(low) > len(row.name) && strings.HasPrefix(string(low), row.name)
		}
		count := 0
		s.Each(func(n, v []byte) {
			if count++; string(n) != name || string(v) != value {
				t.Fatalf("%q: %q became %q: %q", name, value, n, v)
			}
		})
		if fits := len(name)+len(value)+entryCost <= familyMax; known != (s.present != 0) || (count == 1) != (known && fits) {
			t.Fatalf("%q: known %v, kept %d", name, known, count)
		}
	})
}
