package proto

// Frames puts the frames of one direction together from records, and the blocks of fields from frames.
type Frames struct {
	Frame  Frame  // the one that was whole last
	Opens  Frame  // the one that opened the block
	Start  uint64 // time and offset of that one's first byte
	Offset uint64

	pieces []byte // of a frame that came in several records
	block  []byte // as far as its frames were read
	first  uint64 // time and offset of the first record of a frame
	place  uint64
	open   bool // the frame goes on
	within bool // the block goes on
}

// Record is a piece of a frame.
type Record struct {
	Starts, Open, Cut bool // as event.Flags says
	Payload           []byte
	Time, Offset      uint64
}

// keptRoom is what a connection keeps of the room for frames and blocks that are seldom that long.
const keptRoom = 1 << 10

// Add takes the next record. whole: Frame is set, and its payload is given, good until the next call. missing: frames are
// missing before what comes next, or this one was not read to its end; then all that was open is dropped.
func (a *Frames) Add(r *Record) (payload []byte, whole, missing bool) {
	payload = r.Payload
	switch {
	case r.Starts && len(payload) >= FrameHeader:
		missing = a.open
		a.Frame, a.pieces = ReadFrame(payload), a.pieces[:0]
		a.first, a.place = r.Time, r.Offset
		payload = payload[FrameHeader:]
	case r.Starts || r.Cut && len(payload) == 0:
		a.Drop()
		return nil, false, true
	case !a.open:
		return nil, false, false
	}
	if missing {
		a.Drop()
	}
	if a.open = r.Open; a.open || len(a.pieces) > 0 {
		if len(a.pieces)+len(payload) > MaxHead {
			a.Drop()
			return nil, false, true
		}
		a.pieces = append(a.pieces, payload...)
		payload = a.pieces
	}
	if !a.open && r.Cut {
		a.Drop()
		return nil, false, true
	}
	return payload, !a.open, missing
}

// Block takes the payload of Frame, which is whole. done: the block is whole, and Opens, Start and Offset are set; it is good
// until the next call of Add. An error means that the peer breaks the rules for blocks; what was open is dropped.
func (a *Frames) Block(payload []byte) (block []byte, done bool, err error) {
	f := &a.Frame
	if a.within && (f.Type != FrameContinuation || f.Stream != a.Opens.Stream) {
		a.Drop()
		return nil, false, ErrFrame
	}
	switch f.Type {
	case FrameHeaders, FramePushPromise:
		a.Opens, a.Start, a.Offset, a.block = *f, a.first, a.place, a.block[:0]
	case FrameContinuation:
		if !a.within {
			return nil, false, nil // its beginning was missed
		}
	default:
		return nil, false, nil
	}
	part, ok := f.Block(payload)
	if !ok || len(a.block)+len(part) > MaxHead {
		a.Drop()
		return nil, false, ErrFrame
	}
	if a.within = !f.EndsHeaders(); a.within || len(a.block) > 0 {
		a.block = append(a.block, part...)
		part = a.block
	}
	return part, !a.within, nil
}

// Drop forgets what is open.
func (a *Frames) Drop() {
	a.pieces, a.block, a.open, a.within = a.pieces[:0], a.block[:0], false, false
}

// Rest gives back room that is seldom needed. What Add and Block gave is not good any more.
func (a *Frames) Rest() {
	if !a.open && cap(a.pieces) > keptRoom {
		a.pieces = nil
	}
	if !a.within && cap(a.block) > keptRoom {
		a.block = nil
	}
}
