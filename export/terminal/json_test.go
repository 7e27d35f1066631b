package terminal

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"weft/correlate/span"
	"weft/export/queue"
)

func closeWithin(t *testing.T, c interface{ Close(context.Context) error }, d time.Duration) error {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), d)
	defer cancel()
	return c.Close(ctx)
}

// TestPipeGetsEveryLine puts from several goroutines into a real pipe whose reader reads.
func TestPipeGetsEveryLine(t *testing.T) {
	const makers, each = 3, 5000
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	seen := make(chan map[string]int)
	go func() {
		lines := map[string]int{}
		for s := bufio.NewScanner(r); s.Scan(); {
			lines[s.Text()]++
		}
		seen <- lines
	}()
	var released atomic.Int64
	j := NewJSON(w, 0, func(s *span.Span) { *s = span.Span{}; released.Add(1) })
	var making sync.WaitGroup
	for m := range makers {
		making.Go(func() {
			for i := range each {
				s := sample()
				s.Path = fmt.Sprintf("/%d/%d", m, i)
				j.Put(s)
			}
		})
	}
	making.Wait()
	if err := closeWithin(t, j, 20*time.Second); err != nil {
		t.Fatal(err)
	}
	_ = w.Close()
	if lines := <-seen; len(lines) != makers*each {
		t.Errorf("%d different lines", len(lines))
	}
	if got, want := j.Counts(), (queue.Counts{Put: makers * each, Exported: makers * each}); got != want || released.Load() != makers*each {
		t.Errorf("counts %+v, want %+v, %d released", got, want, released.Load())
	}
}

func TestLineComesSoon(t *testing.T) {
	r, w := io.Pipe()
	j := NewJSON(w, 0, nil)
	j.Put(sample())
	if line, err := bufio.NewReader(r).ReadString('\n'); err != nil || line != sampleLine {
		t.Errorf("line %q, error %v", line, err)
	}
	if err := closeWithin(t, j, 20*time.Second); err != nil {
		t.Error(err)
	}
}

// TestBlockedPipe holds that a reader that stops neither blocks nor loses the count.
func TestBlockedPipe(t *testing.T) {
	r, w := io.Pipe()
	defer r.Close()
	const limit = 100_000
	j := NewJSON(w, limit, nil)
	const n = 1000
	for range n {
		j.Put(sample())
	}
	time.Sleep(3 * lineDelay) // the writer hangs with the first lines
	for range n {
		j.Put(sample())
	}
	c := j.Counts()
	if c.Put != 2*n || c.QueueFull == 0 || c.Waiting+c.QueueFull != 2*n || c.Waiting > 3*limit/uint64(len(sampleLine)) {
		t.Errorf("counts %+v", c)
	}
	if err := closeWithin(t, j, 10*time.Millisecond); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("error %v", err)
	}
	j.Put(sample())
	if got, want := j.Counts(), (queue.Counts{Put: 2*n + 1, QueueFull: c.QueueFull, Shutdown: 2*n + 1 - c.QueueFull}); got != want {
		t.Errorf("counts %+v, want %+v", got, want)
	}
}

// shortWriter takes some bytes and then nothing.
type shortWriter struct{ left int }

var errGone = errors.New("reader is gone")

func (w *shortWriter) Write(b []byte) (int, error) {
	n := min(len(b), w.left)
	w.left -= n
	if n < len(b) {
		return n, errGone
	}
	return n, nil
}

func TestReaderGoesAway(t *testing.T) {
	j := NewJSON(&shortWriter{left: 10*len(sampleLine) + 5}, 0, nil)
	for range 1000 {
		j.Put(sample())
	}
	if err := closeWithin(t, j, 20*time.Second); !errors.Is(err, errGone) {
		t.Errorf("error %v", err)
	}
	if got, want := j.Counts(), (queue.Counts{Put: 1000, Exported: 10, ExportFailed: 990}); got != want {
		t.Errorf("counts %+v, want %+v", got, want)
	}
}

func TestJSONKeepsOrder(t *testing.T) {
	var out bytes.Buffer
	j := NewJSON(&out, 0, nil)
	for i := range 3000 { // several chunks
		s := sample()
		s.Start = int64(i)
		j.Put(s)
	}
	if err := closeWithin(t, j, 20*time.Second); err != nil {
		t.Fatal(err)
	}
	for i, line := range bytes.Split(bytes.TrimSpace(out.Bytes()), []byte{'\n'}) {
		if !bytes.Contains(line, fmt.Appendf(nil, `"startTimeUnixNano":"%d"`, i)) {
			t.Fatalf("line %d is %s", i, line)
		}
	}
}

func BenchmarkJSON(b *testing.B) {
	null, err := os.OpenFile(os.DevNull, os.O_WRONLY, 0)
	if err != nil {
		b.Fatal(err)
	}
	j := NewJSON(null, 1<<30, nil)
	s := sample()
	b.ReportAllocs()
	for b.Loop() {
		j.Put(s)
	}
	if err := j.Close(context.Background()); err != nil || j.Counts().Exported != j.Counts().Put {
		b.Fatal(err, j.Counts())
	}
}
