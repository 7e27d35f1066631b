// Package hpack reads the header blocks of HTTP/2 (RFC 7541) as an onlooker, who may not have seen all of them: a field that
// cannot be known is told to be missing, and is never taken for another one.
//
// The decoders of libraries end at the first index that they do not know, for to a peer that is an error. Huffman's code is the
// library's.
package hpack

import "errors"

// Field is a field of a block. Its parts are good until the decoder's next call.
type Field struct{ Name, Value []byte }

// ErrMalformed means that a block cannot be read, and that those behind it can't be either, until Lose.
var ErrMalformed = errors.New("malformed header block")

// Bounds of what a block and a table may take.
const (
	TableMax  = 64 << 10 // size of a table as RFC 7541 counts it, whatever the peers agree on
	FieldsMax = 512      // fields of a block that are given; those behind it are read all the same
	entryCost = 32
	tableSize = 4096 // at the beginning of a connection
)

// Decoder reads the blocks of one direction of a connection, in their order. It is used after Start or Lose.
type Decoder struct {
	entries []entry // oldest first, from first on
	first   int
	text    []byte // of the entries
	size    int    // of the table, as RFC 7541 counts it
	max     int
	partial bool // there may be entries before those that are known
	kept    int  // bytes of the entries of this block
	scratch scratch
}

// entry is a field of the table. Its name is nil where only its value is known.
type entry struct {
	at          uint32 // of the name in text; the value follows
	name, value uint32
	nameless    bool
}

// Start begins with an empty table, as a connection does.
func (d *Decoder) Start() { *d = Decoder{max: tableSize, text: d.text[:0], entries: d.entries[:0]} }

// Lose forgets the table: blocks were missed, or the connection is older than what is known of it. It may be larger than
// usual then; what is in it beside what comes is unknown.
func (d *Decoder) Lose() {
	d.Start()
	d.max, d.partial = TableMax, true
}

// Decode appends the fields of a whole block to dst. missing counts those that can't be known, or of which only the value is.
func (d *Decoder) Decode(block []byte, dst []Field) (fields []Field, missing int, err error) {
	d.tidy()
	for len(block) > 0 {
		r, n := next(block)
		if n == 0 {
			return dst, missing, ErrMalformed
		}
		block = block[n:]
		if r.kind == resize {
			d.resize(r.index)
			continue
		}
		f, known, err := d.field(&r)
		switch {
		case err != nil:
			return dst, missing, err
		case !known || len(dst) >= FieldsMax:
			missing++
		default:
			dst = append(dst, f)
		}
	}
	return dst, missing, nil
}

// field gives the field that a representation stands for, and keeps it where that says so.
func (d *Decoder) field(r *representation) (f Field, known bool, err error) {
	if r.kind == indexed {
		return d.at(r.index)
	}
	var ok bool
	if known = true; r.index > 0 {
		f, known, err = d.at(r.index)
	} else if f.Name, ok = r.name.plain(&d.scratch); !ok {
		err = ErrMalformed
	}
	if err != nil {
		return f, false, err
	}
	if f.Value, ok = r.value.plain(&d.scratch); !ok {
		return f, false, ErrMalformed
	}
	if r.kind == kept {
		err = d.keep(f, !known)
	}
	return f, known, err
}

// at gives the field with an index. It is not known where the table is known in part and it lies before that.
func (d *Decoder) at(index uint64) (f Field, known bool, err error) {
	if index < uint64(len(static)) {
		return static[index], true, nil
	}
	back := index - uint64(len(static))
	if back >= uint64(len(d.entries)-d.first) {
		if d.partial {
			return f, false, nil
		}
		return f, false, ErrMalformed
	}
	e := &d.entries[len(d.entries)-1-int(back)]
	name := d.text[e.at : e.at+e.name : e.at+e.name]
	value := e.at + e.name + e.value
	return Field{name, d.text[e.at+e.name : value : value]}, !e.nameless, nil
}

// keep makes an entry. A block whose entries drive each other out again and again is not read to its end.
func (d *Decoder) keep(f Field, nameless bool) error {
	if nameless {
		f.Name = nil
	}
	size := len(f.Name) + len(f.Value) + entryCost
	if d.kept += size; d.kept > keptMax {
		return ErrMalformed
	}
	d.evict(d.max - size)
	if size > d.max {
		return nil
	}
	e := entry{at: uint32(len(d.text)), name: uint32(len(f.Name)), value: uint32(len(f.Value)), nameless: nameless}
	d.text = append(append(d.text, f.Name...), f.Value...)
	d.entries = append(d.entries, e)
	d.size += size
	return nil
}

// keptMax bounds the entries that one block makes, in bytes.
const keptMax = 4 * TableMax

// evict drops the oldest entries until the others take no more than a size.
func (d *Decoder) evict(size int) {
	for d.size > size && d.first < len(d.entries) {
		e := &d.entries[d.first]
		d.size -= int(e.name+e.value) + entryCost
		d.first++
	}
}

// resize takes the size that the peer has chosen. With none there is nothing in the table, and so nothing unknown.
func (d *Decoder) resize(size uint64) {
	d.max = int(min(size, TableMax))
	d.evict(d.max)
	if size == 0 {
		d.partial = false
	}
}

// tidy makes room between two blocks, when more than half of it is of entries that went.
func (d *Decoder) tidy() {
	d.scratch, d.kept = d.scratch[:0], 0
	if cap(d.scratch) > scratchKept {
		d.scratch = nil
	}
	if d.first == 0 || d.first*2 < len(d.entries) && len(d.text) < 2*d.max {
		return
	}
	d.pack()
}

const scratchKept = 4 << 10

// pack puts the texts of the entries together.
func (d *Decoder) pack() {
	left := copy(d.entries, d.entries[d.first:])
	d.entries, d.first = d.entries[:left], 0
	room := d.text[:0]
	for i := range d.entries {
		e := &d.entries[i]
		at := uint32(len(room))
		room = append(room, d.text[e.at:e.at+e.name+e.value]...)
		e.at = at
	}
	d.text = room
	if cap(room) > 4*TableMax || cap(room) > 8<<10 && cap(room) > 8*d.max {
		d.text = append([]byte(nil), room...)
	}
}

// Rewrite appends to dst a block that has the same fields, entries and indexes as this one, but other values: those that
// `change` gives, for literals. The name is nil where it is not known. Texts are not coded. After an error the block is
// not to be used.
func (d *Decoder) Rewrite(dst, block []byte, change func(name, value []byte) []byte) ([]byte, error) {
	d.tidy()
	for len(block) > 0 {
		r, n := next(block)
		if n == 0 {
			return dst, ErrMalformed
		}
		if r.kind == resize {
			d.resize(r.index)
		}
		if r.kind == indexed {
			if _, _, err := d.at(r.index); err != nil {
				return dst, err
			}
		}
		if r.kind == indexed || r.kind == resize {
			dst = append(dst, block[:n]...)
			block = block[n:]
			continue
		}
		block = block[n:]
		keeps := r.kind == kept
		r.kind = passing
		f, known, err := d.field(&r)
		if err != nil {
			return dst, err
		}
		if !known {
			f.Name = nil
		}
		f.Value = change(f.Name, f.Value)
		if keeps {
			if err = d.keep(f, !known); err != nil {
				return dst, err
			}
			dst = appendInteger(dst, 0x40, 6, r.index)
		} else {
			dst = appendInteger(dst, 0, 4, r.index)
		}
		if r.index == 0 {
			dst = appendText(dst, f.Name)
		}
		dst = appendText(dst, f.Value)
	}
	return dst, nil
}
