package otlp

import (
	"strings"

	commonpb "go.opentelemetry.io/proto/otlp/common/v1"
	resourcepb "go.opentelemetry.io/proto/otlp/resource/v1"
	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"

	"weft/correlate/span"
)

// message is what one upload carries. Its objects and buffers live from one use to the next.
//
// The spans are written as bytes into the unknown fields of their ScopeSpans, from where protobuf copies them
// out unchanged: objects for thirty attributes of every span would cost several times as much.
type message struct {
	groups map[*span.Resource]*group
	list   []*tracepb.ResourceSpans
	size   int // bytes of the spans
	count  int // of the spans
}

// group is what one resource has in a message.
type group struct {
	resource *tracepb.ResourceSpans
	scope    *tracepb.ScopeSpans
	spans    []byte
	idle     int // uses of the message without a span
}

// idleMessages is for how many uses the objects of a resource without spans are kept.
const idleMessages = 16

func newMessage() *message { return &message{groups: map[*span.Resource]*group{}} }

// begin empties the message.
func (m *message) begin() {
	m.list, m.size, m.count = m.list[:0], 0, 0
	for r, g := range m.groups {
		if len(g.spans) == 0 {
			g.idle++
			g.spans = nil
		} else {
			g.idle = 0
			g.spans = g.spans[:0]
		}
		if g.idle > idleMessages {
			delete(m.groups, r)
		}
	}
}

// of gives the group of a resource.
func (m *message) of(r *span.Resource, scope *commonpb.InstrumentationScope) *group {
	g := m.groups[r]
	if g == nil {
		g = newGroup(r, scope)
		m.groups[r] = g
	}
	if len(g.spans) == 0 {
		m.list = append(m.list, g.resource)
	}
	return g
}

// finish gives the message as the SDK's clients take it, valid until the next begin.
func (m *message) finish() []*tracepb.ResourceSpans {
	for _, g := range m.groups {
		if len(g.spans) > 0 {
			g.scope.ProtoReflect().SetUnknown(g.spans)
		}
	}
	return m.list
}

func newGroup(r *span.Resource, scope *commonpb.InstrumentationScope) *group {
	g := &group{scope: &tracepb.ScopeSpans{Scope: scope, SchemaUrl: span.SchemaURL}}
	g.resource = &tracepb.ResourceSpans{
		Resource: &resourcepb.Resource{}, ScopeSpans: []*tracepb.ScopeSpans{g.scope}, SchemaUrl: span.SchemaURL,
	}
	if r == nil {
		return g
	}
	for _, event := range r.Attributes {
		a := span.ResourceAttribute(event)
		value := &commonpb.AnyValue{Value: &commonpb.AnyValue_StringValue{StringValue: strings.ToValidUTF8(a.Text(), "\uFFFD")}}
		if a.Kind == span.Int {
			value.Value = &commonpb.AnyValue_IntValue{IntValue: a.Int}
		}
		g.resource.Resource.Attributes = append(g.resource.Resource.Attributes, &commonpb.KeyValue{
			Key: strings.ToValidUTF8(a.Key, "\uFFFD"), Value: value,
		})
	}
	return g
}
