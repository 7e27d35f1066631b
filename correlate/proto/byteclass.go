package proto

// Classes of bytes.
const (
	inToken  = 1 << iota // tchar of RFC 9110, section 5.6.2
	inName               // visible and no colon: what names of fields are made of in practice
	inTarget             // no control character
)

// classes is indexed by byte.
var classes = func() (table [256]uint8) {
	for c := range table {
		if c >= 0x20 && c != 0x7f {
			table[c] |= inTarget
		}
		if c > 0x20 && c != 0x7f && c != ':' {
			table[c] |= inName
		}
		if isAlnum(byte(c)) {
			table[c] |= inToken
		}
	}
	for _, c := range []byte("!#$%&'*+-.^_`|~") {
		table[c] |= inToken
	}
	return table
}()

// token measures the token at the start of buf, up to a little more than maxMethod bytes.
func token(buf []byte) int {
	n := 0
	for n < len(buf) && n <= maxMethod && classes[buf[n]]&inToken != 0 {
		n++
	}
	return n
}

// isVisible tells whether text has no control character; bytes from 0x80 on are taken as text.
func isVisible(text []byte) bool {
	all := uint8(inTarget)
	for _, c := range text {
		all &= classes[c]
	}
	return all != 0
}

func isBlank(c byte) bool { return c == ' ' || c == '\t' }

func isDigit(c byte) bool { return '0' <= c && c <= '9' }

func isAlnum(c byte) bool {
	return isDigit(c) || ('a' <= c && c <= 'z') || ('A' <= c && c <= 'Z')
}

// trim takes blanks and, of folded values, line ends off both ends.
func trim(b []byte) []byte {
	for len(b) > 0 && isSpace(b[0]) {
		b = b[1:]
	}
	for len(b) > 0 && isSpace(b[len(b)-1]) {
		b = b[:len(b)-1]
	}
	return b
}

func isSpace(c byte) bool { return c == ' ' || c == '\t' || c == '\r' || c == '\n' }
