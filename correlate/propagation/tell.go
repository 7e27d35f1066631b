package propagation

import "weft/correlate/rate"

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

// estimate is what is said of an edge alone, and the numbers that it is of.
type estimate struct {
	sums   rate.Sums
	bounds rate.Bounds
	lost   float64
	p      float64 // not adjusted
	known  bool
}
