package otlp

import (
	"encoding/hex"
	"fmt"
	"math"
	"net/netip"
	"reflect"
	"strings"
	"testing"

	coltracepb "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	commonpb "go.opentelemetry.io/proto/otlp/common/v1"
	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/proto"

	"weft/correlate/event"
	"weft/correlate/span"
)

func sample(i int) *span.Span {
	s := &span.Span{
		TraceID: span.TraceID{1, 15: byte(i)}, SpanID: span.ID{2, 6: byte(i >> 8), 7: byte(i)}, ParentID: span.ID{3}, TraceState: "a=b",
		Sampled: true, ParentRemote: true, Kind: span.Server, Start: 1_700_000_000_000_000_000, End: 1_700_000_000_003_000_000,
		FirstByte: 1_700_000_000_002_000_000, Resource: shop, TID: 12, Evidence: span.Header, Confidence: 0.5,
		Method: "GET", Route: "/users/{id}", Path: fmt.Sprintf("/users/%d", i), Query: "a=1", HasQuery: true,
		Scheme: "http", Host: "shop.example", HostPort: 8080, UserAgent: "curl/8.5.0", Minor: 1, Status: 200, ReplyBody: 512,
		Local: netip.MustParseAddrPort("127.0.0.1:8080"), Peer: netip.MustParseAddrPort("127.0.0.1:51000"), RTT: 45,
	}
	if i%2 == 1 {
		s.Kind, s.Route, s.Status, s.Upgraded, s.Resource = span.Client, "", 502, true, cart
		s.Headers = []event.Attribute{{Key: "http.request.header.x-id", Value: "7"}, {Key: "http.request.header.x-id", Value: "8"}}
	}
	return s
}

var (
	shop = &span.Resource{Service: "shop", Attributes: []event.Attribute{
		{Key: "process.pid", Value: "4711"}, {Key: "service.name", Value: "shop"},
	}}
	cart = &span.Resource{Service: "cart", Attributes: []event.Attribute{{Key: "service.name", Value: "cart"}}}
)

// decode sends the message over the wire format.
func decode(t *testing.T, message []*tracepb.ResourceSpans) []*tracepb.ResourceSpans {
	t.Helper()
	raw, err := proto.Marshal(&coltracepb.ExportTraceServiceRequest{ResourceSpans: message})
	if err != nil {
		t.Fatal(err)
	}
	m := &coltracepb.ExportTraceServiceRequest{}
	if err := proto.Unmarshal(raw, m); err != nil {
		t.Fatal(err)
	}
	for _, rs := range m.ResourceSpans {
		for _, ss := range rs.ScopeSpans {
			for _, s := range ss.Spans {
				if len(s.ProtoReflect().GetUnknown()) > 0 {
					t.Errorf("span with unknown fields: %v", s)
				}
			}
		}
	}
	return m.ResourceSpans
}

// plain gives attributes as Go values.
func plain(list []*commonpb.KeyValue) map[string]any {
	m := map[string]any{}
	for _, kv := range list {
		if _, twice := m[kv.Key]; twice {
			m["twice"] = kv.Key
		}
		m[kv.Key] = plainValue(kv.Value)
	}
	return m
}

func plainValue(v *commonpb.AnyValue) any {
	switch v := v.Value.(type) {
	case *commonpb.AnyValue_StringValue:
		return v.StringValue
	case *commonpb.AnyValue_IntValue:
		return v.IntValue
	case *commonpb.AnyValue_DoubleValue:
		return v.DoubleValue
	case *commonpb.AnyValue_BoolValue:
		return v.BoolValue
	case *commonpb.AnyValue_ArrayValue:
		var list []any
		for _, e := range v.ArrayValue.Values {
			list = append(list, plainValue(e))
		}
		return list
	}
	return nil
}

// want gives the attributes of s as Go values, by another way than the encoder.
func want(s *span.Span) map[string]any {
	m := map[string]any{}
	for _, a := range s.Attributes(nil) {
		switch a.Kind {
		case span.String:
			m[a.Key] = strings.ToValidUTF8(a.Text(), "\uFFFD")
		case span.Int:
			m[a.Key] = a.Int
		case span.Double:
			m[a.Key] = a.Float
		case span.Bool:
			m[a.Key] = a.Int == 1
		case span.Strings:
			list, _ := m[strings.ToValidUTF8(a.Key, "\uFFFD")].([]any)
			m[strings.ToValidUTF8(a.Key, "\uFFFD")] = append(list, strings.ToValidUTF8(a.Text(), "\uFFFD"))
		}
	}
	return m
}

func check(t *testing.T, got *tracepb.Span, s *span.Span) {
	t.Helper()
	checkEvents(t, got.Events, s)
	header := []any{
		hex.EncodeToString(got.TraceId), hex.EncodeToString(got.SpanId), got.TraceState, got.Name, int(got.Kind),
		int64(got.StartTimeUnixNano), int64(got.EndTimeUnixNano), int(got.Status.GetCode()), got.Status.GetMessage(), got.Flags,
	}
	expect := []any{
		s.TraceID.String(), s.SpanID.String(), s.TraceState, strings.ToValidUTF8(s.Name(), "\uFFFD"), int(s.Kind),
		s.Start, s.End, int(s.StatusCode()), "", got.Flags,
	}
	if !reflect.DeepEqual(header, expect) {
		t.Errorf("got %v, want %v", header, expect)
	}
	if a, w := plain(got.Attributes), want(s); !reflect.DeepEqual(a, w) {
		t.Errorf("attributes %v, want %v", a, w)
	}
}

