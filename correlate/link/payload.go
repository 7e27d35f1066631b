package link

import (
	"weft/correlate/flow"
	"weft/correlate/span"
)

// heads is what stands in the heads of the requests that a process has under way. It is kept only while stronger evidence
// leaves calls open.
type heads struct {
	need   int // how many more calls may be decided otherwise until it is given up; 0: it is not kept
	rare   map[uint64]*flow.Exchange
	same   map[uint64]*alike
	seen   []uint64 // words of earlier heads, each at its place; a table that forgets
	passes tally    // calls that look like a request passed on, and others
	spare  []*alike
}

// alike is the requests under way with one method and target.
type alike struct{ members []lookalike }

type lookalike struct {
	x     *flow.Exchange
	lines uint64 // sum of its field lines
	count int
}

const (
	seenMax    = 1 << 14
	alikeMax   = 64  // requests with one target that are compared with a call
	headsNeed  = 512 // calls
	headsMax   = 512 // processes whose heads are kept at a time; each has a table of 128 KiB
	passesSeen = 12  // calls after which a process is known to pass requests on
	passesOdds = 20
	passesSure = 0.99
)

// note takes the head of a request that has come in.
func (l *Linker) note(p *Process, x *flow.Exchange) {
	h := &p.heads
	if h.need == 0 {
		return
	}
	l.text.read(x)
	for _, w := range l.text.words {
		if h.sees(w) {
			delete(h.rare, w) // more than one request has it
			continue
		}
		h.rare[w] = x
		x.Words = append(x.Words, w)
	}
	l.place(p, x)
}

// place adds the request in l.text to those that can be passed on.
func (l *Linker) place(p *Process, x *flow.Exchange) {
	h := &p.heads
	k := l.targetOf(x)
	g := h.same[k]
	if g == nil {
		g = h.group()
		h.same[k] = g
	}
	x.Cause.Spot = len(g.members) + 1
	g.members = append(g.members, lookalike{x, l.text.sum(), len(l.text.lines)})
}

// passesMost tells that the process passes on what comes in, more often than not.
func (h *heads) passesMost() bool {
	return h.passes.right >= passesSeen && h.passes.right > h.passes.wrong
}

// sees tells whether a word was in a head before, and remembers it.
func (h *heads) sees(word uint64) bool {
	at := &h.seen[word%seenMax]
	if *at == word {
		return true
	}
	*at = word
	return false
}

func (h *heads) group() *alike {
	if n := len(h.spare); n > 0 {
		g := h.spare[n-1]
		h.spare = h.spare[:n-1]
		return g
	}
	return &alike{}
}

func (l *Linker) targetOf(x *flow.Exchange) uint64 {
	l.text.name = append(append(append(l.text.name[:0], x.Method...), ' '), x.Target...)
	return l.text.hash(l.text.name)
}

// drop takes a request out that is over.
func (l *Linker) drop(p *Process, x *flow.Exchange) {
	h := &p.heads
	for _, w := range x.Words {
		if h.rare[w] == x {
			delete(h.rare, w)
		}
	}
	if x.Cause.Spot > 0 {
		l.unplace(p, x)
	}
}

func (l *Linker) unplace(p *Process, x *flow.Exchange) {
	h, spot := &p.heads, x.Cause.Spot-1
	k := l.targetOf(x)
	g := h.same[k]
	if g == nil || spot >= len(g.members) || g.members[spot].x != x {
		return
	}
	end := len(g.members) - 1
	g.members[spot] = g.members[end]
	g.members[spot].x.Cause.Spot = spot + 1
	x.Cause.Spot = 0
	g.members[end] = lookalike{}
	if g.members = g.members[:end]; end > 0 {
		return
	}
	delete(h.same, k)
	if len(h.spare) < spareMax {
		h.spare = append(h.spare, g)
	}
}

// needs begins to keep the heads of a process of which a call was left open, or gives it up when nothing needs it.
func (l *Linker) needs(p *Process, open bool) {
	h := &p.heads
	switch {
	case open && h.need == 0 && (l.keeping == headsMax || p.ended):
	case open && h.need == 0:
		l.keeping++
		h.rare, h.same = make(map[uint64]*flow.Exchange), make(map[uint64]*alike)
		h.seen = make([]uint64, seenMax)
		h.need = headsNeed
		for _, x := range p.requests {
			l.note(p, x)
		}
		l.lineBegins(p)
	case open:
		h.need = headsNeed
	case h.need == 1:
		l.giveUp(p)
	case h.need > 1:
		h.need--
	}
}

