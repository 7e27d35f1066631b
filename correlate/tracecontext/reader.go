package tracecontext

import (
	"fmt"
	"strings"
)

// Reader recognises the fields of carriers. It does not change once it is made.
type Reader struct {
	at     [32][lengths]uint16 // by the first letter and the length of a name: where in groups those are that it can be, 0 for none
	groups []group
}

// lengths are those of names, the last one stands for all above, too.
const lengths = 64

// group is the rows that names of one first letter and one length can be.
type group struct {
	second, last uint32 // second and last letters that they have, by bit
	rows         []row
}

// letter puts both cases of one together.
func letter(c byte) byte { return c & 31 }

// NewReader makes a reader of all formats, and of the fields that the user names: their values are texts to it. Such a name
// may take that of an opaque carrier or of a request id; of another format it changes nothing. An error names what is no
// name of a field.
func NewReader(custom []string) (*Reader, error) {
	all := make([]row, 0, len(rows)+len(custom))
	for _, name := range custom {
		if !isToken([]byte(name)) {
			return nil, fmt.Errorf("header %q: not a name of a header", name)
		}
		known := find(rows[:], []byte(name))
		if known == nil || known.format == RequestID || known.format == Opaque {
			all = append(all, row{name: strings.ToLower(name), format: Custom})
		}
	}
	all = append(all, rows[:]...)
	r := &Reader{groups: make([]group, 1)}
	for first := range r.at {
		var same []row
		for i := range all {
			if int(letter(all[i].name[0])) == first {
				same = append(same, all[i])
			}
		}
		for length := range lengths {
			r.index(same, byte(first), length)
		}
	}
	return r, nil
}

// index makes the group of those rows that can have a name of that length.
func (r *Reader) index(all []row, first byte, length int) {
	var g group
	for _, one := range all {
		if !one.canBe(length) {
			continue
		}
		g.rows = append(g.rows, one)
		g.second |= 1 << letter(one.name[min(1, len(one.name)-1)])
		if g.last |= 1 << letter(one.name[len(one.name)-1]); one.prefix {
			g.last = 1<<32 - 1
		}
	}
	if g.rows != nil {
		r.at[first][length] = uint16(len(r.groups))
		r.groups = append(r.groups, g)
	}
}

// canBe tells whether the row can have a name of that length.
func (r *row) canBe(length int) bool {
	return min(len(r.name), lengths-1) == length || r.prefix && len(r.name) < length
}

// Field keeps a field if it is one of a carrier. It copies what it keeps.
func (r *Reader) Field(s *Set, name, value []byte) {
	if len(name) == 0 {
		return
	}
	if at := r.at[letter(name[0])][min(len(name), lengths-1)]; at != 0 {
		r.groups[at].keep(s, name, value)
	}
}

func (g *group) keep(s *Set, name, value []byte) {
	last := len(name) - 1
	if g.second>>letter(name[min(1, last)])&(g.last>>letter(name[last]))&1 == 0 {
		return
	}
	if found := find(g.rows, name); found != nil {
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
