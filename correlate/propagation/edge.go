package propagation

import (
	"maps"
	"strconv"

	"weft/correlate/flow"
	"weft/correlate/proto"
	"weft/correlate/rate"
	"weft/correlate/tracecontext"
)

// service is one program, by name.
type service struct {
	name           string
	ownSpans       string // how it is known that it exports spans of its own; empty: not known
	edges          int
	agreed, misled uint64 // links by the runtime that a carrier confirms, and that it contradicts
	unlinked       uint64
	waits          [openWaits]*wait
	nextWait       int
}

// edgeKey names an edge. Of a crowd of several routes the route is anyRoute.
type edgeKey struct{ service, method, route, peer string }

// lastEdges is how many edges are found without a look-up.
const lastEdges = 256

// place gives where an edge is looked for first.
func (k *edgeKey) place() (n int) {
	n = len(k.service) + 7*len(k.route)
	if end := len(k.peer); end > 0 {
		n += 31*end + 63*int(k.peer[end-1]) + 127*int(k.peer[end/2])
	}
	if end := len(k.route); end > 0 {
		n += 191 * int(k.route[end-1])
	}
	return n % lastEdges
}

// anyRoute stands for one of several routes.
const anyRoute = "(several)"

// edge is one service on one route toward one peer.
type edge struct {
	edgeKey
	service   *service
	half      uint32       // of the newest sums
	sums      [2]rate.Sums // of two half windows, the newer first
	cells     []cell       // the same pairs by their traits
	findings  []finding
	unknown   uint64
	noContext uint64
	excluded  [rules]uint32
	verdicts  [Verdicts]uint64 // since the edge is remembered
	noted     Notes            // which of these are notes
	doubt     [2]float64       // by half window: sum over the pairs of how likely each was no request's
	health    Health
	estimate  estimate
	protocol  string

	previous, next *edge
}

// traits are what a pair is like; each may be what a fault depends on.
type traits uint8

const (
	retried    traits = 1 << iota // an earlier attempt of the same call has ended
	afterError                    // an earlier call of the same request has failed
	failed                        // the incoming request was answered by an error
	async                         // the incoming request had been answered before
	unsampled                     // the incoming context says that it is not recorded
	traitBits  = 5
	vague      = traits(1) << traitBits // one of several requests has caused it: what else it is like is not known
)

// trait says what a trait is called in a report: its name, its value and the other one, and how a fault is described that only
// occurs with it, or only without.
type trait struct{ name, value, other, only, never string }

var traitNames = [traitBits]trait{
	{"attempt", "2+", "1", "only on retries", "only on the first attempt"},
	{"after_failed_call", "yes", "no", "only after another call has failed", "only while no other call has failed"},
	{"status", "error", "ok", "only when the request fails", "only when the request succeeds"},
	{"async", "yes", "no", "only after the reply", "only before the reply"},
	{"sampled", "no", "yes", "only for traces that are not recorded", "only for traces that are recorded"},
}

// cell holds the pairs of an edge with the same traits, of two half windows, the newer first.
type cell struct {
	traits traits
	sums   [2]rate.Sums
}

// finding is one verdict of an edge.
type finding struct {
	verdict     Verdict
	count       [2]uint32 // by half window
	since, last uint64    // boot time, ns
	format      tracecontext.Format
	rule        tracecontext.Rule
	client      string
	fingerprint string     // that all have
	examples    [2][8]byte // span ids: the first and the latest
	taken       uint64     // when the latest was kept
}

// turn moves the window of an edge on.
func (e *edge) turn(half uint32) {
	gone := half - e.half
	if gone == 0 {
		return
	}
	e.half = half
	e.doubt[1], e.doubt[0] = e.doubt[0], 0
	if gone > 1 {
		e.doubt[1] = 0
	}
	age(&e.sums, gone)
	for i := range e.cells {
		age(&e.cells[i].sums, gone)
	}
	for i := range e.findings {
		f := &e.findings[i]
		f.count[1], f.count[0] = f.count[0], 0
		if gone > 1 {
			f.count[1] = 0
		}
	}
}

