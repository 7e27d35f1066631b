package proto

import "bytes"

// lengths says what the fields Content-Length agree on.
type lengths uint8

const (
	noLength lengths = iota
	oneLength
	badLength
)

// field takes one field line without its end. It gives false if there is no proper name before a colon. Errors in
// the value wait until the head is whole, because a folded line may still mend them.
func (h *head) field(text []byte) bool {
	i := 0
	for i < len(text) && classes[text[i]]&inName != 0 {
		i++
	}
	name, after := text[:i], i
	for !h.m.Request && after < len(text) && isBlank(text[after]) {
		after++ // a blank before the colon: an error in a request, to be removed from a response
	}
	if len(name) == 0 || after == len(text) || text[after] != ':' {
		return false
	}
	value := trim(text[after+1:])
	h.known(name, value)
	if n := len(h.m.Fields); n < cap(h.m.Fields) && n < MaxFields {
		h.m.Fields = h.m.Fields[:n+1]
		field := &h.m.Fields[n]
		field.Name, field.Value = name, value
	} else {
		h.keep(name, value)
	}
	return true
}

// keep makes room for a field or counts it as dropped.
func (h *head) keep(name, value []byte) {
	if len(h.m.Fields) == MaxFields {
		h.m.Dropped++
		return
	}
	h.m.Fields = append(h.m.Fields, Field{name, value})
}

// known picks the fields that weft itself needs, by length and first letter before any comparison.
func (h *head) known(name, value []byte) {
	first := name[0] | 0x20
	switch {
	case len(name) == 4 && first == 'h' && equalFold(name, "host"):
		setFirst(&h.m.Host, value)
	case len(name) == 7 && first == 'u' && equalFold(name, "upgrade"):
		h.protocol = true
	case len(name) == 10 && first == 'u' && equalFold(name, "user-agent"):
		setFirst(&h.m.UserAgent, value)
	case len(name) == 10 && first == 'c' && equalFold(name, "connection"):
		setFirst(&h.m.Connection, value)
		h.options(value)
	case len(name) == 12 && first == 'c' && equalFold(name, "content-type"):
		h.m.Events = isEvents(value)
	case len(name) == 14 && first == 'c' && equalFold(name, "content-length"):
		h.contentLength(value)
	case len(name) == 17 && first == 't' && equalFold(name, "transfer-encoding"):
		h.coded = true
		h.chunked = equalFold(lastElement(value), "chunked")
	}
}

func setFirst(to *[]byte, value []byte) {
	if *to == nil {
		*to = value
	}
}

// options reads the list of a Connection field.
func (h *head) options(list []byte) {
	for len(list) > 0 {
		var option []byte
		option, list = element(list)
		switch {
		case equalFold(option, "close"):
			h.close = true
		case equalFold(option, "keep-alive"):
			h.keepAlive = true
		case equalFold(option, "upgrade"):
			h.upgrade = true
		}
	}
}

// Lists tells whether a list of tokens, such as the value of Connection, has that one, in any case.
func Lists(list, token []byte) bool {
	for len(list) > 0 {
		var one []byte
		one, list = element(list)
		if bytes.EqualFold(one, token) {
			return true
		}
	}
	return false
}

// contentLength reads one field; a list of equal numbers is one number (RFC 9112, section 6.3).
func (h *head) contentLength(list []byte) {
	for {
		var digits []byte
		digits, list = element(list)
		n, ok := number(digits)
		if !ok || (h.lengths != noLength && n != h.length) {
			h.lengths = badLength
			return
		}
		if h.lengths == noLength {
			h.length, h.lengths = n, oneLength
		}
		if list == nil {
			return
		}
	}
}

// number reads decimal digits, at most 18 of them.
func number(digits []byte) (n uint64, ok bool) {
	for len(digits) > 1 && digits[0] == '0' {
		digits = digits[1:]
	}
	if len(digits) == 0 || len(digits) > 18 {
		return 0, false
	}
	for _, c := range digits {
		if !isDigit(c) {
			return 0, false
		}
		n = n*10 + uint64(c-'0')
	}
	return n, true
}

// element cuts the first element off a list; rest is nil after the last one.
func element(list []byte) (first, rest []byte) {
	i := bytes.IndexByte(list, ',')
	if i < 0 {
		return trim(list), nil
	}
	return trim(list[:i]), list[i+1:]
}

// lastElement gives the last element of a list that is not empty.
func lastElement(list []byte) []byte {
	for {
		i := bytes.LastIndexByte(list, ',')
		if last := trim(list[i+1:]); len(last) > 0 || i < 0 {
			return last
		}
		list = list[:i]
	}
}
