package event

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"github.com/klauspost/compress/zstd"
)

// Reader reads a recording. What it needs of memory does not depend on what it reads.
type Reader struct {
	in     *zstd.Decoder
	buf    []byte // of which buf[next:end] are still to be read
	next   int
	end    int
	offset uint64 // of buf[next] among the bytes of the frames
	count  uint64 // events read
	time   uint64
	err    error // of the last read, given when buf is used up
}

// NewReader starts to read a recording. It starts no goroutine. A file of another kind or version is ErrNoRecording.
func NewReader(r io.Reader) (*Reader, error) {
	var header [len(recordingMagic) + 1]byte
	if _, err := io.ReadFull(r, header[:]); err == io.EOF || err == io.ErrUnexpectedEOF {
		return nil, ErrNoRecording
	} else if err != nil {
		return nil, fmt.Errorf("read recording: %w", err)
	}
	if string(header[:len(recordingMagic)]) != recordingMagic {
		return nil, ErrNoRecording
	}
	if version := header[len(recordingMagic)]; version != recordingVersion {
		return nil, fmt.Errorf("version %d instead of %d: %w", version, recordingVersion, ErrNoRecording)
	}
	in, err := zstd.NewReader(r, zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true),
		zstd.WithDecoderMaxWindow(recordingWindow))
	if err != nil {
		return nil, fmt.Errorf("read recording: %w", err)
	}
	return &Reader{in: in, buf: make([]byte, 2*maxFrame)}, nil
}

// Next reads the next event into ev, which it overwrites; the payload is valid until the next call. At the end of the
// recording the error is io.EOF. Any other error is final and says after how many events and bytes it came; one that
// wraps io.ErrUnexpectedEOF means that the recording was not closed, and all before it is good.
func (r *Reader) Next(ev *Event) error {
	frame, size, err := r.frame()
	if err != nil {
		return err
	}
	*ev = Event{}
	if !decodeEvent(frame, r.time, ev) {
		r.err = r.place(ErrCorrupt)
		r.next, r.end = 0, 0
		*ev = Event{}
		return r.err
	}
	r.time = ev.Time
	r.next += size
	r.offset += uint64(size)
	r.count++
	return nil
}

// frame gives the next frame and its size with its length.
func (r *Reader) frame() (frame []byte, size int, err error) {
	for {
		length, n := binary.Uvarint(r.buf[r.next:r.end])
		if n < 0 || length > maxFrame {
			r.err = r.place(ErrCorrupt)
			r.next, r.end = 0, 0
			return nil, 0, r.err
		}
		if size = n + int(length); n > 0 && size <= r.end-r.next {
			return r.buf[r.next+n : r.next+size], size, nil
		}
		if err = r.fill(); err != nil {
			return nil, 0, err
		}
	}
}

// fill reads more behind what is left.
func (r *Reader) fill() error {
	if r.err != nil {
		return r.err
	}
	copy(r.buf, r.buf[r.next:r.end])
	r.next, r.end = 0, r.end-r.next
	n, err := r.in.Read(r.buf[r.end:])
	r.end += n
	switch {
	case n > 0:
		return nil // the error, if any, comes again
	case err == nil:
		return nil
	case errors.Is(err, io.EOF) && r.end == 0:
		r.err = io.EOF
	case errors.Is(err, io.EOF):
		r.err = r.place(io.ErrUnexpectedEOF)
	case errors.Is(err, io.ErrUnexpectedEOF):
		r.err = r.place(err)
	default:
		r.err = r.place(fmt.Errorf("%w: %w", ErrCorrupt, err))
	}
	return r.err
}

// place says where an error came.
func (r *Reader) place(err error) error {
	return fmt.Errorf("read recording: after %d events, at offset %d: %w", r.count, r.offset, err)
}
