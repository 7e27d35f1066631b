package propagation

import (
	"weft/correlate/flow"
	"weft/correlate/tracecontext"
)

// pair is one outgoing request, judged against the incoming one that caused it.
type pair struct {
	judgement
	edge        *edge
	crowd       bool
	counts      bool // for the rate: it would have been judged without a carrier too
	traits      traits
	doubt       float64 // how likely it is no request's
	time        uint64  // boot time, ns, of its start
	client      string
	fingerprint string
}

// call is a pair as its siblings see it.
type call struct {
	pair
	key      uint64 // what it asks for
	end      uint64
	parent   [8]byte // that it sent
	hasError bool
	counted  uint8 // the last pass that has counted it
	wait     *wait
}

// callOf gives an outgoing request as its siblings see it.
func callOf(x *flow.Exchange, p pair) call {
	c := call{pair: p, key: callKey(x), end: x.End, hasError: x.Failed()}
	if p.to != nil {
		c.parent = p.to.Context.ParentID
	}
	return c
}

// siblings learns from the request and from the other calls that it has made. They come as it is settled what has caused them, and not
// as they were made: the first attempt may come after the second one.
func (c *call) siblings(in *flow.Exchange) {
	if from := identity(&in.Carriers); from != nil && from.Context.Decision == tracecontext.Denied {
		c.traits |= unsampled
	}
	if in.Ended() {
		c.traits |= traitsOf(in)
		if in.End < c.time {
			c.traits |= async
		}
	}
	if c.crowd {
		c.traits |= vague
		return
	}
	others, ok := in.Cause.Judged.(*cluster)
	if !ok {
		return
	}
	for i := range others.calls {
		s := &others.calls[i]
		first, second := s, c
		if c.end <= s.time {
			first, second = c, s
		}
		switch {
		case first.end > second.time: // side by side
		case first.key == second.key:
			second.traits |= retried
			continue // attempts of one call may be one span
		case first.hasError:
			second.traits |= afterError
		}
		if c.lead == Propagated && s.lead == Propagated && c.parent == s.parent && c.parent != [8]byte{} {
			c.notes.add(Shared)
		}
	}
}

// traitsOf gives what a request that has ended says of its calls.
func traitsOf(in *flow.Exchange) traits {
	if in.Failed() {
		return failed
	}
	return 0
}

// callKey is the same for attempts of one call.
func callKey(x *flow.Exchange) uint64 { return hash(x.Method, x.Host, x.Target) }

// hash stands for texts that are only compared: FNV-1a.
func hash(texts ...string) uint64 {
	h := uint64(14695981039346656037)
	for _, text := range texts {
		for i := range len(text) {
			h = (h ^ uint64(text[i])) * 1099511628211
		}
		h = (h ^ 0xff) * 1099511628211
	}
	return h
}

// enter takes a call into the account, now or with its request.
func (t *Table) enter(in, x *flow.Exchange, one *call) {
	one.to = nil
	if one.crowd || one.traits&async != 0 {
		t.alone(one)
		return
	}
	c := t.cluster(in)
	if len(c.calls) >= callsMax || t.waits.calls >= delayedMax && c.due > 0 {
		t.alone(one)
		return
	}
	if !one.lead.Continues() && !in.Ended() {
		one.wait = t.expectWaiters(in, x, one.edge.service)
	}
	c.calls = append(c.calls, *one)
	switch {
	case c.due > 0:
		t.waits.calls++
	case in.Ended() && !in.Cause.Waiting: // it was told before
		t.delay(c, in)
	}
}

// settle counts the verdicts of a pair.
func (t *Table) settle(c *call) {
	t.totals.outgoing++
	t.totals.pairs++
	e := c.edge
	e.turn(t.half)
	t.totals.verdicts[c.lead]++
	e.settle(&c.pair, c.filed())
	for v := range Verdicts {
		if c.notes.Has(v) {
			t.totals.verdicts[v]++
			e.noted.add(v)
			e.settle(&c.pair, v)
		}
	}
}

// filed gives the verdict under which a pair is kept. What was passed on unchanged is stale if the service turns out to make spans
// of its own, which may be seen only later: until a report is made it is filed as if it did.
func (c *call) filed() Verdict {
	if c.lead == PassedThrough && c.recorded && c.parent != [8]byte{} {
		return Stale
	}
	return c.lead
}

// settle counts one verdict of a pair among the findings of its edge.
func (e *edge) settle(p *pair, v Verdict) {
	e.verdicts[v]++
	if v == Propagated {
		return
	}
	f := e.found(v)
	if f.count[0]+f.count[1] == 0 {
		f.since, f.fingerprint = p.time, p.fingerprint
	}
	if f.fingerprint != p.fingerprint {
		f.fingerprint = "" // by chance an id looks like that of a maker; all of them do not
	}
	f.count[0]++
	f.last = max(f.last, p.time)
	f.format, f.rule, f.client = p.format, p.rule, p.client
}

// rated tells that a pair is counted for the rate.
func (p *pair) rated() bool { return p.counts && p.lead != Accepted }

// right is how many right pairs it is.
func right(p *pair) int {
	if p.lead.Continues() {
		return 1
	}
	return 0
}

// alone counts a pair that is told with no other one.
func (t *Table) alone(c *call) {
	t.settle(c)
	if !c.rated() {
		return
	}
	e := c.edge
	e.sums[0].Add(1, right(&c.pair))
	e.cell(c.traits).sums[0].Add(1, right(&c.pair))
	e.doubt[0] += c.doubt
}
