package tracecontext

import (
	"bytes"
	"encoding/binary"
)

// googleCloud is {32 digits}[/{span in decimal}][;o={options}]: https://docs.cloud.google.com/trace/docs/trace-context. Google's
// own readers take it without span and without options.
type googleCloud struct{}

func (googleCloud) read(v view) (c Carrier) {
	value := v.first(&c, mainField)
	return v.judge(&c, c.Context.googleCloud(value))
}

func (c *Context) googleCloud(value []byte) Rule {
	ids, options, _ := bytes.Cut(value, []byte(";"))
	trace, span, _ := bytes.Cut(ids, []byte("/"))
	if len(trace) != 32 {
		return RuleLength
	}
	if rule := c.paddedTrace(trace); rule != "" {
		return rule
	}
	if len(span) > 0 {
		n, rule := decimal(span)
		if rule != "" {
			return rule
		}
		binary.BigEndian.PutUint64(c.ParentID[:], n)
	}
	bits, found := bytes.CutPrefix(options, []byte("o="))
	if len(bits) == 0 {
		return ""
	}
	n, rule := decimal(bits)
	if !found || rule != "" {
		return RuleDecision
	}
	c.Decision = decide(n&1 != 0)
	return ""
}
