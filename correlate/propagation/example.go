package propagation

import (
	"encoding/hex"
	"slices"
	"time"

	"weft/correlate/flow"
	"weft/correlate/span"
	"weft/correlate/tracecontext"
)

// recentSize is how many traces of incoming requests are remembered, to recognise one that turns up with another request.
const recentSize = 1 << 14

// recent remembers traces, each in a bucket of a few: later ones may take its place, so that a leak may be taken for a restart, not the other
// way round.
type recent struct {
	seen []seenTrace
}

type seenTrace struct {
	low     uint64
	service string
}

func (r *recent) add(service string, c *tracecontext.Context) {
	if r.seen == nil {
		r.seen = make([]seenTrace, recentSize)
	}
	low := low64(c)
	b := r.bucket(low, service)
	copy(b[1:], b)
	b[0] = seenTrace{low, service}
}

// ways is how many traces share a place, so that no other one drives out what was seen just now.
const ways = 4

// bucket gives the place of a trace, newest first. It keeps what different services have seen of one trace apart.
func (r *recent) bucket(low uint64, service string) []seenTrace {
	for i := range len(service) {
		low = (low ^ uint64(service[i])) * 1099511628211 // of FNV-1a
	}
	at := low >> 32 % (recentSize / ways) * ways
	return r.seen[at : at+ways]
}

// has tells whether the service has seen the trace with an incoming request.
func (r *recent) has(service string, c *tracecontext.Context) bool {
	if r.seen == nil {
		return false
	}
	low := low64(c)
	return slices.Contains(r.bucket(low, service), seenTrace{low, service})
}

func low64(c *tracecontext.Context) (n uint64) {
	for _, b := range c.TraceID[8:] {
		n = n<<8 | uint64(b)
	}
	return n
}

// worst gives the verdict of a pair that deserves an example: a fault before a note; Unjudged if none does.
func (p *pair) worst() Verdict {
	if p.lead.Severity() == Fault {
		return p.lead
	}
	best := Unjudged
	for v := range Verdicts {
		if p.notes.Has(v) && v.Severity() > best.Severity() {
			best = v
		}
	}
	return best
}

// fingerprint says who made an id that does not belong there.
func (t *Table) fingerprint(p *pair, x *flow.Exchange) {
	if p.to != nil && !p.lead.Continues() {
		p.fingerprint = tracecontext.Fingerprint(p.to.Context, &x.Carriers, t.wall(x.Start)/int64(time.Second))
	}
}

// examples keep the evidence of faults, the oldest is dropped.
type examples struct {
	byID map[[8]byte]*Explanation
	ring [][8]byte
	next int
}

func (e *examples) init(size int) {
	e.byID, e.ring = make(map[[8]byte]*Explanation, size), make([][8]byte, size)
}

func (e *examples) add(id [8]byte, x *Explanation) {
	if len(e.ring) == 0 {
		return
	}
	delete(e.byID, e.ring[e.next])
	e.ring[e.next] = id
	e.byID[id] = x
	e.next = (e.next + 1) % len(e.ring)
}

// freshAfter is how old the latest example of a finding becomes before it is replaced.
const freshAfter = uint64(time.Minute)

// show keeps the evidence of a pair, if its finding has none or none of late.
func (t *Table) show(in, x *flow.Exchange, p *pair, v Verdict) {
	p.edge.turn(t.half)
	f := p.edge.found(v)
	at := 1
	switch {
	case f.examples[0] == [8]byte{} || t.examples.byID[f.examples[0]] == nil:
		at = 0
	case f.taken != 0 && x.Start < f.taken+freshAfter:
		return
	}
	f.examples[at], f.taken = x.Cause.SpanID, x.Start
	e := t.explain(in, x, p)
	e.Verdict, e.Code = v.String(), v.Code()
	t.examples.add(x.Cause.SpanID, e)
}

func (t *Table) explain(in, x *flow.Exchange, p *pair) *Explanation {
	e := &Explanation{
		ID: hex.EncodeToString(x.Cause.SpanID[:]), Service: p.edge.service.name, Route: p.edge.routeName(), Peer: p.edge.peer,
		Evidence: evidenceOf(x), Confidence: x.Cause.Confidence, RuledOut: p.ruledOut(in, x), Considered: considered(&x.Cause.Votes),
	}
	for v := range Verdicts {
		if p.notes.Has(v) {
			e.Notes = append(e.Notes, v.String())
		}
	}
	e.Confidence = x.Cause.LinkedSure
	if p.crowd {
		e.Confidence, e.Among = x.Cause.CrowdSure, x.Cause.CrowdSize
	}
	incoming := t.message(in)
	e.In = &incoming
	e.Out = t.message(x)
	return e
}

