package tracecontext

import "bytes"

// jaeger is {trace}:{span}:{parent}:{flags}, in hexadecimal of any length and either case, perhaps encoded as in a URL; the
// parent is out of use: https://www.jaegertracing.io/sdk-migration/#propagation-format. A jaeger-debug-id alone asks for a
// new trace past the samplers.
type jaeger struct{}

// The fields beside uber-trace-id.
const (
	jaegerDebugID = 1 + iota
	jaegerBaggage // k=v,k=v
	jaegerContext // uberctx-k: v
)

// RuleFlags: no number of one byte where one has to be.
const RuleFlags Rule = "flags"

const (
	jaegerSampled = 1 << 0
	jaegerDebug   = 1 << 1
)

func (jaeger) read(v view) (c Carrier) {
	value := v.first(&c, mainField)
	if value != nil {
		return v.judge(&c, c.Context.uberTraceID(value))
	}
	if v.count(jaegerDebugID) == 0 {
		return Carrier{State: Absent}
	}
	c.Context.Decision = Debug
	return v.judgeDecision(&c)
}

func (c *Context) uberTraceID(value []byte) Rule {
	var room [96]byte
	value, ok := unescape(room[:], value)
	if !ok {
		return RuleLength
	}
	var parts [4][]byte
	for i := range parts {
		var more bool
		parts[i], value, more = bytes.Cut(value, []byte(":"))
		if more != (i < len(parts)-1) {
			return RuleDelimiter
		}
	}
	if rule := c.paddedTrace(parts[0]); rule != "" {
		return rule
	}
	if rule := c.paddedParent(parts[1]); rule != "" {
		return rule
	}
	var flags [1]byte
	if padded(flags[:], parts[3]) != "" {
		return RuleFlags
	}
	c.Decision = decide(flags[0]&jaegerSampled != 0)
	if flags[0]&jaegerDebug != 0 {
		c.Decision = Debug
	}
	return ""
}

// unescape takes the percent-encoding off a value; false if there is no room for it.
func unescape(room, value []byte) ([]byte, bool) {
	n := 0
	for len(value) > 0 {
		if n == len(room) {
			return nil, false
		}
		room[n], value = octet(value)
		n++
	}
	return room[:n], true
}

// octet takes one character off a value in which some are percent-encoded. A percent sign that encodes nothing is one.
func octet(value []byte) (byte, []byte) {
	if value[0] != '%' || len(value) < 3 {
		return value[0], value[1:]
	}
	high, low := digits[value[1]], digits[value[2]]
	if (high|low)&other != 0 {
		return '%', value[1:]
	}
	return high<<4 | low&0xf, value[3:]
}
