package terminal

import (
	"context"
	"fmt"
	"io"
	"sync"
	"time"

	"weft/correlate/span"
	"weft/export/queue"
)

// treeBatch and treeTick are when the forest looks for new spans: when so many wait, and so often.
const (
	treeBatch = 1024
	treeTick  = 100 * time.Millisecond
)

// TreeOptions of a Tree; zero fields take their default.
type TreeOptions struct {
	// Color draws with ANSI colours; see the function Color.
	Color bool
	// Quiet is how long after its latest span a trace is drawn; 500 ms.
	Quiet time.Duration
	// QueueSize is how many spans may wait while the terminal does not take its text; 65536.
	QueueSize int
	// Release gets every span back, from any goroutine.
	Release func(*span.Span)
}

// Tree shows traces as live trees. Spans in trees that were folded into a count because many like them came are
// exported too.
type Tree struct {
	w      io.Writer
	queue  *queue.Queue
	forest *forest
	done   chan struct{}

	mu  sync.Mutex
	err error // the first of w
}

// NewTree starts a Tree on w.
func NewTree(w io.Writer, o TreeOptions) *Tree {
	if o.Quiet <= 0 {
		o.Quiet = 500 * time.Millisecond
	}
	if o.QueueSize <= 0 {
		o.QueueSize = 65536
	}
	q := queue.New(o.QueueSize, treeBatch, o.Release)
	t := &Tree{w: w, queue: q, forest: newForest(o.Color, o.Quiet, q.Release), done: make(chan struct{})}
	go t.run()
	return t
}

// Put takes s over and never blocks.
func (t *Tree) Put(s *span.Span) { t.queue.Put(s) }

// Counts tells what became of the spans; ExportFailed are those that the writer refused.
func (t *Tree) Counts() queue.Counts { return t.queue.Counts() }

// Close draws what is held, until ctx ends, and counts the rest as lost by the shutdown. The error is the first of
// the writer, or ctx's.
func (t *Tree) Close(ctx context.Context) error {
	t.queue.Close()
	select {
	case <-t.done:
		t.mu.Lock()
		defer t.mu.Unlock()
		return t.err
	case <-ctx.Done():
		t.queue.Abandon()
		return fmt.Errorf("write the last traces: %w", ctx.Err())
	}
}

func (t *Tree) run() {
	defer close(t.done)
	ticker := time.NewTicker(treeTick)
	defer ticker.Stop()
	start := time.Now()
	var taken []*span.Span
	for open := true; open; {
		select {
		case <-t.queue.Ready():
		case <-ticker.C:
		case <-t.queue.Closed():
			open = false
		}
		for taken = t.queue.Take(taken[:0], 1); len(taken) > 0; taken = t.queue.Take(taken[:0], 1) {
			now := int64(time.Since(start))
			for _, s := range taken {
				t.forest.put(s, now)
			}
			t.write()
		}
		if now := int64(time.Since(start)); open {
			t.forest.tick(now)
		} else {
			t.forest.end(now)
		}
		t.write()
	}
}

// write writes what was drawn and counts its spans.
func (t *Tree) write() {
	text, spans := t.forest.take()
	if len(text) > 0 {
		if _, err := t.w.Write(text); err != nil {
			t.queue.Settle(queue.Counts{ExportFailed: spans})
			t.mu.Lock()
			defer t.mu.Unlock()
			if t.err == nil {
				t.err = fmt.Errorf("write traces: %w", err)
			}
			return
		}
	}
	t.queue.Settle(queue.Counts{Exported: spans})
}
