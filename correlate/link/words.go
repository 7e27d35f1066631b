package link

import (
	"bytes"

	"github.com/dchest/siphash"

	"weft/correlate/flow"
)

// Bounds of what is read of one head.
const (
	wordsMax = 24
	linesMax = 48
	wordMin  = 6
	wordMax  = 128
)

// hopwise are the fields that a proxy sets for the next hop, in lower case.
var hopwise = map[string]bool{
	"host": true, "connection": true, "content-length": true, "transfer-encoding": true, "keep-alive": true, "te": true,
	"upgrade": true, "proxy-connection": true, "accept-encoding": true, "x-forwarded-for": true, "x-forwarded-proto": true,
	"x-forwarded-host": true, "x-forwarded-server": true, "x-forwarded-port": true, "x-real-ip": true, "forwarded": true, "via": true,
}

// text reads heads for what they have in common. Its results are good until the next head is read.
type text struct {
	k0, k1 uint64 // of the hash: payload must not be able to choose collisions
	words  []uint64
	lines  []uint64
	name   []byte
}

func (t *text) hash(b []byte) uint64 { return siphash.Hash(t.k0, t.k1, b) }

// read takes the words of a request that can be rare, and its field lines, but for what carries a trace context: that is
// evidence of its own, and must not prove itself.
func (t *text) read(x *flow.Exchange) {
	t.words, t.lines = t.words[:0], t.lines[:0]
	rest := x.Head
	_, rest, _ = bytes.Cut(rest, []byte{'\n'})
	t.split([]byte(x.Target))
	for len(rest) > 0 && len(t.lines) < linesMax {
		var line []byte
		line, rest, _ = bytes.Cut(rest, []byte{'\n'})
		name, value, found := bytes.Cut(line, []byte{':'})
		if !found || len(name) > wordMax {
			continue
		}
		t.name = append(t.name[:0], name...)
		for i, c := range t.name {
			if 'A' <= c && c <= 'Z' {
				t.name[i] = c | 0x20
			}
		}
		if hopwise[string(t.name)] || carries(x, t.name) {
			continue
		}
		value = bytes.TrimSpace(value)
		t.split(value)
		t.lines = append(t.lines, t.hash(t.name)*31+t.hash(value))
	}
}

// carries tells whether a field of the request carries a context.
func carries(x *flow.Exchange, name []byte) (found bool) {
	if !x.Carriers.Any() {
		return false
	}
	x.Carriers.Each(func(field, _ []byte) { found = found || bytes.EqualFold(field, name) })
	return found
}

// split takes the words of a value.
func (t *text) split(value []byte) {
	start := 0
	for i := 0; i <= len(value); i++ {
		if i < len(value) && isWordByte(value[i]) {
			continue
		}
		if w := value[start:i]; len(t.words) < wordsMax && looksRare(w) {
			t.words = append(t.words, t.hash(w))
		}
		start = i + 1
	}
}

func isWordByte(c byte) bool {
	return '0' <= c && c <= '9' || 'a' <= c|0x20 && c|0x20 <= 'z' || c == '-' || c == '_'
}

// looksRare tells whether a word can name one thing among many: a number of some length, or letters and digits mixed.
func looksRare(w []byte) bool {
	if len(w) < wordMin || len(w) > wordMax {
		return false
	}
	digits := 0
	for _, c := range w {
		if '0' <= c && c <= '9' {
			digits++
		}
	}
	return digits >= 2 || len(w) >= 20
}

// sum gives one number for all lines, whatever their order.
func (t *text) sum() (sum uint64) {
	for _, h := range t.lines {
		sum += h
	}
	return sum
}

// shared counts the lines of another head that this one has.
func (t *text) shared(lines []uint64) (n int) {
	for _, a := range lines {
		for _, b := range t.lines {
			if a == b {
				n++
				break
			}
		}
	}
	return n
}
