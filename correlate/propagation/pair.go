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
	counted  bool
	wait     *wait
}

// callsMax bounds the calls of one request that are kept until it ends; more are counted at once.
const callsMax = 64

// cluster holds the calls of one incoming request until that has ended: pairs of one request are alike, and whether it failed is
// known only then.
type cluster struct {
	calls  []call
	due    uint64 // boot time, ns, when nothing can change any more
	failed bool   // the request
}

func (t *Table) cluster(in *flow.Exchange) *cluster {
	if c, ok := in.Cause.Judged.(*cluster); ok {
		return c
	}
	c := &cluster{}
	if n := len(t.clusters); n > 0 {
		c = t.clusters[n-1]
		t.clusters = t.clusters[:n-1]
	}
	in.Cause.Judged = c
	return c
}

// siblings learns from the request and from the calls that it has made before.
func (p *pair) siblings(in, x *flow.Exchange) {
	if c := identity(&in.Carriers); c != nil && c.Context.Decision == tracecontext.Denied {
		p.traits |= unsampled
	}
	if in.Ended() && in.End < x.Start {
		p.traits |= async
	}
	c, ok := in.Cause.Judged.(*cluster)
	if !ok || p.crowd {
		return
	}
	key := callKey(x)
	for i := range c.calls {
		s := &c.calls[i]
		switch {
		case s.end > x.Start:
		case s.key == key:
			p.traits |= retried
		case s.hasError:
			p.traits |= afterError
		}
		if p.lead == Propagated && s.lead == Propagated && s.parent == p.to.Context.ParentID {
			p.notes.add(Shared)
		}
	}
}

// callKey is the same for attempts of one call.
func callKey(x *flow.Exchange) uint64 {
	const prime = 1099511628211 // of FNV-1a
	h := uint64(14695981039346656037)
	for _, text := range [...]string{x.Method, x.Host, x.Target} {
		for i := range len(text) {
			h = (h ^ uint64(text[i])) * prime
		}
		h = (h ^ 0xff) * prime
	}
	return h
}

// enter takes a pair into the account, now or with its request.
func (t *Table) enter(in, x *flow.Exchange, p *pair) {
	one := call{pair: *p, key: callKey(x), end: x.End, hasError: x.Status >= 500 || x.Fault != flow.NoFault}
	if p.to != nil {
		one.parent = p.to.Context.ParentID
	}
	one.to = nil
	if p.crowd || in.Ended() {
		t.settle(&one)
		t.sums(&one.pair, 1, p.lead.Continues())
		return
	}
	c := t.cluster(in)
	if len(c.calls) >= callsMax {
		t.settle(&one)
		t.sums(&one.pair, 1, p.lead.Continues())
		return
	}
	if !p.lead.Continues() {
		one.wait = t.expectWaiters(in, x, p.edge.service)
	}
	c.calls = append(c.calls, one)
}

// settle counts the verdicts of a pair.
func (t *Table) settle(c *call) {
	c.counted = true
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
func (p *pair) filed() Verdict {
	if p.lead == PassedThrough && p.recorded {
		return Stale
	}
	return p.lead
}

// settle counts one verdict of a pair among the findings of its edge.
func (e *edge) settle(p *pair, v Verdict) {
	e.verdicts[v]++
	if v == Propagated {
		return
	}
	f := e.found(v)
	if f.count[0]+f.count[1] == 0 {
		f.since = p.time
	}
	f.count[0]++
	f.last = max(f.last, p.time)
	f.format, f.rule, f.client, f.fingerprint = p.format, p.rule, p.client, p.fingerprint
}

// sums counts m pairs that are alike for the rate.
func (t *Table) sums(p *pair, m int, goOn bool) {
	if !p.counts || p.lead == Accepted {
		return
	}
	k := 0
	if goOn {
		k = m
	}
	p.edge.pairs(p.traits, m, k, p.doubt)
}

// pairs counts m pairs of one request of which k go on.
func (e *edge) pairs(of traits, m, k int, doubt float64) {
	e.cell(of).sums[0].Add(m, k)
	e.doubt[0] += doubt * float64(m)
}

// closes counts the calls of a request that has ended, unless others could still turn out to have waited for one.
func (t *Table) closes(in *flow.Exchange, service string) {
	c, ok := in.Cause.Judged.(*cluster)
	if !ok {
		t.waits.ends(t.services, in, service)
		return
	}
	in.Cause.Judged = nil
	c.failed = in.Status >= 500 || in.Fault != flow.NoFault
	for i := range c.calls {
		if c.calls[i].wait != nil {
			t.delay(c, in.End)
			return
		}
	}
	t.finish(c)
}

// finish counts the calls of a request, those that are alike together.
func (t *Table) finish(c *cluster) {
	for i := range c.calls {
		first := &c.calls[i]
		if first.counted || t.isShared(first) {
			continue
		}
		m, k := 0, 0
		for n := i; n < len(c.calls); n++ {
			s := &c.calls[n]
			if s.counted || s.edge != first.edge || s.traits != first.traits || s.counts != first.counts || t.isShared(s) {
				continue
			}
			t.settle(s)
			m++
			if s.lead.Continues() {
				k++
			}
		}
		if c.failed {
			first.traits |= failed
		}
		if first.counts && first.lead != Accepted {
			first.edge.pairs(first.traits, m, k, first.doubt)
		}
	}
	clear(c.calls)
	c.calls = c.calls[:0]
	if len(t.clusters) < clustersMax {
		t.clusters = append(t.clusters, c)
	}
}

// isShared takes a call out for which other requests have waited, and counts it.
func (t *Table) isShared(c *call) bool {
	if c.wait == nil || c.wait.waiters < waitersMin || t.off[sharedIndex] {
		return false
	}
	if !c.counted {
		c.counted = true
		t.totals.outgoing++
		t.totals.excluded[sharedIndex]++
		c.edge.excluded[sharedIndex]++
	}
	return true
}

// clustersMax bounds the clusters that are kept for use.
const clustersMax = 1 << 10
