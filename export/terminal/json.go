// Package terminal owns the output for people and pipes: live trees of traces, or one JSON object per span.
//
// A terminal or pipe that does not take what is written never stops the data path: each output has a goroutine and
// a bounded queue of its own, and what finds no room is counted.
package terminal

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"sync"
	"time"

	"weft/correlate/span"
	"weft/export/queue"
)

// Chunks of lines are written when they are full, or lineDelay after their first line.
const (
	chunkBytes = 256 << 10
	lineDelay  = 10 * time.Millisecond
)

// chunk is text on its way and the number of its lines.
type chunk struct {
	text  []byte
	lines uint64
}

// JSON writes spans as lines.
type JSON struct {
	w       io.Writer
	limit   int
	release func(*span.Span)

	mu        sync.Mutex
	encoder   lineEncoder
	last      chunk   // is being filled
	full      []chunk // oldest first
	free      [][]byte
	waiting   int // bytes in full and last
	ended     bool
	abandoned bool
	counts    queue.Counts
	err       error // the first of w

	wake chan struct{}
	done chan struct{}
}

// NewJSON starts an output to w that holds up to limit bytes (0: 64 MiB) while w does not take them. release gets
// every span back before Put returns; it may be nil.
func NewJSON(w io.Writer, limit int, release func(*span.Span)) *JSON {
	if limit <= 0 {
		limit = 64 << 20
	}
	if release == nil {
		release = func(*span.Span) {}
	}
	j := &JSON{w: w, limit: limit, release: release, wake: make(chan struct{}, 1), done: make(chan struct{})}
	go j.run()
	return j
}

// Put takes s over and never blocks on w.
func (j *JSON) Put(s *span.Span) {
	j.mu.Lock()
	j.counts.Put++
	wake := false
	switch {
	case j.ended:
		j.counts.Shutdown++
	case j.waiting >= j.limit:
		j.counts.QueueFull++
	default:
		wake = j.append(s)
	}
	j.mu.Unlock()
	j.release(s)
	if wake {
		j.signal()
	}
}

// append writes s into the last chunk and tells whether the writer has a reason to look.
func (j *JSON) append(s *span.Span) bool {
	first := j.waiting == 0
	if j.last.text == nil {
		j.last.text = j.buffer()
	}
	before := len(j.last.text)
	j.last.text = j.encoder.appendLine(j.last.text, s)
	j.last.lines++
	j.waiting += len(j.last.text) - before
	if len(j.last.text) < chunkBytes {
		return first
	}
	j.full = append(j.full, j.last)
	j.last = chunk{}
	return true
}

func (j *JSON) buffer() []byte {
	if n := len(j.free); n > 0 {
		b := j.free[n-1]
		j.free = j.free[:n-1]
		return b
	}
	return make([]byte, 0, chunkBytes+chunkBytes/8)
}

func (j *JSON) signal() {
	select {
	case j.wake <- struct{}{}:
	default:
	}
}

// Counts tells what became of the spans; ExportFailed are those that w refused.
func (j *JSON) Counts() queue.Counts {
	j.mu.Lock()
	defer j.mu.Unlock()
	c := j.counts
	c.Waiting = c.Put - c.Exported - c.Dropped()
	return c
}

// Close writes what waits, until ctx ends, and counts the rest as lost by the shutdown. The error is the first of
// the writer, or ctx's.
func (j *JSON) Close(ctx context.Context) error {
	j.mu.Lock()
	j.ended = true
	j.mu.Unlock()
	j.signal()
	select {
	case <-j.done:
		j.mu.Lock()
		defer j.mu.Unlock()
		return j.err
	case <-ctx.Done():
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	if !j.abandoned {
		j.abandoned = true
		j.counts.Shutdown += j.counts.Put - j.counts.Exported - j.counts.Dropped()
	}
	return fmt.Errorf("write the last spans: %w", ctx.Err())
}

func (j *JSON) run() {
	defer close(j.done)
	timer := time.NewTimer(lineDelay)
	for {
		<-j.wake
		timer.Reset(lineDelay)
		select {
		case <-timer.C:
		case <-j.wake: // a chunk is full, or the end has come
		}
		for c, ok := j.next(); ok; c, ok = j.next() {
			n, err := j.w.Write(c.text)
			j.settle(c, n, err)
		}
		if j.finished() {
			return
		}
	}
}

// next takes the oldest text.
func (j *JSON) next() (chunk, bool) {
	j.mu.Lock()
	defer j.mu.Unlock()
	c := j.last
	if len(j.full) > 0 {
		c = j.full[0]
		j.full = j.full[1:]
	} else {
		j.last = chunk{}
	}
	j.waiting -= len(c.text)
	return c, c.lines > 0
}

// settle counts the lines of c, of which w took n bytes.
func (j *JSON) settle(c chunk, n int, err error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	written := c.lines
	if err != nil {
		written = uint64(bytes.Count(c.text[:n], []byte{'\n'}))
		if j.err == nil {
			j.err = fmt.Errorf("write spans: %w", err)
		}
	}
	if !j.abandoned {
		j.counts.Exported += written
		j.counts.ExportFailed += c.lines - written
	}
	if len(j.free) < 4 && cap(c.text) <= 2*chunkBytes {
		j.free = append(j.free, c.text[:0])
	}
}

func (j *JSON) finished() bool {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.ended && j.waiting == 0 {
		return true
	}
	if j.ended {
		j.signal()
	}
	return false
}
