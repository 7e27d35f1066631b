package choice

import (
	"errors"
	"fmt"
	"path"
	"regexp"
	"strings"
)

// A globKind says what the wildcards of a glob reach.
type globKind int

const (
	pathGlob globKind = iota // * and ? stop at a slash, ** does not
	treeGlob                 // the same, and what is below a match matches too
	textGlob                 // * and ? match anything
)

// glob compiles a glob to a regular expression, whose time is linear in what it is matched against. Nil for an
// empty one.
func glob(pattern string, kind globKind) (*regexp.Regexp, error) {
	if pattern == "" {
		return nil, nil //nolint:nilnil // no pattern is no error
	}
	if len(pattern) > maxPattern {
		return nil, fmt.Errorf("longer than %d bytes", maxPattern)
	}
	if _, err := path.Match(pattern, ""); err != nil {
		return nil, fmt.Errorf("%q: %w", pattern, err)
	}
	one, many := "[^/]", "[^/]*"
	if kind == textGlob {
		one, many = ".", ".*"
	}
	var b strings.Builder
	b.WriteString(`(?s)\A`)
	for i := 0; i < len(pattern); i++ {
		switch c := pattern[i]; {
		case strings.HasPrefix(pattern[i:], "**/") && kind != textGlob:
			b.WriteString("(?:.*/)?")
			i += 2
		case strings.HasPrefix(pattern[i:], "**"):
			b.WriteString(".*")
			i++
		case c == '*':
			b.WriteString(many)
		case c == '?':
			b.WriteString(one)
		case c == '[':
			n, err := class(&b, pattern[i:])
			if err != nil {
				return nil, fmt.Errorf("%q: %w", pattern, err)
			}
			i += n - 1
		case c == '\\':
			i++ // path.Match has seen to it that something follows
			fallthrough
		default:
			b.WriteString(regexp.QuoteMeta(pattern[i : i+1]))
		}
	}
	if kind == treeGlob {
		b.WriteString("(?:/.*)?")
	}
	b.WriteString(`\z`)
	compiled, err := regexp.Compile(b.String())
	if err != nil {
		return nil, fmt.Errorf("%q: %w", pattern, err)
	}
	return compiled, nil
}

// class writes the character class at the start of s and gives its length.
func class(b *strings.Builder, s string) (int, error) {
	i := 1
	b.WriteByte('[')
	if i < len(s) && (s[i] == '^' || s[i] == '!') {
		b.WriteByte('^')
		i++
	}
	for ; i < len(s); i++ {
		switch c := s[i]; c {
		case ']':
			b.WriteByte(']')
			return i + 1, nil
		case '\\':
			i++
			if i == len(s) {
				return 0, errors.New("a character class is not closed")
			}
			b.WriteString(regexp.QuoteMeta(s[i : i+1]))
		case '[', '&', '~', '^':
			b.WriteByte('\\')
			b.WriteByte(c)
		default:
			b.WriteByte(c)
		}
	}
	return 0, errors.New("a character class is not closed")
}
