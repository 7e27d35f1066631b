package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"weft/agent/config"
	"weft/correlate"
	"weft/correlate/propagation"
	"weft/correlate/span"
	"weft/export/otlp"
	"weft/export/queue"
	"weft/export/spill"
	"weft/export/terminal"
)

// flushTime is how long an output has to send what it holds when weft ends.
const flushTime = 10 * time.Second

// sink takes spans: it owns what is put and gives an account of it.
type sink interface {
	Put(*span.Span)
	Counts() queue.Counts
	Close(context.Context) error
}

// spans are used again and again: the garbage collector would otherwise be busy with them.
var spans = sync.Pool{New: func() any { return new(span.Span) }}

func takeSpan() *span.Span     { return spans.Get().(*span.Span) }
func releaseSpan(s *span.Span) { spans.Put(s) }

// openSink opens the configured output. A live weft may wait for another one to end.
func openSink(ctx context.Context, c *config.Config, live bool, log *slog.Logger) (sink, error) {
	switch c.Output {
	case config.OutputOTLP:
		o := otlp.Options{Release: releaseSpan, Logger: log, Version: version}
		if c.SpillDir == "" {
			return otlp.New(ctx, o)
		}
		o.Spill = &spill.Options{Dir: c.SpillDir, Size: uint64(c.SpillSize), Age: c.SpillAge}
		open := func() (sink, error) { return otlp.New(ctx, o) }
		out, err := open()
		if live && errors.Is(err, spill.ErrTaken) {
			return succeed(c.SpillDir, open, log)
		}
		if err == nil {
			spill.Forget(c.SpillDir)
		}
		return out, err
	case config.OutputJSON:
		return terminal.NewJSON(os.Stdout, 0, releaseSpan), nil
	case config.OutputTree:
		return terminal.NewTree(os.Stdout, terminal.TreeOptions{Color: terminal.Color(os.Stdout), Release: releaseSpan}), nil
	}
	return &discard{}, nil
}

// discard counts spans.
type discard struct{ counts queue.Counts }

func (d *discard) Put(s *span.Span) {
	d.counts.Put++
	d.counts.Exported++
	releaseSpan(s)
}
func (d *discard) Counts() queue.Counts        { return d.counts }
func (d *discard) Close(context.Context) error { return nil }

// gate is the sampler in front of a sink.
type gate struct {
	sink
	rooms     *rooms
	peers     *peers // names what correlate does not; nil: nothing
	unsampled uint64
	left      uint64       // spans that the weft after this one tells
	until     atomic.Int64 // Unix time, ns: what ends later is left to it; 0: nothing is
	tells     atomic.Bool  // no other weft tells in place of this one
}

// openGate opens the configured output behind the configured sampler. rules tells whether there will be processes to hold rules
// against.
func openGate(ctx context.Context, c *config.Config, rules bool, log *slog.Logger) (*gate, error) {
	h, err := newHouse(c, rules)
	if err != nil {
		return nil, err
	}
	out, err := openSink(ctx, c, rules, log)
	if err != nil {
		return nil, fmt.Errorf("open output %s: %w", c.Output, err)
	}
	return &gate{sink: out, rooms: newRooms(h)}, nil
}

func (g *gate) Put(s *span.Span) {
	if until := g.until.Load(); until != 0 && s.End > until {
		g.left++
		releaseSpan(s)
		return
	}
	t := g.rooms.of(s.PID)
	s.Sampled = t.sampler.Sample(s)
	if !s.Sampled {
		g.unsampled++
		releaseSpan(s)
		return
	}
	g.rooms.apply(t, s)
	if g.peers != nil {
		g.peers.name(s)
	}
	g.sink.Put(s)
}

// pipelineOptions takes the settings of correlate from the configuration.
func pipelineOptions(c *config.Config) correlate.Options {
	o := correlate.Options{
		Hold:            c.Hold,
		Sockets:         c.SocketsMax,
		HeadersRequest:  c.HeadersRequest,
		HeadersResponse: c.HeadersResponse,
		RoutePatterns:   c.RoutePatterns,
		Carriers:        c.Carriers,
		Propagation: propagation.Options{
			MinRate: c.MinRate, Window: c.BreaksWindow, Edges: c.BreaksEdges, Off: c.ExclusionsOff, Repair: c.Repair == config.On,
			Secrets: c.RecordRedact, KeepQuery: c.Query == config.QueryKeep && !slices.ContainsFunc(c.TraceRules, func(t config.Treatment) bool { return t.Query != "" }),
		},
		Query: queries[c.Query],
	}
	copy(o.Key[:], c.IDKey)
	return o
}

func newLog(c *config.Config) (*slog.Logger, error) {
	var level slog.Level
	if err := level.UnmarshalText([]byte(c.LogLevel)); err != nil {
		return nil, fmt.Errorf("log.level: %w", err)
	}
	options := &slog.HandlerOptions{Level: level}
	if c.LogFormat == "json" {
		return slog.New(slog.NewJSONHandler(os.Stderr, options)), nil
	}
	return slog.New(slog.NewTextHandler(os.Stderr, options)), nil
}
