package otlp

import (
	"encoding/binary"
	"hash/maphash"
	"math"
	"strings"

	commonpb "go.opentelemetry.io/proto/otlp/common/v1"
	"google.golang.org/protobuf/encoding/protowire"

	"weft/correlate/span"
)

// encoder writes spans into messages, one at a time. It remembers the parts of spans that come again.
type encoder struct {
	scope      *commonpb.InstrumentationScope
	attributes []span.Attribute
	body       []byte // of a group's spans, the one that is being written last
	text       []byte
	parts      *parts
}

func newEncoder(version string) *encoder {
	return &encoder{
		scope: &commonpb.InstrumentationScope{Name: "weft", Version: version},
		parts: &parts{seed: maphash.MakeSeed()},
	}
}

// add puts s into m and keeps nothing of it.
func (e *encoder) add(m *message, s *span.Span) {
	g := m.of(s.Resource, e.scope)
	before := len(g.spans)
	e.body = append(g.spans, fieldSpans<<3|byte(protowire.BytesType), 0, 0)
	e.appendSpan(s)
	g.spans = closeField(e.body, before+1)
	m.size += len(g.spans) - before
	m.count++
}

// appendSpan appends the span's fields to e.body.
func (e *encoder) appendSpan(s *span.Span) {
	b := appendBytes(e.body, fieldTraceID, s.TraceID[:])
	b = appendBytes(b, fieldSpanID, s.SpanID[:])
	if s.TraceState != "" {
		e.text = append(e.text[:0], s.TraceState...)
		b = appendBytes(b, fieldTraceState, validUTF8(e.text))
	}
	if s.ParentID.IsValid() {
		b = appendBytes(b, fieldParentSpanID, s.ParentID[:])
	}
	b = appendVarint(b, fieldKind, uint64(s.Kind))
	b = appendFixed64(b, fieldStart, uint64(s.Start))
	b = appendFixed64(b, fieldEnd, uint64(s.End))
	e.body = b
	e.appendAsked(s)
	e.appendEnds(s)
	e.appendAttributes(s.OwnAttributes(e.attributes[:0]))
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

// appendAsked appends the name and the attributes that say what the request asks for.
func (e *encoder) appendAsked(s *span.Span) {
	slot, found := e.parts.ofAsked(s)
	if found {
		e.body = append(e.body, slot.bytes...)
		return
	}
	before := len(e.body)
	e.text = s.AppendName(e.text[:0])
	e.body = appendBytes(e.body, fieldName, validUTF8(e.text))
	e.appendAttributes(s.RequestAttributes(e.attributes[:0]))
	slot.bytes = keep(slot.bytes, e.body[before:])
}

// appendEnds appends the attributes that describe the connection.
func (e *encoder) appendEnds(s *span.Span) {
	slot, found := e.parts.ofEnds(s)
	if found {
		e.body = append(e.body, slot.bytes...)
		return
	}
	before := len(e.body)
	e.appendAttributes(s.ConnectionAttributes(e.attributes[:0]))
	slot.bytes = keep(slot.bytes, e.body[before:])
}

// appendAttributes appends attributes, which may be in the room of e.attributes.
func (e *encoder) appendAttributes(list []span.Attribute) {
	e.attributes = list
	for rest := list; len(rest) > 0; {
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
