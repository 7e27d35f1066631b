package tracecontext

import (
	"bytes"
	"strings"

	"github.com/dchest/siphash"
)

// family reads one format.
type family interface {
	// read judges the fields of the format that a message has, of which there is at least one. Absent: none of them makes a
	// carrier. The caller sets Format.
	read(v view) Carrier
}

// families is indexed by Format.
var families = [Formats]family{
	W3C: w3c{}, Baggage: baggage{}, B3: b3{},
}

// row is the name of one field.
type row struct {
	name   string // in lower case
	format Format
	field  uint8 // for the family to tell its fields apart
	prefix bool  // more may follow
}

// mainField is the field of each family that holds the trace id, or all.
const mainField = 0

// rows are the fields of all formats.
var rows = [...]row{
	{name: "traceparent", format: W3C},
	{name: "tracestate", format: W3C, field: stateField},
	{name: "baggage", format: Baggage},
	{name: "b3", format: B3},
	{name: "x-b3-traceid", format: B3, field: b3TraceID},
	{name: "x-b3-spanid", format: B3, field: b3SpanID},
	{name: "x-b3-parentspanid", format: B3, field: b3ParentID},
	{name: "x-b3-sampled", format: B3, field: b3Sampled},
	{name: "x-b3-flags", format: B3, field: b3Flags},
}

// The rules that several formats have, beside those of traceparent.
const (
	RuleMissing  Rule = "missing_field" // a field, or a part of one, that has to be there
	RuleDecision Rule = "decision"      // another word than the format has for its decisions
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
func (v view) judge(c Carrier, rule Rule) Carrier {
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
		return c
	}
	c.Context = Context{}
	return c
}

func trim(value []byte) []byte { return bytes.Trim(value, " \t") }

func lower(name string) string { return strings.ToLower(name) }

// isToken tells whether a name may be that of a field (RFC 9110, section 5.6.2).
func isToken(name []byte) bool {
	for _, c := range name {
		if !isLowerOrDigit(c|0x20) && strings.IndexByte("!#$%&'*+-.^_`|~", c) < 0 {
			return false
		}
	}
	return len(name) > 0
}

// exact reads an id of exactly the digits that fill to, in lower case.
func exact(to, digits []byte) Rule {
	if len(digits) != 2*len(to) {
		return RuleLength
	}
	switch class := decode(to, digits); {
	case class&other != 0:
		return RuleHex
	case class&upper != 0:
		return RuleUppercase
	}
	return ""
}

// traceID reads a trace id of 16 or 32 digits in lower case.
func (c *Context) traceID(digits []byte) (rule Rule) {
	if c.Width = 128; len(digits) == 16 {
		c.Width = 64
		rule = exact(c.TraceID[8:], digits)
	} else {
		rule = exact(c.TraceID[:], digits)
	}
	if rule == "" && c.TraceID == [16]byte{} {
		return RuleTraceID
	}
	return rule
}

// parentID reads a span id of 16 digits in lower case.
func (c *Context) parentID(digits []byte) Rule {
	rule := exact(c.ParentID[:], digits)
	if rule == "" && c.ParentID == [8]byte{} {
		return RuleParentID
	}
	return rule
}

// text takes an id that is a text: its hash, of which nothing else depends than that equal ids are equal.
func (c *Context) text(id []byte) {
	high, low := siphash.Hash128(0, 0, id)
	c.Width = 0
	for i := range 8 {
		c.TraceID[i], c.TraceID[8+i] = byte(high>>(8*i)), byte(low>>(8*i))
	}
}