// age moves sums on by half windows.
func age(s *[2]rate.Sums, gone uint32) {
	s[1], s[0] = s[0], rate.Sums{}
	if gone > 1 {
		s[1] = rate.Sums{}
	}
}

// cell gives the cell for pairs with these traits.
func (e *edge) cell(of traits) *cell {
	for i := range e.cells {
		if e.cells[i].traits == of {
			return &e.cells[i]
		}
	}
	e.cells = append(e.cells, cell{traits: of})
	return &e.cells[len(e.cells)-1]
}

// found gives the finding of a verdict.
func (e *edge) found(v Verdict) *finding {
	for i := range e.findings {
		if e.findings[i].verdict == v {
			return &e.findings[i]
		}
	}
	e.findings = append(e.findings, finding{verdict: v})
	return &e.findings[len(e.findings)-1]
}

// edge gives the edge of a call, making room for a new one if there are too many.
func (t *Table) edge(in, out *flow.Exchange, name, peer string) *edge {
	k := edgeKey{service: name, method: clip(in.Method), route: clip(in.Route), peer: t.peers.name(out, peer)}
	if out.Cause.Parent == nil && out.Cause.CrowdMixed {
		k.method, k.route = "", anyRoute
	}
	last := &t.last[k.place()]
	e := *last
	if e == nil || e.edgeKey != k || e.next == nil {
		if e = t.edges[k]; e == nil {
			e = t.newEdge(k)
			e.protocol = protocol(out)
		}
		*last = e
	}
	if e.next != &t.oldest {
		e.unlink()
		newest := t.oldest.previous
		newest.next, e.previous, e.next, t.oldest.previous = e, newest, &t.oldest, e
	}
	e.turn(t.half)
	return e
}

func (t *Table) newEdge(k edgeKey) *edge {
	if len(t.edges) >= t.options.Edges {
		t.evict(t.oldest.next)
	}
	s := t.service(k.service)
	s.edges++
	e := &edge{edgeKey: k, service: s, half: t.half, health: NotEnough}
	t.edges[k] = e
	return e
}

// service gives a service. When there are too many, those without edges are forgotten, and with them whether they export spans.
func (t *Table) service(name string) *service {
	s := t.services[name]
	if s != nil {
		return s
	}
	if len(t.services) >= 2*t.options.Edges {
		maps.DeleteFunc(t.services, func(_ string, s *service) bool { return s.edges == 0 })
	}
	s = &service{name: name}
	t.services[name] = s
	return s
}

func (t *Table) evict(e *edge) {
	e.turn(t.half)
	t.totals.evicted += e.total().N
	e.unlink()
	delete(t.edges, e.edgeKey)
	if e.service.edges--; e.service.edges == 0 && e.service.ownSpans == "" {
		delete(t.services, e.service.name)
	}
}

func (e *edge) unlink() {
	if e.next != nil {
		e.previous.next, e.next.previous = e.next, e.previous
		e.previous, e.next = nil, nil
	}
}

// total adds up the pairs of the window.
func (e *edge) total() rate.Sums {
	s := e.sums[0]
	s.Merge(e.sums[1])
	return s
}

// sum adds up the pairs whose traits under the mask are these.
func (e *edge) sum(mask, these traits) (s rate.Sums) {
	for i := range e.cells {
		if c := &e.cells[i]; c.traits&mask == these {
			s.Merge(c.sums[0])
			s.Merge(c.sums[1])
		}
	}
	return s
}

// protocol names that of a call.
func protocol(x *flow.Exchange) string {
	switch {
	case x.RPC == proto.Connect:
		return "connect"
	case x.RPC != proto.NoRPC:
		return "grpc"
	case x.Major == 2:
		return "http/2"
	}
	return "http/1." + strconv.Itoa(int(x.Minor))
}
