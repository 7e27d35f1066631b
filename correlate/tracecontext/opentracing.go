package tracecontext

// openTracing is that of the basic tracers: hexadecimal numbers of any length up to 64 bits, true or false; some send 128 bits.
// https://github.com/opentracing/basictracer-go/blob/master/propagation_ot.go
type openTracing struct{}

// The fields beside ot-tracer-traceid.
const (
	otSpanID = 1 + iota
	otSampled
	otBaggage // ot-baggage-k: v, of Datadog's tracers too
)

func (openTracing) read(v view) (c Carrier) {
	trace, span := v.first(&c, mainField), v.first(&c, otSpanID)
	sampled := v.first(&c, otSampled)
	if trace == nil && span == nil {
		return Carrier{State: Absent}
	}
	return v.judge(&c, c.Context.openTracing(trace, span, sampled))
}

func (c *Context) openTracing(trace, span, sampled []byte) (rule Rule) {
	if trace == nil || span == nil {
		return RuleMissing
	}
	if rule = c.paddedTrace(trace); rule == "" {
		rule = c.paddedParent(span)
	}
	if rule == "" && sampled != nil {
		rule = c.isTrue(sampled)
	}
	return rule
}

// isTrue reads a decision in words.
func (c *Context) isTrue(word []byte) Rule {
	switch string(word) {
	case "1", "true":
		c.Decision = Accepted
	case "0", "false":
		c.Decision = Denied
	default:
		return RuleDecision
	}
	return ""
}
