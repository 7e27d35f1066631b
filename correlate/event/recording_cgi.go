package event

// Of FastCGI a recording keeps the names of all parameters and the values of those that say what a head of HTTP/1 says, by the same
// rules: the fields that are secret there are overwritten here, and what is behind the '?' of a target. Servers give programs their
// passwords as parameters, so of all others no value is kept.

// cgi are parameters while their secrets are overwritten.
type cgi struct {
	part   cgiPart
	bytes  uint8     // of a length, still to come
	length [2]uint32 // of the name and of the value, what is still to come
	size   uint8     // of name
	long   bool      // the name is longer than that
	keep   cgiKeep
	name   [maxWord]byte
}

// cgiPart is where in a pair the next byte is.
type cgiPart uint8

const (
	nameLength cgiPart = iota
	valueLength
	pairName
	pairValue
)

// cgiKeep is what of a value is kept.
type cgiKeep uint8

const (
	keepNothing cgiKeep = iota
	keepTarget          // up to the query, if it is a path
	keepPath            // the same, behind its first byte
	keepAll
)

// cgiEnd is the length of what ends the parameters, a header of a record.
const cgiEnd = 8

// records overwrites what is secret in payload, a copy of the payload of an event of FastCGI.
func (r *redactor) records(ev *Event, payload []byte) {
	flags, w := ev.Message.Flags, way{ev.Socket, ev.Message.Direction}
	c, known := r.params[w]
	switch {
	case flags&Lost != 0:
		r.forget(ev.Socket)
		clear(payload)
	case flags&(Start|Open) == Start: // the head of an answer
		h := head{step: lineStart, response: true, secret: true}
		h.blank(payload, r)
	case flags&Open == 0:
		delete(r.params, w)
		if len(payload) > cgiEnd {
			clear(payload)
		}
	case flags&Start == 0 && !known:
		clear(payload)
	default:
		if flags&Start != 0 {
			c = cgi{}
		}
		if !known && len(r.params) >= maxOpen {
			clear(r.params)
		}
		c.overwrite(payload, r)
		r.params[w] = c
	}
}

func (c *cgi) overwrite(p []byte, r *redactor) {
	for i, b := range p {
		switch c.part {
		case nameLength, valueLength:
			c.takeLength(b)
		case pairName:
			if c.size < maxWord {
				c.name[c.size] = b
				c.size++
			} else {
				c.long = true
			}
			c.length[0]--
		case pairValue:
			if !c.keeps(b, r) {
				p[i] = '*'
			}
			c.length[1]--
		}
		c.next(r)
	}
}

// takeLength reads one byte, or four of which the first bit is set.
func (c *cgi) takeLength(b byte) {
	at := c.part - nameLength
	switch {
	case c.bytes > 0:
		c.length[at] = c.length[at]<<8 | uint32(b)
		c.bytes--
	case b&0x80 != 0:
		c.length[at], c.bytes = uint32(b&0x7f), 3
	default:
		c.length[at] = uint32(b)
	}
	if c.bytes == 0 {
		c.part++
	}
}

// next goes on to the value, or to the next pair.
func (c *cgi) next(r *redactor) {
	if c.part == pairName && c.length[0] == 0 {
		c.part, c.keep = pairValue, c.kept(r)
	}
	if c.part == pairValue && c.length[1] == 0 {
		*c = cgi{}
	}
}

// kept tells what of the value of a parameter is kept.
func (c *cgi) kept(r *redactor) cgiKeep {
	const field = "HTTP_"
	name := c.name[:c.size]
	switch string(name) {
	case "REQUEST_METHOD", "SERVER_PROTOCOL", "SCRIPT_NAME", "CONTENT_TYPE", "CONTENT_LENGTH":
		return keepAll
	case "REQUEST_URI":
		return keepTarget
	}
	if c.long || len(name) <= len(field) || string(name[:len(field)]) != field {
		return keepNothing
	}
	var text [maxWord]byte
	n := 0
	for _, b := range name[len(field):] {
		if b == '_' {
			b = '-'
		}
		text[n] = lower(b)
		n++
	}
	if _, secret := r.secrets[string(text[:n])]; secret {
		return keepNothing
	}
	return keepAll
}

// keeps tells whether the next byte of a value is kept.
func (c *cgi) keeps(b byte, r *redactor) bool {
	switch {
	case c.keep == keepTarget && b != '/', c.keep == keepPath && (b == '?' || b == '#') && !r.keepQuery:
		c.keep = keepNothing
		return b == '?'
	case c.keep == keepTarget:
		c.keep = keepPath
	}
	return c.keep != keepNothing
}
