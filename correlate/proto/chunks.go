package proto

import "bytes"

// Chunks follows a chunked body (RFC 9112, section 7.1) through a stream that is cut anywhere. The zero value is
// ready for the first chunk; memory is constant.
//
// What it takes, exactly:
//
//	body    = *( size-line data end ) last-line *( trailer ) end
//	size    = 1*HEXDIG, below 2^64
//	size-line, last-line (size 0) = size *( SP / HTAB ) [ ";" *( any byte but LF ) ] end
//	trailer = 1*( any byte but LF ), the first of them no CR, LF
//	end     = [ CR ] LF
//
// A size line, and all trailers with the last end together, have at most MaxHead bytes.
type Chunks struct {
	state chunkState
	size  uint64 // of the chunk; then its bytes still to come
	line  uint32 // bytes of the size line or the trailer section so far
	err   error
}

type chunkState uint8

const (
	sizeFirst   chunkState = iota // before the first digit
	sizeDigit                     // after a digit
	sizeBlank                     // after a blank behind the digits
	sizeCR                        // after the CR of a size line
	extension                     // after a semicolon
	data                          // in a chunk's data, size > 0
	dataEnd                       // behind the data
	dataCR                        // after the CR behind the data
	trailerHead                   // at the start of a line behind the last chunk
	trailerCR                     // after a CR there
	trailerText                   // inside a trailer
	finished
)

// Feed takes the next bytes of the stream: n of them belong to the body with its framing, and body of these are
// payload. n < len(buf) only with done, when the rest belongs to the next message, or with an error, which stays and
// comes at the byte buf[n]. Errors are of type Error.
func (c *Chunks) Feed(buf []byte) (n int, body uint64, done bool, err error) {
	for n < len(buf) && c.state != finished && c.err == nil {
		switch c.state {
		case data:
			k := min(c.size, uint64(len(buf)-n))
			n, body, c.size = n+int(k), body+k, c.size-k
			if c.size == 0 {
				c.state = dataEnd
			}
		case extension, trailerText:
			n += c.skip(buf[n:])
		default:
			n += c.step(buf[n])
		}
	}
	return n, body, c.state == finished, c.err
}

// skip takes bytes up to and including LF.
func (c *Chunks) skip(buf []byte) int {
	n := bytes.IndexByte(buf, '\n') + 1
	last := n > 0
	if !last {
		n = len(buf)
	}
	if room := MaxHead - int(c.line); n > room {
		c.err = ErrChunkLength
		return room
	}
	c.line += uint32(n)
	switch {
	case last && c.state == extension:
		c.sized()
	case last:
		c.state = trailerHead
	}
	return n
}

// step takes one byte and gives 1, or 0 with c.err set.
func (c *Chunks) step(b byte) int {
	switch c.state {
	case dataEnd, dataCR:
		c.end(b)
	case trailerHead, trailerCR:
		c.trailer(b)
	default:
		c.sizeLine(b)
	}
	if c.err != nil {
		return 0
	}
	return 1
}

func (c *Chunks) sizeLine(b byte) {
	if c.line++; c.line > MaxHead {
		c.err = ErrChunkLength
		return
	}
	digit, isHex := hex(b)
	switch {
	case isHex && c.state <= sizeDigit && c.size>>60 == 0:
		c.size, c.state = c.size<<4|digit, sizeDigit
	case c.state == sizeFirst || isHex:
		c.err = ErrChunkSize
	case b == '\n':
		c.sized()
	case c.state == sizeCR:
		c.err = ErrChunkSize
	case b == '\r':
		c.state = sizeCR
	case b == ';':
		c.state = extension
	case isBlank(b):
		c.state = sizeBlank
	default:
		c.err = ErrChunkSize
	}
}

// sized ends a size line.
func (c *Chunks) sized() {
	c.line = 0
	c.state = data
	if c.size == 0 {
		c.state = trailerHead
	}
}

func (c *Chunks) end(b byte) {
	switch {
	case b == '\n':
		c.state = sizeFirst
	case b == '\r' && c.state == dataEnd:
		c.state = dataCR
	default:
		c.err = ErrChunkEnd
	}
}

func (c *Chunks) trailer(b byte) {
	if c.line++; c.line > MaxHead {
		c.err = ErrChunkLength
		return
	}
	switch {
	case b == '\n':
		c.state = finished
	case c.state == trailerCR:
		c.err = ErrTrailer
	case b == '\r':
		c.state = trailerCR
	default:
		c.state = trailerText
	}
}

func hex(b byte) (digit uint64, ok bool) {
	switch {
	case isDigit(b):
		return uint64(b - '0'), true
	case 'a' <= b|0x20 && b|0x20 <= 'f':
		return uint64(b|0x20-'a') + 10, true
	}
	return 0, false
}
