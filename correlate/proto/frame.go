package proto

// FrameHeader is the length of the header of a frame of HTTP/2, in bytes.
const FrameHeader = 9

// FrameType is the type of a frame: RFC 9113, section 6.
type FrameType uint8

// The types that say something of a stream's messages.
const (
	FrameData         FrameType = 0
	FrameHeaders      FrameType = 1
	FrameReset        FrameType = 3
	FramePushPromise  FrameType = 5
	FrameGoAway       FrameType = 7
	FrameContinuation FrameType = 9
)

// Flags of frames.
const (
	flagEndStream  = 0x1
	flagEndHeaders = 0x4
	flagPadded     = 0x8
	flagPriority   = 0x20
)

// Frame is the header of a frame.
type Frame struct {
	Length uint32 // of the payload
	Type   FrameType
	Flags  uint8
	Stream uint32 // 0: of the connection
}

// ReadFrame reads the header at the start of buf, which has FrameHeader bytes at least.
func ReadFrame(buf []byte) Frame {
	_ = buf[FrameHeader-1]
	return Frame{
		Length: uint32(buf[0])<<16 | uint32(buf[1])<<8 | uint32(buf[2]), Type: FrameType(buf[3]), Flags: buf[4],
		Stream: number32(buf[5:]) &^ (1 << 31),
	}
}

// Append appends the header.
func (f *Frame) Append(b []byte) []byte {
	return append(b, byte(f.Length>>16), byte(f.Length>>8), byte(f.Length), byte(f.Type), f.Flags,
		byte(f.Stream>>24), byte(f.Stream>>16), byte(f.Stream>>8), byte(f.Stream))
}

// Alone gives the header of a frame that carries the whole block which this one opens, and nothing beside it.
func (f *Frame) Alone() Frame {
	return Frame{Type: f.Type, Flags: f.Flags&flagEndStream | flagEndHeaders, Stream: f.Stream}
}

// EndsStream tells that the sender says nothing more on the stream.
func (f *Frame) EndsStream() bool { return f.Type <= FrameHeaders && f.Flags&flagEndStream != 0 }

// EndsHeaders tells that the block of fields ends with the frame.
func (f *Frame) EndsHeaders() bool { return f.Flags&flagEndHeaders != 0 }

// Block gives the part of a block of fields that a frame of type FrameHeaders, FramePushPromise or FrameContinuation carries:
// its payload without padding, priority and the number of a promised stream. false: it is too short for what it says.
func (f *Frame) Block(payload []byte) (block []byte, ok bool) {
	padding := 0
	if f.Flags&flagPadded != 0 && f.Type != FrameContinuation {
		if len(payload) == 0 {
			return nil, false
		}
		padding, payload = int(payload[0]), payload[1:]
	}
	before := 0
	switch {
	case f.Type == FramePushPromise:
		before = 4
	case f.Type == FrameHeaders && f.Flags&flagPriority != 0:
		before = 5
	}
	if len(payload) < before+padding {
		return nil, false
	}
	return payload[before : len(payload)-padding], true
}

// ResetCode gives the error code of a FrameReset; false when it is not whole.
func ResetCode(payload []byte) (code uint32, ok bool) {
	if len(payload) < 4 {
		return 0, false
	}
	return number32(payload), true
}

// LastStream gives the highest stream that the sender of a FrameGoAway has worked on or may have; false when it is not whole.
func LastStream(payload []byte) (stream uint32, ok bool) {
	if len(payload) < 8 {
		return 0, false
	}
	return number32(payload) &^ (1 << 31), true
}

func number32(b []byte) uint32 {
	return uint32(b[0])<<24 | uint32(b[1])<<16 | uint32(b[2])<<8 | uint32(b[3])
}
