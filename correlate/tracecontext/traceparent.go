// Package tracecontext owns the carriers of trace context: it reads each format that is known, W3C Trace Context before all
// (https://www.w3.org/TR/trace-context/, https://www.w3.org/TR/trace-context-2/), and compares them in one form.
package tracecontext

// Bits of Context.Flags; the others are to be ignored.
const (
	Sampled = 1 << 0
	Random  = 1 << 1 // level 2: the last seven bytes of the trace id are random
)

// State says what is known of a carrier.
type State uint8

// The states of a carrier.
const (
	Unknown State = iota // not looked at, or the head was cut before all of it could come; Parse never gives it
	Absent               // there was none
	Invalid
	Valid
)

var stateNames = [...]string{"unknown", "absent", "invalid", "valid"}

// String gives a lower-case word.
func (s State) String() string { return stateNames[s] }

// Rule names the rule that a carrier breaks; empty for none.
type Rule string

// The rules of traceparent, in the order in which they are checked. The other formats have them for the same faults; the
// specification that each follows stands at the type that reads it.
const (
	RuleLength    Rule = "length"         // shorter than 55 characters, or version 00 and longer
	RuleUppercase Rule = "uppercase"      // right but for upper-case hexadecimal
	RuleHex       Rule = "hex"            // something else than hexadecimal in a number
	RuleDelimiter Rule = "delimiter"      // no hyphen where one has to be
	RuleVersion   Rule = "version"        // version ff
	RuleTraceID   Rule = "zero_trace_id"  // all zero
	RuleParentID  Rule = "zero_parent_id" // all zero
	RuleRepeated  Rule = "repeated"       // several traceparent fields, or several values in one; Parse sees only one
)

// traceparent: version 2, trace id 32, parent id 16 and flags 2 digits, with hyphens between them.
const (
	traceAt  = 3
	parentAt = 36
	flagsAt  = 53
	size     = 55
)

// Parse reads the value of one traceparent field; blanks around it do not count. The Context is zero unless Valid. A
// nil value is Absent, an empty one is Invalid.
func Parse(value []byte) (Context, State, Rule) {
	if value == nil {
		return Context{}, Absent, ""
	}
	value = trim(value)
	if len(value) < size {
		return Context{}, Invalid, RuleLength
	}
	var c Context
	var version, flags [1]byte
	class := decode(version[:], value) | decode(c.TraceID[:], value[traceAt:]) |
		decode(c.ParentID[:], value[parentAt:]) | decode(flags[:], value[flagsAt:])
	c.Version, c.Flags = version[0], flags[0]
	c.Width, c.Decision = 128, decide(c.Flags&Sampled != 0)
	if rule := c.check(value, class); rule != "" {
		return Context{}, Invalid, rule
	}
	return c, Valid, ""
}

// check gives the first broken rule.
func (c *Context) check(value []byte, class byte) Rule {
	switch {
	case value[traceAt-1] != '-' || value[parentAt-1] != '-' || value[flagsAt-1] != '-':
		return RuleDelimiter
	case class&other != 0:
		return RuleHex
	case class&upper != 0:
		return RuleUppercase
	case c.Version == 0xff:
		return RuleVersion
	case c.Version == 0 && len(value) > size:
		return RuleLength
	case len(value) > size && value[size] != '-':
		return RuleDelimiter
	case c.TraceID == [16]byte{}:
		return RuleTraceID
	case c.ParentID == [8]byte{}:
		return RuleParentID
	}
	return ""
}

// Classes of digits, beside their value in the low four bits of digits.
const (
	upper = 1 << 6
	other = 1 << 7
)

// digits is indexed by byte.
var digits = func() (table [256]byte) {
	for c := range table {
		table[c] = other
	}
	for i, c := range []byte("0123456789abcdef") {
		table[c] = byte(i)
	}
	for i, c := range []byte("ABCDEF") {
		table[c] = byte(10+i) | upper
	}
	return table
}()

// decode reads two digits for each byte of to and gives the classes that occurred.
func decode(to, from []byte) (class byte) {
	from = from[:2*len(to)]
	for i := range to {
		high, low := digits[from[2*i]], digits[from[2*i+1]]
		class |= high | low
		to[i] = high<<4 | low&0xf
	}
	return class & (upper | other)
}
