package route

import (
	"fmt"
	"strings"
)

// pattern is one configured template.
type pattern struct {
	text     string
	segments []segment
}

// segment matches itself, or with any every segment that is not empty.
type segment struct {
	text string
	any  bool
}

func parsePattern(text string) (pattern, error) {
	rest, ok := strings.CutPrefix(text, "/")
	if !ok {
		return pattern{}, fmt.Errorf("route pattern %q: must begin with a slash", text)
	}
	if strings.ContainsFunc(rest, func(r rune) bool { return r <= ' ' || r == '?' || r == '#' || r == 0x7f }) {
		return pattern{}, fmt.Errorf("route pattern %q: a path has no blank, control character, ? or #", text)
	}
	p := pattern{text: text}
	for part := range strings.SplitSeq(rest, "/") {
		name, open := strings.CutPrefix(part, "{")
		name, closed := strings.CutSuffix(name, "}")
		if open != closed || open && name == "" || strings.ContainsAny(name, "{}") {
			return pattern{}, fmt.Errorf("route pattern %q: braces must enclose a whole segment and name it, like {id}", text)
		}
		p.segments = append(p.segments, segment{text: part, any: open})
	}
	return p, nil
}

// match gives the first pattern that is a template of path, or nil.
func (t *Table) match(path string) *pattern {
	if len(t.patterns) == 0 {
		return nil
	}
	slashes := strings.Count(path, "/")
	for i := range t.patterns {
		if p := &t.patterns[i]; len(p.segments) == slashes && p.matches(path) {
			return p
		}
	}
	return nil
}

// matches expects as many slashes in path as there are segments.
func (p *pattern) matches(path string) bool {
	rest := path[1:]
	for _, s := range p.segments {
		var part string
		part, rest, _ = strings.Cut(rest, "/")
		if s.any && part == "" || !s.any && part != s.text {
			return false
		}
	}
	return true
}
