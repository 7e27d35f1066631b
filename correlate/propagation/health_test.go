package propagation

import (
	"math/rand/v2"
	"reflect"
	"strings"
	"testing"
	"time"
)

// TestEstimatesAreCurrent holds what is kept of an edge to what is reckoned anew, whatever happened in between.
func TestEstimatesAreCurrent(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	table := crowded(t, 40)
	for range 500 {
		var all []*edge
		for e := table.oldest.next; e != &table.oldest; e = e.next {
			all = append(all, e)
		}
		e := all[random.IntN(len(all))]
		switch random.IntN(6) {
		case 0:
			e.service.misled++
		case 1:
			e.service.agreed++
		case 2:
			table.half += uint32(random.IntN(2))
		default:
			table.take(e, []Verdict{Propagated, Dropped}[random.IntN(2)], traits(random.IntN(4)), random.Float64()/10)
		}
		kept := table.judgeEdges()
		for _, e := range all {
			e.estimate.known = false
		}
		for i, anew := range table.judgeEdges() {
			k := kept[i]
			if k.sums != anew.sums || k.bounds != anew.bounds || k.lost != anew.lost || k.p != anew.p || k.health != anew.health {
				t.Fatalf("kept %+v\nanew %+v", k, anew)
			}
		}
	}
}

// TestBriefIsTheReport holds the numbers of both to be the same.
func TestBriefIsTheReport(t *testing.T) {
	table := crowded(t, 40)
	whole, brief := table.Report(), table.Brief()
	if len(brief.Edges) != 40 || !reflect.DeepEqual(whole.Totals, brief.Totals) || !reflect.DeepEqual(whole.Exclusions, brief.Exclusions) {
		t.Fatalf("totals %+v and %+v", whole.Totals, brief.Totals)
	}
	of := map[edgeKey]Edge{}
	for _, e := range brief.Edges {
		of[e.key] = e
	}
	for _, e := range whole.Edges {
		e.Findings, e.Strata = nil, nil
		if !reflect.DeepEqual(of[e.key], e) {
			t.Errorf("brief %+v\nwhole %+v", of[e.key], e)
		}
	}
}

// TestTransitions holds when somebody is told of an edge: when it breaks, and when it is surely whole again; not before, not twice.
func TestTransitions(t *testing.T) {
	var told []string
	table, err := New(Options{Window: time.Hour, Health: func(tr Transition) {
		told = append(told, string(tr.From)+" to "+string(tr.Edge.Health)+": "+tr.Edge.Service)
		if len(tr.Edge.Findings) == 0 || tr.Edge.Health == Broken && !strings.HasPrefix(tr.Edge.Findings[0].Sentence, "checkout drops") {
			t.Errorf("findings %+v", tr.Edge.Findings)
		}
	}}, func(boot uint64) int64 { return int64(boot) })
	if err != nil {
		t.Fatal(err)
	}
	table.now = 1e9
	e := table.newEdge(edgeKey{"checkout", "POST", "/charge", "payments"})
	last := table.oldest.previous
	last.next, e.previous, e.next, table.oldest.previous = e, last, &table.oldest, e
	feed := func(n int, v Verdict) {
		for range n {
			table.take(e, v, 0, 0)
		}
		table.checkHealth()
	}
	feed(29, Propagated)
	feed(1, Dropped)
	if told != nil {
		t.Errorf("too little is known for %q", told)
	}
	feed(100, Dropped)
	feed(10, Dropped)
	if want := []string{"not_enough_data to broken: checkout"}; !reflect.DeepEqual(told, want) {
		t.Fatalf("told %q, want %q", told, want)
	}
	table.half += 2 // what was lost has left the window
	e.turn(table.half)
	feed(20, Propagated)
	if len(told) != 1 {
		t.Errorf("told %q of twenty pairs", told)
	}
	p := pair{edge: e, judgement: judgement{lead: Propagated}, counts: true}
	p.notes.add(BaggageLost)
	e.settle(&p, BaggageLost)
	feed(600, Propagated)
	feed(10, Propagated)
	if len(told) != 2 || told[1] != "broken to healthy: checkout" {
		t.Errorf("told %q", told)
	}
}
