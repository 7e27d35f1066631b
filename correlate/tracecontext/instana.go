package tracecontext

import "bytes"

// instana is the trace id, the span id and the level: 0 suppresses, and 1 may have the ids of a browser's page behind it instead
// of a trace: https://www.ibm.com/docs/en/obi/current?topic=monitoring-traces#tracing-headers.
type instana struct{}

// The fields beside x-instana-t.
const (
	instanaSpanID = 1 + iota
	instanaLevel
)

func (instana) read(v view) (c Carrier) {
	trace, span := v.first(&c, mainField), v.first(&c, instanaSpanID)
	level := v.at(instanaLevel, 0)
	if trace == nil && span == nil && level == nil {
		return Carrier{State: Absent}
	}
	if level != nil {
		level, _, _ = bytes.Cut(level, []byte(","))
		if rule := c.Context.isSampled(trim(level)); rule != "" || c.Context.Decision == Deferred {
			return v.judge(&c, RuleDecision)
		}
	}
	if trace == nil && span == nil {
		return v.judgeDecision(&c)
	}
	return v.judge(&c, c.Context.instana(trace, span))
}

func (c *Context) instana(trace, span []byte) (rule Rule) {
	if trace == nil || span == nil {
		return RuleMissing
	}
	if rule = c.traceID(trace); rule == "" {
		rule = c.parentID(span)
	}
	return rule
}
