package tracecontext

import "bytes"

// family reads one format.
type family interface {
	// read judges the fields of the format that a message has, of which there is at least one. Absent: none of them makes a
	// carrier. The caller sets Format.
	read(v view) Carrier
}

// families is indexed by Format.
var families = [Formats]family{
	W3C: w3c{}, Baggage: baggage{}, B3: b3{}, Jaeger: jaeger{}, Datadog: datadog{}, XRay: xray{}, GoogleCloud: googleCloud{},
	OpenCensus: openCensus{}, SkyWalking: skyWalking{}, OpenTracing: openTracing{}, Elastic: elastic{}, NewRelic: newRelic{},
	Instana: instana{}, Sentry: sentry{}, RequestID: requestID{}, Opaque: opaque{}, Custom: custom{},
}

// The rules that several formats have, beside those of traceparent.
const (
	RuleMissing    Rule = "missing_field" // a field that has to be beside another one
	RuleIncomplete Rule = "missing_part"  // a part of the value
	RuleDecision   Rule = "decision"      // another word than the format has for its decisions
)

// view is what a family sees of a message: its own fields.
type view struct {
	set    *Set
	format Format
	whole  bool // all fields of the message are there
}

// count tells how many fields of one kind there are.
func (v view) count(field uint8) (n int) {
	for i := range v.set.entries {
		if e := &v.set.entries[i]; e.format == v.format && e.field == field {
			n++
		}
	}
	return n
}

// at gives the value of the i-th field of one kind, nil if there are not so many.
func (v view) at(field uint8, i int) []byte {
	for k := range v.set.entries {
		e := &v.set.entries[k]
		if e.format != v.format || e.field != field {
			continue
		}
		if i--; i < 0 {
			return trim(v.set.text[e.value:e.end:e.end])
		}
	}
	return nil
}

// first gives the first value of a field that has no commas of its own, nil if there is none, and notes in c what else came.
func (v view) first(c *Carrier, field uint8) []byte {
	var first []byte
	for i := range v.set.entries {
		e := &v.set.entries[i]
		if e.format != v.format || e.field != field {
			continue
		}
		for rest, more := v.set.text[e.value:e.end:e.end], true; more; {
			var value []byte
			value, rest, more = bytes.Cut(rest, []byte(","))
			value = trim(value)
			if first == nil {
				first = value
			}
			c.Conflict = c.Conflict || !bytes.Equal(value, first)
			if field == mainField {
				c.Fields++
			}
		}
	}
	return first
}

// join appends the members of the lists in all fields of one kind to the text of the set.
func (v view) join(field uint8) span {
	if v.set.present&(1<<v.format) == 0 {
		return span{}
	}
	from := len(v.set.text)
	for i := range v.set.entries {
		e := &v.set.entries[i]
		if e.format != v.format || e.field != field {
			continue
		}
		for rest := v.set.text[e.value:e.end:e.end]; len(rest) > 0; {
			var member []byte
			member, rest, _ = bytes.Cut(rest, []byte(","))
			if member = trim(member); len(member) == 0 {
				continue
			}
			if len(v.set.text) > from {
				v.set.text = append(v.set.text, ',')
			}
			v.set.text = append(v.set.text, member...)
		}
	}
	return span{uint32(from), uint32(len(v.set.text))}
}

// judge ends the reading of a carrier, with the rule that it breaks or none.
func (v view) judge(c *Carrier, rule Rule) Carrier {
	if c.Conflict {
		rule = RuleRepeated
	}
	switch {
	case rule == RuleMissing && !v.whole:
		c.State = Unknown
	case rule != "":
		c.State, c.Rule = Invalid, rule
	default:
		c.State = Valid
		return *c
	}
	c.Context = Context{}
	return *c
}

// judgeDecision ends the reading of a carrier without ids. In a head that was cut they may be behind the cut.
func (v view) judgeDecision(c *Carrier) Carrier {
	if !v.whole {
		return v.judge(c, RuleMissing)
	}
	return v.judge(c, "")
}

// trim takes blanks off both ends. What is empty then is not nil, other than with bytes.Trim: the field was there.
func trim(value []byte) []byte {
	for len(value) > 0 && isBlank(value[0]) {
		value = value[1:]
	}
	for len(value) > 0 && isBlank(value[len(value)-1]) {
		value = value[:len(value)-1]
	}
	return value
}

func isBlank(c byte) bool { return c == ' ' || c == '\t' }
