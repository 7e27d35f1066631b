// Package correlate turns events into spans. It is pure: no kernel, no clock, no goroutine, no network; the same events
// always give the same spans.
package correlate

import (
	"time"

	"weft/correlate/event"
	"weft/correlate/flow"
	"weft/correlate/link"
	"weft/correlate/propagation"
	"weft/correlate/route"
	"weft/correlate/span"
	"weft/correlate/tracecontext"
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
	Carriers        []string // further header fields that carry a context
	Propagation     propagation.Options
	Seldom          func(pid uint32, seldom bool) // see link.Options
	Poison          bool                          // for tests: see flow.Options
}

// segmentWords is how many words may stand at one place of a path before they become a placeholder.
const segmentWords = 24

// Pipeline is the whole way from an event to a span.
type Pipeline struct {
	flows   *flow.Table
	linker  *link.Linker
	judge   *propagation.Table
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
	Routes route.Counts
}

// New makes a pipeline. take gives an empty span, put takes it filled and owns it from then on.
func New(o Options, take func() *span.Span, put func(*span.Span)) (*Pipeline, error) {
	routes, err := route.New(o.RoutePatterns, segmentWords)
	if err != nil {
		return nil, err
	}
	carriers, err := tracecontext.NewReader(o.Carriers)
	if err != nil {
		return nil, err
	}
	p := &Pipeline{take: take, put: put, builder: span.Builder{Routes: routes, Query: o.Query}}
	p.linker = link.New(link.Options{
		Key: o.Key, Hold: o.Hold, NoRepair: !o.Propagation.Repair, Started: p.started, Lost: p.lost, Seldom: o.Seldom,
	}, func(x *flow.Exchange) { p.flows.Release(x) }, p.emit)
	p.flows = flow.New(flow.Options{
		Max: o.Sockets, Request: o.HeadersRequest, Response: o.HeadersResponse, Carriers: carriers, Poison: o.Poison,
	}, p.linker)
	o.Propagation.Carriers, o.Propagation.Hold = o.Carriers, o.Hold
	if p.judge, err = propagation.New(o.Propagation, p.linker.Wall); err != nil {
		return nil, err
	}
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
	if ev.Kind == event.KindSocket || ev.Kind == event.KindClock {
		p.judge.Feed(ev, p.linker.Service(ev.PID))
	}
}

// Disclosure is what of a request may be told that is not told of all.
type Disclosure struct {
	Request, Response []string // headers, in lower case
	Query             span.Query
}

// Disclosing gives the options with what is told from the start on.
func (o Options) Disclosing(d Disclosure) Options {
	o.HeadersRequest, o.HeadersResponse, o.Query = d.Request, d.Response, d.Query
	return o
}

// Disclose changes what is told of requests whose heads come from now on.
func (p *Pipeline) Disclose(d Disclosure) {
	p.flows.Keep(d.Request, d.Response)
	p.builder.Query = d.Query
}

// Close gives out what waits and counts what is open.
func (p *Pipeline) Close() {
	p.flows.Close()
	p.linker.Close()
	p.judge.Close()
}

// Report gives what was found of the propagation of contexts.
func (p *Pipeline) Report() propagation.Report { return p.judge.Report() }

// Brief gives the numbers of Report alone.
func (p *Pipeline) Brief() propagation.Report { return p.judge.Brief() }

// Sealed gives what is known of the TLS connections that can't be read.
func (p *Pipeline) Sealed() []flow.Sealed { return p.flows.Sealed() }

// Explain gives the evidence behind a CLIENT span, by its span id in hexadecimal; false when it is not known any more.
func (p *Pipeline) Explain(id string) (propagation.Explanation, bool) { return p.judge.Explain(id) }

// Counts gives a copy of the account.
func (p *Pipeline) Counts() Counts {
	c := p.counts
	c.Flow, c.Routes = p.flows.Counts(), p.builder.Routes.Counts()
	return c
}

// started completes what is known of an exchange at its start.
func (p *Pipeline) started(x *flow.Exchange, process *link.Process) {
	if x.Server {
		x.Route = p.builder.Route(x, process.Resource)
		p.judge.Started(x, process.Resource.Service)
		return
	}
	x.Cause.Linked, x.Cause.LinkedSure = x.Cause.Evidence, x.Cause.Confidence
}

// lost ends an exchange that becomes no span.
func (p *Pipeline) lost(x *flow.Exchange, process *link.Process) {
	p.judge.Ended(x, process.Resource.Service, "", true)
}

func (p *Pipeline) emit(x *flow.Exchange, process *link.Process) {
	mark := p.judge.Ended(x, process.Resource.Service, link.Peer(x), false)
	s := p.take()
	p.builder.Fill(s, x, process.Resource, p.linker.Wall)
	s.Remote = link.Remote(x)
	if mark.Lead != propagation.Unjudged {
		s.Verdict, s.Notes = mark.Lead.String(), mark.Notes.Strings(s.Notes)
		if s.Break = mark.Lead.Severity() == propagation.Fault; s.Break {
			s.Code, s.Carrier, s.Rule = mark.Lead.Code(), mark.Format.String(), string(mark.Rule)
		}
	}
	if x.Server {
		p.counts.Server++
	} else {
		p.counts.Client++
	}
	p.put(s)
}
