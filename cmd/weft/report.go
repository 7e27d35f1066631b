package main

import (
	"bufio"
	"context"
	"encoding/hex"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"

	"weft/agent/config"
	"weft/correlate"
	"weft/correlate/propagation"
	"weft/correlate/span"
	"weft/export/report"
	"weft/export/terminal"
)

// formatFlag is --format of the commands that write a report.
func formatFlag(format *string, usual string) func(*flag.FlagSet) {
	return func(f *flag.FlagSet) { f.StringVar(format, "format", usual, "") }
}

// reportCommand writes what a running agent, or a recording, tells of the propagation of contexts.
func reportCommand(ctx context.Context, args []string) error {
	var format string
	c, rest, err := config.Load(args, os.Environ(), formatFlag(&format, report.Table))
	if err != nil {
		return err
	}
	if !report.IsFormat(format) {
		return report.UnknownFormat(format)
	}
	switch len(rest) {
	case 0:
		var r propagation.Report
		if err := askControl(c.Control, "report", &r); err != nil {
			return err
		}
		return writeReport(os.Stdout, r, format)
	case 1:
		return reportFile(ctx, &c, rest[0], format)
	}
	return errors.New("usage: weft report [--format table|json|markdown|junit|sarif] [FILE]")
}

// reportFile writes what a recording tells, of one that is torn what it tells up to there.
func reportFile(ctx context.Context, c *config.Config, path, format string) error {
	p, err := judgeFile(ctx, c, path)
	if p == nil {
		return err
	}
	return errors.Join(writeReport(os.Stdout, p.Report(), format), err)
}

func writeReport(w io.Writer, r propagation.Report, format string) error {
	out := bufio.NewWriter(w)
	color := w == os.Stdout && terminal.Color(os.Stdout)
	if err := report.Write(out, r, format, color); err != nil {
		return err
	}
	if err := out.Flush(); err != nil {
		return fmt.Errorf("write the report: %w", err)
	}
	return nil
}

// explainCommand writes the evidence behind one span.
func explainCommand(ctx context.Context, args []string) error {
	var format string
	c, rest, err := config.Load(args, os.Environ(), formatFlag(&format, report.Table))
	if err != nil {
		return err
	}
	var e propagation.Explanation
	switch len(rest) {
	case 1:
		err = askControl(c.Control, "explain "+rest[0], &e)
	case 2:
		var p *correlate.Pipeline
		options := pipelineOptions(&c)
		// What is no span id is known by nobody, and said so below.
		_, _ = hex.Decode(options.Propagation.Watch[:], []byte(rest[0])[:min(len(rest[0]), 2*len(options.Propagation.Watch))])
		if p, err = replayed(ctx, options, rest[1]); err == nil {
			var found bool
			if e, found = p.Explain(rest[0]); !found {
				err = unknownID(rest[0])
			}
		}
	default:
		err = errors.New("usage: weft explain ID [--format table|json] [FILE]")
	}
	if err != nil {
		return err
	}
	return report.Explain(os.Stdout, e, format)
}

// judgeFile replays a recording for its verdicts; the spans go nowhere.
func judgeFile(ctx context.Context, c *config.Config, path string) (*correlate.Pipeline, error) {
	return replayed(ctx, pipelineOptions(c), path)
}

// replayed gives what a recording tells; with an error it may be what it tells up to there, or nil.
func replayed(ctx context.Context, o correlate.Options, path string) (*correlate.Pipeline, error) {
	recorded, err := openRecording(path)
	if err != nil {
		return nil, err
	}
	defer recorded.Close()
	s := new(span.Span)
	p, err := correlate.New(o, func() *span.Span { return s }, func(*span.Span) {})
	if err != nil {
		return nil, err
	}
	err = recorded.replay(ctx, p)
	p.Close()
	return p, err
}
