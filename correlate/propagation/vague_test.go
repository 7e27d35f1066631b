package propagation

import "testing"

// TestVague: where a fault occurs is told by the pairs of which it is known what they are like.
func TestVague(t *testing.T) {
	table := crowded(t, 1)
	e := table.newEdge(edgeKey{"shop", "GET", "/cart", "payments"})
	last := table.oldest.previous
	last.next, e.previous, e.next, table.oldest.previous = e, last, &table.oldest, e
	for range 200 {
		table.take(e, Propagated, 0, 0)
		table.take(e, Dropped, retried, 0)
	}
	table.take(e, Dropped, vague, 0)
	found := false
	for _, told := range table.Report().Edges {
		if told.Service != "shop" {
			continue
		}
		found = true
		if told.Rate.N != 401 || len(told.Findings) != 1 || told.Findings[0].Where != "only on retries" {
			t.Errorf("%+v", told)
		}
	}
	if !found {
		t.Error("the edge is not in the report")
	}
}
