package route

import "strings"

// The placeholders that one segment can have.
const (
	placeID   = "{id}"
	placeFile = "{file}"
	placeName = "{name}"
)

// Sizes from which a token is no word.
const (
	hexToken     = 8  // hexadecimal digits
	digitToken   = 3  // digits alone, beside other tokens: t-123
	digitMixed   = 4  // digits among letters: tt0111161; but sha256, amd64, oauth2
	digitSpread  = 6  // digits in all of the segment
	base64Like   = 16 // letters and digits whose kind changes as often as in random text
	hashInFile   = 6  // hexadecimal digits in the name of a file
	base64InFile = 8
	maxExtension = 5
)

// Classes of bytes.
const (
	isLower = 1 << iota
	isUpper
	isDigit
	isHex
	isPlain  // may be part of a word: RFC 3986 pchar without percent-encoding and without the semicolon
	isLetter = isLower | isUpper
	isAlnum  = isLetter | isDigit
)

// classes is indexed by byte.
var classes = func() (table [256]uint8) {
	for c := range table {
		switch {
		case 'a' <= c && c <= 'z':
			table[c] = isLower | isPlain
		case 'A' <= c && c <= 'Z':
			table[c] = isUpper | isPlain
		case '0' <= c && c <= '9':
			table[c] = isDigit | isHex | isPlain
		case strings.IndexByte("-._~!$&'()*+,=:@", byte(c)) >= 0:
			table[c] = isPlain
		}
	}
	for _, c := range []byte("abcdefABCDEF") {
		table[c] |= isHex
	}
	return table
}()

// placeholder gives {id} or {file} for a segment of a path that is an identifier by its looks, and "" for a word, which
// versions of an API (v1, v2beta1) are as well. Parameters behind a semicolon do not count.
func placeholder(segment string) string {
	if cut := strings.IndexByte(segment, ';'); cut >= 0 {
		segment = segment[:cut]
	}
	if segment == "" || len(segment) > maxSegment || !isText(segment) {
		return placeID
	}
	if strings.IndexByte(segment, '@') > 0 { // @name and @scope are words
		return placeID
	}
	if base := fileBase(segment); base != "" && (isIdentifier(base) || hasHash(base)) {
		return placeFile
	}
	if isIdentifier(segment) {
		return placeID
	}
	return ""
}

func isText(s string) bool {
	for i := range len(s) {
		if classes[s[i]]&isPlain == 0 {
			return false
		}
	}
	return true
}

// fileBase gives the name of a file without its extension, or "" when s has none.
func fileBase(s string) string {
	dot := strings.LastIndexByte(s, '.')
	if dot < 1 || len(s)-dot-1 > maxExtension {
		return ""
	}
	letters := false
	for i := dot + 1; i < len(s); i++ {
		if classes[s[i]]&(isLower|isDigit) == 0 {
			return ""
		}
		letters = letters || classes[s[i]]&isLower != 0
	}
	if !letters {
		return ""
	}
	return s[:dot]
}

// tally is what one pass over a token finds; a token is a run of letters and digits.
type tally struct {
	letters, digits, hexes int
	turns                  int // from letter to digit or back
	changes                int // from one of upper, lower, digit to another
}

func (t tally) size() int { return t.letters + t.digits }

// nextToken measures the first token of s and gives what is behind it.
func nextToken(s string) (t tally, rest string) {
	i := 0
	for i < len(s) && classes[s[i]]&isAlnum == 0 {
		i++
	}
	before := uint8(0)
	for ; i < len(s); i++ {
		class := classes[s[i]]
		kind := class & isAlnum
		switch {
		case kind == 0:
			return t, s[i:]
		case kind == isDigit:
			t.digits++
		default:
			t.letters++
		}
		if class&isHex != 0 {
			t.hexes++
		}
		if before != 0 && before != kind {
			t.changes++
			if (before|kind)&isDigit != 0 {
				t.turns++
			}
		}
		before = kind
	}
	return t, ""
}

// isIdentifier tells whether s is more likely one of many than a word. UUIDs and dates are so by their tokens.
func isIdentifier(s string) bool {
	if len(s) >= hexToken && s[len(s)-1] == '=' {
		return true
	}
	var whole tally
	for rest := s; rest != ""; {
		var t tally
		t, rest = nextToken(rest)
		if t.isIdentifier() || t.letters == 0 && t.digits >= digitToken {
			return true
		}
		whole.letters += t.letters
		whole.digits += t.digits
		whole.changes += t.changes
	}
	if whole.letters == 0 || whole.digits >= digitSpread {
		return whole.digits > 0
	}
	return whole.size() >= base64Like && whole.changes*5 >= whole.size()*2
}

func (t tally) isIdentifier() bool {
	switch {
	case t.hexes == t.size() && t.size() >= hexToken:
		return true
	case t.letters > 0 && t.digits >= digitMixed:
		return true
	}
	return t.turns >= 3 && t.digits >= 3 && t.size() >= 6 // a1b2c3; but k8s, i18n, log4j2
}

// hasHash tells whether a token of a file's name is what a bundler puts there.
func hasHash(base string) bool {
	for rest := base; rest != ""; {
		var t tally
		t, rest = nextToken(rest)
		if t.digits == 0 || t.letters == 0 {
			continue
		}
		if t.hexes == t.size() && t.size() >= hashInFile || t.size() >= base64InFile && t.changes >= 4 {
			return true
		}
	}
	return false
}
