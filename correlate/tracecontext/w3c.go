package tracecontext

import "bytes"

// w3c is traceparent, with tracestate beside it: https://www.w3.org/TR/trace-context-2/. A tracestate alone is nothing.
type w3c struct{}

const stateField = 1

func (w3c) read(v view) Carrier { return readTraceparents(v) }

// readTraceparents takes one value and no more: what to do with several the specification leaves open, its tests want a new
// trace, and implementations differ.
func readTraceparents(v view) (c Carrier) {
	switch n := v.count(mainField); {
	case n == 0:
		return Carrier{State: Absent}
	case n > 1 || isJoined(v.at(mainField, 0)):
		v.first(&c, mainField)
		return v.judge(&c, RuleRepeated)
	}
	var rule Rule
	c.Fields = 1
	c.Context, _, rule = Parse(v.at(mainField, 0))
	return v.judge(&c, rule)
}

// isJoined tells that a value is several traceparents with commas between them. A comma in what a future version may have
// behind its flags is none.
func isJoined(value []byte) bool {
	if len(value) <= size || bytes.IndexByte(value, ',') < 0 {
		return false
	}
	if _, state, _ := Parse(value); state == Valid {
		return false
	}
	for more := true; more; {
		var one []byte
		one, value, more = bytes.Cut(value, []byte(","))
		one = trim(one)
		if len(one) < size || one[traceAt-1] != '-' || one[parentAt-1] != '-' || one[flagsAt-1] != '-' {
			return false
		}
	}
	return true
}
