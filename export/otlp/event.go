package otlp

import (
	"google.golang.org/protobuf/encoding/protowire"

	"weft/correlate/span"
)

// appendBreak appends the event that tells of a broken trace context. Its texts are weft's own: names of verdicts and fields.
func (e *encoder) appendBreak(b []byte, s *span.Span) []byte {
	e.attributes = s.BreakAttributes(e.attributes[:0])
	size := 9 + sizeBytes(len(span.BreakEvent))
	for i := range e.attributes {
		size += sizeBytes(sizeKeyValue(&e.attributes[i]))
	}
	b = appendLength(appendTag(b, fieldEvents, protowire.BytesType), size)
	b = appendFixed64(b, fieldEventTime, uint64(s.Start))
	b = appendText(b, fieldEventName, span.BreakEvent)
	for i := range e.attributes {
		a := &e.attributes[i]
		b = appendLength(appendTag(b, fieldEventAttributes, protowire.BytesType), sizeKeyValue(a))
		b = appendText(b, fieldKey, a.Key)
		b = appendLength(appendTag(b, fieldValue, protowire.BytesType), sizeBytes(len(a.Str)))
		b = appendText(b, fieldStringValue, a.Str)
	}
	return b
}

// sizeKeyValue is the size of a KeyValue whose value is a text.
func sizeKeyValue(a *span.Attribute) int {
	return sizeBytes(len(a.Key)) + sizeBytes(sizeBytes(len(a.Str)))
}

func appendText(b []byte, field byte, text string) []byte {
	b = appendLength(appendTag(b, field, protowire.BytesType), len(text))
	return append(b, text...)
}
