// Package otlp owns the way of spans to a collector: OTLP over gRPC or HTTP with the OpenTelemetry SDK's clients.
package otlp

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"go.opentelemetry.io/otel/exporters/otlp/otlptrace"

	"weft/correlate/span"
	"weft/export/queue"
)

// senders is how many messages may be on their way at a time, so that a far collector does not halve the rate.
const senders = 2

// messageBytes is where a message is cut before it has its batch of spans: gRPC servers refuse 4 MiB.
const messageBytes = 2 << 20

// Exporter sends the spans that are put into it.
type Exporter struct {
	outbox  *outbox
	client  otlptrace.Client
	options Options
	context context.Context // of all uploads; its end is the deadline of Close
	cancel  context.CancelFunc
	running sync.WaitGroup
	failing atomic.Bool
	backlog *backlog // nil: spans wait in memory alone
}

// New starts an exporter. An error names the setting that is wrong and what it may be; a collector that is away is
// no error. ctx bounds only the start.
func New(ctx context.Context, o Options) (*Exporter, error) {
	if err := o.complete(); err != nil {
		return nil, err
	}
	client, err := newClient(&o)
	if err != nil {
		return nil, err
	}
	if err := client.Start(ctx); err != nil {
		return nil, fmt.Errorf("start OTLP client: %w", err)
	}
	e := &Exporter{outbox: newOutbox(o.QueueSize, o.BatchSize, newEncoder(o.Version)), client: client, options: o}
	e.context, e.cancel = context.WithCancel(context.Background())
	if o.Spill != nil {
		if err := e.openBacklog(); err != nil {
			return nil, err
		}
	}
	for i := range senders {
		e.running.Go(func() { e.run(i == 0) })
	}
	return e, nil
}

// Put takes s over and never blocks.
func (e *Exporter) Put(s *span.Span) {
	e.outbox.put(s)
	e.options.Release(s)
}

// Counts tells what became of the spans.
func (e *Exporter) Counts() queue.Counts { return e.outbox.account() }

// Close sends what waits, until ctx ends, and counts the rest as lost by the shutdown. After it every span is
// counted and released. The error is ctx's, if spans were given up because of it.
func (e *Exporter) Close(ctx context.Context) error {
	e.outbox.close()
	sent := make(chan struct{})
	go func() {
		e.running.Wait()
		close(sent)
	}()
	var err error
	select {
	case <-sent:
	case <-ctx.Done():
		err = fmt.Errorf("send the last spans: %w", ctx.Err())
	}
	e.cancel()
	<-sent
	if e.backlog != nil {
		e.backlog.store.Close()
	}
	_ = e.client.Stop(context.Background()) // nothing is on its way
	return err
}

// run sends whole messages, and if it is timed also what waits at the end of each interval.
func (e *Exporter) run(timed bool) {
	var tick <-chan time.Time
	if timed {
		ticker := time.NewTicker(e.options.Interval)
		defer ticker.Stop()
		tick = ticker.C
	}
	for open := true; open; {
		partial := false
		select {
		case <-e.outbox.ready:
		case <-tick:
			partial = true
		case <-e.outbox.closed:
			partial, open = true, false
		}
		for m := e.outbox.take(partial); m != nil; m = e.outbox.take(partial) {
			e.outbox.settle(m, e.send(m))
			partial = !open
		}
	}
}

// send says what became of the spans of a message.
func (e *Exporter) send(m *message) queue.Counts {
	if e.backlog != nil {
		return e.sendOrSpill(m)
	}
	return e.outcome(uint64(m.count), e.upload(m.finish()))
}

// outcome says what became of n spans by what the upload of their message gave.
func (e *Exporter) outcome(n uint64, err error) (c queue.Counts) {
	rejected, partial := rejectedSpans(err)
	rejected = min(rejected, n)
	switch {
	case err == nil || partial && rejected == 0: // a partial success without losses is a warning
		if e.failing.Swap(false) {
			e.options.Logger.Info("the collector accepts spans again")
		}
		return queue.Counts{Exported: n}
	case partial:
		c = queue.Counts{Exported: n - rejected, Rejected: rejected}
	case e.context.Err() != nil:
		return queue.Counts{Shutdown: n}
	default:
		c = queue.Counts{ExportFailed: n}
	}
	if !e.failing.Swap(true) {
		e.options.Logger.Warn("the collector does not accept spans; losses are counted until it does", "error", err)
	}
	return c
}
