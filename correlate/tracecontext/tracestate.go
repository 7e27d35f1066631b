package tracecontext

import (
	"bytes"
	"strings"
)

// Limits of a tracestate.
const (
	MaxMembers = 32
	MaxLength  = 512 // characters that ParseState gives; longer lists lose whole members
	maxPart    = 256 // of a key, of a value
	maxSpared  = 128 // members above this length are the first to go
)

// The rules of tracestate.
const (
	RuleMembers   Rule = "members"       // more than 32
	RuleKey       Rule = "key"           // no key, or one with other characters or longer than the grammar has it
	RuleValue     Rule = "value"         // the same for the value
	RuleDuplicate Rule = "duplicate_key" // two members with one key
)

// ParseState reads the tracestate fields of one message, in order, as the one list that they are. It gives the list
// in its shortest form when all of it is valid, else an empty string and the broken rule. The keys are those of
// level 2, which include those of level 1. A list longer than MaxLength is cut as the specification has it: from the
// end, whole members, those longer than 128 characters first.
func ParseState(fields ...[]byte) (string, Rule) {
	var list members
	for _, field := range fields {
		if rule := list.add(field); rule != "" {
			return "", rule
		}
	}
	list.shorten(maxSpared)
	list.shorten(0)
	return list.join(), ""
}

// members is a list of whole members without blanks around them.
type members struct {
	of     [MaxMembers][]byte
	count  int
	length int // characters of the list, commas included

	repeats  bool // keys may come twice
	repeated bool // one does
}

// add takes the members of one field. Empty ones are legal and mean nothing.
func (l *members) add(field []byte) Rule {
	for len(field) > 0 {
		var member []byte
		member, field, _ = bytes.Cut(field, []byte(","))
		member = bytes.Trim(member, " \t")
		if len(member) == 0 {
			continue
		}
		if l.count == MaxMembers {
			return RuleMembers
		}
		switch rule := l.check(member); {
		case rule == RuleDuplicate && l.repeats:
			l.repeated = true
		case rule != "":
			return rule
		}
		l.of[l.count] = member
		l.count++
		l.length += len(member) + min(1, l.length)
	}
	return ""
}

// check gives the rule that a member breaks, alone or beside those before it.
func (l *members) check(member []byte) Rule {
	equals := bytes.IndexByte(member, '=')
	if equals < 0 || !isKey(member[:equals]) {
		return RuleKey
	}
	if !isValue(member[equals+1:]) {
		return RuleValue
	}
	for _, earlier := range l.of[:l.count] {
		if bytes.HasPrefix(earlier, member[:equals+1]) {
			return RuleDuplicate
		}
	}
	return ""
}

func isKey(key []byte) bool {
	if len(key) == 0 || len(key) > maxPart || !isLowerOrDigit(key[0]) {
		return false
	}
	for _, c := range key {
		if !isLowerOrDigit(c) && strings.IndexByte("_-*/@", c) < 0 {
			return false
		}
	}
	return true
}

func isLowerOrDigit(c byte) bool { return ('a' <= c && c <= 'z') || ('0' <= c && c <= '9') }

// isValue leaves out that the last character is no space: it was trimmed.
func isValue(value []byte) bool {
	if len(value) == 0 || len(value) > maxPart {
		return false
	}
	for _, c := range value {
		if c < ' ' || c > '~' || c == '=' {
			return false
		}
	}
	return true
}

// shorten takes members longer than above off the end as long as the list is too long.
func (l *members) shorten(above int) {
	for i := l.count - 1; i >= 0 && l.length > MaxLength; i-- {
		if len(l.of[i]) <= above {
			continue
		}
		l.length -= len(l.of[i]) + 1
		copy(l.of[i:], l.of[i+1:l.count])
		l.count--
	}
}

func (l *members) join() string {
	var b strings.Builder
	b.Grow(max(0, l.length))
	for i, member := range l.of[:l.count] {
		if i > 0 {
			b.WriteByte(',')
		}
		b.Write(member)
	}
	return b.String()
}
