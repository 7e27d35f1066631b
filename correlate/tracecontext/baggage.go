package tracecontext

import "bytes"

// baggage is names and values that any service puts in for all others: https://www.w3.org/TR/baggage/.
type baggage struct{}

// Limits of baggage: what has to be passed on, and what the grammar allows.
const (
	baggageKept = 64
	baggageMax  = 180
)

func (baggage) read(v view) Carrier {
	c := Carrier{Fields: v.count(mainField)}
	list, count := v.set.Baggage(), 0
	for len(list) > 0 {
		var member []byte
		member, list, _ = bytes.Cut(list, []byte(","))
		if count++; count > baggageMax {
			return v.judge(&c, RuleMembers)
		}
		if rule := checkMember(member); rule != "" {
			return v.judge(&c, rule)
		}
	}
	return v.judge(&c, "")
}

// checkMember checks key=value;property;key=value.
func checkMember(member []byte) Rule {
	for i := 0; ; i++ {
		part, rest, more := bytes.Cut(member, []byte(";"))
		name, value, equals := bytes.Cut(part, []byte("="))
		if !isToken(trim(name)) || i == 0 && !equals {
			return RuleKey
		}
		if !isAll(trim(value), ofOctets) {
			return RuleValue
		}
		if member = rest; !more {
			return ""
		}
	}
}
