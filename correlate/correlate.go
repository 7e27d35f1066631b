// Package correlate turns events into spans. It is pure: no kernel, no clock, no goroutine, no network; the same events
// always give the same spans.
package correlate

import (
	"time"

	"weft/correlate/event"
	"weft/correlate/flow"
	"weft/correlate/link"
	"weft/correlate/route"
	"weft/correlate/span"
)

// Options of a Pipeline.
type Options struct {
	Key             [16]byte      // of the hash that makes ids
	Hold            time.Duration // how long a span waits for what decides its parent
	Sockets         int           // connections followed at a time
	HeadersRequest  []string      // allowed headers, in lower case
	HeadersResponse []string
	Query           span.Query
	RoutePatterns   []string
	Poison          bool // for tests: see flow.Options
}

// segmentWords is how many words may stand at one place of a path before they become a placeholder.
const segmentWords = 24

// Pipeline is the whole way from an event to a span.
type Pipeline struct {
	flows   *flow.Table
	linker  *link.Linker
	builder span.Builder
	take    func() *span.Span
	put     func(*span.Span)
	counts  Counts
}

// Counts is the account of a Pipeline: Exchanges = Spans + the losses among Flow.Reasons + those still open or waiting.
type Counts struct {
	Flow   flow.Counts
	Server uint64 // spans given out, by kind
	Client uint64
	Kernel event.Loss // what the kernel refused, summed
}

// New makes a pipeline. take gives an empty span, put takes it filled and owns it from then on.
func New(o Options, take func() *span.Span, put func(*span.Span)) (*Pipeline, error) {
	routes, err := route.New(o.RoutePatterns, segmentWords)
	if err != nil {
		return nil, err
	}
	p := &Pipeline{take: take, put: put, builder: span.Builder{Routes: routes, Query: o.Query}}
	p.linker = link.New(link.Options{Key: o.Key, Hold: o.Hold}, func(x *flow.Exchange) { p.flows.Release(x) }, p.emit)
	p.flows = flow.New(flow.Options{Max: o.Sockets, Request: o.HeadersRequest, Response: o.HeadersResponse, Poison: o.Poison}, p.linker)
	return p, nil
}

// Feed takes one event; the spans that it settles are put before it returns.
func (p *Pipeline) Feed(ev *event.Event) {
	if ev.Kind == event.KindLoss {
		p.counts.Kernel.LostServer += ev.Loss.LostServer
		p.counts.Kernel.LostClient += ev.Loss.LostClient
		p.counts.Kernel.Records += ev.Loss.Records
	}
	p.flows.Feed(ev)
	p.linker.Feed(ev)
}

// Close gives out what waits and counts what is open.
func (p *Pipeline) Close() {
	p.flows.Close()
	p.linker.Close()
}

// Counts gives a copy of the account.
func (p *Pipeline) Counts() Counts {
	c := p.counts
	c.Flow = p.flows.Counts()
	return c
}

func (p *Pipeline) emit(x *flow.Exchange, process *link.Process) {
	s := p.take()
	p.builder.Fill(s, x, process.Resource, p.linker.Wall)
	if x.Server {
		p.counts.Server++
	} else {
		p.counts.Client++
	}
	p.put(s)
}
