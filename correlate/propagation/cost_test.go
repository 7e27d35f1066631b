package propagation

import (
	"fmt"
	"testing"

	"weft/correlate/flow"
)

// crowded makes a table of n edges; half of the pairs of every tenth are dropped.
func crowded(tb testing.TB, n int) *Table {
	t, err := New(Options{Edges: n}, func(boot uint64) int64 { return int64(boot) })
	if err != nil {
		tb.Fatal(err)
	}
	t.now = 1e9
	for i := range n {
		e := t.newEdge(edgeKey{fmt.Sprint("service-", i/100), "GET", fmt.Sprint("/", i%10), fmt.Sprint("peer-", i/10%10)})
		last := t.oldest.previous
		last.next, e.previous, e.next, t.oldest.previous = e, last, &t.oldest, e
		for k := range 30 {
			if i%10 == 0 && k%2 == 0 {
				t.take(e, Dropped, traits(k%3), 0)
			} else {
				t.take(e, Propagated, traits(k%3), 0)
			}
		}
	}
	return t
}

// take counts a pair of an edge.
func (t *Table) take(e *edge, v Verdict, of traits, doubt float64) {
	p := pair{edge: e, judgement: judgement{lead: v}, crowd: true, counts: true, traits: of, doubt: doubt, time: t.now}
	t.enter(&flow.Exchange{}, &flow.Exchange{}, &call{pair: p})
}

// BenchmarkReport is what a report of as many edges costs the data path; health is the check that is made every five seconds.
func BenchmarkReport(b *testing.B) {
	for _, n := range []int{100, 10_000} {
		t := crowded(b, n)
		b.Run(fmt.Sprint("report/", n), func(b *testing.B) {
			for b.Loop() {
				t.Report()
			}
		})
		b.Run(fmt.Sprint("brief/", n), func(b *testing.B) {
			for b.Loop() {
				t.Brief()
			}
		})
		b.Run(fmt.Sprint("health/", n), func(b *testing.B) {
			t.options.Health = func(Transition) {}
			for b.Loop() {
				t.checkHealth()
			}
		})
		b.Run(fmt.Sprint("health of busy edges/", n), func(b *testing.B) {
			for b.Loop() {
				for e := t.oldest.next; e != &t.oldest; e = e.next {
					t.take(e, Propagated, 0, 0)
				}
				t.checkHealth()
			}
		})
	}
}
