package propagation

import (
	"cmp"
	"encoding/hex"
	"math"
	"slices"

	"weft/correlate/rate"
	"weft/correlate/tracecontext"
)

// Report gives the state of the account as plain data.
func (t *Table) Report() Report {
	r := t.head()
	for _, j := range t.judgeEdges() {
		r.Edges = append(r.Edges, t.tellEdge(j))
	}
	t.tellStrata(r.Edges, t.neighbours())
	for i := range r.Edges {
		e := &r.Edges[i]
		for k := range e.Findings {
			e.Findings[k].Sentence = Sentence(*e, e.Findings[k], r.To)
		}
	}
	slices.SortStableFunc(r.Edges, worstFirst)
	r.Services = t.tellServices(r.Edges)
	return r
}

// Brief gives the numbers of a report, without the findings, strata and services that are made for people: what is asked for
// all the time must not hold up the data path.
func (t *Table) Brief() Report {
	r := t.head()
	for _, j := range t.judgeEdges() {
		r.Edges = append(r.Edges, t.tellNumbers(j))
	}
	slices.SortStableFunc(r.Edges, worstFirst)
	return r
}

func (t *Table) head() Report {
	r := Report{
		From: t.time(t.windowStart()), To: t.time(t.now), MinRate: t.options.MinRate, Repair: t.options.Repair,
		Totals: t.totals.tell(), Services: []Service{}, Edges: make([]Edge, 0, len(t.edges)),
	}
	for i := range exclusions {
		r.Exclusions = append(r.Exclusions, Exclusion{
			Name: exclusions[i].name, Why: exclusions[i].why, Enabled: !t.off[i], Count: t.totals.excluded[i],
		})
	}
	return r
}

// windowStart is the start of the older half window, or of counting.
func (t *Table) windowStart() uint64 {
	half := uint64(t.options.Window / 2)
	if t.half == 0 {
		return t.since
	}
	return max(t.since, uint64(t.half-1)*half)
}

func (c *totals) tell() Totals {
	out := Totals{
		Outgoing: c.outgoing, Pairs: c.pairs, Unlinked: c.unlinked, NoContext: c.noContext, Unknown: c.unknown, Evicted: c.evicted,
		Excluded: map[string]uint64{}, Verdicts: map[string]uint64{},
	}
	for i, n := range c.excluded {
		out.Excluded[exclusions[i].name] = n
	}
	for v := range Verdicts {
		if n := c.verdicts[v]; n > 0 {
			out.Verdicts[v.String()] = n
		}
	}
	return out
}

// edgeHealth is an edge with what its numbers allow to say.
type edgeHealth struct {
	edge   *edge
	sums   rate.Sums
	bounds rate.Bounds
	lost   float64 // upper bound of the share of pairs that are wrongly linked
	p      float64 // of "the rate is at least the limit", adjusted
	health Health
}

