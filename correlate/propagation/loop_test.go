package propagation_test

import (
	"math/rand/v2"
	"testing"

	"weft/correlate/propagation"
)

// TestLoop has one thread that works on 64 requests at a time, one in a hundred of whose calls loses its context. Nothing tells which
// request such a call is part of, but all have a context: the rate is known all the same.
func TestLoop(t *testing.T) {
	for _, chance := range []float64{0, 0.01, 0.05} {
		f := newTraffic(t, 3, 64, false, propagation.Options{}, some(chance))
		f.loop = true
		r := f.run(10_000)
		if len(r.Edges) != 1 {
			t.Fatal(tell(r))
		}
		e := r.Edges[0]
		want := map[float64]propagation.Health{0: propagation.Healthy, 0.01: propagation.NotEnough, 0.05: propagation.Broken}[chance]
		if e.Health != want || e.Rate.Lower > 1-chance || e.Rate.Upper < 1-chance || e.Rate.Upper-e.Rate.Lower > 0.02 || e.Rate.N < 19_000 {
			t.Errorf("%v: %v, %+v", chance, e.Health, e.Rate)
		}
	}
}

// TestOwnCalls has an event loop that also makes calls of its own account, idle or not, without a carrier. While they are few they are
// taken for losses, for which the upper bound has room: nothing is called broken. Where they are many they are nobody's.
func TestOwnCalls(t *testing.T) {
	kept := some(0)
	for _, test := range []struct {
		own   float64
		plan  func(*rand.Rand) visit
		edges int
	}{
		{0.004, kept, 1},
		{0.004, func(r *rand.Rand) visit { v := kept(r); v.route = []string{"/cart", "/order"}[r.IntN(2)]; return v }, 3},
		{0.1, kept, 1},
	} {
		f := newTraffic(t, 3, 64, false, propagation.Options{}, test.plan)
		f.loop, f.own, f.idle = true, test.own, 0
		for range 100_000 { // idle for as long as the rest takes
			if f.r.Float64() < test.own {
				f.background()
			}
			f.now += 7000
		}
		r := f.run(10_000)
		lost, room := 0.0, 0.0
		for _, e := range r.Edges {
			if e.Health == propagation.Broken || e.Rate.Upper < 1 && e.Rate.N > 0 {
				t.Errorf("%v: %s is %v, %+v", test.own, e.Route, e.Health, e.Rate)
			}
			lost += float64(e.Rate.N - e.Rate.K)
			room += e.Rate.Mislinked * float64(e.Rate.N)
		}
		switch few := test.own < 0.01; {
		case len(r.Edges) != test.edges:
			t.Errorf("%v: %v", test.own, tell(r))
		case few && (lost < 200 || room < 0.9*lost || room > 1.5*lost):
			t.Errorf("%v: %v are lost, room for %v", test.own, lost, room)
		case !few && (lost > 0 || r.Totals.Unlinked < 10_000):
			t.Errorf("%v: %v are lost, %+v", test.own, lost, r.Totals)
		}
	}
}
