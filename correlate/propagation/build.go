package propagation

import (
	"cmp"
	"encoding/hex"
	"math"
	"slices"

	"weft/correlate/rate"
)

// Report gives the state of the account as plain data.
func (t *Table) Report() Report {
	r := t.head()
	for _, j := range t.judgeEdges() {
		e := t.tellRate(j)
		t.tellFindings(&e, j.edge)
		r.Edges = append(r.Edges, e)
	}
	t.tellStrata(r.Edges)
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
		r.Edges = append(r.Edges, t.tellRate(j))
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

func rateOf(s rate.Sums, b rate.Bounds, lost float64) Rate {
	return Rate{
		N: s.N, K: s.K, Effective: round(b.Effective), Estimate: round(b.Estimate),
		Lower: round(b.Lower), Upper: round(b.Upper), Mislinked: round(lost),
	}
}

// round keeps six decimals: more is noise, and text that changes for nothing.
func round(x float64) float64 { return math.Round(x*1e6) / 1e6 }

// tellRate gives an edge with its numbers.
func (t *Table) tellRate(h edgeHealth) Edge {
	e := h.edge
	out := Edge{
		Service: e.service.name, Route: e.routeName(), Peer: e.peer, Protocol: e.protocol(), Health: h.health,
		Rate: rateOf(h.sums, h.bounds, h.lost), Unknown: e.unknown, NoContext: e.noContext, key: e.edgeKey,
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

// tellFindings adds what was found, the gravest first.
func (t *Table) tellFindings(out *Edge, e *edge) {
	for i := range e.findings {
		if f := t.tellFinding(e, &e.findings[i]); f.Count > 0 {
			f.Of = max(out.Rate.N, f.Count)
			out.add(f)
		}
	}
	slices.SortStableFunc(out.Findings, func(a, b Finding) int {
		return cmp.Or(cmp.Compare(severities[b.Severity], severities[a.Severity]), cmp.Compare(b.Count, a.Count), cmp.Compare(a.Verdict, b.Verdict))
	})
}

// tellVerdicts gives what was found since the edge is remembered.
func (e *edge) tellVerdicts(out *Edge) {
	out.Verdicts = map[string]uint64{}
	for v := range Verdicts {
		n := e.verdicts[v]
		switch told := v.told(e.service); {
		case n == 0:
		case !e.noted.Has(v):
			out.Verdicts[told.String()] += n
		case out.Notes == nil:
			out.Notes = map[string]uint64{told.String(): n}
		default:
			out.Notes[told.String()] = n
		}
	}
}

// told gives the verdict that is told of a service: what was passed on unchanged is stale only if it makes spans of its own.
func (v Verdict) told(s *service) Verdict {
	if v == Stale && s.ownSpans == "" {
		return PassedThrough
	}
	return v
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

// tellFinding gives one finding; what was passed on unchanged is stale where the service makes spans of its own.
func (t *Table) tellFinding(e *edge, f *finding) Finding {
	v := f.verdict.told(e.service)
	out := Finding{
		Verdict: v.String(), Code: v.Code(), Severity: v.Severity().String(), Count: uint64(f.count[0] + f.count[1]),
		Format: f.format.String(), Rule: string(f.rule), Client: f.client, Fingerprint: f.fingerprint,
		Since: t.time(f.since), Last: t.time(f.last),
	}
	for _, id := range f.examples {
		if t.examples.byID[id] != nil {
			out.Examples = append(out.Examples, hex.EncodeToString(id[:]))
		}
	}
	return out
}

// tellStrata finds the traits that split an edge's pairs beyond chance, over all edges together.
func (t *Table) tellStrata(edges []Edge) {
	type contrast struct {
		edge    int
		bit     int
		with    rate.Sums
		without rate.Sums
	}
	var found []contrast
	var p []float64
	for i := range edges {
		e := t.edges[edges[i].key]
		if e == nil || edges[i].Rate.K == edges[i].Rate.N {
			continue
		}
		for bit := range traitBits {
			c := contrast{i, bit, e.sum(1<<bit, 1<<bit), e.sum(1<<bit, 0)}
			if c.with.N > 0 && c.without.N > 0 {
				found = append(found, c)
				p = append(p, rate.Contrast(c.with, c.without))
			}
		}
	}
	rate.Adjust(p)
	for i, c := range found {
		if p[i] >= falseDiscoveries {
			continue
		}
		e, name := &edges[c.edge], traitNames[c.bit]
		with, without := rate.Interval(c.with, 0), rate.Interval(c.without, 0)
		s := Stratum{Name: name.name, Value: name.value, Rate: rateOf(c.with, with, 0), Rest: rateOf(c.without, without, 0), P: round(p[i])}
		if with.Estimate > without.Estimate {
			s = Stratum{Name: name.name, Value: name.other, Rate: s.Rest, Rest: s.Rate, P: s.P}
		}
		e.Strata = append(e.Strata, s)
		e.nameWhere(s, name.only, name.never, with.Estimate < without.Estimate)
	}
}

// nameWhere says of the faults that break the trace where they occur, if they occur nowhere else.
func (e *Edge) nameWhere(s Stratum, only, never string, with bool) {
	if s.Rest.K != s.Rest.N {
		return
	}
	where := never
	if with {
		where = only
	}
	for i := range e.Findings {
		if f := &e.Findings[i]; f.Severity == Fault.String() && f.Count == s.Rate.N-s.Rate.K {
			if f.Where != "" {
				where = f.Where + ", " + where
			}
			f.Where = where
		}
	}
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
			sums[e.Service].Merge(live.sum(0, 0))
		}
		lost[e.Service] = max(lost[e.Service], e.Rate.Mislinked)
	}
	out := make([]Service, 0, len(order))
	for _, name := range order {
		s := rows[name]
		s.Rate = rateOf(*sums[name], rate.Interval(*sums[name], lost[name]), lost[name])
		out = append(out, *s)
	}
	return out
}

// Close counts everything that is held back.
func (t *Table) Close() { t.flushWaits(math.MaxUint64) }
