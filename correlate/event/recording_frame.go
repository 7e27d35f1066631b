package event

import (
	"weft/correlate/hpack"
	"weft/correlate/proto"
)

// Frames of HTTP/2 are recorded with their blocks of fields written anew: with the same fields and indexes, but without what is
// secret, and without Huffman's code. A block is one frame then, in the event of its last record; the others stay without a
// payload. A value whose name is not known is secret.

// framesMax bounds the directions of connections whose tables are remembered. When there are more, all are forgotten.
const framesMax = 1 << 12

// frameWay is one direction of a connection of HTTP/2 while its secrets are blanked.
type frameWay struct {
	decoder hpack.Decoder
	frames  proto.Frames
}

// frameWay gives that of a direction. One that comes anew begins with what is known of it.
func (r *redactor) frameWay(w way) *frameWay {
	f := r.frames[w]
	if f != nil {
		return f
	}
	if len(r.frames) >= framesMax {
		clear(r.frames)
		r.forgot = true
	}
	f = &frameWay{}
	f.decoder.Start()
	if r.forgot {
		f.decoder.Lose()
	}
	r.frames[w] = f
	return f
}

// frame gives the message of a frame's record as it is written. Its payload is good until the next call.
func (r *redactor) frame(ev *Event) Message {
	m := ev.Message
	if m.Flags&Lost != 0 {
		for _, d := range [...]Direction{Receive, Send} {
			f := r.frameWay(way{ev.Socket, d})
			f.frames.Drop()
			f.decoder.Lose()
		}
	}
	f := r.frameWay(way{ev.Socket, m.Direction})
	payload, whole, missing := f.frames.Add(&proto.Record{
		Starts: m.Flags&Start != 0, Open: m.Flags&Open != 0, Cut: m.Flags&Cut != 0, Payload: m.Payload, Offset: m.Offset,
	})
	if missing {
		f.decoder.Lose()
	}
	r.room = r.room[:0]
	known := true
	if whole {
		known = r.wholeFrame(f, &m, payload)
		f.frames.Rest()
	}
	m.Payload = r.room
	m.Flags &^= Start | Open | Cut
	switch {
	case len(r.room) > 0:
		m.Flags |= Start
	case missing || !known:
		m.Flags |= Cut
	}
	return m
}

// wholeFrame writes a frame to the redactor's room, or nothing where a block goes on. false: it can't be read.
func (r *redactor) wholeFrame(f *frameWay, m *Message, payload []byte) bool {
	block, done, err := f.frames.Block(payload)
	if err != nil {
		f.decoder.Lose()
		return false
	}
	if done {
		m.Offset = f.frames.Offset
		return r.block(f, block)
	}
	most := 0
	switch f.frames.Frame.Type {
	case proto.FrameHeaders, proto.FramePushPromise, proto.FrameContinuation:
		return true
	case proto.FrameReset:
		most = 4
	case proto.FrameGoAway:
		most = 8
	}
	r.room = f.frames.Frame.Append(r.room)
	r.room = append(r.room, payload[:min(most, len(payload))]...)
	return true
}

// block writes a frame of a whole block.
func (r *redactor) block(f *frameWay, block []byte) bool {
	header := f.frames.Opens.Alone()
	r.room = header.Append(r.room)
	if header.Type == proto.FramePushPromise {
		r.room = append(r.room, 0, 0, 0, 0) // the promised stream
	}
	var err error
	if r.room, err = f.decoder.Rewrite(r.room, block, r.value); err != nil {
		f.decoder.Lose()
		r.room = r.room[:0]
		return false
	}
	header.Length = uint32(len(r.room) - proto.FrameHeader)
	header.Append(r.room[:0])
	return true
}

// value gives the value of a field as it is written.
func (r *redactor) value(name, value []byte) []byte {
	r.text = append(r.text[:0], value...)
	_, listed := r.secrets[string(name)]
	switch {
	case len(name) == 0, listed, len(name) > maxWord:
		stars(r.text)
	case string(name) == ":path":
		h := head{step: targetStart}
		r.text = append(r.text, " HTTP/1.1\r\n"...)
		h.blank(r.text, r)
		r.text = r.text[:len(value)]
	}
	return r.text
}
