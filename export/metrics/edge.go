package metrics

import (
	"context"
	"errors"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"

	"weft/correlate/propagation"
	"weft/export/label"
)

// observe tells all numbers once. What one owner can't tell is left out, and the rest told.
func (m *Meter) observe(ctx context.Context, o metric.Observer) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	a, err := m.options.Account()
	if err == nil {
		m.observeAccount(o, &a)
	}
	r, bad := m.report(ctx)
	if bad != nil {
		return errors.Join(err, bad)
	}
	m.observeTotals(o, &r)
	told := m.choose(r.Edges)
	for _, e := range told {
		m.observeEdge(o, e)
	}
	o.ObserveInt64(m.gauges[edgesUntold], int64(len(r.Edges)-len(told)))
	return err
}

func (m *Meter) observeTotals(o metric.Observer, r *propagation.Report) {
	count := func(n uint64, attributes ...attribute.KeyValue) {
		o.ObserveInt64(m.counters[requests], int64(n), metric.WithAttributes(attributes...))
	}
	t := &r.Totals
	count(t.Pairs, label.Outcome.String("judged"))
	count(t.Unlinked, label.Outcome.String("unlinked"))
	count(t.NoContext, label.Outcome.String("no_context"))
	count(t.Unknown, label.Outcome.String("unknown"))
	for name, n := range t.Excluded {
		count(n, label.Outcome.String("excluded"), label.Exclusion.String(name))
	}
	o.ObserveInt64(m.counters[evicted], int64(t.Evicted))
	o.ObserveFloat64(m.shares[limit], r.MinRate)
	health := map[propagation.Health]int64{propagation.Healthy: 0, propagation.Broken: 0, propagation.NotEnough: 0}
	for i := range r.Edges {
		health[r.Edges[i].Health]++
	}
	for h, n := range health {
		o.ObserveInt64(m.gauges[edges], n, metric.WithAttributes(label.Health.String(string(h))))
	}
}

func (m *Meter) observeEdge(o metric.Observer, e *propagation.Edge) {
	named := label.Edge(e)
	only := metric.WithAttributes(named...)
	isBroken := int64(0)
	if e.Health == propagation.Broken {
		isBroken = 1
	}
	o.ObserveInt64(m.gauges[broken], isBroken, only)
	o.ObserveInt64(m.gauges[judgedPairs], int64(e.Rate.N), only)
	if e.Rate.N > 0 {
		o.ObserveFloat64(m.shares[rate], e.Rate.Estimate, only)
		o.ObserveFloat64(m.shares[rateLower], e.Rate.Lower, only)
		o.ObserveFloat64(m.shares[rateUpper], e.Rate.Upper, only)
	}
	each := func(counter int, n uint64, by attribute.KeyValue) {
		if n > 0 {
			o.ObserveInt64(m.counters[counter], int64(n), metric.WithAttributes(append(named[:len(named):len(named)], by)...))
		}
	}
	for v, n := range e.Verdicts {
		each(pairs, n, label.Verdict.String(v))
	}
	for v, n := range e.Notes {
		each(notes, n, label.Verdict.String(v))
	}
	each(unjudged, e.Unknown, label.Reason.String("unknown"))
	each(unjudged, e.NoContext, label.Reason.String("no_context"))
	for rule, n := range e.Excluded {
		each(unjudged, n, label.Reason.String(rule))
	}
}

// choose gives the edges that have series of their own: broken ones before those that had some, before new ones; each once,
// by the name that it has outside.
func (m *Meter) choose(all []propagation.Edge) []*propagation.Edge {
	var first, known, fresh []*propagation.Edge
	names := make(map[*propagation.Edge]string, len(all))
	for i := range all {
		e := &all[i]
		names[e] = label.Text(e.Service) + "\x00" + label.Text(e.Route) + "\x00" + label.Text(e.Peer) + "\x00" + e.Protocol
		switch {
		case e.Health == propagation.Broken:
			first = append(first, e)
		case m.told[names[e]]:
			known = append(known, e)
		default:
			fresh = append(fresh, e)
		}
	}
	told := make(map[string]bool, min(len(all), m.options.Edges))
	chosen := make([]*propagation.Edge, 0, min(len(all), m.options.Edges))
	for _, group := range [][]*propagation.Edge{first, known, fresh} {
		for _, e := range group {
			if len(chosen) < m.options.Edges && !told[names[e]] {
				told[names[e]] = true
				chosen = append(chosen, e)
			}
		}
	}
	m.told = told
	return chosen
}
