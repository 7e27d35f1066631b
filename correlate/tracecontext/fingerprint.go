package tracecontext

import "encoding/binary"

// day is how long before the event a trace may have begun, in seconds; clocks may be an hour apart.
const (
	day  = 86400
	hour = 3600
)

// UUID is the fingerprint that one random id in 64 has, too.
const UUID = "uuid"

// Fingerprint says who has probably made a trace id, by its looks; empty when nothing is to be said. s are the carriers beside
// it, at is the time of the message in seconds of Unix.
//
//   - "xray": the id is that of an X-Amzn-Trace-Id, and begins with the time;
//   - "datadog": the time, 32 zero bits, 64 random ones;
//   - "zipkin style root": no high half, and the span has the id of the trace, as Zipkin and Envoy make their roots;
//   - "64-bit tracer": no high half;
//   - "level 2 SDK": says that it is random, as of Trace Context level 2;
//   - "uuid": has the marks of a UUID of version 4, as one in 64 random ids does.
func Fingerprint(c Context, s *Set, at int64) string {
	if c.Width == 0 || c.TraceID == [16]byte{} {
		return ""
	}
	born := int64(binary.BigEndian.Uint32(c.TraceID[:]))
	fresh := at-day <= born && born <= at+hour
	switch x := s.Carrier(XRay); {
	case fresh && x != nil && x.State == Valid && x.Context.TraceID == c.TraceID:
		return "xray"
	case fresh && [4]byte(c.TraceID[4:8]) == [4]byte{}:
		return "datadog"
	case c.isShort() && [8]byte(c.TraceID[8:]) == c.ParentID:
		return "zipkin style root"
	case c.isShort():
		return "64-bit tracer"
	case c.Flags == Sampled|Random:
		return "level 2 SDK"
	case c.TraceID[6]>>4 == 4 && c.TraceID[8]>>6 == 2:
		return UUID
	}
	return ""
}
