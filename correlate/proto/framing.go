package proto

import "bytes"

// settle finds the framing by RFC 9112, section 6.3, as far as the head alone tells it. text is what was read.
func (h *head) settle(text []byte) error {
	if bytes.IndexByte(text, 0) >= 0 {
		return ErrNUL
	}
	m := h.m
	m.Close = h.close || (m.Minor == 0 && !h.keepAlive)
	m.Upgrade = m.Request && m.Minor > 0 && h.protocol && h.upgrade
	m.Ambiguous = h.coded && (h.lengths != noLength || m.Minor == 0)
	switch {
	case m.Status == 101:
		m.Framing = Tunnel
	case m.Status != 0 && m.Status < 200:
		m.Framing, m.Informational = NoBody, true
	case m.Status == 204 || m.Status == 304:
		m.Framing = NoBody
	case h.chunked:
		m.Framing = Chunked
	case h.coded && m.Request:
		return ErrCoding
	case h.coded:
		m.Framing = UntilClose
	case h.lengths == badLength:
		return ErrLength
	case h.lengths == oneLength:
		m.Framing, m.Length = Length, h.length
	case m.Request:
		m.Framing = NoBody
	default:
		m.Framing = UntilClose
	}
	return nil
}

// Answer settles the framing of a response with the method of its request. A method that is not known is nil.
func (m *Message) Answer(method []byte) {
	switch {
	case m.Status < 200:
		return // informational, or 101, whatever was asked
	case string(method) == "HEAD":
		m.Framing, m.Length = NoBody, 0
	case string(method) == "CONNECT" && m.Status < 300:
		m.Framing, m.Length = Tunnel, 0
	}
}
