package tracecontext

import (
	"bytes"
	"encoding/base64"
)

// openCensus is binary, in base64 with or without padding: version 0, then the fields 0 with the trace id, 1 with the span id
// and 2 with the options, each behind its number:
// https://github.com/census-instrumentation/opencensus-specs/blob/master/encodings/BinaryEncoding.md. What follows them is for
// later versions. The same bytes are Kafka's elasticapmtraceparent.
type openCensus struct{}

// RuleBase64: not base64.
const RuleBase64 Rule = "base64"

// Offsets of the fields, each at its number.
const (
	censusTraceAt   = 1
	censusSpanAt    = censusTraceAt + 1 + 16
	censusOptionsAt = censusSpanAt + 1 + 8
	censusMax       = 64 // bytes that are read
)

func (openCensus) read(v view) (c Carrier) {
	value := v.first(&c, mainField)
	var room [censusMax]byte
	p, rule := fromBase64(room[:], value)
	if rule == "" {
		rule = c.Context.binary(p)
	}
	return v.judge(&c, rule)
}

func (c *Context) binary(p []byte) Rule {
	switch {
	case len(p) > 0 && p[0] != 0:
		return RuleVersion
	case len(p) < censusOptionsAt:
		return RuleLength
	case p[censusTraceAt] != 0 || p[censusSpanAt] != 1 || len(p) > censusOptionsAt && p[censusOptionsAt] != 2:
		return RuleDelimiter
	case len(p) == censusOptionsAt+1:
		return RuleLength
	}
	copy(c.TraceID[:], p[censusTraceAt+1:])
	copy(c.ParentID[:], p[censusSpanAt+1:])
	c.Width = 128
	c.Decision = decide(len(p) > censusOptionsAt && p[censusOptionsAt+1]&1 != 0)
	return c.isParent(c.isTrace(""))
}

// fromBase64 decodes into room.
func fromBase64(room, value []byte) ([]byte, Rule) {
	value = bytes.TrimRight(value, "=")
	if base64.RawStdEncoding.DecodedLen(len(value)) > len(room) {
		return nil, RuleLength
	}
	n, err := base64.RawStdEncoding.Decode(room, value)
	if err != nil {
		return nil, RuleBase64
	}
	return room[:n], ""
}
