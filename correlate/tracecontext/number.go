package tracecontext

import (
	"encoding/binary"

	"github.com/dchest/siphash"
)

// RuleDecimal: no decimal number of 64 bits.
const RuleDecimal Rule = "decimal"

// exact reads an id of just the digits that fill to, in lower case.
func exact(to, from []byte) Rule {
	if len(from) != 2*len(to) {
		return RuleLength
	}
	switch class := decode(to, from); {
	case class&other != 0:
		return RuleHex
	case class&upper != 0:
		return RuleUppercase
	}
	return ""
}

// padded reads an id of at most the digits that fill to, in either case; missing ones on the left are zero.
func padded(to, from []byte) Rule {
	if len(from) == 0 || len(from) > 2*len(to) {
		return RuleLength
	}
	clear(to)
	class, at := byte(0), 2*len(to)-len(from)
	for i, c := range from {
		digit := digits[c]
		class |= digit
		to[(at+i)/2] = to[(at+i)/2]<<4 | digit&0xf
	}
	if class&other != 0 {
		return RuleHex
	}
	return ""
}

// decimal reads a decimal number of 64 bits.
func decimal(from []byte) (n uint64, rule Rule) {
	const most = 1<<64 - 1
	if len(from) == 0 || len(from) > 20 {
		return 0, RuleDecimal
	}
	for _, c := range from {
		digit := uint64(c - '0')
		if digit > 9 || n > most/10 || n*10 > most-digit {
			return 0, RuleDecimal
		}
		n = n*10 + digit
	}
	return n, ""
}

// traceID reads a trace id of 16 or 32 digits in lower case.
func (c *Context) traceID(from []byte) (rule Rule) {
	if c.Width = 128; len(from) == 16 {
		c.Width = 64
		rule = exact(c.TraceID[8:], from)
	} else {
		rule = exact(c.TraceID[:], from)
	}
	return c.isTrace(rule)
}

// paddedTrace reads a trace id of 1 to 32 digits.
func (c *Context) paddedTrace(from []byte) Rule {
	if c.Width = 128; len(from) <= 16 {
		c.Width = 64
	}
	return c.isTrace(padded(c.TraceID[:], from))
}

// parentID reads a span id of 16 digits in lower case.
func (c *Context) parentID(from []byte) Rule { return c.isParent(exact(c.ParentID[:], from)) }

// paddedParent reads a span id of 1 to 16 digits.
func (c *Context) paddedParent(from []byte) Rule { return c.isParent(padded(c.ParentID[:], from)) }

func (c *Context) isTrace(rule Rule) Rule {
	if rule == "" && c.TraceID == [16]byte{} {
		return RuleTraceID
	}
	return rule
}

func (c *Context) isParent(rule Rule) Rule {
	if rule == "" && c.ParentID == [8]byte{} {
		return RuleParentID
	}
	return rule
}

// text takes an id that is a text: its hash, of which nothing depends but that equal ids are equal.
func (c *Context) text(id []byte) {
	high, low := siphash.Hash128(0, 0, id)
	c.Width = 0
	binary.BigEndian.PutUint64(c.TraceID[:], high)
	binary.BigEndian.PutUint64(c.TraceID[8:], low)
}
