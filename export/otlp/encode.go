package otlp

import (
	"encoding/binary"
	"math"
	"strings"

	commonpb "go.opentelemetry.io/proto/otlp/common/v1"
	resourcepb "go.opentelemetry.io/proto/otlp/resource/v1"
	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/encoding/protowire"

	"weft/correlate/span"
)

// idleMessages is for how many messages the objects of a resource without spans are kept.
const idleMessages = 16

// encoder builds messages of spans. Its objects and buffers live from message to message, so a message is valid
// until the next begin.
//
// The spans are written as bytes into the unknown fields of their ScopeSpans, from where protobuf copies them
// out unchanged: objects for thirty attributes of every span would cost several times as much.
type encoder struct {
	scope      *commonpb.InstrumentationScope
	groups     map[*span.Resource]*group
	message    []*tracepb.ResourceSpans
	size       int // bytes of the spans in the message
	count      int // of the spans in the message
	attributes []span.Attribute
	body       []byte // of a span
	text       []byte
}

// group is what one resource has in a message.
type group struct {
	resource *tracepb.ResourceSpans
	scope    *tracepb.ScopeSpans
	spans    []byte
	idle     int // messages without a span
}

func newEncoder(version string) *encoder {
	return &encoder{
		scope:  &commonpb.InstrumentationScope{Name: "weft", Version: version},
		groups: map[*span.Resource]*group{},
	}
}

// begin starts a new message.
func (e *encoder) begin() {
	e.message, e.size, e.count = e.message[:0], 0, 0
	for r, g := range e.groups {
		if len(g.spans) == 0 {
			g.idle++
			g.spans = nil
		} else {
			g.idle = 0
			g.spans = g.spans[:0]
		}
		if g.idle > idleMessages {
			delete(e.groups, r)
		}
	}
}

// add puts s into the message and keeps nothing of it.
func (e *encoder) add(s *span.Span) {
	g := e.groups[s.Resource]
	if g == nil {
		g = e.newGroup(s.Resource)
		e.groups[s.Resource] = g
	}
	if len(g.spans) == 0 {
		e.message = append(e.message, g.resource)
	}
	before := len(g.spans)
	e.appendSpan(s)
	g.spans = appendBytes(g.spans, fieldSpans, e.body)
	e.size += len(g.spans) - before
	e.count++
}

// finish gives the message.
func (e *encoder) finish() []*tracepb.ResourceSpans {
	for _, g := range e.groups {
		if len(g.spans) > 0 {
			g.scope.ProtoReflect().SetUnknown(g.spans)
		}
	}
	return e.message
}

func (e *encoder) newGroup(r *span.Resource) *group {
	g := &group{scope: &tracepb.ScopeSpans{Scope: e.scope, SchemaUrl: span.SchemaURL}}
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

// appendSpan leaves the encoded span in e.body.
func (e *encoder) appendSpan(s *span.Span) {
	b := appendBytes(e.body[:0], fieldTraceID, s.TraceID[:])
	b = appendBytes(b, fieldSpanID, s.SpanID[:])
	if s.TraceState != "" {
		e.text = append(e.text[:0], s.TraceState...)
		b = appendBytes(b, fieldTraceState, validUTF8(e.text))
	}
	if s.ParentID.IsValid() {
		b = appendBytes(b, fieldParentSpanID, s.ParentID[:])
	}
	e.text = s.AppendName(e.text[:0])
	b = appendBytes(b, fieldName, validUTF8(e.text))
	b = appendVarint(b, fieldKind, uint64(s.Kind))
	b = appendFixed64(b, fieldStart, uint64(s.Start))
	b = appendFixed64(b, fieldEnd, uint64(s.End))
	e.body = b
	e.appendAttributes(s)
	b = e.body
	if code := s.StatusCode(); code != span.StatusUnset {
		b = appendTag(b, fieldStatus, protowire.BytesType)
		b = append(b, 2) // bytes of the status
		b = appendVarint(b, fieldStatusCode, uint64(code))
	}
	if s.Break {
		b = e.appendBreak(b, s)
	}
	flags := uint32(flagHasIsRemote)
	if s.Sampled {
		flags |= flagSampled
	}
	if s.ParentRemote {
		flags |= flagIsRemote
	}
	b = protowire.AppendTag(b, fieldFlags, protowire.Fixed32Type)
	e.body = binary.LittleEndian.AppendUint32(b, flags)
}

func (e *encoder) appendAttributes(s *span.Span) {
	e.attributes = s.Attributes(e.attributes[:0])
	for rest := e.attributes; len(rest) > 0; {
		n := 1
		if rest[0].Kind == span.Strings {
			for n < len(rest) && rest[n].Kind == span.Strings && rest[n].Key == rest[0].Key {
				n++
			}
			e.appendList(rest[:n])
		} else {
			e.appendAttribute(&rest[0])
		}
		rest = rest[n:]
	}
}

// appendAttribute appends the attribute with its single value to e.body.
func (e *encoder) appendAttribute(a *span.Attribute) {
	switch a.Kind {
	case span.Int:
		b := appendKey(e.body, a.Key, 1+protowire.SizeVarint(uint64(a.Int)))
		e.body = appendVarint(b, fieldIntValue, uint64(a.Int))
	case span.Bool:
		b := appendKey(e.body, a.Key, 2)
		e.body = appendVarint(b, fieldBoolValue, uint64(a.Int))
	case span.Double:
		b := appendKey(e.body, a.Key, 9)
		e.body = appendFixed64(b, fieldDoubleValue, math.Float64bits(a.Float))
	default:
		e.text = a.AppendText(e.text[:0])
		text := validUTF8(e.text)
		b := appendKey(e.body, a.Key, sizeBytes(len(text)))
		e.body = appendBytes(b, fieldStringValue, text)
	}
}

// appendList appends an attribute whose value is the list of the texts to e.body.
func (e *encoder) appendList(list []span.Attribute) {
	var array []byte
	for i := range list {
		e.text = list[i].AppendText(e.text[:0])
		text := validUTF8(e.text)
		array = appendTag(array, fieldValues, protowire.BytesType)
		array = appendLength(array, sizeBytes(len(text)))
		array = appendBytes(array, fieldStringValue, text)
	}
	key := strings.ToValidUTF8(list[0].Key, "\uFFFD") // unlike other keys it may come from a peer
	b := appendKey(e.body, key, sizeBytes(len(array)))
	e.body = appendBytes(b, fieldArrayValue, array)
}
