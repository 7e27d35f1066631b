package propagation

import "weft/correlate/flow"

// callsMax bounds the calls of one request that are kept until it ends; more are counted at once.
const callsMax = 32

// cluster holds the calls of one incoming request until that has ended: pairs of one request are alike, and whether it failed is
// known only then.
type cluster struct {
	calls  []call
	due    uint64         // boot time, ns, when nothing can change any more; 0: its request is under way
	of     *flow.Exchange // the request, with due; it may be another one by then
	traits traits         // of the request
}

func (t *Table) cluster(in *flow.Exchange) *cluster {
	if c, ok := in.Cause.Judged.(*cluster); ok {
		return c
	}
	var c *cluster
	if n := len(t.clusters); n > 0 {
		c = t.clusters[n-1]
		t.clusters = t.clusters[:n-1]
		t.spare -= cap(c.calls)
	} else {
		c = &cluster{}
	}
	in.Cause.Judged = c
	return c
}

// closes counts the calls of a request that has ended, unless others could still turn out to have waited for one, or further calls are
// kept back.
func (t *Table) closes(in *flow.Exchange, service string) {
	c, ok := in.Cause.Judged.(*cluster)
	if !ok {
		t.waits.ends(t.services, in, service)
		return
	}
	if c.due > 0 {
		return // it is held back already
	}
	if in.Lost {
		in.Cause.Judged = nil
		t.disown(c)
		return
	}
	if in.Cause.KeptBack || c.isAwaited() {
		t.delay(c, in)
		return
	}
	in.Cause.Judged, c.traits = nil, traitsOf(in)
	t.finish(c)
}

// isAwaited tells whether other requests could have waited for a call.
func (c *cluster) isAwaited() bool {
	for i := range c.calls {
		if c.calls[i].wait != nil {
			return true
		}
	}
	return false
}

// The passes in which the calls of a request are counted.
const (
	byEdge   = 1 + iota // as one cluster toward each edge: what they have in common widens the interval
	byTraits            // and once more apart, to compare
	done
)

// finish counts the calls of a request.
func (t *Table) finish(c *cluster) {
	for i := range c.calls {
		s := &c.calls[i]
		s.traits |= c.traits
		if s.counted = done; !t.isShared(s) {
			t.settle(s)
			if s.rated() {
				s.counted = 0
			}
		}
		t.waits.leave(s.wait)
	}
	for i := range c.calls {
		first := &c.calls[i]
		if first.counted < byEdge {
			first.edge.sums[0].Add(gather(c.calls[i:], 0, byEdge))
		}
		if first.counted < byTraits {
			first.edge.cell(first.traits).sums[0].Add(gather(c.calls[i:], ^traits(0), byTraits))
		}
	}
	t.spareCluster(c)
}

// disown counts calls that may be another request's.
func (t *Table) disown(c *cluster) {
	for i := range c.calls {
		t.unlink(c.calls[i].edge.service)
		t.waits.leave(c.calls[i].wait)
	}
	t.spareCluster(c)
}

// spareCluster keeps the room of a cluster for another one.
func (t *Table) spareCluster(c *cluster) {
	clear(c.calls)
	*c = cluster{calls: c.calls[:0]}
	if t.spare+cap(c.calls) <= spareMax {
		t.clusters = append(t.clusters, c)
		t.spare += cap(c.calls)
	}
}

// gather counts the calls that go where the first one goes and have its traits under the mask: how many, and how many are right.
func gather(calls []call, mask traits, pass uint8) (m, k int) {
	first := &calls[0]
	for i := range calls {
		s := &calls[i]
		if s.counted < pass && s.edge == first.edge && (s.traits^first.traits)&mask == 0 {
			s.counted = pass
			m++
			k += right(&s.pair)
		}
	}
	return m, k
}

// isShared takes a call out for which other requests have waited, and counts it.
func (t *Table) isShared(c *call) bool {
	if c.wait == nil || c.wait.waiters < waitersMin || t.off[sharedIndex] {
		return false
	}
	t.totals.outgoing++
	t.totals.excluded[sharedIndex]++
	c.edge.excluded[sharedIndex]++
	return true
}

// spareMax bounds the clusters that are kept for use, by the calls that they have room for.
const spareMax = 1 << 14
