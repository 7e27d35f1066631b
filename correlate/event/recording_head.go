package event

import "bytes"

// step is where in a head the next byte is.
type step uint8

const (
	beforeHead   step = iota // empty lines may come
	startWord                // method, or HTTP/1.x
	statusCode               // of a status line
	reasonText               // the rest of a status line
	targetStart              // blanks before the target
	targetScheme             // http:// or https://
	targetHost               // user, password, host, port
	targetPath               // up to '?', '#' or a blank
	targetKey                // of the query
	targetValue              // of the query, or a fragment
	version                  // HTTP/1.x behind the target, or the target goes on
	lineStart                // of a field, a folded value or the empty line
	emptyLine                // after the CR of the empty line
	fieldName
	fieldBlank // blanks between name and colon
	fieldValue // also of a line that is no field
	body       // behind the head
	void       // no head, or none that is understood: nothing is kept
)

// number is what is known of a Content-Length.
type number uint8

const (
	noNumber number = iota
	inNumber        // digits were seen
	afterNumber
	badNumber
)

const (
	maxWord = 64  // bytes of a method, or of a field name that is known
	maxKey  = 128 // bytes; what is longer is no key of a query
)

// head is a head of HTTP/1 while its secrets are blanked. The zero value is at its start. Each step takes a part of the
// bytes or changes the step; no step looks back beyond the bytes that it is given.
type head struct {
	step     step
	back     step  // where the target goes on when version proves wrong
	matched  uint8 // bytes of the version
	size     uint8 // of word
	number   number
	digits   uint8 // of the status
	long     bool  // the field name is longer than word
	response bool
	connect  bool
	secret   bool // the value is to be blanked
	leading  bool // only blanks of the value were seen
	counting bool // the value is a Content-Length
	coded    bool // Transfer-Encoding was seen
	status   uint16
	length   uint64
	word     [maxWord]byte // method, scheme or field name, the latter two in lower case
}

// blank overwrites what is secret in the next bytes of the direction.
func (h *head) blank(p []byte, r *redactor) {
	for len(p) > 0 {
		p = p[h.take(p, r):]
	}
}

func (h *head) take(p []byte, r *redactor) int {
	switch h.step {
	case beforeHead:
		return h.takeBefore(p)
	case startWord:
		return h.takeWord(p)
	case statusCode, reasonText:
		return h.takeStatus(p)
	case targetStart, targetScheme, targetHost, targetPath, targetKey, targetValue, version:
		return h.takeTarget(p, r)
	case lineStart, emptyLine:
		return h.takeLineStart(p)
	case fieldName, fieldBlank:
		return h.takeName(p, r)
	case fieldValue:
		return h.takeValue(p)
	case body:
		n := int(min(h.length, uint64(len(p))))
		stars(p[:n])
		if h.length -= uint64(n); h.length == 0 {
			h.step = beforeHead
		}
		return n
	}
	clear(p)
	return len(p)
}

// to changes the step at byte n.
func (h *head) to(s step, n int) int {
	h.step = s
	return n
}

func (h *head) takeBefore(p []byte) int {
	if p[0] == '\r' || p[0] == '\n' {
		return 1
	}
	*h = head{step: startWord}
	return 0
}

// takeWord reads the word that opens a start line. At the end of an event a word that is only begun is kept if it can
// become HTTP/1.x or a usual method.
func (h *head) takeWord(p []byte) int {
	for i, c := range p {
		if c == ' ' {
			return h.wordEnds(i + 1)
		}
		if h.size == maxWord || !isWordByte(c) {
			return h.to(void, 0)
		}
		h.word[h.size] = c
		h.size++
	}
	if word := h.word[:h.size]; !isVersion(word) && !isCapital(word) {
		return h.to(void, 0)
	}
	return len(p)
}

