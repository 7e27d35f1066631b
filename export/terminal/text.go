package terminal

import (
	"math"
	"strconv"
	"unicode"
	"unicode/utf8"
)

const hexadecimal = "0123456789abcdef"

// verbatim tells which bytes stand for themselves in a JSON string.
var verbatim = func() (t [256]bool) {
	for c := ' '; c < 0x7f; c++ {
		t[c] = c != '"' && c != '\\'
	}
	return t
}()

// appendQuoted appends s as a JSON string (RFC 8259). What is not UTF-8 becomes U+FFFD, a byte at a time as in
// encoding/json. The control characters above ASCII are escaped too: a terminal may obey them.
func appendQuoted[T string | []byte](dst []byte, s T) []byte {
	dst = append(dst, '"')
	start := 0
	for i := 0; i < len(s); {
		c := s[i]
		if verbatim[c] {
			i++
			continue
		}
		if c < utf8.RuneSelf {
			dst = append(dst, s[start:i]...)
			dst = appendEscape(dst, rune(c))
			i++
			start = i
			continue
		}
		r, n := utf8.DecodeRuneInString(string(s[i:min(i+utf8.UTFMax, len(s))]))
		if r == utf8.RuneError && n == 1 || r < 0xa0 {
			dst = append(dst, s[start:i]...)
			dst = appendEscape(dst, r)
			start = i + n
		}
		i += n
	}
	dst = append(dst, s[start:]...)
	return append(dst, '"')
}

// appendEscape appends a character below U+10000 as JSON escapes it.
func appendEscape(dst []byte, r rune) []byte {
	switch r {
	case '"', '\\':
		return append(dst, '\\', byte(r))
	case '\n':
		return append(dst, '\\', 'n')
	case '\r':
		return append(dst, '\\', 'r')
	case '\t':
		return append(dst, '\\', 't')
	}
	return append(dst, '\\', 'u', hexadecimal[r>>12&15], hexadecimal[r>>8&15], hexadecimal[r>>4&15], hexadecimal[r&15])
}

// appendNumber appends f as JSON. The numbers that JSON does not have become strings, as in OTLP/JSON.
func appendNumber(dst []byte, f float64) []byte {
	switch {
	case math.IsNaN(f):
		return append(dst, `"NaN"`...)
	case math.IsInf(f, 1):
		return append(dst, `"Infinity"`...)
	case math.IsInf(f, -1):
		return append(dst, `"-Infinity"`...)
	}
	return strconv.AppendFloat(dst, f, 'g', -1, 64)
}

// appendPrintable appends at most limit characters of s for a terminal: what does not print is escaped, what is
// left out is shown as …
func appendPrintable(dst []byte, s string, limit int) []byte {
	for i, n := 0, 0; i < len(s); n++ {
		if n == limit {
			return append(dst, "…"...)
		}
		r, size := utf8.DecodeRuneInString(s[i:])
		switch {
		case r == utf8.RuneError && size == 1:
			dst = append(dst, '\\', 'x', hexadecimal[s[i]>>4], hexadecimal[s[i]&15])
		case unicode.IsPrint(r):
			dst = append(dst, s[i:i+size]...)
		default:
			quoted := strconv.AppendQuoteRuneToASCII(nil, r)
			dst = append(dst, quoted[1:len(quoted)-1]...)
		}
		i += size
	}
	return dst
}

// appendDuration appends ns in three digits and a unit for a person.
func appendDuration(dst []byte, ns int64) []byte {
	f := float64(ns)
	switch {
	case ns < 0:
		return appendDuration(append(dst, '-'), -ns)
	case ns < 1e6:
		return append(appendDigits(dst, f/1e3), " µs"...)
	case ns < 1e9:
		return append(appendDigits(dst, f/1e6), " ms"...)
	}
	return append(appendDigits(dst, f/1e9), " s"...)
}

func appendDigits(dst []byte, f float64) []byte {
	decimals := 0
	switch {
	case f < 10:
		decimals = 2
	case f < 100:
		decimals = 1
	}
	return strconv.AppendFloat(dst, f, 'f', decimals, 64)
}
