// Package notice tells when an edge of the propagation report breaks, or carries contexts on again: a line in weft's log for
// whoever watches, and a log record by OTLP.
package notice

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"weft/correlate/propagation"
	"weft/export/queue"
)

// Options of Notices.
type Options struct {
	// Logger gets a line for each notice.
	Logger *slog.Logger
	// Push sends log records to a collector too, as the variables OTEL_EXPORTER_OTLP_* and OTEL_BLRP_* say.
	Push bool
	// Limit is how many notices may wait while the log does not take them; 0: 1024.
	Limit int
	// Version of weft.
	Version string
}

// Notices are told in the order in which they come, by a goroutine of their own.
type Notices struct {
	log     *slog.Logger
	push    *push // nil: lines only
	waiting chan propagation.Transition
	told    chan struct{}

	mu     sync.Mutex
	ended  bool
	counts queue.Counts
}

// New starts to tell. The error names a setting that is wrong; a collector that is away is none. ctx bounds only the start.
func New(ctx context.Context, o Options) (*Notices, error) {
	if o.Limit <= 0 {
		o.Limit = 1024
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	n := &Notices{log: o.Logger, waiting: make(chan propagation.Transition, o.Limit), told: make(chan struct{})}
	if o.Push {
		var err error
		if n.push, err = newPush(ctx, o.Version, n.settle, o.Logger); err != nil {
			return nil, err
		}
	}
	go n.run()
	return n, nil
}

// Put takes a notice and never blocks: one that finds no room is counted.
func (n *Notices) Put(t propagation.Transition) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.counts.Put++
	if n.ended {
		n.counts.Shutdown++
		return
	}
	select {
	case n.waiting <- t:
	default:
		n.counts.QueueFull++
	}
}

// Counts tells what became of the notices. Exported are those that the collector has taken, or without one those in the log.
func (n *Notices) Counts() queue.Counts {
	n.mu.Lock()
	defer n.mu.Unlock()
	c := n.counts
	c.Waiting = c.Put - c.Exported - c.Dropped()
	return c
}

// Close tells what waits, until ctx ends, and counts the rest as lost by the shutdown.
func (n *Notices) Close(ctx context.Context) error {
	n.mu.Lock()
	if !n.ended {
		n.ended = true
		close(n.waiting)
	}
	n.mu.Unlock()
	var err error
	select {
	case <-n.told:
	case <-ctx.Done():
		err = ctx.Err()
	}
	if n.push != nil {
		err = errors.Join(err, n.push.close(ctx))
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	n.counts.Shutdown += n.counts.Put - n.counts.Exported - n.counts.Dropped()
	if err != nil {
		return fmt.Errorf("tell the last notices: %w", err)
	}
	return nil
}

func (n *Notices) run() {
	defer close(n.told)
	for t := range n.waiting {
		text := sentence(&t)
		if t.Edge.Health == propagation.Broken {
			n.log.Warn("trace context breaks: " + text)
		} else {
			n.log.Info("trace context is whole again: " + text)
		}
		switch {
		case n.push == nil:
			n.settle(queue.Counts{Exported: 1})
		case !n.push.emit(&t, text, time.Now()):
			n.settle(queue.Counts{QueueFull: 1})
		}
	}
}

// settle counts the end of notices, unless they were given up already.
func (n *Notices) settle(c queue.Counts) {
	n.mu.Lock()
	defer n.mu.Unlock()
	open := n.counts.Put - n.counts.Exported - n.counts.Dropped()
	if c.Exported+c.Dropped() > open {
		return
	}
	n.counts.Exported += c.Exported
	n.counts.QueueFull += c.QueueFull
	n.counts.ExportFailed += c.ExportFailed
}

// sentence tells a transition in one line of plain words.
func sentence(t *propagation.Transition) string {
	e := &t.Edge
	if e.Health == propagation.Broken {
		if f := fault(e); f != nil {
			return f.Sentence
		}
		return fmt.Sprintf("%s toward %s on %s: only %d of %d go on", e.Service, e.Peer, e.Route, e.Rate.K, e.Rate.N)
	}
	return fmt.Sprintf("%s carries contexts on toward %s on %s: %d of %d", e.Service, e.Peer, e.Route, e.Rate.K, e.Rate.N)
}

// fault gives the finding that breaks the most traces; nil for none.
func fault(e *propagation.Edge) *propagation.Finding {
	for i := range e.Findings {
		if e.Findings[i].Severity == propagation.Fault.String() {
			return &e.Findings[i]
		}
	}
	return nil
}