// judgeEdges gives all edges of the window, least recently used first. What an edge's numbers say is kept until they change: most
// edges rest most of the time.
func (t *Table) judgeEdges() []edgeHealth {
	all := make([]edgeHealth, 0, len(t.edges))
	for e := t.oldest.next; e != &t.oldest; e = e.next {
		e.turn(t.half)
		h := edgeHealth{edge: e, sums: e.total()}
		h.lost = e.mislinked(h.sums.N)
		if kept := &e.estimate; kept.known && kept.sums == h.sums && kept.lost == h.lost {
			h.bounds, h.p = kept.bounds, kept.p
			all = append(all, h)
			continue
		}
		h.bounds = rate.Interval(h.sums, h.lost)
		h.p = 1
		if h.sums.N > 0 {
			h.p = rate.BelowP(h.sums, t.options.MinRate, h.lost)
		}
		e.estimate = estimate{h.sums, h.bounds, h.lost, h.p, true}
		all = append(all, h)
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

// routeName joins method and route.
func (e *edge) routeName() string {
	switch {
	case e.method == "":
		return e.route
	case e.route == "":
		return e.method
	}
	return e.method + " " + e.route
}

func (h *edgeHealth) tell() Rate { return tellRate(h.sums, h.bounds, h.lost) }

func tellRate(s rate.Sums, b rate.Bounds, lost float64) Rate {
	return Rate{
		N: s.N, K: s.K, Effective: round(b.Effective), Estimate: round(b.Estimate),
		Lower: round(b.Lower), Upper: round(b.Upper), Mislinked: round(lost),
	}
}

// round keeps six decimals: more is noise, and text that changes for nothing.
func round(x float64) float64 { return math.Round(x*1e6) / 1e6 }

// tellNumbers gives an edge without its findings.
func (t *Table) tellNumbers(h edgeHealth) Edge {
	e := h.edge
	out := Edge{
		Service: e.service.name, Route: e.routeName(), Peer: e.peer, Protocol: e.protocol, Health: h.health,
		Rate: h.tell(), Unknown: e.unknown, NoContext: e.noContext, key: e.edgeKey,
	}
	for i, n := range e.excluded {
		if n > 0 {
			if out.Excluded == nil {
				out.Excluded = map[string]uint64{}
			}
			out.Excluded[exclusions[i].name] = uint64(n)
		}
	}
	e.tellVerdicts(&out)
	return out
}

// tellEdge gives an edge with its findings, the gravest first.
func (t *Table) tellEdge(h edgeHealth) Edge {
	e, out := h.edge, t.tellNumbers(h)
	for i := range e.findings {
		if f := t.tellFinding(e, &e.findings[i]); f.Count > 0 {
			f.Of = max(h.sums.N, f.Count)
			out.add(f)
		}
	}
	slices.SortStableFunc(out.Findings, func(a, b Finding) int {
		return cmp.Or(cmp.Compare(severities[b.Severity], severities[a.Severity]), cmp.Compare(b.Count, a.Count), cmp.Compare(a.Verdict, b.Verdict))
	})
	return out
}

// add puts a finding among the others, together with one of the same verdict.
func (e *Edge) add(f Finding) {
	for i := range e.Findings {
		if o := &e.Findings[i]; o.Verdict == f.Verdict {
			o.Count += f.Count
			o.Of = max(o.Of, o.Count)
			o.Examples = append(o.Examples, f.Examples...)
			return
		}
	}
	e.Findings = append(e.Findings, f)
}

var severities = map[string]int{"fine": 0, "note": 1, "fault": 2}

// chanceMin is how many ids have to look like a UUID before that is no chance: 3 random ones do in one case of 262,144.
const chanceMin = 3

// tellFinding gives one finding; what was passed on unchanged is stale where the service makes spans of its own.
func (t *Table) tellFinding(e *edge, f *finding) Finding {
	v := f.verdict.told(e.service)
	out := Finding{
		Verdict: v.String(), Code: v.Code(), Severity: v.Severity().String(), Count: uint64(f.count[0] + f.count[1]),
		Format: f.format.String(), Rule: string(f.rule), Client: f.client, Fingerprint: f.fingerprint,
		Since: t.time(f.since), Last: t.time(f.last),
	}
	if f.fingerprint == tracecontext.UUID && out.Count < chanceMin {
		out.Fingerprint = ""
	}
	for _, id := range f.examples {
		if t.examples.byID[id] != nil {
			out.Examples = append(out.Examples, hex.EncodeToString(id[:]))
		}
	}
	return out
}

// worstFirst orders edges: broken ones by how many pairs were lost, then those that are not known, then healthy ones.
func worstFirst(a, b Edge) int {
	return cmp.Or(cmp.Compare(healthOrder[a.Health], healthOrder[b.Health]), cmp.Compare(b.Rate.N-b.Rate.K, a.Rate.N-a.Rate.K),
		cmp.Compare(len(b.Findings), len(a.Findings)), cmp.Compare(a.Service, b.Service), cmp.Compare(a.Route, b.Route), cmp.Compare(a.Peer, b.Peer))
}

var healthOrder = map[Health]int{Broken: 0, NotEnough: 1, Healthy: 2}

// tellServices sums edges by service, in the order of their worst edge.
func (t *Table) tellServices(edges []Edge) []Service {
	order := []string{}
	rows := map[string]*Service{}
	sums := map[string]*rate.Sums{}
	lost := map[string]float64{}
	for i := range edges {
		e := &edges[i]
		s := rows[e.Service]
		if s == nil {
			s = &Service{Service: e.Service, Health: e.Health}
			if own := t.services[e.Service]; own != nil {
				s.OwnSpans, s.OwnProof = own.ownSpans != "", own.ownSpans
			}
			order = append(order, e.Service)
			rows[e.Service], sums[e.Service] = s, &rate.Sums{}
		}
		if healthOrder[e.Health] < healthOrder[s.Health] {
			s.Health = e.Health
		}
		s.NoContext += e.NoContext
		if live := t.edges[e.key]; live != nil {
			sums[e.Service].Merge(live.total())
		}
		lost[e.Service] = max(lost[e.Service], e.Rate.Mislinked)
	}
	out := make([]Service, 0, len(order))
	for _, name := range order {
		s := rows[name]
		s.Rate = tellRate(*sums[name], rate.Interval(*sums[name], lost[name]), lost[name])
		out = append(out, *s)
	}
	return out
}

// checkHealth tells of edges that became broken, or healthy again.
func (t *Table) checkHealth() {
	if t.options.Health == nil {
		return
	}
	var near *neighbours
	for _, h := range t.judgeEdges() {
		was := h.edge.health
		if h.health == was || h.health == NotEnough || was == NotEnough && h.health == Healthy {
			if h.health == Healthy {
				h.edge.health = Healthy
			}
			continue
		}
		h.edge.health = h.health
		e := t.tellEdge(h)
		one := []Edge{e}
		if near == nil {
			near = t.neighbours()
		}
		t.tellStrata(one, near)
		for k := range one[0].Findings {
			one[0].Findings[k].Sentence = Sentence(one[0], one[0].Findings[k], t.time(t.now))
		}
		t.options.Health(Transition{At: t.time(t.now), From: was, Edge: one[0]})
	}
}

// Close counts everything that is held back.
func (t *Table) Close() { t.flushWaits(math.MaxUint64) }
