package propagation

import (
	"cmp"
	"fmt"
	"time"

	"weft/correlate/event"
	"weft/correlate/flow"
	"weft/correlate/tracecontext"
)

// Options of a Table; what is zero gets a default.
type Options struct {
	MinRate   float64       // the limit between healthy and broken, 0 to 1
	Window    time.Duration // what rates are of: between a half and the whole of it
	Hold      time.Duration // how long a call is kept back at most until it is known which request has caused it
	Edges     int           // remembered at a time
	Examples  int           // remembered at a time, with their heads
	Off       []string      // names of exclusions that do not apply
	Repair    bool          // as the linker was told; for the report
	Carriers  []string      // further header fields that carry a context
	Secrets   []string      // header fields whose values are blanked in examples, beside those that always are
	KeepQuery bool          // values of queries stay in examples
	// Watch is the id of a span whose evidence is kept whole, with heads, whatever its verdict; zero: none.
	Watch [8]byte
	// Health is told when an edge becomes broken, or healthy again. It must not block. nil: nobody is told.
	Health func(Transition)
}

// The defaults of Options.
const (
	DefaultMinRate  = 0.99
	DefaultWindow   = time.Hour
	DefaultEdges    = 10_000
	DefaultExamples = 512
)

// Table is the account of a node: it judges each outgoing request when it has ended, and counts it with the incoming one that
// caused it. It is bounded in memory whatever the traffic: see Options.
type Table struct {
	options   Options
	redact    *event.Redactor
	off       [rules]bool
	wall      func(uint64) int64
	services  map[string]*service
	edges     map[edgeKey]*edge
	last      [lastEdges]*edge // that were used, by place
	oldest    edge             // sentinel of the list of edges, least recently used first
	recent    recent
	peers     peers
	clusters  []*cluster // spare
	spare     int        // room for calls in these
	waits     waits
	examples  examples
	links     links
	kept      kept
	carriers  *tracecontext.Reader
	now       uint64    // boot time, ns
	candidate candidate // that is looked at
	half      uint32    // number of the half window
	checked   uint64    // when health was looked at last
	since     uint64    // when counting began
	totals    totals
}

// totals count since the start.
type totals struct {
	outgoing, pairs, unlinked, noContext, unknown, evicted uint64
	excluded                                               [rules]uint64
	verdicts                                               [Verdicts]uint64
}

// Mark is what is said of one span.
type Mark struct {
	Lead   Verdict
	Notes  Notes
	Format tracecontext.Format // that Lead is about
	Rule   tracecontext.Rule   // that is broken; empty: none
}

// New makes an empty table. wall turns boot time into Unix time, ns.
func New(o Options, wall func(uint64) int64) (*Table, error) {
	off, err := checkExclusions(o.Off)
	if err != nil {
		return nil, fmt.Errorf("choose exclusions: %w", err)
	}
	carriers, err := tracecontext.NewReader(o.Carriers)
	if err != nil {
		return nil, fmt.Errorf("choose carriers: %w", err)
	}
	o.MinRate = cmp.Or(o.MinRate, DefaultMinRate)
	o.Window = cmp.Or(o.Window, DefaultWindow)
	o.Edges, o.Examples = cmp.Or(o.Edges, DefaultEdges), cmp.Or(o.Examples, DefaultExamples)
	t := &Table{
		options: o, off: off, wall: wall, redact: event.NewRedactor(event.Redaction{Headers: o.Secrets, KeepQuery: o.KeepQuery}),
		services: make(map[string]*service), edges: make(map[edgeKey]*edge), carriers: carriers,
	}
	t.oldest.next, t.oldest.previous = &t.oldest, &t.oldest
	t.examples.init(o.Examples)
	return t, nil
}

// Feed takes the events that are not about messages. service names the program behind ev.PID.
func (t *Table) Feed(ev *event.Event, service string) {
	if t.since == 0 {
		t.since = ev.Time
	}
	t.now = max(t.now, ev.Time)
	switch ev.Kind {
	case event.KindSocket:
		if kind, ok := exporterPorts[ev.Conn.Peer.Port()]; ok && service != "" && t.isNew(service) {
			t.exports(service, fmt.Sprintf("%s to %v", kind, ev.Conn.Peer))
		}
	case event.KindClock:
		t.half = uint32(t.now / uint64(t.options.Window/2))
		t.flushWaits(t.now)
		if t.now >= t.checked+uint64(healthEvery) {
			t.checked = t.now
			t.checkHealth()
		}
	}
}

