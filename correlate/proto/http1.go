package proto

import "bytes"

// MaxHead is the longest head that is read, in bytes, empty lines before it included.
const MaxHead = 64 << 10

// maxMethod bounds how long a stream without any space is taken for a method.
const maxMethod = 64

// HTTP1 reads HTTP/1.0 to HTTP/1.9: https://www.rfc-editor.org/rfc/rfc9112.
//
// It reads what servers and clients accept in practice: bare LF as a line end, empty lines before a request,
// spaces in a target, obsolete line folding, names with visible bytes that are not token characters.
type HTTP1 struct{}

// Next is Parser.Next. It scans from the start of buf at each call: call it when a head can be whole.
func (HTTP1) Next(from Side, buf []byte, m *Message) (int, error) {
	h := head{m: m}
	h.reset(from)
	n, whole, err := h.read(buf[:min(len(buf), MaxHead)])
	if err != nil {
		return 0, err
	}
	if whole {
		if err = h.settle(buf[:n]); err != nil {
			return 0, err
		}
		return n, nil
	}
	if len(buf) >= MaxHead {
		return 0, ErrTooLong
	}
	return 0, nil
}

// Cut is Parser.Cut. m.HeadCut stays false if the head turns out to be whole.
func (HTTP1) Cut(from Side, buf []byte, m *Message) error {
	h := head{m: m}
	h.reset(from)
	n, whole, err := h.read(buf[:min(len(buf), MaxHead)])
	if err != nil {
		return err
	}
	if n == 0 {
		return ErrCut
	}
	m.HeadCut = !whole
	return h.settle(buf[:n])
}

// head is a head while it is read: the message and what its framing and its end will be settled from.
type head struct {
	m         *Message
	length    uint64
	lengths   lengths
	coded     bool // Transfer-Encoding was seen
	chunked   bool // and its last coding is chunked
	close     bool // options of Connection
	keepAlive bool
	upgrade   bool
	protocol  bool // Upgrade was seen
}

func (h *head) reset(from Side) {
	*h.m = Message{Request: from == FromClient, Fields: h.m.Fields[:0]}
}

// read takes the start line and all whole field lines, n bytes. whole: the empty line that ends the head is one
// of them. n is 0 as long as the start line is not whole.
func (h *head) read(buf []byte) (n int, whole bool, err error) {
	if h.m.Request {
		n, err = h.requestLine(buf)
	} else {
		n, err = h.statusLine(buf)
	}
	if n == 0 || err != nil {
		return 0, false, err
	}
	for {
		size, text := line(buf[n:])
		if size == 0 {
			break
		}
		n += size
		if len(text) == 0 {
			whole = true
			break
		}
		if n < len(buf) && isBlank(buf[n]) {
			n, text = unfold(buf, n-size, n, text)
		}
		if !h.field(text) {
			return 0, false, ErrField
		}
	}
	return n, whole, nil
}

// line cuts one line off buf: size counts its end too, text does not. size is 0 when the line is not whole.
func line(buf []byte) (size int, text []byte) {
	i := bytes.IndexByte(buf, '\n')
	if i < 0 {
		return 0, nil
	}
	if i > 0 && buf[i-1] == '\r' {
		return i + 1, buf[:i-1]
	}
	return i + 1, buf[:i]
}

// unfold extends the field line text, buf[start:n] with its end, by the whole lines behind it that open with a blank
// (RFC 9112, section 5.2).
func unfold(buf []byte, start, n int, text []byte) (int, []byte) {
	for n < len(buf) && isBlank(buf[n]) {
		size, more := line(buf[n:])
		if size == 0 {
			break
		}
		text = buf[start : n+len(more)]
		n += size
	}
	return n, text
}

// requestLine reads `method SP target SP HTTP/1.minor` and the empty lines before it.
func (h *head) requestLine(buf []byte) (n int, err error) {
	skip := emptyLines(buf)
	method := token(buf[skip:])
	if method > maxMethod {
		return 0, ErrStartLine
	}
	if skip+method == len(buf) {
		return 0, nil
	}
	if buf[skip+method] == '\r' && method == 0 && skip+1 == len(buf) {
		return 0, nil
	}
	if method == 0 || buf[skip+method] != ' ' {
		return 0, ErrStartLine
	}
	size, text := line(buf[skip:])
	if size == 0 {
		return 0, nil
	}
	const version = len(" HTTP/1.1")
	at := len(text) - version
	if at < method || text[at] != ' ' {
		return 0, ErrStartLine
	}
	if err = h.version(text[at+1:]); err != nil {
		return 0, err
	}
	target := trim(text[method:at])
	if len(target) == 0 || !isVisible(target) {
		return 0, ErrStartLine
	}
	h.m.Method, h.m.Target = text[:method], target
	return skip + size, nil
}

// statusLine reads `HTTP/1.minor SP status [SP reason]`.
func (h *head) statusLine(buf []byte) (n int, err error) {
	const opening = "HTTP/"
	if k := min(len(buf), len(opening)); string(buf[:k]) != opening[:k] {
		return 0, ErrStartLine
	}
	size, text := line(buf)
	if size == 0 {
		return 0, nil
	}
	const version, status = len("HTTP/1.1"), len("HTTP/1.1 200")
	if len(text) < status || text[version] != ' ' || (len(text) > status && text[status] != ' ') {
		return 0, ErrStartLine
	}
	if err = h.version(text[:version]); err != nil {
		return 0, err
	}
	code := uint16(0)
	for _, c := range text[version+1 : status] {
		if !isDigit(c) {
			return 0, ErrStartLine
		}
		code = code*10 + uint16(c-'0')
	}
	if code < 100 {
		return 0, ErrStartLine
	}
	h.m.Status = code
	return size, nil
}

// version reads `HTTP/digit.digit`, eight bytes.
func (h *head) version(b []byte) error {
	if string(b[:5]) != "HTTP/" || !isDigit(b[5]) || b[6] != '.' || !isDigit(b[7]) {
		return ErrStartLine
	}
	if b[5] != '1' {
		return ErrVersion
	}
	h.m.Minor = b[7] - '0'
	return nil
}

// emptyLines measures the empty lines at the start of buf.
func emptyLines(buf []byte) int {
	n := 0
	for n < len(buf) {
		switch {
		case buf[n] == '\n':
			n++
		case buf[n] == '\r' && n+1 < len(buf) && buf[n+1] == '\n':
			n += 2
		default:
			return n
		}
	}
	return n
}

// looksHTTP1 checks as much of a start line as is there.
func looksHTTP1(from Side, buf []byte) bool {
	if len(buf) == 0 {
		return false
	}
	h := head{m: &Message{}}
	var err error
	if from == FromClient {
		_, err = h.requestLine(buf[:min(len(buf), MaxHead)])
	} else {
		_, err = h.statusLine(buf[:min(len(buf), MaxHead)])
	}
	return err == nil
}
