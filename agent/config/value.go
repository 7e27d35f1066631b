package config

import (
	"encoding/hex"
	"errors"
	"fmt"
	"path"
	"strconv"
	"strings"
)

// errSyntax is all that a reader of values says: the setting's row tells what is allowed.
var errSyntax = errors.New("not of the allowed form")

// Size is a number of bytes. Its text is a whole number, followed by KiB, MiB or GiB where one divides it.
type Size uint64

var sizeUnits = []struct {
	name  string
	bytes Size
}{{"GiB", 1 << 30}, {"MiB", 1 << 20}, {"KiB", 1 << 10}}

// String gives the shortest exact text.
func (s Size) String() string {
	for _, u := range sizeUnits {
		if s != 0 && s%u.bytes == 0 {
			return fmt.Sprintf("%d%s", uint64(s/u.bytes), u.name)
		}
	}
	return strconv.FormatUint(uint64(s), 10)
}

func parseSize(text string) (Size, error) {
	unit := Size(1)
	for _, u := range sizeUnits {
		if number, ok := strings.CutSuffix(text, u.name); ok {
			text, unit = strings.TrimSpace(number), u.bytes
			break
		}
	}
	n, err := strconv.ParseUint(text, 10, 64)
	if err != nil || n > uint64(^Size(0)/unit) {
		return 0, errSyntax
	}
	return Size(n) * unit, nil
}

// hidden stands for a secret wherever settings are printed.
const hidden = "***"

// Secret is a key of 16 bytes; empty means that none was given. It never prints itself.
type Secret []byte

// String hides the secret.
func (s Secret) String() string {
	if len(s) == 0 {
		return ""
	}
	return hidden
}

// GoString hides the secret from %#v as well.
func (s Secret) GoString() string { return s.String() }

func parseSecret(text string) (Secret, error) {
	key, err := hex.DecodeString(text)
	if err != nil {
		return nil, errSyntax
	}
	return key, nil
}

// Glob is a pattern in which * stands for any characters, slashes included, and ? for one byte.
type Glob string

// Match tells whether all of text matches, in time of at most len(g) * len(text).
func (g Glob) Match(text string) bool {
	star, from := -1, 0 // the last * in g, and where in text the search behind it began
	i, j := 0, 0
	for j < len(text) {
		switch {
		case i < len(g) && g[i] == '*':
			star, from = i, j
			i++
		case i < len(g) && (g[i] == '?' || g[i] == text[j]):
			i++
			j++
		case star >= 0:
			from++
			i, j = star+1, from
		default:
			return false
		}
	}
	return strings.Trim(string(g[i:]), "*") == ""
}

// MatchFile is Match for the path of a file: a pattern without a slash is held against its last element.
func (g Glob) MatchFile(file string) bool {
	if !strings.Contains(string(g), "/") {
		file = path.Base(file)
	}
	return g.Match(file)
}

// parseNumber reads a decimal number from 1 to the largest T.
func parseNumber[T uint16 | uint32](text string) (T, error) {
	n, err := strconv.ParseUint(text, 10, 64)
	if err != nil || n == 0 || n > uint64(^T(0)) {
		return 0, errSyntax
	}
	return T(n), nil
}

// split cuts text at each mark that has no backslash before it, and takes that backslash off. Blanks around the
// parts and empty parts are dropped.
func split(text string, mark byte) []string {
	var parts []string
	var part []byte
	flush := func() {
		if s := strings.TrimSpace(string(part)); s != "" {
			parts = append(parts, s)
		}
		part = part[:0]
	}
	for i := 0; i < len(text); i++ {
		switch {
		case text[i] == mark:
			flush()
		case text[i] == '\\' && i+1 < len(text) && text[i+1] == mark:
			i++
			part = append(part, mark)
		default:
			part = append(part, text[i])
		}
	}
	flush()
	return parts
}

// escape is what split undoes.
func escape(text string, mark byte) string {
	return strings.ReplaceAll(text, string(mark), `\`+string(mark))
}
