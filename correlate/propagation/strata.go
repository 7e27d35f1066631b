package propagation

import (
	"math"
	"slices"
	"strings"

	"weft/correlate/rate"
)

// neighbours are what an edge is compared with: the pairs of its service and route toward all peers, and those of its service
// toward its peer on all routes.
type neighbours struct{ ofRoute, ofPeer map[edgeKey]rate.Sums }

func routeOf(k edgeKey) edgeKey { return edgeKey{service: k.service, method: k.method, route: k.route} }

func peerOf(k edgeKey) edgeKey { return edgeKey{service: k.service, peer: k.peer} }

func (t *Table) neighbours() *neighbours {
	n := &neighbours{make(map[edgeKey]rate.Sums), make(map[edgeKey]rate.Sums)}
	for e := t.oldest.next; e != &t.oldest; e = e.next {
		e.turn(t.half)
		own := e.total()
		for _, to := range [...]struct {
			sums map[edgeKey]rate.Sums
			key  edgeKey
		}{{n.ofRoute, routeOf(e.edgeKey)}, {n.ofPeer, peerOf(e.edgeKey)}} {
			s := to.sums[to.key]
			s.Merge(own)
			to.sums[to.key] = s
		}
	}
	return n
}

// contrast compares a part of an edge's pairs with the rest, or all of them with those of its neighbours.
type contrast struct {
	edge       int
	name       trait
	bit        traits // 0: with neighbours
	part, rest rate.Sums
}

// The contrasts of an edge with its neighbours.
var (
	peerTrait  = trait{name: "peer", only: "only toward this peer"}
	routeTrait = trait{name: "route", only: "only on this route"}
)

// contrasts lists what there is to compare of an edge that has lost pairs.
func (n *neighbours) contrasts(of []contrast, i int, e *edge) []contrast {
	for k := range traitBits {
		bit := traits(1) << k
		of = append(of, contrast{i, traitNames[k], bit, e.sum(bit|vague, bit), e.sum(bit|vague, 0)})
	}
	own := e.total()
	peers, routes := n.ofRoute[routeOf(e.edgeKey)], n.ofPeer[peerOf(e.edgeKey)]
	peers.Remove(own)
	routes.Remove(own)
	toward, on := peerTrait, routeTrait
	toward.value, on.value = e.peer, e.routeName()
	of = append(of, contrast{i, toward, 0, own, peers})
	if e.route != anyRoute {
		of = append(of, contrast{i, on, 0, own, routes})
	}
	return of
}

// tellStrata finds what splits pairs beyond chance, over all edges together: the traits of pairs within an edge, its peer among
// the peers of its route, its route among the routes toward its peer.
func (t *Table) tellStrata(edges []Edge, near *neighbours) {
	var all []contrast
	for i := range edges {
		if e := t.edges[edges[i].key]; e != nil && edges[i].Rate.K < edges[i].Rate.N {
			all = near.contrasts(all, i, e)
		}
	}
	all = slices.DeleteFunc(all, func(c contrast) bool { return c.part.N == 0 || c.rest.N == 0 })
	p := make([]float64, len(all))
	for i := range all {
		p[i] = rate.Contrast(all[i].part, all[i].rest)
	}
	rate.Adjust(p)
	for from := 0; from < len(all); {
		to := from
		var sure []contrast
		for ; to < len(all) && all[to].edge == all[from].edge; to++ {
			if c := &all[to]; p[to] < falseDiscoveries && c.tell(&edges[c.edge], p[to]) {
				sure = append(sure, *c)
			}
		}
		e := &edges[all[from].edge]
		e.nameWhere(where(t.edges[e.key], sure))
		from = to
	}
}

// tell adds a contrast to an edge, the worse side first. Of two edges the worse one tells: false for the other.
func (c *contrast) tell(e *Edge, p float64) bool {
	part, rest := rate.Interval(c.part, 0), rate.Interval(c.rest, 0)
	s := Stratum{Name: c.name.name, Value: c.name.value, Rate: tellRate(c.part, part, 0), Rest: tellRate(c.rest, rest, 0), P: round(p)}
	if part.Estimate > rest.Estimate {
		if c.bit == 0 {
			return false
		}
		s.Value, s.Rate, s.Rest = c.name.other, s.Rest, s.Rate
	}
	e.Strata = append(e.Strata, s)
	return true
}

// where puts into words where an edge loses pairs, if it loses none elsewhere: by the traits that do not follow from another one,
// the strongest first, or else by what sets it apart from its neighbours.
func where(e *edge, sure []contrast) string {
	mask, these := vague, traits(0)
	var words []string
	for {
		best, least := -1, 2.0
		for i := range sure {
			if share := sure[i].splits(e, mask, these); share < least {
				best, least = i, share
			}
		}
		if best < 0 {
			break
		}
		c := &sure[best]
		word := c.name.never
		if with := e.sum(mask|c.bit, these|c.bit); with.K < with.N {
			word, these = c.name.only, these|c.bit
		}
		words, mask = append(words, word), mask|c.bit
	}
	for i := range sure {
		if c := &sure[i]; mask == vague && c.bit == 0 && c.rest.K == c.rest.N {
			words = append(words, c.name.only)
		}
	}
	return strings.Join(words, ", ")
}

// splits tells whether a trait parts the pairs of an edge that have these traits under the mask into such as are all right and
// others. It gives the share of right ones among the others; infinity if it does not.
func (c *contrast) splits(e *edge, mask, these traits) float64 {
	if c.bit == 0 || mask&c.bit != 0 {
		return math.Inf(1)
	}
	part, rest := e.sum(mask|c.bit, these|c.bit), e.sum(mask|c.bit, these)
	if part.K == part.N {
		part, rest = rest, part
	}
	if rest.N == 0 || rest.K < rest.N || part.K == part.N || rate.Contrast(part, rest) >= falseDiscoveries {
		return math.Inf(1)
	}
	return float64(part.K) / float64(part.N)
}

// nameWhere says where a fault occurs, if all that the edge has lost was lost by it.
func (e *Edge) nameWhere(where string) {
	for i := range e.Findings {
		if f := &e.Findings[i]; f.Severity == Fault.String() && f.Count == e.Rate.N-e.Rate.K {
			f.Where = where
		}
	}
}
