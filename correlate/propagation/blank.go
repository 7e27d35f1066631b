package propagation

import (
	"bytes"
	"slices"

	"weft/correlate/tracecontext"
)

// shown are the fields beside carriers whose values stay in an example: they say who asks whom, and how the head was framed.
var shown = [...]string{"host", "user-agent", "connection", "content-length", "content-type", "transfer-encoding"}

// blank overwrites the values of all fields of a head, but those of its carriers and the ones that are shown. What is no field is
// overwritten whole, unless it is the first line.
func blank(head []byte, s *tracecontext.Set) []byte {
	var keep [][]byte
	s.Each(func(name, _ []byte) { keep = append(keep, name) })
	_, rest, _ := bytes.Cut(head, []byte("\n"))
	stays := false
	for len(rest) > 0 {
		line, next, _ := bytes.Cut(rest, []byte("\n"))
		folded := len(line) > 0 && (line[0] == ' ' || line[0] == '\t')
		name, value, found := bytes.Cut(line, []byte(":"))
		switch {
		case folded, !found:
			value = line
		default:
			stays = isShown(name) || slices.ContainsFunc(keep, func(k []byte) bool { return bytes.EqualFold(k, name) })
		}
		if !stays || !folded && !found {
			overwrite(value)
		}
		rest = next
	}
	return head
}

func isShown(name []byte) bool {
	return slices.ContainsFunc(shown[:], func(k string) bool { return bytes.EqualFold([]byte(k), name) })
}

// overwrite leaves blanks and the ends of lines, so that the head stays one.
func overwrite(value []byte) {
	for i, c := range value {
		if c != ' ' && c != '\t' && c != '\r' {
			value[i] = '*'
		}
	}
}
