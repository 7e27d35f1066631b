package tracecontext

import "bytes"

// CompareState tells what became of the members of tracestate on the way through a service, by
// https://www.w3.org/TR/trace-context-2/#tracestate-header. lost: one is gone, changed or in another place among the others.
// The service may put its own first, new or changed, and may take whole members off a list that is longer than MaxLength or
// MaxMembers. truncatedMember: one was cut in its middle. A list that came in not valid has to be discarded whole; keptInvalid:
// a member of it was sent on. Keys that come twice make no list invalid: the tests of the specification want all of their
// members or one. Nothing is said of a list of which not all is known.
func CompareState(in, out *Set) (lost, truncatedMember, keptInvalid bool) {
	from := members{repeats: true}
	list := in.TraceState()
	if len(list) == 0 || !in.keeps(W3C) || !out.keeps(W3C) {
		return false, false, false
	}
	switch rule := from.add(list); {
	case rule != "":
		return false, false, in.whole && shareMember(list, out.TraceState())
	case !out.whole || bytes.Equal(list, out.TraceState()):
	case from.repeated:
		lost = from.length <= MaxLength && from.lacks(out.TraceState())
	default:
		lost, truncatedMember = compareMembers(from.of[:from.count], out.TraceState())
	}
	return lost, truncatedMember, false
}

// lacks tells that a key of the list is not in another one.
func (l *members) lacks(list []byte) bool {
	var keys [2 * MaxMembers][]byte
	sent := keys[:split(list, keys[:])]
	for _, member := range l.of[:l.count] {
		if !hasKey(sent, key(member)) {
			return true
		}
	}
	return false
}

// shareMember tells that two lists have a member in common. Of long ones only the beginning is looked at: all may take too long.
func shareMember(came, sent []byte) bool {
	var all, some [2 * MaxMembers][]byte
	those := all[:split(came, all[:])]
	for _, member := range some[:split(sent, some[:])] {
		if index(those, member) >= 0 {
			return true
		}
	}
	return false
}

// split gives the first members of a list and their number.
func split(list []byte, to [][]byte) (n int) {
	for len(list) > 0 && n < len(to) {
		to[n], list, _ = bytes.Cut(list, []byte(","))
		n++
	}
	return n
}

// keeps tells that nothing of a format was left out for its size.
func (s *Set) keeps(f Format) bool { return s.over&(1<<f) == 0 }

// compareMembers walks through what was sent and what came at once. Both are without blanks around members.
func compareMembers(came [][]byte, sent []byte) (lost, cut bool) {
	own, rest, _ := bytes.Cut(sent, []byte(","))
	ownKey := key(own)
	at, count, longest := 0, 1, 0
	if index(came, own) >= 0 || len(ownKey) == len(own) {
		rest, ownKey, count = sent, nil, 0 // the service has put in nothing
	}
	for len(rest) > 0 && count < 2*MaxMembers { // a longer list is not valid, and may take too long
		var one []byte
		one, rest, _ = bytes.Cut(rest, []byte(","))
		count++
		i := index(came[at:], one)
		switch {
		case i >= 0:
			longest = max(longest, longestOf(came[at:at+i], ownKey))
			at += i + 1
		case cutFrom(came, one):
			cut = true
		default:
			lost = lost || hasKey(came, key(one)) // in another place, or changed
		}
	}
	longest = max(longest, longestOf(came[at:], ownKey))
	fits := len(sent)+1+longest <= MaxLength && count < MaxMembers
	return lost || longest > 0 && fits && !cut, cut
}

// longestOf gives the length of the longest member but that of one key, 0 if there is none.
func longestOf(list [][]byte, but []byte) (longest int) {
	for _, member := range list {
		if !bytes.Equal(key(member), but) {
			longest = max(longest, len(member))
		}
	}
	return longest
}

// cutFrom tells that a member is the beginning of one in the list.
func cutFrom(list [][]byte, one []byte) bool {
	for _, member := range list {
		if len(one) < len(member) && bytes.HasPrefix(member, one) {
			return true
		}
	}
	return false
}

func hasKey(list [][]byte, name []byte) bool {
	for _, member := range list {
		if bytes.Equal(key(member), name) {
			return true
		}
	}
	return false
}

func index(list [][]byte, one []byte) int {
	for i, member := range list {
		if bytes.Equal(member, one) {
			return i
		}
	}
	return -1
}

// key gives what stands before the equals sign, all if there is none.
func key(member []byte) []byte {
	name, _, _ := bytes.Cut(member, []byte("="))
	return name
}
