// Package tracer owns a running weft as the tests see it: its process, the spans that it writes, and the counters
// that it gives at its end.
package tracer

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"time"
)

// Counts is what weft says when it ends: every request that was served on a traced socket is in exactly one of
// Spans, Lost or Open.
type Counts struct {
	Spans  map[string]uint64 `json:"spans"`
	Lost   map[string]uint64 `json:"lost"`
	Other  map[string]uint64 `json:"other"`
	Parser map[string]uint64 `json:"parser"`
	Kernel map[string]uint64 `json:"kernel"`
	Export Export            `json:"export"`
	Rests  uint64            `json:"rests"` // how often the watchdog has taken the probes off
}

// Export is the output's part of the counts, in spans.
type Export struct {
	Put, Waiting, Exported, QueueFull, Rejected, ExportFailed, Shutdown    uint64
	Recovered, Spilled, SpillFull, SpillExpired, SpillCorrupt, SpillFailed uint64
}

// Dropped is what weft had but did not give out.
func (e Export) Dropped() uint64 {
	return e.QueueFull + e.Rejected + e.ExportFailed + e.Shutdown + e.SpillFull + e.SpillExpired + e.SpillCorrupt + e.SpillFailed
}

// Options say how weft is started.
type Options struct {
	Prefix []string // a program and its arguments that start it, like nice
	Args   []string // after `run --output json`
	Output string   // in place of json
	Env    []string
	// Discard counts spans by kind, service and port in place of keeping them.
	Discard bool
}

// Tracer is one run of weft.
type Tracer struct {
	Ready  time.Time // when its hooks were attached
	Counts *Counts   // after Stop; nil when it told none

	cmd     *exec.Cmd
	log     bytes.Buffer
	ready   chan struct{}
	readers sync.WaitGroup

	mu    sync.Mutex
	spans []*Span
	tally map[Group]uint64
	fault error // the first line that is no span
	keep  bool
}

// Group is what spans are counted by with Options.Discard.
type Group struct {
	Kind    int
	Service string
	Port    int
}

// Start runs the weft of the given path and waits until it is ready.
func Start(path string, o Options) (*Tracer, error) {
	output := "json"
	if o.Output != "" {
		output = o.Output
	}
	argv := append(append([]string{}, o.Prefix...), path, "run", "--output", output)
	argv = append(argv, o.Args...)
	t := &Tracer{cmd: exec.Command(argv[0], argv[1:]...), ready: make(chan struct{}), tally: map[Group]uint64{}, keep: !o.Discard}
	t.cmd.Env = append(os.Environ(), o.Env...)
	t.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	// Pipes of our own: those of exec.Cmd are closed by Wait before they are read to their end.
	out, err := pipe(&t.cmd.Stdout)
	if err != nil {
		return nil, err
	}
	messages, err := pipe(&t.cmd.Stderr)
	if err != nil {
		return nil, err
	}
	if err := t.cmd.Start(); err != nil {
		return nil, fmt.Errorf("start weft: %w", err)
	}
	t.cmd.Stdout.(*os.File).Close()
	t.cmd.Stderr.(*os.File).Close()
	t.readers.Go(func() { t.readSpans(out) })
	t.readers.Go(func() { t.readLog(messages) })
	select {
	case <-t.ready:
		return t, nil
	case <-time.After(60 * time.Second):
		t.Kill()
		return nil, fmt.Errorf("weft was not ready within a minute; it says: %s", t.Log())
	}
}

func pipe(end *io.Writer) (*os.File, error) {
	r, w, err := os.Pipe()
	*end = w
	return r, err
}

// PID is weft's process.
func (t *Tracer) PID() int { return t.cmd.Process.Pid }

// Log is what weft wrote to standard error so far.
func (t *Tracer) Log() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.log.String()
}

// Spans gives the spans read so far; after Stop or Kill all of them.
func (t *Tracer) Spans() []*Span {
	t.mu.Lock()
	defer t.mu.Unlock()
	return append([]*Span(nil), t.spans...)
}

// Tally gives the number of spans of a group read so far.
func (t *Tracer) Tally(g Group) uint64 {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.tally[g]
}

// Await waits until done is true of the spans, or d has passed.
func (t *Tracer) Await(d time.Duration, done func([]*Span) bool) bool {
	for deadline := time.Now().Add(d); time.Now().Before(deadline); time.Sleep(50 * time.Millisecond) {
		if done(t.Spans()) {
			return true
		}
	}
	return false
}

// Stop interrupts weft as Ctrl-C does and reads its output to the end. It is an error when weft had ended before,
// ends with another status than 0, or wrote a line that is no span.
func (t *Tracer) Stop() error {
	if err := t.cmd.Process.Signal(os.Interrupt); err != nil {
		return fmt.Errorf("interrupt weft: %w; it says: %s", err, t.Log())
	}
	late := time.AfterFunc(60*time.Second, func() { t.cmd.Process.Signal(syscall.SIGQUIT) })
	defer late.Stop()
	t.readers.Wait()
	if err := t.cmd.Wait(); err != nil {
		return fmt.Errorf("weft ended with %w; it says: %s", err, t.Log())
	}
	if t.Counts == nil {
		return fmt.Errorf("weft told no counts; it says: %s", t.Log())
	}
	return t.fault
}

// Kill ends weft as kill -9 does.
func (t *Tracer) Kill() {
	t.cmd.Process.Kill()
	t.readers.Wait()
	t.cmd.Wait()
}

func (t *Tracer) readSpans(r io.ReadCloser) {
	defer r.Close()
	lines := bufio.NewReaderSize(r, 1<<20)
	for {
		line, err := lines.ReadBytes('\n')
		if err != nil {
			return // a last line without its end is what kill -9 leaves
		}
		t.take(line)
	}
}

func (t *Tracer) take(line []byte) {
	s := &Span{}
	err := json.Unmarshal(line, s)
	t.mu.Lock()
	defer t.mu.Unlock()
	switch {
	case err != nil && t.fault == nil:
		t.fault = fmt.Errorf("read span %q: %w", line, err)
	case err != nil:
	case t.keep:
		t.spans = append(t.spans, s)
	default:
		t.tally[Group{s.Kind, s.Service(), s.Port()}]++
	}
}

func (t *Tracer) readLog(r io.ReadCloser) {
	defer r.Close()
	ready := false
	for lines := bufio.NewReader(r); ; {
		line, err := lines.ReadString('\n')
		t.mu.Lock()
		t.log.WriteString(line)
		t.mu.Unlock()
		switch {
		case err != nil:
			return
		case !ready && strings.HasPrefix(line, "weft: ready"):
			t.Ready, ready = time.Now(), true
			close(t.ready)
		case strings.HasPrefix(line, `{"msg":"counts"`):
			counts := &Counts{}
			if json.Unmarshal([]byte(line), counts) == nil {
				t.Counts = counts
			}
		}
	}
}