func TestEncode(t *testing.T) {
	enc, m := newEncoder("1.2.3"), newMessage()
	for round := range 3 { // objects and buffers are used again
		m.begin()
		for i := range 4 + round {
			enc.add(m, sample(i))
		}
		message := decode(t, m.finish())
		if len(message) != 2 {
			t.Fatalf("%d resources", len(message))
		}
		count := 0
		for r, rs := range message {
			scope := rs.ScopeSpans[0]
			if scope.Scope.Name != "weft" || scope.Scope.Version != "1.2.3" || scope.SchemaUrl != span.SchemaURL {
				t.Errorf("scope %v", scope.Scope)
			}
			for i, got := range scope.Spans {
				check(t, got, sample(2*i+r))
				count++
			}
		}
		if count != 4+round || m.count != count {
			t.Errorf("%d spans, %d counted, want %d", count, m.count, 4+round)
		}
		wantShop := map[string]any{"process.pid": int64(4711), "service.name": "shop"}
		if got := plain(message[0].Resource.Attributes); !reflect.DeepEqual(got, wantShop) {
			t.Errorf("resource %v", got)
		}
	}
}

func TestEncodeRootAndFlags(t *testing.T) {
	enc, m := newEncoder(""), newMessage()
	m.begin()
	enc.add(m, &span.Span{Kind: span.Client})
	enc.add(m, sample(0))
	message := decode(t, m.finish())
	root, child := message[0].ScopeSpans[0].Spans[0], message[1].ScopeSpans[0].Spans[0]
	if root.ParentSpanId != nil || root.Status != nil || root.Flags != flagHasIsRemote {
		t.Errorf("root %v", root)
	}
	if hex.EncodeToString(child.ParentSpanId) != "0300000000000000" || child.Flags != flagHasIsRemote|flagIsRemote|flagSampled {
		t.Errorf("child %v", child)
	}
}

// TestEncodeHostileResource holds that a process cannot spoil messages by its environment.
func TestEncodeHostileResource(t *testing.T) {
	enc, m := newEncoder(""), newMessage()
	m.begin()
	s := sample(0)
	s.Resource = &span.Resource{Attributes: []event.Attribute{{Key: "a\xff", Value: "b\xfe"}}}
	enc.add(m, s)
	got := plain(decode(t, m.finish())[0].Resource.Attributes)
	if want := map[string]any{"a\uFFFD": "b\uFFFD"}; !reflect.DeepEqual(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

func TestIdleResourcesAreForgotten(t *testing.T) {
	enc, m := newEncoder(""), newMessage()
	for i := range 3 * idleMessages {
		m.begin()
		if i == 0 {
			enc.add(m, sample(1))
		}
		enc.add(m, sample(0))
	}
	if len(m.groups) != 1 {
		t.Errorf("%d resources are kept", len(m.groups))
	}
	enc.add(m, sample(1))
	if got := decode(t, m.finish()); len(got) != 2 || len(got[0].ScopeSpans[0].Spans) != 1 {
		t.Errorf("message %v", got)
	}
}

// FuzzEncode holds that no bytes of a peer can make a message that a receiver refuses.
func FuzzEncode(f *testing.F) {
	f.Add("GET", "/a\xff", "q=\x00", "host\x80", "agent", "r/{id}", "v\xc3", "a=b", uint16(200), 0.5)
	f.Fuzz(func(t *testing.T, method, path, query, host, agent, route, header, state string, status uint16, confidence float64) {
		if math.IsNaN(confidence) {
			confidence = 0
		}
		enc, m := newEncoder(""), newMessage()
		m.begin()
		s := sample(0)
		s.Method, s.Path, s.Query, s.Host, s.UserAgent, s.Route = method, path, query, host, agent, route
		s.TraceState, s.Status, s.Confidence = "", status, confidence
		s.Headers = []event.Attribute{{Key: "http.request.header.x", Value: header}, {Key: "http.request.header." + state, Value: state}}
		c := *s
		c.Kind = span.Client
		enc.add(m, s)
		enc.add(m, &c)
		spans := decode(t, m.finish())[0].ScopeSpans[0].Spans
		check(t, spans[0], s)
		check(t, spans[1], &c)
	})
}

func TestEncodeDoesNotAllocate(t *testing.T) {
	enc, m := newEncoder(""), newMessage()
	spans := []*span.Span{sample(0), sample(2)}
	round := func() {
		m.begin()
		for range 50 {
			for _, s := range spans {
				enc.add(m, s)
			}
		}
	}
	round()
	if n := testing.AllocsPerRun(20, round); n > 0 {
		t.Errorf("%v allocations", n)
	}
}
