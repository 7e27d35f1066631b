package propagation

import "weft/correlate/rate"

// estimate is what the numbers of an edge allow to say. It is kept until they change: most edges rest most of the time.
type estimate struct {
	sums           rate.Sums
	bounds         rate.Bounds
	lost           float64 // upper bound of the share of pairs that are wrongly linked
	p              float64 // of "the rate is at least the limit", of this edge alone
	agreed, misled uint64  // of the service, as they were
	known          bool
}

// edgeHealth is an edge with what is said of it among all.
type edgeHealth struct {
	estimate
	edge   *edge
	health Health
}

// estimate gives the numbers of an edge.
func (t *Table) estimate(e *edge) estimate {
	e.turn(t.half)
	s, old := e.service, &e.estimate
	if old.known && old.misled == s.misled && (s.misled == 0 || old.agreed == s.agreed) {
		return *old
	}
	n := estimate{sums: e.sum(0, 0), p: 1, agreed: s.agreed, misled: s.misled, known: true}
	n.lost = e.mislinked(n.sums.N)
	n.bounds = rate.Interval(n.sums, n.lost)
	if n.sums.N > 0 {
		n.p = rate.BelowP(n.sums, t.options.MinRate, n.lost)
	}
	e.estimate = n
	return n
}

// judgeEdges gives all edges of the window, least recently used first.
func (t *Table) judgeEdges() []edgeHealth {
	all := make([]edgeHealth, 0, len(t.edges))
	for e := t.oldest.next; e != &t.oldest; e = e.next {
		all = append(all, edgeHealth{estimate: t.estimate(e), edge: e})
	}
	p := make([]float64, len(all))
	for i := range all {
		p[i] = all[i].p
	}
	rate.Adjust(p)
	for i := range all {
		h := &all[i]
		h.p = p[i]
		switch {
		case h.sums.N == 0:
			h.health = NotEnough
		case h.bounds.Upper < t.options.MinRate && h.p < falseDiscoveries:
			h.health = Broken
		case h.bounds.Lower >= t.options.MinRate:
			h.health = Healthy
		default:
			h.health = NotEnough
		}
	}
	return all
}

// falseDiscoveries is how large a share of what is called broken, or a stratum, may be so by chance.
const falseDiscoveries = 0.05

// mislinked bounds the share of pairs that are no pairs: what carriers contradict of the service's links, and what the process
// may have called on its own account.
func (e *edge) mislinked(n uint64) float64 {
	share := 0.0 // links that nothing contradicts are not doubted for their small number
	if e.service.misled > 0 {
		share = rate.ShareUpper(e.service.misled, e.service.agreed+e.service.misled)
	}
	if n == 0 {
		return share
	}
	return min(0.99, share+(e.doubt[0]+e.doubt[1])/float64(n))
}

// checkHealth tells of edges that became broken, or healthy again.
func (t *Table) checkHealth() {
	if t.options.Health == nil {
		return
	}
	for _, h := range t.judgeEdges() {
		was := h.edge.health
		if h.health == was || h.health == NotEnough || was == NotEnough && h.health == Healthy {
			if h.health == Healthy {
				h.edge.health = Healthy
			}
			continue
		}
		h.edge.health = h.health
		e := t.tellRate(h)
		t.tellFindings(&e, h.edge)
		one := []Edge{e}
		t.tellStrata(one)
		for k := range one[0].Findings {
			one[0].Findings[k].Sentence = Sentence(one[0], one[0].Findings[k], t.time(t.now))
		}
		t.options.Health(Transition{At: t.time(t.now), From: was, Edge: one[0]})
	}
}
