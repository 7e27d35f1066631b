package hpack

import "golang.org/x/net/http2/hpack"

// kind is how a field is written: RFC 7541, section 6.
type kind uint8

const (
	indexed kind = iota
	kept         // a literal that becomes an entry of the table
	passing      // a literal that does not
	resize       // no field: the table's size changes
)

// representation is one field of a block, or a change of the table's size, in index.
type representation struct {
	kind        kind
	index       uint64 // of the field or of its name; 0: the name is written out
	name, value text
}

// text is a string as it is written.
type text struct {
	bytes   []byte
	huffman bool
}

// intMax bounds the integers of a block. Nothing that is meant needs more.
const intMax = 1 << 28

// next reads the representation at the start of a block and gives its length, 0 if it is not whole or malformed.
func next(b []byte) (r representation, n int) {
	prefix := 0
	switch c := b[0]; {
	case c&0x80 != 0:
		r.kind, prefix = indexed, 7
	case c&0x40 != 0:
		r.kind, prefix = kept, 6
	case c&0x20 != 0:
		r.kind, prefix = resize, 5
	default:
		r.kind, prefix = passing, 4
	}
	r.index, n = integer(b, prefix)
	if n == 0 || r.kind == indexed && r.index == 0 {
		return r, 0
	}
	if r.kind == indexed || r.kind == resize {
		return r, n
	}
	if r.index == 0 {
		size := 0
		if r.name, size = readText(b[n:]); size == 0 {
			return r, 0
		}
		n += size
	}
	value, size := readText(b[n:])
	if size == 0 {
		return r, 0
	}
	r.value = value
	return r, n + size
}

// integer reads a number whose first bits are the last ones of the first byte: RFC 7541, section 5.1.
func integer(b []byte, prefix int) (v uint64, n int) {
	if len(b) == 0 {
		return 0, 0
	}
	mask := byte(1)<<prefix - 1
	if v = uint64(b[0] & mask); v < uint64(mask) {
		return v, 1
	}
	shift := 0
	for n = 1; n < len(b) && v < intMax && n < 8; n++ {
		v += uint64(b[n]&0x7f) << shift
		shift += 7
		if b[n]&0x80 == 0 {
			if v > intMax {
				return 0, 0
			}
			return v, n + 1
		}
	}
	return 0, 0
}

func readText(b []byte) (t text, n int) {
	size, n := integer(b, 7)
	if n == 0 || size > uint64(len(b)-n) {
		return t, 0
	}
	t.huffman = b[0]&0x80 != 0
	t.bytes = b[n : n+int(size)]
	return t, n + int(size)
}

// plain gives the text without its coding. A text that is coded is put at the end of scratch.
func (t *text) plain(scratch *scratch) ([]byte, bool) {
	if !t.huffman {
		return t.bytes, true
	}
	at := len(*scratch)
	if _, err := hpack.HuffmanDecode(scratch, t.bytes); err != nil {
		return nil, false
	}
	return (*scratch)[at:len(*scratch):len(*scratch)], true
}

// scratch collects texts. What was taken from it stays when it grows.
type scratch []byte

// Write appends.
func (s *scratch) Write(p []byte) (int, error) {
	*s = append(*s, p...)
	return len(p), nil
}

func appendInteger(b []byte, first byte, prefix int, v uint64) []byte {
	mask := uint64(1)<<prefix - 1
	if v < mask {
		return append(b, first|byte(v))
	}
	b = append(b, first|byte(mask))
	for v -= mask; v >= 0x80; v >>= 7 {
		b = append(b, byte(v)|0x80)
	}
	return append(b, byte(v))
}

func appendText(b, s []byte) []byte {
	return append(appendInteger(b, 0, 7, uint64(len(s))), s...)
}
