package event

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"github.com/klauspost/compress/zstd"
)

// A recording is a sequence of events in a file:
//
//	magic "weftrec", one byte version, then one zstd stream of frames
//	frame = length of the rest (uvarint), kind (one byte), time since the event before (varint), socket, pid (uvarint),
//	        tid less pid (varint), then what the kind has, each value a varint (recording_encode.go)
//
// Zstd at its fastest level: the frames of one service repeat each other, which gzip's window of 32 KiB hardly sees, and
// it is read several times as fast as gzip. Window and frame bound what a reader needs: less than 2 MiB.
const (
	recordingMagic   = "weftrec"
	recordingVersion = 1
	recordingWindow  = 256 << 10
	// maxFrame bounds an event with its payload or attributes: a whole head of 64 KiB fits several times.
	maxFrame = 256 << 10
)

var (
	// ErrTooLarge means that an event does not fit in a frame; it was not written.
	ErrTooLarge = errors.New("event is larger than a recording can hold")
	// ErrNoRecording means that a file is no recording, or one of a version that is not read.
	ErrNoRecording = errors.New("not a recording of this version of weft")
	// ErrCorrupt means that a frame holds something else than an event.
	ErrCorrupt = errors.New("corrupt event in a recording")
)

// Writer writes a recording. Secrets are blanked in its own copy before anything is written, see Redaction.
type Writer struct {
	out      *zstd.Encoder
	redactor redactor
	frame    []byte
	time     uint64
}

// NewWriter starts a recording. It starts no goroutine; the file is whole after Close.
func NewWriter(w io.Writer, redact Redaction) (*Writer, error) {
	if _, err := w.Write(append([]byte(recordingMagic), recordingVersion)); err != nil {
		return nil, fmt.Errorf("write recording: %w", err)
	}
	out, err := zstd.NewWriter(w, zstd.WithEncoderLevel(zstd.SpeedFastest), zstd.WithEncoderConcurrency(1),
		zstd.WithWindowSize(recordingWindow), zstd.WithLowerEncoderMem(true))
	if err != nil {
		return nil, fmt.Errorf("start recording: %w", err)
	}
	return &Writer{out: out, redactor: newRedactor(redact)}, nil
}

// frameRoom is what the length of a frame needs at most.
const frameRoom = binary.MaxVarintLen32

// Write appends one event; it keeps nothing of it and changes nothing in it.
func (w *Writer) Write(ev *Event) error {
	b := append(w.frame[:0], make([]byte, frameRoom)...)
	b = appendEvent(b, ev, ev.Time-w.time, &w.redactor)
	w.frame = b
	size := len(b) - frameRoom
	if size > maxFrame {
		return ErrTooLarge
	}
	w.time = ev.Time
	var length [frameRoom]byte
	n := binary.PutUvarint(length[:], uint64(size))
	start := frameRoom - n
	copy(b[start:], length[:n])
	if _, err := w.out.Write(b[start:]); err != nil {
		return fmt.Errorf("write recording: %w", err)
	}
	return nil
}

// Flush hands over all that was written, so that a recording that is never closed can be read up to here.
func (w *Writer) Flush() error {
	if err := w.out.Flush(); err != nil {
		return fmt.Errorf("flush recording: %w", err)
	}
	return nil
}

// Close ends the recording. It does not close the writer below.
func (w *Writer) Close() error {
	if err := w.out.Close(); err != nil {
		return fmt.Errorf("end recording: %w", err)
	}
	return nil
}
