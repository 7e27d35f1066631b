package tracecontext

import "strings"

// Classes of characters, by bit.
const (
	ofToken  = 1 << iota // of names (RFC 9110, section 5.6.2)
	ofOctets             // of values of baggage: what need not be percent-encoded, and percent signs
	ofBase64
)

// classes is indexed by byte.
var classes = func() (table [256]byte) {
	for i := range table {
		c := byte(i)
		isLetter := 'a' <= c|0x20 && c|0x20 <= 'z'
		isPlain := isLetter || '0' <= c && c <= '9'
		if isPlain || strings.IndexByte("!#$%&'*+-.^_`|~", c) >= 0 {
			table[i] |= ofToken
		}
		if '!' <= c && c <= '~' && strings.IndexByte(`",;\`, c) < 0 {
			table[i] |= ofOctets
		}
		if isPlain || c == '+' || c == '/' {
			table[i] |= ofBase64
		}
	}
	return table
}()

// isAll tells whether all characters are of a class.
func isAll(text []byte, class byte) bool {
	for _, c := range text {
		if classes[c]&class == 0 {
			return false
		}
	}
	return true
}

// isToken tells whether a name may be that of a field.
func isToken(name []byte) bool { return len(name) > 0 && isAll(name, ofToken) }