// giveUp ends the keeping of a process's heads.
func (l *Linker) giveUp(p *Process) {
	if p.heads.need > 0 {
		p.heads = heads{}
		l.keeping--
	}
}

// payload: a word that only one request under way has, and none had before; or the call is one of the requests, with its target
// and most of its fields, in a process that was seen to pass requests on.
type payload struct{}

func (payload) kind() span.Evidence { return span.Payload }

func (payload) candidates(l *Linker, p *Process, x *flow.Exchange) ([]*flow.Exchange, float64) {
	h := &p.heads
	if h.need == 0 {
		return nil, 0
	}
	l.text.read(x)
	found := l.same[:0]
	for _, w := range l.text.words {
		if y := h.rare[w]; y != nil && !among(found, y) {
			found = append(found, y)
		}
		h.sees(w)
	}
	l.same = found
	passed := l.alike[:0]
	g := h.same[l.targetOf(x)]
	if g != nil && len(g.members) <= alikeMax {
		passed = l.compare(g, passed)
	}
	l.alike = passed
	if g == nil || len(g.members) <= alikeMax {
		h.passes.add(len(passed) > 0)
	}
	switch {
	case len(found) > 0:
		return found, 0.99
	case h.proxies():
		return passed, passesSure
	case len(passed) == 1:
		l.unpassed = passed[0]
	}
	return nil, 0
}

// promisePassed keeps for later that one request alone looks like a call that passes it on, until it is known whether the process does so.
func (l *Linker) promisePassed(p *Process, x *flow.Exchange) {
	c := &x.Cause
	switch {
	case p.heads.proxies():
		if len(p.early) > 0 {
			l.redeem(p, passing, func(*flow.Exchange) float64 { return passesSure })
		}
	case l.unpassed != nil && c.Parent == nil && p.heads.mayPass() && !p.ended:
		if !c.Open {
			c.Open = true
			l.opened++
		}
		l.promise(p, x, l.unpassed, passing)
	}
}

// proxies tells whether the process was seen to pass requests on.
func (h *heads) proxies() bool {
	return h.passes.right >= passesSeen && h.passes.right >= passesOdds*h.passes.wrong
}

// mayPass tells whether it may still turn out to do so.
func (h *heads) mayPass() bool {
	return h.need > 0 && h.passes.wrong == 0 || h.proxies()
}

// compare gives the requests that the call in l.text may be: those with the most field lines in common, and most of theirs.
func (l *Linker) compare(g *alike, found []*flow.Exchange) []*flow.Exchange {
	sum, best := l.text.sum(), 0
	for i := range g.members {
		m := &g.members[i]
		if !works(m.x) {
			continue
		}
		n := m.count
		if m.lines != sum {
			l.other.read(m.x)
			if n = l.text.shared(l.other.lines); n*5 < m.count*3 {
				continue
			}
		}
		if n > best {
			best, found = n, found[:0]
		}
		if n == best {
			found = append(found, m.x)
		}
	}
	return found
}

// passesOn notes that a request is passed on by the call, so that no other call is taken for it meanwhile.
func (l *Linker) passesOn(p *Process, x, from *flow.Exchange) {
	if p.heads.need > 0 && from.Cause.Spot > 0 && x.Target == from.Target && x.Method == from.Method {
		l.unplace(p, from)
		x.Cause.Passes = true
	}
}

// passed ends that: what has failed may be passed on again.
func (l *Linker) passed(p *Process, x *flow.Exchange) {
	from := x.Cause.Parent
	if !x.Cause.Passes || from == nil || p.heads.need == 0 || !works(from) {
		return
	}
	if x.Failed() {
		l.text.read(from)
		l.place(p, from)
	}
}

func among(all []*flow.Exchange, x *flow.Exchange) bool {
	for _, y := range all {
		if x == y {
			return true
		}
	}
	return false
}
