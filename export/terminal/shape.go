package terminal

import (
	"cmp"
	"hash/maphash"
	"slices"

	"weft/correlate/span"
)

// row is a span at its place in the tree of its trace.
type row struct {
	span   *span.Span
	depth  int
	last   bool // among its siblings
	orphan bool // has a parent on this node that is not in the tree
}

// arrange gives the rows of a trace in the order of drawing: parents before children, siblings by their start.
// Parents that name each other in a circle, as a hostile header can make them, are cut where the circle was entered.
func arrange(spans []*span.Span) []row {
	slices.SortStableFunc(spans, func(a, b *span.Span) int { return cmp.Compare(a.Start, b.Start) })
	byID := make(map[span.ID]int, len(spans))
	for i, s := range spans {
		byID[s.SpanID] = i
	}
	a := arrangement{spans: spans, children: make([][]int, len(spans)), done: make([]bool, len(spans))}
	var roots []int
	for i, s := range spans {
		parent, ok := byID[s.ParentID]
		if s.ParentID.IsValid() && ok && parent != i {
			a.children[parent] = append(a.children[parent], i)
		} else {
			roots = append(roots, i)
		}
	}
	a.place(roots, 0)
	for i := range spans {
		if !a.done[i] {
			a.place([]int{i}, 0)
		}
	}
	return a.rows
}

type arrangement struct {
	spans    []*span.Span
	children [][]int
	done     []bool
	rows     []row
}

func (a *arrangement) place(siblings []int, depth int) {
	for n, i := range siblings {
		if a.done[i] {
			continue
		}
		a.done[i] = true
		s := a.spans[i]
		a.rows = append(a.rows, row{
			span: s, depth: depth, last: n == len(siblings)-1,
			orphan: depth == 0 && s.ParentID.IsValid() && !s.ParentRemote,
		})
		a.place(a.children[i], depth+1)
	}
}

// shapeSeed makes equal shapes equal within one run.
var shapeSeed = maphash.MakeSeed()

// shape names what a person would call the same trace: services, operations, outcomes and links, without ids, times
// and paths.
func shape(rows []row) uint64 {
	var h maphash.Hash
	h.SetSeed(shapeSeed)
	var name []byte
	for i := range rows {
		s := rows[i].span
		_, _ = h.WriteString(service(s))
		_, _ = h.Write([]byte{
			0, byte(rows[i].depth), byte(s.Kind), byte(s.Evidence), byte(s.Status >> 8), byte(s.Status), byte(s.RPCStatus), byte(min(s.Alternates, 1)),
			bit(s.ParentRemote) | bit(rows[i].orphan)<<1,
		})
		name = s.AppendName(name[:0])
		_, _ = h.Write(name)
		_, _ = h.WriteString(string(s.Fault))
		if s.Break {
			_, _ = h.WriteString(s.Verdict)
		}
	}
	return h.Sum64()
}

func bit(b bool) byte {
	if b {
		return 1
	}
	return 0
}

func service(s *span.Span) string {
	if s.Resource == nil {
		return "?"
	}
	return s.Resource.Service
}