func (h *head) wordEnds(n int) int {
	word := h.word[:h.size]
	switch {
	case len(word) == versionSize && isVersion(word):
		h.response = true
		return h.to(statusCode, n)
	case len(word) == 0 || bytes.IndexByte(word, '/') >= 0:
		return h.to(void, 0)
	}
	h.connect = string(word) == "CONNECT"
	return h.to(targetStart, n)
}

// takeStatus reads the status line behind the version.
func (h *head) takeStatus(p []byte) int {
	for i, c := range p {
		switch {
		case h.step == reasonText && c == '\n':
			return h.startLineEnds(i + 1)
		case h.step == reasonText:
		case h.digits < 3 && '0' <= c && c <= '9':
			h.status, h.digits = h.status*10+uint16(c-'0'), h.digits+1
		case h.digits == 3 && (c == ' ' || c == '\r' || c == '\n'):
			return h.to(reasonText, i)
		default:
			return h.to(void, 0)
		}
	}
	return len(p)
}

// startLineEnds lets no field be folded onto the start line.
func (h *head) startLineEnds(n int) int {
	h.secret = true
	return h.to(lineStart, n)
}

func (h *head) takeLineStart(p []byte) int {
	switch c := p[0]; {
	case c == '\n':
		h.ends()
		return 1
	case h.step == emptyLine:
		h.secret = true
		return h.to(fieldValue, 0)
	case c == '\r':
		return h.to(emptyLine, 1)
	case c == ' ' || c == '\t':
		h.leading = true
		return h.to(fieldValue, 0)
	}
	h.size, h.long, h.counting = 0, false, false
	return h.to(fieldName, 0)
}

// takeName reads up to the colon. A line in which something else comes is blanked.
func (h *head) takeName(p []byte, r *redactor) int {
	for i, c := range p {
		switch {
		case c == ':':
			h.named(r)
			return h.to(fieldValue, i+1)
		case c == ' ' || c == '\t':
			h.step = fieldBlank
		case c < ' ' || c == 0x7f || h.step == fieldBlank:
			stars(p[:i])
			h.secret, h.leading = true, false
			return h.to(fieldValue, i)
		case h.size == maxWord:
			h.long = true
		default:
			h.word[h.size] = lower(c)
			h.size++
		}
	}
	return len(p)
}

func (h *head) named(r *redactor) {
	name := h.word[:h.size]
	_, listed := r.secrets[string(name)]
	h.secret = listed || h.long
	h.leading = true
	h.counting = string(name) == "content-length"
	h.coded = h.coded || string(name) == "transfer-encoding"
}

func (h *head) takeValue(p []byte) int {
	end := bytes.IndexByte(p, '\n')
	value := p
	if end >= 0 {
		value = p[:end]
	}
	if h.counting {
		h.count(value)
	}
	if h.secret {
		h.hide(value)
	}
	if end < 0 {
		return len(p)
	}
	return h.to(lineStart, end+1)
}

// hide keeps the blanks before a value and the CR behind it.
func (h *head) hide(value []byte) {
	for i, c := range value {
		if c == '\r' || (h.leading && (c == ' ' || c == '\t')) {
			continue
		}
		h.leading = false
		value[i] = '*'
	}
}

func (h *head) count(value []byte) {
	for _, c := range value {
		switch {
		case c == ' ' || c == '\t' || c == '\r':
			if h.number == inNumber {
				h.number = afterNumber
			}
		case '0' <= c && c <= '9' && h.number <= inNumber && h.length < 1<<59:
			h.length, h.number = h.length*10+uint64(c-'0'), inNumber
		default:
			h.number = badNumber
		}
	}
}

// ends settles what the bytes behind the head are. The kernel side gives such bytes only with heads that come together.
func (h *head) ends() {
	next := head{step: beforeHead, length: h.length}
	switch {
	case h.status == 101 || h.connect:
		next.step = void
	case h.response && (h.status < 200 || h.status == 204 || h.status == 304):
	case h.coded || h.number == badNumber || (h.response && h.number == noNumber):
		next.step = void
	case h.length > 0:
		next.step = body
	}
	*h = next
}