func evidenceOf(x *flow.Exchange) string {
	if x.Cause.Parent == nil && x.Cause.Crowd != nil {
		return "crowd"
	}
	return span.Evidence(x.Cause.Linked).String()
}

// message tells of one request what may be told.
func (t *Table) message(x *flow.Exchange) Message {
	m := Message{
		Start: t.time(x.Start), PID: x.PID, TID: x.TID, Goroutine: x.Goroutine,
		TraceID: hex.EncodeToString(x.Cause.TraceID[:]), SpanID: hex.EncodeToString(x.Cause.SpanID[:]),
		Head: string(blank(t.redact.Head(x.Head), &x.Carriers)),
	}
	if x.Ended() {
		m.End = t.time(x.End)
	}
	if x.Conn.Local.IsValid() {
		m.Connection = x.Conn.Local.String() + " -> " + x.Conn.Peer.String()
		if x.Server {
			m.Connection = x.Conn.Peer.String() + " -> " + x.Conn.Local.String()
		}
	}
	for _, c := range x.Carriers.Carriers() {
		one := Carrier{Format: c.Format.String(), State: c.State.String(), Rule: string(c.Rule)}
		if c.Context.TraceID != [16]byte{} && c.Context.Width > 0 {
			one.Trace, one.Parent = hex.EncodeToString(c.Context.TraceID[:]), hex.EncodeToString(c.Context.ParentID[:])
		}
		m.Carriers = append(m.Carriers, one)
	}
	return m
}

// time gives the wall time of a boot time; the zero time for none.
func (t *Table) time(boot uint64) time.Time {
	if boot == 0 {
		return time.Time{}
	}
	return time.Unix(0, t.wall(boot)).UTC()
}

// linksMax is how many of the last requests, seen at either end, can be explained without their heads.
const linksMax = 1 << 12

// links remembers how the last requests were linked.
type links struct {
	ring    []linked
	next    int
	watched *Explanation // see Options.Watch
}

type linked struct {
	trace         [16]byte
	span, parent  [8]byte
	start, end    uint64
	goroutine     uint64
	service, peer string
	mark          Mark
	pid, tid      uint32
	among         int
	confidence    float64
	evidence      span.Evidence
	parentPID     uint32
	parentTID     uint32
	parentRoutine uint64
	parentStart   uint64
	votes         [len(flow.Cause{}.Votes)]flow.Vote
	hasParent     bool
	server        bool // it is an incoming request, and its parent the same one seen from the other end
	repaired      bool
	wireTrace     [16]byte // with repaired: that of the carrier
}

func (l *links) add(x *flow.Exchange, service string, m Mark) {
	if l.ring == nil {
		l.ring = make([]linked, linksMax)
	}
	c := &x.Cause
	o := &l.ring[l.next]
	*o = linked{
		trace: c.TraceID, span: c.SpanID, parent: c.ParentID, start: x.Start, end: x.End, goroutine: x.Goroutine,
		service: service, peer: clip(x.Host), mark: m, pid: x.PID, tid: x.TID, among: c.Alternates, confidence: c.Confidence,
		evidence: span.Evidence(c.Evidence), votes: c.Votes,
	}
	p := c.Parent
	switch {
	case x.Server:
		o.server, o.peer, p = true, "", c.Partner
	case p != nil:
		o.evidence, o.confidence = span.Evidence(c.Linked), c.LinkedSure
	}
	o.repaired, o.wireTrace = c.Repaired, c.WireTrace
	if p != nil {
		o.hasParent, o.parentPID, o.parentTID, o.parentRoutine, o.parentStart = true, p.PID, p.TID, p.Goroutine, p.Start
	}
	l.next = (l.next + 1) % linksMax
}

func (l *links) find(id [8]byte) *linked {
	for i := range l.ring {
		if l.ring[i].span == id && id != [8]byte{} {
			return &l.ring[i]
		}
	}
	return nil
}
