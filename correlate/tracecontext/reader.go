package tracecontext

import "fmt"

// Reader recognises the fields of carriers. It does not change once it is made.
type Reader struct {
	lengths [32]uint64 // bit n: there is a name of n characters that begins with the letter; 63 stands for all above, too
	rows    [32][]row  // by letter
}

// letter puts both cases of one together.
func letter(c byte) byte { return c & 31 }

// NewReader makes a reader of all formats, and of the fields that the user names: their values are texts to it. Such a name
// may take that of an opaque carrier or of a request id; of another format it changes nothing. An error names what is no
// name of a field.
func NewReader(custom []string) (*Reader, error) {
	r := &Reader{}
	for _, name := range custom {
		if !isToken([]byte(name)) {
			return nil, fmt.Errorf("header %q: not a name of a header", name)
		}
		own := row{name: lower(name), format: Custom}
		if known := find(rows[:], []byte(name)); known == nil || known.format == RequestID || known.format == Opaque {
			r.add(own)
		}
	}
	for _, known := range rows {
		r.add(known)
	}
	return r, nil
}

func (r *Reader) add(one row) {
	at := letter(one.name[0])
	r.rows[at] = append(r.rows[at], one)
	if !one.prefix {
		r.lengths[at] |= 1 << min(len(one.name), 63)
		return
	}
	for n := len(one.name) + 1; n < 64; n++ {
		r.lengths[at] |= 1 << n
	}
}

// Field keeps a field if it is one of a carrier. It copies what it keeps.
func (r *Reader) Field(s *Set, name, value []byte) {
	if len(name) > 0 && r.lengths[letter(name[0])]>>(min(len(name), 63)&63)&1 != 0 {
		r.keep(s, name, value)
	}
}

func (r *Reader) keep(s *Set, name, value []byte) {
	if found := find(r.rows[letter(name[0])], name); found != nil {
		s.add(found, name, value)
	}
}

// find gives the first row of that name, in any case; nil if there is none.
func find(rows []row, name []byte) *row {
	for i := range rows {
		one := &rows[i]
		if len(one.name) == len(name) && !one.prefix || one.prefix && len(one.name) < len(name) {
			if isFold(name[:len(one.name)], one.name) {
				return one
			}
		}
	}
	return nil
}

// isFold compares a name with one in lower case of the same length.
func isFold(name []byte, lower string) bool {
	for i, c := range name {
		if 'A' <= c && c <= 'Z' {
			c += 'a' - 'A'
		}
		if c != lower[i] {
			return false
		}
	}
	return true
}

// Settle reads the carriers after the last field. Without whole the head was cut: of what did not come nothing is known, and
// what came is judged for itself.
func (r *Reader) Settle(s *Set, whole bool) {
	s.whole, s.carriers, s.text = whole, s.carriers[:0], s.text[:s.received]
	s.state = view{s, W3C, whole}.join(stateField)
	s.baggage = view{s, Baggage, whole}.join(mainField)
	if s.present == 0 {
		return
	}
	for f := range Formats {
		if s.present&(1<<f) == 0 {
			continue
		}
		c := Carrier{}
		if s.over&(1<<f) == 0 {
			c = families[f].read(view{s, f, whole})
		}
		if c.Format = f; c.State != Absent {
			s.carriers = append(s.carriers, c)
		}
	}
}
