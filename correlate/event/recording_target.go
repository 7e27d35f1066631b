package event

import "strings"

// takeTarget reads the target of a request and the version behind it.
func (h *head) takeTarget(p []byte, r *redactor) int {
	switch h.step {
	case targetStart:
		return h.takeTargetStart(p)
	case targetScheme:
		return h.takeScheme(p)
	case targetHost:
		return h.takeHost(p)
	case targetPath:
		return h.takePath(p, r.keepQuery)
	case targetKey:
		return h.takeKey(p)
	case targetValue:
		n := until(p, "&")
		stars(p[:n])
		return h.parameterEnds(p, n)
	}
	return h.takeVersion(p)
}

func (h *head) takeTargetStart(p []byte) int {
	switch c := p[0]; {
	case c == ' ':
		return 1
	case h.connect:
		return h.to(targetHost, 0)
	case c == '/' || c == '*':
		return h.to(targetPath, 0)
	case lower(c) == 'h':
		h.size = 0
		return h.to(targetScheme, 0)
	}
	return h.to(void, 0)
}

func (h *head) takeScheme(p []byte) int {
	for i, c := range p {
		h.word[h.size] = lower(c)
		h.size++
		word := string(h.word[:h.size])
		switch {
		case word == "http://" || word == "https://":
			return h.to(targetHost, i+1)
		case !strings.HasPrefix("http://", word) && !strings.HasPrefix("https://", word):
			return h.to(void, 0)
		}
	}
	return len(p)
}

// takeHost reads user, password, host and port. Only its end tells whether it holds a user.
func (h *head) takeHost(p []byte) int {
	n := until(p, "/?#")
	if n == len(p) {
		stars(p)
		return n
	}
	for at := n - 1; at >= 0; at-- {
		if p[at] == '@' {
			stars(p[:at])
			break
		}
	}
	return h.to(targetPath, n)
}

func (h *head) takePath(p []byte, keepQuery bool) int {
	marks := "?#"
	if keepQuery {
		marks = ""
	}
	n := until(p, marks)
	if n == len(p) {
		return n
	}
	switch p[n] {
	case '?':
		return h.to(targetKey, n+1)
	case '#':
		return h.to(targetValue, n+1)
	}
	return h.targetEnds(p, n, targetPath)
}

// takeKey reads a parameter up to its value. One without a value is kept only if it is a word.
func (h *head) takeKey(p []byte) int {
	n := until(p, "=&#")
	if n < len(p) && p[n] == '=' {
		if n > maxKey {
			stars(p[:n])
		}
		return h.to(targetValue, n+1)
	}
	if !isWord(p[:n]) {
		stars(p[:n])
	}
	return h.parameterEnds(p, n)
}

func (h *head) parameterEnds(p []byte, n int) int {
	switch {
	case n == len(p):
		return n
	case p[n] == '&':
		return h.to(targetKey, n+1)
	case p[n] == '#':
		return h.to(targetValue, n+1)
	}
	return h.targetEnds(p, n, targetValue)
}

// targetEnds is at a blank, behind which the version or more of the target comes, or at a control character.
func (h *head) targetEnds(p []byte, n int, back step) int {
	if p[n] != ' ' {
		return h.to(void, n)
	}
	h.back, h.matched = back, 0
	return h.to(version, n+1)
}

func (h *head) takeVersion(p []byte) int {
	for i, c := range p {
		switch {
		case c == '\n' && h.matched >= versionSize:
			return h.startLineEnds(i + 1)
		case c == '\r' && h.matched == versionSize:
			h.matched++
		case h.matched > versionSize:
			return h.to(void, i)
		case c == ' ':
			h.matched = 0
		case h.matched < versionSize && isVersionByte(int(h.matched), c):
			h.matched++
		default:
			return h.to(h.back, i)
		}
	}
	return len(p)
}

// until gives the index of the first byte of marks, blank or control character, or the length.
func until(p []byte, marks string) int {
	for i, c := range p {
		if c <= ' ' || c == 0x7f || strings.IndexByte(marks, c) >= 0 {
			return i
		}
	}
	return len(p)
}

// versionSize is the length of HTTP/1.1.
const versionSize = 8

func isVersionByte(at int, c byte) bool {
	const form = "HTTP/0.0"
	if form[at] == '0' {
		return '0' <= c && c <= '9'
	}
	return c == form[at]
}

// isVersion tells whether a word is the start of a version.
func isVersion(word []byte) bool {
	for i, c := range word {
		if i >= versionSize || !isVersionByte(i, c) {
			return false
		}
	}
	return true
}

func isCapital(word []byte) bool {
	for _, c := range word {
		if (c < 'A' || c > 'Z') && c != '-' {
			return false
		}
	}
	return true
}

// isWordByte takes the characters of tokens (RFC 9110, section 5.6.2) and the slash of a version.
func isWordByte(c byte) bool {
	return 'a' <= lower(c) && lower(c) <= 'z' || strings.IndexByte("/0123456789!#$%&'*+-.^_`|~", c) >= 0
}

// isWord tells whether a lone parameter of a query is a word rather than a value.
func isWord(p []byte) bool {
	for _, c := range p {
		if (lower(c) < 'a' || lower(c) > 'z') && strings.IndexByte("-_.[]", c) < 0 {
			return false
		}
	}
	return len(p) <= maxWord/2
}

func lower(c byte) byte {
	if 'A' <= c && c <= 'Z' {
		return c | 0x20
	}
	return c
}

func stars(p []byte) {
	for i := range p {
		p[i] = '*'
	}
}