// healthEvery is how often rates are compared with the limit.
const healthEvery = 5 * time.Second

// Started is told of every incoming request when its head was read.
func (t *Table) Started(x *flow.Exchange, service string) {
	if c := identity(&x.Carriers); c != nil {
		t.recent.add(service, &c.Context)
	}
}

// Ended judges an exchange that has ended, or that was given up: then lost is set. service is who made it; peer who was at the
// other end, empty when that is not known.
func (t *Table) Ended(x *flow.Exchange, service, peer string, lost bool) (m Mark) {
	switch {
	case x.Server:
		t.closes(x, service)
		if !lost {
			t.links.add(x, service, m)
			t.kept.add(x, x.Cause.Partner)
		}
	case !lost:
		m = t.judge(x, service, peer)
		t.links.add(x, service, m)
		t.kept.add(x, x.Cause.Parent)
	}
	if !lost && t.watches(x) {
		t.watch(x)
	}
	return m
}

// causeOf gives the request that a verdict is built on: the cause, or where that is not proven one of the crowd. nil: neither.
func causeOf(x *flow.Exchange) (in *flow.Exchange, crowd bool) {
	if x.Cause.Parent == nil || x.Cause.Crowd != nil {
		return x.Cause.Crowd, true
	}
	return x.Cause.Parent, false
}

// judge counts one outgoing request.
func (t *Table) judge(x *flow.Exchange, service, peer string) (m Mark) {
	path := pathOf(x)
	if kind := spansOf(x, path); kind != "" && t.isNew(service) {
		t.exports(service, kind+" to "+clip(x.Host))
	}
	in, crowd := causeOf(x)
	if rule := t.excluded(in, x, path); rule >= 0 {
		t.totals.outgoing++
		t.totals.excluded[rule]++
		if in != nil {
			t.edge(in, x, service, peer).excluded[rule]++
		}
		return m
	}
	if in == nil || in.Lost && !crowd {
		t.unlink(t.services[service])
		return m
	}
	e := t.edge(in, x, service, peer)
	if x.Cause.Misled {
		e.service.misled++
	} else if x.Cause.Confirmed && !crowd {
		e.service.agreed++
	}
	j, o := judge(&in.Carriers, &x.Carriers, surroundings{
		ownSpans: e.service.ownSpans != "", nominated: in.Nominated,
		leaked: func(c *tracecontext.Context) bool { return t.recent.has(service, c) },
	})
	switch {
	case o == unknown:
		t.totals.outgoing++
		t.totals.unknown++
		e.unknown++
		return m
	case o == noContext:
		t.totals.outgoing++
		t.totals.noContext++
		e.noContext++
		return m
	}
	one := callOf(x, pair{edge: e, judgement: j, crowd: crowd, counts: crowd || x.Cause.Confirmed, time: x.Start})
	t.admit(in, x, &one)
	return Mark{one.lead, one.notes, one.format, one.rule}
}

// unlink counts a call that is of no request, or of one of whose connection records are missing: the next one on it may have made
// it. The service may be nil.
func (t *Table) unlink(s *service) {
	t.totals.outgoing++
	t.totals.unlinked++
	if s != nil {
		s.unlinked++
	}
}

// admit completes a call and takes it into the account.
func (t *Table) admit(in, x *flow.Exchange, one *call) {
	p := &one.pair
	if p.crowd {
		p.doubt = 1 - x.Cause.CrowdSure
	}
	one.siblings(in)
	if worst := p.worst(); worst != Unjudged {
		p.client = client(x.UserAgent)
		t.fingerprint(p, x)
		t.show(in, x, p, worst)
	}
	if t.watches(x) {
		t.watchPair(in, x, p)
	}
	t.enter(in, x, one)
}

// excluded gives the rule that takes a call to a path out, or -1. in may be nil.
func (t *Table) excluded(in, x *flow.Exchange, path string) int {
	if in == nil {
		in = x
	}
	t.candidate = candidate{in, x, pathOf(in), path}
	for i := range exclusions {
		if !t.off[i] && exclusions[i].matches(&t.candidate) {
			return i
		}
	}
	return -1
}

// isNew tells that a service is not known yet to send spans of its own.
func (t *Table) isNew(name string) bool {
	s := t.services[name]
	return s == nil || s.ownSpans == ""
}

// exports notes that a service sends spans of its own.
func (t *Table) exports(name, proof string) { t.service(name).ownSpans = proof }
