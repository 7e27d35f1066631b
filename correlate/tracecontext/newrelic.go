package tracecontext

import "bytes"

// newRelic is JSON in base64: {"v":[0,1],"d":{"tr":trace,"id":span,"tx":transaction,"sa":sampled,...}}. Of id and tx one is
// there. Agents read it without base64, too: https://github.com/newrelic/node-newrelic/blob/main/lib/transaction/dt-payload.js.
type newRelic struct{}

// RuleJSON: not the JSON that it has to be.
const RuleJSON Rule = "json"

const newRelicMax = 1 << 10 // bytes that are read

func (newRelic) read(v view) (c Carrier) {
	if plain := v.at(mainField, 0); bytes.HasPrefix(plain, []byte("{")) {
		c.Fields = v.count(mainField)
		return v.judge(&c, c.Context.newRelic(plain))
	}
	value := v.first(&c, mainField)
	var room [newRelicMax]byte
	p, rule := fromBase64(room[:], value)
	if rule == "" {
		rule = c.Context.newRelic(p)
	}
	return v.judge(&c, rule)
}

func (c *Context) newRelic(p []byte) Rule {
	outer := object{rest: p}
	if !outer.begin() {
		return RuleJSON
	}
	var version, data []byte
	for outer.next() {
		switch string(outer.key) {
		case "v":
			version = outer.value
		case "d":
			data = outer.value
		}
	}
	inner := object{rest: data}
	switch {
	case outer.bad || version == nil || !inner.begin():
		return RuleJSON
	case !bytes.HasPrefix(bytes.TrimLeft(version, "[ "), []byte("0")):
		return RuleVersion
	}
	return c.payload(&inner)
}

func (c *Context) payload(o *object) (rule Rule) {
	var trace, span, transaction []byte
	for o.next() {
		switch string(o.key) {
		case "tr":
			trace = unquote(o.value)
		case "id":
			span = unquote(o.value)
		case "tx":
			transaction = unquote(o.value)
		case "sa":
			if rule = c.isTrue(o.value); rule != "" {
				return rule
			}
		}
	}
	if span == nil {
		span = transaction
	}
	switch {
	case o.bad:
		return RuleJSON
	case trace == nil || span == nil:
		return RuleIncomplete
	}
	if rule = c.paddedTrace(trace); rule == "" {
		rule = c.paddedParent(span)
	}
	return rule
}

// unquote gives the text of a string without escapes, nil for anything else.
func unquote(value []byte) []byte {
	if len(value) < 2 || value[0] != '"' {
		return nil
	}
	return value[1 : len(value)-1]
}
