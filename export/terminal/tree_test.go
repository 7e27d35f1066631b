package terminal

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"weft/correlate/span"
	"weft/export/queue"
)

// screen is a writer that can be read while it is written.
type screen struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (s *screen) Write(b []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.text.Write(b)
}

func (s *screen) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.text.String()
}

func TestTreeShowsQuietTraces(t *testing.T) {
	out := &screen{}
	var released atomic.Int64
	tree := NewTree(out, TreeOptions{Quiet: 10 * time.Millisecond, Release: func(*span.Span) { released.Add(1) }})
	for _, s := range chain(1) {
		tree.Put(s)
	}
	for end := time.Now().Add(20 * time.Second); !strings.Contains(out.String(), "/rows"); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("got %q", out.String())
		}
	}
	for _, s := range chain(2) { // drawn by Close
		tree.Put(s)
	}
	if err := closeWithin(t, tree, 20*time.Second); err != nil {
		t.Fatal(err)
	}
	tree.Put(chain(3)[0])
	if got, want := tree.Counts(), (queue.Counts{Put: 13, Exported: 12, Shutdown: 1}); got != want || released.Load() != 13 {
		t.Errorf("counts %+v, want %+v, %d released", got, want, released.Load())
	}
	if n := strings.Count(out.String(), "6 spans"); n != 2 {
		t.Errorf("%d trees in %s", n, out.String())
	}
}

func TestBlockedTerminal(t *testing.T) {
	r, w := io.Pipe()
	defer r.Close()
	tree := NewTree(w, TreeOptions{Quiet: time.Millisecond, QueueSize: 100})
	for end := time.Now().Add(20 * time.Second); tree.Counts().QueueFull == 0; time.Sleep(100 * time.Microsecond) {
		tree.Put(&span.Span{TraceID: span.TraceID{1}, SpanID: span.ID{1}})
		if time.Now().After(end) {
			t.Fatalf("counts %+v", tree.Counts())
		}
	}
	if err := closeWithin(t, tree, time.Millisecond); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("error %v", err)
	}
	if c := tree.Counts(); c.Waiting != 0 || c.Shutdown == 0 || c.Put != c.QueueFull+c.Shutdown+c.Exported {
		t.Errorf("counts %+v", c)
	}
}

func TestTerminalGone(t *testing.T) {
	tree := NewTree(&shortWriter{}, TreeOptions{})
	for _, s := range chain(1) {
		tree.Put(s)
	}
	if err := closeWithin(t, tree, 20*time.Second); !errors.Is(err, errGone) {
		t.Errorf("error %v", err)
	}
	if got, want := tree.Counts(), (queue.Counts{Put: 6, ExportFailed: 6}); got != want {
		t.Errorf("counts %+v, want %+v", got, want)
	}
}

func TestColorIsForTerminals(t *testing.T) {
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	defer w.Close()
	if Color(w) {
		t.Error("colours into a pipe")
	}
	terminal, err := os.OpenFile("/dev/ptmx", os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer terminal.Close()
	t.Setenv("TERM", "xterm")
	t.Setenv("NO_COLOR", "")
	if !Color(terminal) {
		t.Error("no colours into a terminal")
	}
	t.Setenv("NO_COLOR", "1")
	if Color(terminal) {
		t.Error("colours in spite of NO_COLOR")
	}
}
