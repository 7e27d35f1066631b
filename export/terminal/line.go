package terminal

import (
	"encoding/hex"
	"strconv"

	"weft/correlate/span"
)

// maxResources is how many resources are kept in their written form before all are written anew.
const maxResources = 1024

// lineEncoder writes spans as lines of JSON.
type lineEncoder struct {
	attributes []span.Attribute
	text       []byte
	resources  map[*span.Resource][]byte
}

// appendLine appends s as one JSON object and a line feed. The field names are those of OTLP/JSON
// (https://opentelemetry.io/docs/specs/otlp/#json-protobuf-encoding); attributes and resource are flat maps with
// plain values.
func (e *lineEncoder) appendLine(dst []byte, s *span.Span) []byte {
	dst = append(dst, `{"traceId":"`...)
	dst = hex.AppendEncode(dst, s.TraceID[:])
	dst = append(dst, `","spanId":"`...)
	dst = hex.AppendEncode(dst, s.SpanID[:])
	if s.ParentID.IsValid() {
		dst = append(dst, `","parentSpanId":"`...)
		dst = hex.AppendEncode(dst, s.ParentID[:])
	}
	dst = append(dst, '"')
	if s.TraceState != "" {
		dst = append(dst, `,"traceState":`...)
		dst = appendQuoted(dst, s.TraceState)
	}
	dst = append(dst, `,"name":`...)
	e.text = s.AppendName(e.text[:0])
	dst = appendQuoted(dst, e.text)
	dst = append(dst, `,"kind":`...)
	dst = strconv.AppendUint(dst, uint64(s.Kind), 10)
	dst = append(dst, `,"startTimeUnixNano":"`...)
	dst = strconv.AppendInt(dst, s.Start, 10)
	dst = append(dst, `","endTimeUnixNano":"`...)
	dst = strconv.AppendInt(dst, s.End, 10)
	dst = append(dst, `","status":{"code":`...)
	dst = strconv.AppendUint(dst, uint64(s.StatusCode()), 10)
	dst = append(dst, `},"attributes":`...)
	e.attributes = s.Attributes(e.attributes[:0])
	dst = e.appendMap(dst, e.attributes)
	if e.attributes = s.BreakAttributes(e.attributes[:0]); len(e.attributes) > 0 {
		dst = append(dst, `,"events":[{"timeUnixNano":"`...)
		dst = strconv.AppendInt(dst, s.Start, 10)
		dst = append(dst, `","name":"`+span.BreakEvent+`","attributes":`...)
		dst = e.appendMap(dst, e.attributes)
		dst = append(dst, "}]"...)
	}
	dst = append(dst, `,"resource":`...)
	dst = append(dst, e.resource(s.Resource)...)
	return append(dst, '}', '\n')
}

func (e *lineEncoder) appendMap(dst []byte, list []span.Attribute) []byte {
	dst = append(dst, '{')
	for i := 0; i < len(list); {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = appendQuoted(dst, list[i].Key)
		dst = append(dst, ':')
		if list[i].Kind != span.Strings {
			dst = e.appendValue(dst, &list[i])
			i++
			continue
		}
		first := i
		for ; i < len(list) && list[i].Kind == span.Strings && list[i].Key == list[first].Key; i++ {
			dst = append(dst, "[,"[min(i-first, 1)])
			dst = e.appendValue(dst, &list[i])
		}
		dst = append(dst, ']')
	}
	return append(dst, '}')
}

func (e *lineEncoder) appendValue(dst []byte, a *span.Attribute) []byte {
	switch a.Kind {
	case span.Int:
		return strconv.AppendInt(dst, a.Int, 10)
	case span.Double:
		return appendNumber(dst, a.Float)
	case span.Bool:
		return strconv.AppendBool(dst, a.Int != 0)
	}
	e.text = a.AppendText(e.text[:0])
	return appendQuoted(dst, e.text)
}

func (e *lineEncoder) resource(r *span.Resource) []byte {
	if r == nil {
		return []byte("{}")
	}
	if text, ok := e.resources[r]; ok {
		return text
	}
	if e.resources == nil || len(e.resources) >= maxResources {
		e.resources = map[*span.Resource][]byte{}
	}
	list := make([]span.Attribute, 0, len(r.Attributes))
	for _, a := range r.Attributes {
		list = append(list, span.ResourceAttribute(a))
	}
	text := e.appendMap(nil, list)
	e.resources[r] = text
	return text
}
