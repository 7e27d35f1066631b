package tracecontext

import (
	"bytes"
	"encoding/binary"
)

// datadog has the low half of the trace id and the parent in decimal, and the high half in hexadecimal as the tag _dd.p.tid:
// https://docs.datadoghq.com/tracing/trace_collection/trace_context_propagation/, and textmap.go of dd-trace-go.
type datadog struct{}

// The fields beside x-datadog-trace-id.
const (
	datadogParentID = 1 + iota
	datadogPriority
	datadogOrigin
	datadogTags
)

const datadogTagsMax = 512 // characters; the tracers drop longer tags

// RuleHighHalf: the high half of a trace id is none. The tracers leave it out, and so the carrier is valid.
const RuleHighHalf Rule = "high_half"

func (datadog) read(v view) (c Carrier) {
	trace, parent := v.first(&c, mainField), v.first(&c, datadogParentID)
	if trace == nil && parent == nil {
		return Carrier{State: Absent}
	}
	if v.count(datadogTags) == 0 && !v.whole {
		return v.judge(&c, RuleMissing)
	}
	c = v.judge(&c, c.Context.datadog(trace, parent, v.at(datadogOrigin, 0) != nil))
	if c.State == Valid && v.at(datadogPriority, 0) != nil {
		c = v.judge(&c, c.Context.priority(v.first(&c, datadogPriority)))
	}
	if c.State == Valid {
		c.Rule = c.Context.highHalf(v.at(datadogTags, 0))
	}
	return c
}

// datadog reads the ids. What has an origin, such as a browser test, may have no parent.
func (c *Context) datadog(trace, parent []byte, origin bool) Rule {
	if trace == nil || parent == nil && !origin {
		return RuleMissing
	}
	low, rule := decimal(trace)
	if rule != "" {
		return rule
	}
	binary.BigEndian.PutUint64(c.TraceID[8:], low)
	c.Width = 64
	if rule = c.isTrace(""); rule != "" || parent == nil {
		return rule
	}
	span, rule := decimal(parent)
	if rule != "" {
		return rule
	}
	binary.BigEndian.PutUint64(c.ParentID[:], span)
	if origin {
		return ""
	}
	return c.isParent("")
}

// priority reads a sampling priority: -1 and 0 deny, 1 and 2 accept.
func (c *Context) priority(value []byte) Rule {
	from, minus := bytes.CutPrefix(value, []byte("-"))
	n, rule := decimal(from)
	if rule != "" {
		return RuleDecision
	}
	c.Decision = decide(!minus && n > 0)
	return ""
}

func (c *Context) highHalf(tags []byte) Rule {
	if len(tags) > datadogTagsMax {
		return RuleHighHalf
	}
	for len(tags) > 0 {
		var tag []byte
		tag, tags, _ = bytes.Cut(tags, []byte(","))
		value, found := bytes.CutPrefix(trim(tag), []byte("_dd.p.tid="))
		if !found {
			continue
		}
		var high [8]byte
		if exact(high[:], value) != "" {
			return RuleHighHalf
		}
		if high != [8]byte{} {
			copy(c.TraceID[:], high[:])
			c.Width = 128
		}
		return ""
	}
	return ""
}
