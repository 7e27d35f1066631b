package main

import (
	"bufio"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"time"

	"weft/agent"
	"weft/agent/config"
	"weft/correlate"
	"weft/correlate/event"
	"weft/export/report"
)

// recordCommand writes the events of this machine to a file until it is interrupted.
func recordCommand(ctx context.Context, args []string) error {
	var path string
	c, rest, err := config.Load(args, os.Environ(), func(f *flag.FlagSet) {
		f.StringVar(&path, "o", "", "file to write")
	})
	if err != nil {
		return err
	}
	if path == "" || len(rest) > 0 {
		return errors.New("usage: weft record -o FILE")
	}
	log, err := newLog(&c)
	if err != nil {
		return err
	}
	// The agent comes first: a recording that is there already is not lost for want of permissions.
	pods, err := openPods(ctx, &c, log)
	if err != nil {
		return err
	}
	a, _, err := openAgent(&c, pods, nil, log)
	if err != nil {
		return err
	}
	defer a.Close()
	file, err := createOwned(path)
	if err != nil {
		return fmt.Errorf("create recording: %w", err)
	}
	defer file.Close()
	buffered := bufio.NewWriterSize(file, 1<<20)
	writer, err := event.NewWriter(buffered, redaction(&c))
	if err != nil {
		return err
	}
	go tellReady(a)
	events, err := record(ctx, a, func() error { return errors.Join(writer.Flush(), buffered.Flush()) }, writer)
	if err := errors.Join(err, writer.Close(), buffered.Flush(), file.Close()); err != nil {
		return err
	}
	fmt.Fprintf(os.Stderr, "weft: %d events in %s\n", events, path)
	return nil
}

// createOwned makes a file that its owner alone can read, also if there is one already that others can.
func createOwned(path string) (*os.File, error) {
	file, err := os.OpenFile(path, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, err
	}
	info, err := file.Stat()
	if err == nil && info.Mode().IsRegular() {
		err = file.Chmod(0o600)
	}
	if err != nil {
		return nil, errors.Join(err, file.Close())
	}
	return file, nil
}

// flushEvery is how much of a recording a crash can cost, in boot time.
const flushEvery = uint64(time.Second)

func record(ctx context.Context, a *agent.Agent, flush func() error, w *event.Writer) (events int, err error) {
	flushed := uint64(0)
	err = a.Run(ctx, func(ev *event.Event) error {
		events++
		if err := w.Write(ev); err != nil {
			return err
		}
		if ev.Kind != event.KindClock || ev.Time < flushed+flushEvery {
			return nil
		}
		flushed = ev.Time
		return flush()
	})
	return events, err
}

func redaction(c *config.Config) event.Redaction {
	return event.Redaction{Headers: c.RecordRedact, KeepQuery: c.Query == config.QueryKeep}
}

// replayCommand makes the spans of a recording: the same ones every time, without root and without a kernel. With --report it
// writes what they tell of the propagation of contexts in their place.
func replayCommand(ctx context.Context, args []string) error {
	var judge bool
	var format string
	c, rest, err := config.Load(args, os.Environ(), formatFlag(&format, report.Table), func(f *flag.FlagSet) {
		f.BoolVar(&judge, "report", false, "")
	})
	switch {
	case err != nil:
		return err
	case len(rest) != 1 || !judge && format != report.Table:
		return errors.New("usage: weft replay FILE, or weft replay FILE --report [--format table|json|markdown]")
	case judge:
		return reportFile(ctx, &c, rest[0], format)
	}
	return replayFile(ctx, &c, rest[0])
}

func replayFile(ctx context.Context, c *config.Config, path string) error {
	log, err := newLog(c)
	if err != nil {
		return err
	}
	recorded, err := openRecording(path)
	if err != nil {
		return err
	}
	defer recorded.Close()
	sampled, err := openGate(ctx, c, false, log)
	if err != nil {
		return err
	}
	pipeline, err := correlate.New(pipelineOptions(c), takeSpan, sampled.Put)
	if err != nil {
		return err
	}
	replayed := recorded.replay(ctx, pipeline)
	pipeline.Close()
	closing, cancel := context.WithTimeout(context.Background(), flushTime)
	defer cancel()
	closed := sampled.Close(closing)
	ledger := newLedger(nil, pipeline, sampled)
	ledger.print(os.Stderr)
	return errors.Join(replayed, closed)
}

// recording is one that was opened and begins like one.
type recording struct {
	*os.File
	events *event.Reader
}

func openRecording(path string) (*recording, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("open recording: %w", err)
	}
	events, err := event.NewReader(bufio.NewReaderSize(file, 1<<20))
	if err != nil {
		file.Close()
		return nil, fmt.Errorf("open recording %s: %w: give a file that weft record of this version wrote", path, err)
	}
	return &recording{file, events}, nil
}

// replay feeds what was recorded. Of a recording that is torn all is fed that is whole.
func (r *recording) replay(ctx context.Context, p *correlate.Pipeline) error {
	var ev event.Event
	for ctx.Err() == nil {
		switch err := r.events.Next(&ev); {
		case errors.Is(err, io.EOF):
			return nil
		case errors.Is(err, io.ErrUnexpectedEOF):
			return fmt.Errorf("%s: %w: it ends in the middle, as when weft record was killed or the disk was full", r.Name(), err)
		case err != nil:
			return fmt.Errorf("%s: %w", r.Name(), err)
		}
		p.Feed(&ev)
	}
	return ctx.Err()
}
