// Package spill owns the messages that wait on disk for a receiver: one file each, the oldest first out, within a bound of bytes and
// of age. A file is whole or not there, also when this process is killed; what it holds is compressed, and checked when it is read.
//
// The queues of others were weighed. The exporter queue of the OpenTelemetry Collector takes its own objects, so that each span would
// be decoded again, and keeps them in bbolt, whose file does not shrink and which panics on a damaged page; the write-ahead logs
// served as Go modules refuse a whole log for one damaged entry. A message is large enough to be a file, and the file system is a
// queue that can be looked at with ls.
package spill

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"syscall"
	"time"

	"github.com/klauspost/compress/zstd"
)

// Options of a Store.
type Options struct {
	Dir  string        // it is made if it is not there; one Store at a time uses it
	Size uint64        // bytes of disk at most
	Age  time.Duration // how long a message waits at most
}

// Lost says how many spans were given up, and why.
type Lost struct {
	Full    uint64 // they were the oldest, and there was no room for younger ones
	Expired uint64 // they waited too long
	Corrupt uint64 // their file could not be read, or was not written to its end
	Failed  uint64 // their file could not be written
}

// Store is the folder. It may be used from several goroutines.
type Store struct {
	options Options
	lock    *os.File
	encoder *zstd.Encoder
	decoder *zstd.Decoder

	mu    sync.Mutex
	files []file // oldest first
	size  uint64 // bytes of disk, of all files
	next  uint64 // number of the next file
	held  uint64 // number of the file that Next has given, 0: none
}

// Batch is one message, as it was put.
type Batch struct {
	Bytes []byte
	Spans int
	file  file
}

// maxMessage bounds what a file may unpack to.
const maxMessage = 64 << 20

// Open takes over what an earlier Store left in the folder: found spans are there, lost ones could not be kept. The error is ErrTaken
// while another process uses it.
func Open(o Options) (s *Store, found uint64, lost Lost, err error) {
	if err := os.MkdirAll(o.Dir, 0o700); err != nil {
		return nil, 0, lost, fmt.Errorf("make the folder for waiting spans: %w", err)
	}
	s = &Store{options: o, next: 1}
	if s.lock, err = lockFile(o.Dir, lockName); err != nil {
		return nil, 0, lost, err
	}
	s.encoder, err = zstd.NewWriter(nil, zstd.WithEncoderLevel(zstd.SpeedFastest), zstd.WithEncoderConcurrency(1))
	if err == nil {
		s.decoder, err = zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxMemory(maxMessage))
	}
	if err == nil {
		lost.Corrupt, err = s.scan(time.Now())
	}
	if err != nil {
		s.lock.Close()
		return nil, 0, lost, fmt.Errorf("look through %s: %w", o.Dir, err)
	}
	for _, f := range s.files {
		found += uint64(f.spans)
	}
	s.trim(&lost, 0)
	return s, found + lost.Corrupt, lost, nil
}

// scan reads the names in the folder. What was not written to its end is removed: it gives how many spans that were.
func (s *Store) scan(now time.Time) (torn uint64, err error) {
	entries, err := os.ReadDir(s.options.Dir)
	if err != nil {
		return 0, err
	}
	for _, e := range entries {
		f, whole, ours := parseName(e.Name())
		if !ours {
			continue // somebody else's
		}
		s.next = max(s.next, f.number+1)
		info, err := e.Info()
		if err != nil || !whole {
			torn += uint64(f.spans)
			os.Remove(filepath.Join(s.options.Dir, e.Name()))
			continue
		}
		f.size = onDisk(info.Size())
		// From here on the age is told by a clock that nobody sets.
		f.since = now.Add(-max(0, now.Sub(time.UnixMilli(f.millis))))
		s.files = append(s.files, f)
		s.size += f.size
	}
	slices.SortFunc(s.files, func(a, b file) int { return int(min(max(int64(a.number)-int64(b.number), -1), 1)) })
	return torn, nil
}

// Put keeps a message of some spans. What is lost for it is counted in the result; with Failed there is an error that says why.
func (s *Store) Put(message []byte, spans int) (lost Lost, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	packed := s.encoder.EncodeAll(message, nil)
	f := file{number: s.next, spans: uint32(spans), since: time.Now(), size: onDisk(int64(len(packed)))}
	f.millis = f.since.UnixMilli()
	s.next++
	if f.size > s.options.Size {
		lost.Full = uint64(spans)
		return lost, nil
	}
	s.trim(&lost, f.size)
	for err = s.write(f, packed); err != nil; err = s.write(f, packed) {
		full := errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT)
		if !full || !s.dropOldest(&lost.Full) {
			lost.Failed = uint64(spans)
			return lost, fmt.Errorf("write waiting spans: %w", err)
		}
	}
	s.files = append(s.files, f)
	s.size += f.size
	return lost, nil
}

// write makes a file that is whole or not there.
func (s *Store) write(f file, packed []byte) error {
	part := filepath.Join(s.options.Dir, partPrefix+f.name())
	err := os.WriteFile(part, packed, 0o600)
	if err == nil {
		err = os.Rename(part, filepath.Join(s.options.Dir, f.name()))
	}
	if err != nil {
		os.Remove(part)
	}
	return err
}

// Next gives the oldest message that can be read; nil: none waits. It stays, and no other one is given, until Done or Return.
func (s *Store) Next() (b *Batch, lost Lost) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.held = 0
	s.trim(&lost, 0)
	for len(s.files) > 0 {
		f := s.files[0]
		packed, err := os.ReadFile(filepath.Join(s.options.Dir, f.name()))
		if err == nil && len(packed) > 0 { // nothing unpacks to nothing
			var message []byte
			if message, err = s.decoder.DecodeAll(packed, nil); err == nil {
				s.held = f.number
				return &Batch{Bytes: message, Spans: int(f.spans), file: f}, lost
			}
		}
		s.dropOldest(&lost.Corrupt)
	}
	return nil, lost
}

// Done removes the message that Next gave.
func (s *Store) Done(b *Batch) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.held = 0
	if len(s.files) > 0 && s.files[0].number == b.file.number {
		s.dropOldest(new(uint64))
	}
}

// Return leaves the message that Next gave where it is.
func (s *Store) Return() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.held = 0
}

// Len is how many messages wait.
func (s *Store) Len() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.files)
}

// Close ends the use of the folder; what waits is there for the next Store.
func (s *Store) Close() {
	s.decoder.Close()
	s.lock.Close()
}

// trim gives up what is too old, and the oldest until there is room for more bytes.
func (s *Store) trim(lost *Lost, more uint64) {
	now := time.Now()
	for len(s.files) > 0 && now.Sub(s.files[0].since) > s.options.Age && s.dropOldest(&lost.Expired) {
	}
	for s.size+more > s.options.Size && s.dropOldest(&lost.Full) {
	}
}

// dropOldest removes the oldest file that is not on its way, and counts its spans; false: there is none.
func (s *Store) dropOldest(count *uint64) bool {
	at := 0
	if len(s.files) > 0 && s.files[0].number == s.held {
		at = 1
	}
	if at >= len(s.files) {
		return false
	}
	f := s.files[at]
	// If it can't be removed it is taken up by the next Store: twice sent is better than lost.
	os.Remove(filepath.Join(s.options.Dir, f.name()))
	s.files = slices.Delete(s.files, at, at+1)
	s.size -= f.size
	*count += uint64(f.spans)
	return true
}
