package propagation_test

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"weft/correlate/propagation"
)

// some gives one to three calls, each of which loses its context by the given chance.
func some(chance float64) func(*rand.Rand) visit {
	return func(r *rand.Rand) visit {
		v := visit{route: "/cart"}
		for range 1 + r.IntN(3) {
			v.calls = append(v.calls, errand{host: "payments:80", target: "/charge", drops: r.Float64() < chance})
		}
		return v
	}
}

// alike gives one to three calls that all lose their context or all keep it.
func alike(chance float64) func(*rand.Rand) visit {
	return func(r *rand.Rand) visit {
		v := some(0)(r)
		drops := r.Float64() < chance
		for i := range v.calls {
			v.calls[i].drops = drops
		}
		return v
	}
}

// atMost gives how often something of that chance happens in n repetitions but for one run of these tests in a thousand.
func atMost(n int, chance float64) int {
	return int(math.Ceil(float64(n)*chance + 3.1*math.Sqrt(float64(n)*chance*(1-chance))))
}

// TestOnePercent plants losses at random among 20,000 requests on 64 connections.
func TestOnePercent(t *testing.T) {
	r := newTraffic(t, 1, 64, true, propagation.Options{}, some(0.01)).run(20_000)
	if len(r.Edges) != 1 {
		t.Fatalf("%v", tell(r))
	}
	e := r.Edges[0]
	if e.Rate.Lower > 0.99 || e.Rate.Upper < 0.99 || e.Rate.Upper-e.Rate.Lower > 0.004 || e.Rate.N < 39_000 {
		t.Errorf("%+v", e.Rate)
	}
	if r.Totals.Verdicts["dropped"] != e.Rate.N-e.Rate.K || r.Totals.Unknown+r.Totals.Unlinked+r.Totals.NoContext != 0 {
		t.Errorf("%+v", r.Totals)
	}
	if e.Health == propagation.Broken || len(e.Strata) > 0 {
		t.Errorf("a rate at the limit is called %v: %+v %+v", e.Health, e.Rate, e.Strata)
	}
}

// TestNothingPlanted has all calls keep their context.
func TestNothingPlanted(t *testing.T) {
	r := newTraffic(t, 2, 64, true, propagation.Options{}, mixed(func(errand, *visit) bool { return false })).run(20_000)
	for _, e := range r.Edges {
		if e.Health != propagation.Healthy || len(e.Findings) > 0 || len(e.Strata) > 0 || e.Rate.K != e.Rate.N || e.Rate.Upper != 1 {
			t.Errorf("%+v", e)
		}
	}
	if len(r.Edges) != 4 || r.Health() != propagation.Healthy {
		t.Errorf("%v %v", r.Health(), tell(r))
	}
}

// TestCoverage has 100 repetitions with each way of losing: the true rate is in the interval in 95 of 100, as far as chance goes.
// Where the calls of a request share their fate, an interval that takes them for independent ones would not be.
func TestCoverage(t *testing.T) {
	const repetitions = 100
	for _, test := range []struct {
		name   string
		plan   func(*rand.Rand) visit
		rate   float64
		biased bool
	}{{"each call", some(0.04), 0.96, false}, {"whole requests", alike(0.04), 0.96, true}} {
		t.Run(test.name, func(t *testing.T) {
			in, plain, broken := 0, 0, 0
			for seed := range uint64(repetitions) {
				e := newTraffic(t, seed, 16, true, propagation.Options{MinRate: test.rate}, test.plan).run(500).Edges[0]
				if e.Rate.Lower <= test.rate && test.rate <= e.Rate.Upper {
					in++
				}
				if math.Abs(e.Rate.Estimate-test.rate) <= 1.96*math.Sqrt(test.rate*(1-test.rate)/float64(e.Rate.N)) {
					plain++
				}
				if e.Health == propagation.Broken {
					broken++
				}
			}
			if missed := repetitions - in; missed > atMost(repetitions, 0.05) {
				t.Errorf("the interval has the true rate %d times of %d", in, repetitions)
			}
			if biased := repetitions-plain > atMost(repetitions, 0.05); biased != test.biased {
				t.Errorf("an interval for independent calls has the true rate %d times of %d", plain, repetitions)
			}
			if broken > atMost(repetitions, 0.025) {
				t.Errorf("what is at the limit is called broken %d times of %d", broken, repetitions)
			}
		})
	}
}

// mixed gives requests of two routes with calls to two peers, some of which fail, some requests of which fail, some of which are
// not sampled, and calls behind the reply. drops says which calls lose the context.
func mixed(drops func(e errand, v *visit) bool) func(*rand.Rand) visit {
	return func(r *rand.Rand) visit {
		v := visit{route: []string{"/cart", "/order"}[r.IntN(2)], unsampled: r.IntN(3) == 0, status: 200 + 300*(r.IntN(4)/3)}
		host := []string{"payments:80", "stock:80"}[r.IntN(2)]
		for i := range 1 + r.IntN(2) {
			v.calls = append(v.calls, errand{host: host, target: fmt.Sprint("/item/", i), status: 200 + 300*(r.IntN(4)/3)})
			if v.calls[len(v.calls)-1].status == 500 {
				v.calls = append(v.calls, errand{host: host, target: fmt.Sprint("/item/", i)})
			}
		}
		if r.IntN(3) == 0 {
			v.calls = append(v.calls, errand{host: host, target: "/mail", late: true})
		}
		for i := range v.calls {
			v.calls[i].drops = drops(v.calls[i], &v) && r.IntN(10) > 0
		}
		return v
	}
}

