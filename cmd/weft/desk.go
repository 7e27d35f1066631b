package main

import (
	"context"
	"fmt"
	"sync"

	"weft/correlate"
	"weft/correlate/flow"
	"weft/correlate/propagation"
)

// desk passes questions about what was found to the one goroutine that owns the pipeline: the data path takes them between two
// events, so that it needs no lock.
type desk struct {
	pipeline  *correlate.Pipeline
	questions chan func()
	ended     chan struct{}
	late      sync.Mutex // of whoever asks after the end
}

func newDesk(p *correlate.Pipeline) *desk {
	return &desk{pipeline: p, questions: make(chan func()), ended: make(chan struct{})}
}

// answer is called by the data path: it takes the questions that are there.
func (d *desk) answer() {
	for {
		select {
		case ask := <-d.questions:
			ask()
		default:
			return
		}
	}
}

// end is called when the data path has ended: what was found does not change any more, and whoever asks reads it himself.
func (d *desk) end() { close(d.ended) }

// ask has the question asked by the owner of the pipeline.
func (d *desk) ask(ctx context.Context, question func()) error {
	done := make(chan struct{})
	select {
	case d.questions <- func() { question(); close(done) }:
		<-done
		return nil
	case <-d.ended:
		d.late.Lock()
		defer d.late.Unlock()
		question()
		return nil
	case <-ctx.Done():
		return fmt.Errorf("the data path did not answer in time: %w", ctx.Err())
	}
}

// report gives the state of the propagation account.
func (d *desk) report(ctx context.Context) (r propagation.Report, err error) {
	err = d.ask(ctx, func() { r = d.pipeline.Report() })
	return r, err
}

// brief gives its numbers alone.
func (d *desk) brief(ctx context.Context) (r propagation.Report, err error) {
	err = d.ask(ctx, func() { r = d.pipeline.Brief() })
	return r, err
}

// sealed gives what is known of TLS connections that can't be read.
func (d *desk) sealed(ctx context.Context) (s []flow.Sealed, err error) {
	err = d.ask(ctx, func() { s = d.pipeline.Sealed() })
	return s, err
}

// explain gives the evidence behind a span id.
func (d *desk) explain(ctx context.Context, id string) (e propagation.Explanation, err error) {
	found := false
	if err = d.ask(ctx, func() { e, found = d.pipeline.Explain(id) }); err == nil && !found {
		err = unknownID(id)
	}
	return e, err
}

func unknownID(id string) error {
	return fmt.Errorf("nothing is known of %q, or not any more: weft keeps the last few thousand requests and examples of each fault", id)
}
