package tracecontext

import "bytes"

// b3 is Zipkin's format, in one field or in several: https://github.com/openzipkin/b3-propagation. The first value of a
// repeated field counts, and the single field before the others, unless it is invalid and they are not.
type b3 struct{}

// The fields beside b3.
const (
	b3TraceID = 1 + iota
	b3SpanID
	b3ParentID
	b3Sampled
	b3Flags
)

// RuleParentSpan: the id of the parent's parent is none. Brave then refuses the whole, and so do we.
const RuleParentSpan Rule = "parent_span_id"

func (b3) read(v view) Carrier {
	one, several := v.b3Single(), v.b3Several()
	switch {
	case one.State == Absent:
		return several
	case several.State != Valid || several.Context.TraceID == [16]byte{}:
	case one.State == Invalid:
		several.Conflict, several.Rule = true, one.Rule
		return several
	case one.State == Valid:
		one.Conflict = one.Conflict || one.Context.TraceID != several.Context.TraceID
	}
	return one
}

// b3Single reads {trace}-{span}[-{decision}[-{parent}]], or a decision alone.
func (v view) b3Single() (c Carrier) {
	value := v.first(&c, mainField)
	if value == nil {
		return Carrier{State: Absent}
	}
	conflict := c.Conflict
	c.Conflict = false
	c = v.judge(&c, c.Context.single(value))
	c.Conflict = conflict
	return c
}

func (c *Context) single(value []byte) (rule Rule) {
	if len(value) == 1 {
		return c.b3Decision(value)
	}
	trace, rest, ok := bytes.Cut(value, []byte("-"))
	if !ok {
		return RuleLength
	}
	span, rest, decided := bytes.Cut(rest, []byte("-"))
	decision, parent, hasParent := bytes.Cut(rest, []byte("-"))
	if rule = c.traceID(trace); rule == "" {
		rule = c.parentID(span)
	}
	if rule == "" && decided {
		rule = c.b3Decision(decision)
	}
	if rule == "" && hasParent {
		rule = grandparent(parent)
	}
	return rule
}

func (c *Context) b3Decision(word []byte) Rule {
	switch string(word) {
	case "0":
		c.Decision = Denied
	case "1":
		c.Decision = Accepted
	case "d":
		c.Decision = Debug
	default:
		return RuleDecision
	}
	return ""
}

func grandparent(digits []byte) Rule {
	var id [8]byte
	if exact(id[:], digits) != "" {
		return RuleParentSpan
	}
	return ""
}

// b3Several reads the fields x-b3-*. Without ids they are a decision alone.
func (v view) b3Several() (c Carrier) {
	var other Carrier
	trace, span := v.first(&c, b3TraceID), v.first(&c, b3SpanID)
	parent := v.first(&other, b3ParentID)
	sampled, flags := v.first(&other, b3Sampled), v.first(&other, b3Flags)
	if trace == nil && span == nil && sampled == nil && flags == nil {
		return Carrier{State: Absent}
	}
	conflict := c.Conflict
	c.Conflict, c.Fields = false, v.count(b3TraceID)
	rule := c.Context.several(trace, span, parent)
	if rule == "" && sampled != nil {
		rule = c.Context.isTrue(sampled)
	}
	if string(flags) == "1" {
		c.Context.Decision = Debug
	}
	if rule == "" && trace == nil {
		c = v.judgeDecision(&c)
	} else {
		c = v.judge(&c, rule)
	}
	c.Conflict = conflict
	return c
}

// several reads the ids, if there are any.
func (c *Context) several(trace, span, parent []byte) (rule Rule) {
	switch {
	case trace == nil && span == nil:
		return ""
	case trace == nil || span == nil:
		return RuleMissing
	}
	if rule = c.traceID(trace); rule == "" {
		rule = c.parentID(span)
	}
	if rule == "" && parent != nil {
		rule = grandparent(parent)
	}
	return rule
}
