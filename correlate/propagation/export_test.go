package propagation

// Sizes tells how many entries everything has that could grow.
func (t *Table) Sizes() map[string]int {
	calls, listed := 0, 0
	for _, c := range t.clusters {
		calls += cap(c.calls)
	}
	for e := t.oldest.next; e != &t.oldest; e = e.next {
		listed++
	}
	return map[string]int{
		"services": len(t.services), "edges": len(t.edges), "edges in order": listed, "recent traces": len(t.recent.seen),
		"peers": len(t.peers.byAddress), "spare clusters": len(t.clusters), "spare calls": calls, "free waits": len(t.waits.free), "held back": len(t.waits.delayed),
		"calls held back": t.waits.calls, "examples": len(t.examples.byID), "order of examples": len(t.examples.ring), "links": len(t.links.ring),
	}
}
