package tracecontext

import "bytes"

// CompareBaggage tells what became of the members of baggage on the way through a service, whether as W3C baggage or in the
// fields of Jaeger and OpenTracing. lost: one is gone or has another value, once both are decoded; properties are not
// compared. partial: one was cut. Nothing is said of baggage that is not valid or longer than what has to be passed on, and of
// one of which not all is known.
func CompareBaggage(in, out *Set) (lost, partial bool) {
	if !in.keepsBaggage() || !out.keepsBaggage() || !out.whole || in.State(Baggage) == Invalid {
		return false, false
	}
	from := walk{set: in}
	for from.next() && !(lost && partial) {
		if from.count > baggageKept {
			return false, false
		}
		switch found, cut := from.isIn(out); {
		case cut:
			partial = true
		case !found:
			lost = true
		}
	}
	return lost, partial
}

func (s *Set) keepsBaggage() bool { return s.keeps(Baggage) && s.keeps(Jaeger) && s.keeps(OpenTracing) }

// walk goes through all members of baggage of a message.
type walk struct {
	set        *Set
	list       []byte // what is left of a list
	entry      int    // the next one to look at
	begun      bool
	count      int
	member     []byte // as received; of a field of its own the value
	key, value []byte
	named      bool // the key is part of a field's name, and thus in either case
}

func (w *walk) next() bool {
	if !w.begun {
		w.begun, w.list = true, w.set.Baggage()
	}
	w.count++
	for {
		if len(w.list) > 0 {
			if w.split(); len(w.member) > 0 {
				return true
			}
			continue
		}
		if w.entry == len(w.set.entries) {
			return false
		}
		if w.field(&w.set.entries[w.entry]) {
			return true
		}
	}
}

// split takes the next member of the list: key=value;properties.
func (w *walk) split() {
	w.member, w.list, _ = bytes.Cut(w.list, []byte(","))
	w.member = trim(w.member)
	pair, _, _ := bytes.Cut(w.member, []byte(";"))
	key, value, _ := bytes.Cut(pair, []byte("="))
	w.key, w.value, w.named = trim(key), trim(value), false
}

// field reads a field that is one member, and takes up a list of them.
func (w *walk) field(e *entry) bool {
	w.entry++
	prefix := 0
	switch {
	case e.format == Jaeger && e.field == jaegerBaggage:
		w.list = w.set.text[e.value:e.end]
		return false
	case e.format == Jaeger && e.field == jaegerContext:
		prefix = len("uberctx-")
	case e.format == OpenTracing && e.field == otBaggage:
		prefix = len("ot-baggage-")
	default:
		return false
	}
	w.key, w.named = w.set.text[int(e.name)+prefix:e.value], true
	w.member = trim(w.set.text[e.value:e.end])
	w.value = w.member
	return true
}

// isIn looks for the member in a message. cut: only its beginning is there.
func (w *walk) isIn(s *Set) (found, cut bool) {
	for at := (walk{set: s}); at.next() && at.count <= baggageMax; {
		named := w.named || at.named
		if !bytes.Equal(w.key, at.key) && !(named && bytes.EqualFold(w.key, at.key)) {
			cut = cut || !named && isBeginning(at.member, w.member)
			continue
		}
		if sameText(w.value, at.value, named) {
			return true, false
		}
		cut = cut || isBeginning(at.value, w.value)
	}
	return false, cut
}

func isBeginning(short, long []byte) bool {
	return len(short) > 0 && len(short) < len(long) && bytes.HasPrefix(long, short)
}

// sameText compares two values decoded. In fields of Jaeger a plus sign may be a space.
func sameText(a, b []byte, plus bool) bool {
	for len(a) > 0 && len(b) > 0 {
		var x, y byte
		isPlus := plus && (a[0] == '+' || b[0] == '+')
		x, a = octet(a)
		y, b = octet(b)
		if x != y && !(isPlus && isSpaceOrPlus(x) && isSpaceOrPlus(y)) {
			return false
		}
	}
	return len(a) == len(b)
}

func isSpaceOrPlus(c byte) bool { return c == ' ' || c == '+' }
