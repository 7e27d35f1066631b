package tracecontext

// object walks through the members of an object of JSON, without checking more than it has to know where each ends:
// https://www.rfc-editor.org/rfc/rfc8259.
type object struct {
	rest       []byte
	key, value []byte // of the member; the key without quotes, the value as it stands
	bad        bool   // the text is no object
	first      bool
}

// begin enters the object. It gives false if the text is none.
func (o *object) begin() bool {
	o.first = true
	return o.take('{')
}

// next goes to the next member.
func (o *object) next() bool {
	if o.take('}') {
		return false
	}
	comma := o.first || o.take(',')
	o.first = false
	o.space()
	quoted := o.text()
	if !comma || quoted == nil || !o.take(':') {
		o.bad = true
		return false
	}
	o.key = quoted[1 : len(quoted)-1]
	o.space()
	o.value = o.any()
	o.bad = len(o.value) == 0
	return !o.bad
}

func (o *object) space() {
	for len(o.rest) > 0 && (o.rest[0] == ' ' || o.rest[0] == '\t' || o.rest[0] == '\n' || o.rest[0] == '\r') {
		o.rest = o.rest[1:]
	}
}

func (o *object) take(c byte) bool {
	o.space()
	if len(o.rest) == 0 || o.rest[0] != c {
		return false
	}
	o.rest = o.rest[1:]
	return true
}

// text takes a string with its quotes, nil if there is none.
func (o *object) text() []byte {
	if len(o.rest) == 0 || o.rest[0] != '"' {
		return nil
	}
	for i := 1; i < len(o.rest); i++ {
		switch o.rest[i] {
		case '\\':
			i++
		case '"':
			return o.cut(i + 1)
		}
	}
	return nil
}

// any takes a value of whatever kind, empty if there is none.
func (o *object) any() []byte {
	whole, depth := o.rest, 0
	for len(o.rest) > 0 {
		switch o.rest[0] {
		case '"':
			if o.text() == nil {
				return nil
			}
			continue
		case '{', '[':
			depth++
		case '}', ']':
			depth--
		case ',', ' ', '\t', '\n', '\r':
			if depth == 0 {
				return whole[:len(whole)-len(o.rest)]
			}
		}
		if depth < 0 {
			return whole[:len(whole)-len(o.rest)]
		}
		o.rest = o.rest[1:]
	}
	return nil
}

func (o *object) cut(n int) (head []byte) {
	head, o.rest = o.rest[:n], o.rest[n:]
	return head
}