// TestStrata plants faults that only occur under a condition. Each is found and said in these words, and nothing else; so it is where calls
// are told after the request that has caused them.
func TestStrata(t *testing.T) {
	for _, late := range []bool{false, true} {
		t.Run(fmt.Sprint("late=", late), func(t *testing.T) { testStrata(t, late) })
	}
}

func testStrata(t *testing.T, late bool) {
	tried := func(e errand, v *visit) bool {
		for i := range v.calls {
			if v.calls[i].target == e.target && v.calls[i].host == e.host && v.calls[i].status == 500 {
				return e.status != 500
			}
		}
		return false
	}
	for _, test := range []struct {
		where string
		edges int
		drops func(errand, *visit) bool
	}{
		{"only on retries", 4, tried},
		{"only when the request fails", 4, func(_ errand, v *visit) bool { return v.status == 500 }},
		{"only after the reply", 4, func(e errand, _ *visit) bool { return e.late }},
		{"only for traces that are not recorded", 4, func(_ errand, v *visit) bool { return v.unsampled }},
		{"only for traces that are recorded", 4, func(_ errand, v *visit) bool { return !v.unsampled }},
		{"only toward this peer", 2, func(e errand, _ *visit) bool { return e.host == "stock:80" }},
		{"only on this route", 2, func(_ errand, v *visit) bool { return v.route == "/order" }},
	} {
		if late && test.where == "only after the reply" {
			continue // where records are missing, nothing tells which request such a call is for
		}
		f := newTraffic(t, 5, 32, true, propagation.Options{}, mixed(test.drops))
		f.late = late
		r := f.run(4000)
		said := 0
		for _, e := range r.Edges {
			for _, f := range e.Findings {
				said++
				if f.Verdict != "dropped" || f.Where != test.where || !strings.Contains(f.Sentence, ", "+test.where) {
					t.Errorf("%s: %s", test.where, f.Sentence)
				}
			}
			if (e.Health == propagation.Broken) != (len(e.Findings) > 0) {
				t.Errorf("%s: %v", test.where, e)
			}
		}
		if said != test.edges {
			t.Errorf("%s: said of %d edges:\n%s", test.where, said, strings.Join(tell(r), "\n"))
		}
	}
}

// TestNoStrata plants losses that depend on nothing. In 100 repetitions a difference is seen as often as is allowed.
func TestNoStrata(t *testing.T) {
	const repetitions = 100
	seen := []string{}
	for seed := range uint64(repetitions) {
		coin := rand.New(rand.NewPCG(seed, 9))
		plan := mixed(func(errand, *visit) bool { return coin.IntN(5) == 0 })
		for _, e := range newTraffic(t, seed, 16, true, propagation.Options{}, plan).run(400).Edges {
			for _, s := range e.Strata {
				if text := fmt.Sprint(seed); !slices.Contains(seen, text) {
					seen = append(seen, text)
				}
				t.Log(seed, e.Route, e.Peer, s.Name, s.Value, s.P)
			}
		}
	}
	if len(seen) > atMost(repetitions, 0.05) {
		t.Errorf("differences in %d of %d repetitions", len(seen), repetitions)
	}
}

// TestMislinks has a service whose threads sometimes make calls for each other: calls of a route that always loses the context are
// counted with one that never does. The carriers of the latter show how often that happens; without them it would be called broken.
func TestMislinks(t *testing.T) {
	for _, misled := range []float64{0, 0.05} {
		f := newTraffic(t, 4, 16, false, propagation.Options{}, func(r *rand.Rand) visit {
			v := visit{route: []string{"/right", "/wrong"}[r.IntN(2)]}
			v.calls = []errand{{host: "payments:80", target: "/charge", drops: v.route == "/wrong"}}
			return v
		})
		f.misled = misled
		for _, e := range f.run(10_000).Edges {
			switch {
			case e.Route == "GET /wrong" && (e.Health != propagation.Broken || e.Rate.K != 0):
				t.Errorf("%v misled: %+v", misled, e)
			case e.Route == "GET /right" && misled == 0 && (e.Health != propagation.Healthy || e.Rate.Mislinked != 0):
				t.Errorf("%v misled: %+v", misled, e)
			case e.Route == "GET /right" && misled > 0:
				plain := e.Rate.Estimate + 3*math.Sqrt(e.Rate.Estimate*(1-e.Rate.Estimate)/float64(e.Rate.N))
				if e.Health == propagation.Broken || plain > 0.99 || e.Rate.Mislinked < 0.01 || e.Rate.Mislinked > 0.05 || e.Rate.Upper < 0.99 {
					t.Errorf("%v misled: %v, without correction it would be at most %v: %+v", misled, e.Health, plain, e.Rate)
				}
			}
		}
	}
}
