package link

import "weft/correlate/flow"

// group is a set of server exchanges that share something, oldest first: a list through the exchanges themselves, so that
// joining and leaving cost the same however many there are.
type group struct {
	first, last *flow.Exchange
	size        int
}

// The lists that an exchange can be in, by its index in Cause.Lists.
const (
	byWorker = iota // the thread or goroutine that has read it
	byTrace
)

// lookMax bounds the members of a group that are looked at for one call. When there are more, nothing decides anyway.
const lookMax = crowdMax + 1

func join[K comparable](p *Process, groups map[K]*group, key K, list int, x *flow.Exchange) {
	g := groups[key]
	if g == nil {
		g = p.group()
		groups[key] = g
	}
	n := &x.Cause.Lists[list]
	n.Previous, n.In = g.last, true
	if g.last == nil {
		g.first = x
	} else {
		g.last.Cause.Lists[list].Next = x
	}
	g.last = x
	g.size++
}

// leave takes an exchange out of its group, once.
func leave[K comparable](p *Process, groups map[K]*group, key K, list int, x *flow.Exchange) {
	n, g := &x.Cause.Lists[list], groups[key]
	if !n.In || g == nil {
		return
	}
	if n.Previous == nil {
		g.first = n.Next
	} else {
		n.Previous.Cause.Lists[list].Next = n.Next
	}
	if n.Next == nil {
		g.last = n.Previous
	} else {
		n.Next.Cause.Lists[list].Previous = n.Previous
	}
	*n = flow.Neighbors{}
	if g.size--; g.size > 0 {
		return
	}
	delete(groups, key)
	if len(p.spare) < spareMax {
		p.spare = append(p.spare, g)
	}
}

// look appends the members of a group that are wanted, lookMax at most; wanted may be nil.
func (g *group) look(list int, to []*flow.Exchange, wanted func(*flow.Exchange) bool) []*flow.Exchange {
	seen := 0
	for x := g.first; x != nil && seen < lookMax; x = x.Cause.Lists[list].Next {
		seen++
		if wanted == nil || wanted(x) {
			to = append(to, x)
		}
	}
	return to
}

// spareMax bounds the empty groups that are kept for use.
const spareMax = 256

func (p *Process) group() *group {
	if n := len(p.spare); n > 0 {
		g := p.spare[n-1]
		p.spare = p.spare[:n-1]
		return g
	}
	return &group{}
}
