package route

import "strings"

// redacted is what OpenTelemetry's semantic conventions put in the place of a value.
const redacted = "REDACTED"

const (
	// MaxQuery is the length of the longest redacted query, the mark of a cut included.
	MaxQuery = 2048

	cutMark = "&..."
	maxKey  = 128 // bytes; what is longer is no key
	hexes   = "0123456789ABCDEF"
)

// Redact keeps the keys of a query, which has no question mark, and puts REDACTED for each value: a=1&flag becomes
// a=REDACTED&flag. A parameter without an equals sign is kept only if it is a word, because a lone token is a value.
// Bytes that a URL cannot hold are percent-encoded. A query whose result is longer than MaxQuery ends with "&...".
func Redact(query string) string {
	if query == "" {
		return ""
	}
	var buf [MaxQuery + 3*maxKey + 2*len(redacted) + 2]byte
	out, whole := buf[:0], 0
	for rest, found := query, true; found; {
		var parameter string
		parameter, rest, found = strings.Cut(rest, "&")
		out = appendParameter(out, parameter)
		if len(out) > MaxQuery {
			return string(append(out[:whole], cutMark...))
		}
		if len(out) <= MaxQuery-len(cutMark) {
			whole = len(out)
		}
		if found {
			out = append(out, '&')
		}
	}
	return string(out)
}

func appendParameter(out []byte, parameter string) []byte {
	key, _, valued := strings.Cut(parameter, "=")
	switch {
	case len(key) > maxKey, !valued && key != "" && placeholder(key) != "":
		out = append(out, redacted...)
	default:
		out = appendKey(out, key)
	}
	if valued {
		out = append(out, '=')
		out = append(out, redacted...)
	}
	return out
}

func appendKey(out []byte, key string) []byte {
	for i := range len(key) {
		if c := key[i]; c > ' ' && c < 0x7f {
			out = append(out, c)
		} else {
			out = append(out, '%', hexes[c>>4], hexes[c&15])
		}
	}
	return out
}
