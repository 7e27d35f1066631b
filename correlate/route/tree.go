package route

import (
	"slices"
	"strings"
)

// Evidence that a word is a word although it has too many siblings: it is asked for often, and far more often than
// they are. So a scanner that tries paths does not take the routes of a service away.
const (
	provenHits  = 64
	provenTimes = 8 // times the hits of the lower quartile of its siblings
)

// nodeCost is what a node takes besides its texts: itself and its share of its parent's map, in bytes.
const nodeCost = 256

// service is what was learned of one service.
type service struct {
	name       string
	salt       uint64
	root       node
	nodes      int    // ever made; those that were collapsed away count on, or the number of routes had no bound
	generation uint32 // grows when routes that were given out are no longer given out
}

// node is one segment under all that stand before it.
type node struct {
	parent    *node
	text      string // a word or a placeholder; empty for the root
	children  map[string]*node
	words     int  // children that are words
	collapsed bool // words that are not among the children are {name}
	hits      uint64
	routes    [3]string // by ending, made when first asked for
}

// ending is what follows the last segment that is told.
type ending uint8

const (
	bare  ending = iota
	slash        // the path ends with a slash
	more         // the path goes on
)

var endings = [...]string{bare: "", slash: "/", more: unlearned}

// walk follows path down the tree of s as far as depth and room allow.
func (t *Table) walk(s *service, path string) (*node, ending) {
	n, depth := &s.root, 0
	for step, rest := 0, path[1:]; ; step++ {
		part, tail, cut := strings.Cut(rest, "/")
		switch {
		case part == "" && !cut:
			return n, slash
		case step == maxSteps:
			return n, more
		case part != "" && depth == maxDepth:
			return n, more
		case part != "":
			next := t.step(s, n, part)
			if next == nil {
				t.counts.Overflows++
				return n, more
			}
			n, depth = next, depth+1
		}
		if !cut {
			return n, bare
		}
		rest = tail
	}
}

// step gives the child of n to which part belongs, or nil when there is no room for it.
func (t *Table) step(s *service, n *node, part string) *node {
	if c := n.children[part]; c != nil {
		return c
	}
	text := placeholder(part)
	if text == "" {
		text, _, _ = strings.Cut(part, ";")
	}
	if c := n.children[text]; c != nil {
		return c
	}
	if text[0] == '{' {
		return t.add(s, n, text)
	}
	if n.words < t.limit && !n.collapsed {
		c := t.add(s, n, text)
		if c != nil {
			n.words++
		}
		return c
	}
	c := n.children[placeName]
	if c == nil {
		c = t.add(s, n, placeName)
	}
	if c != nil && !n.collapsed {
		t.collapse(s, n)
	}
	return c
}

func (t *Table) add(s *service, n *node, text string) *node {
	if s.nodes == MaxNodes || !t.charge(nodeCost+len(text)) {
		return nil
	}
	s.nodes++
	t.counts.Nodes++
	if n.children == nil {
		n.children = map[string]*node{}
	}
	c := &node{parent: n, text: strings.Clone(text)}
	n.children[c.text] = c
	return c
}

// collapse forgets the words under n but the proven ones.
func (t *Table) collapse(s *service, n *node) {
	var all []uint64
	for text, c := range n.children {
		if text[0] != '{' {
			all = append(all, c.total())
		}
	}
	slices.Sort(all)
	enough := max(provenHits, provenTimes*all[len(all)/4])
	for text, c := range n.children {
		if text[0] != '{' && c.total() < enough {
			delete(n.children, text)
		}
	}
	n.collapsed = true
	s.generation++
	t.counts.Collapses++
}

// total gives the hits of n and all below it.
func (n *node) total() uint64 {
	sum := n.hits
	for _, c := range n.children {
		sum += c.total()
	}
	return sum
}

// render gives the route from the root to n.
func (t *Table) render(n *node, end ending) string {
	if n.routes[end] != "" {
		return n.routes[end]
	}
	var buf [maxDepth*(maxSegment+1) + len(unlearned)]byte
	at := len(buf) - copy(buf[len(buf)-len(endings[end]):], endings[end])
	for p := n; p.parent != nil; p = p.parent {
		at -= len(p.text)
		copy(buf[at:], p.text)
		at--
		buf[at] = '/'
	}
	if !t.charge(len(buf) - at) {
		t.counts.Overflows++
		return unlearned
	}
	n.routes[end] = string(buf[at:])
	return n.routes[end]
}

// charge takes bytes from the table's memory, or tells that there are not so many.
func (t *Table) charge(bytes int) bool {
	if t.room < bytes {
		return false
	}
	t.room -= bytes
	return true
}
