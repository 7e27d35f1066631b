package rate

import (
	"math"
	"math/rand/v2"
	"testing"
)

func near(a, b float64) bool { return math.Abs(a-b) < 5e-4 }

// single counts n pairs of as many requests, k of which are right.
func single(k, n int) (s Sums) {
	for i := range n {
		one := 0
		if i < k {
			one = 1
		}
		s.Add(1, one)
	}
	return s
}

// TestInterval has values from the literature: Wilson's for 81 of 263 (Newcombe, Statistics in Medicine 17, 1998, table I), all of
// 300, and Jeffreys' for small numbers (R: qbeta).
func TestInterval(t *testing.T) {
	for _, test := range []struct {
		k, n         int
		lost         float64
		lower, upper float64
	}{
		{81, 263, 0, 0.2553, 0.3662},
		{300, 300, 0, 0.9874, 1},
		{0, 300, 0, 0, 0.0126},
		{0, 0, 0, 0, 1},
		{10, 10, 0, 0.7828, 1},
		{0, 10, 0, 0, 0.2172},
		{1, 1, 0, 0.1467, 1},
		{5, 10, 0, 0.2235, 0.7765},
		{81, 263, 0.1, 0.2553, 0.3662 / 0.9},
		{300, 300, 0.5, 0.9874, 1},
		{81, 263, 1, 0.2553, 1},
	} {
		b := Interval(single(test.k, test.n), test.lost)
		if !near(b.Lower, test.lower) || !near(b.Upper, test.upper) || b.Lower > b.Estimate && test.n > 0 || b.Upper < b.Estimate {
			t.Errorf("%d of %d with %v: %+v", test.k, test.n, test.lost, b)
		}
	}
}

// TestEffective has pairs that tell as much as they are, and such that tell as much as their requests.
func TestEffective(t *testing.T) {
	var alike, free, none Sums
	for i := range 1000 {
		k := 0
		if i%10 > 0 {
			k = 4
		}
		alike.Add(4, k)
	}
	r := rand.New(rand.NewPCG(1, 1))
	for range 1000 {
		k := 0
		for range 4 {
			k += r.IntN(2)
		}
		free.Add(4, k)
	}
	if n := alike.Effective(); math.Abs(n-1000) > 10 {
		t.Errorf("calls that share their fate: %v of 4000", n)
	}
	if n := free.Effective(); n < 3500 || n > 4000 {
		t.Errorf("calls that do not: %v of 4000", n)
	}
	if none.Effective() != 0 || single(7, 9).Effective() != 9 {
		t.Error("no cluster, or none with more than one")
	}
	var few Sums
	few.Add(5, 5)
	few.Add(5, 3)
	if few.Effective() != 2 {
		t.Errorf("%v of two requests", few.Effective())
	}
	whole := free
	whole.Merge(alike)
	whole.Remove(alike)
	if whole != free {
		t.Errorf("%+v without what was merged is %+v", free, whole)
	}
}

// draw makes requests with one to four calls. Of a share of the requests all calls share one fate, of the others each has its own.
func draw(r *rand.Rand, requests int, rate, share float64) (s Sums) {
	for range requests {
		m, k := 1+r.IntN(4), 0
		together, fate := r.Float64() < share, r.Float64() < rate
		for range m {
			if together && fate || !together && r.Float64() < rate {
				k++
			}
		}
		s.Add(m, k)
	}
	return s
}

// TestCoverage has the interval's share of misses, and how often what is at the limit is taken for worse, over 1,000 repetitions of
// each kind of pairs. 0.05 may be missed, and half of that on the one side that says broken; allowed is what a binomial count of
// that chance exceeds once in a thousand times, and one in a hundred more, because intervals of counts cannot be exact.
func TestCoverage(t *testing.T) {
	const repetitions = 1000
	most := func(chance float64) float64 {
		chance += 0.01
		return chance + 3.1*math.Sqrt(chance*(1-chance)/repetitions)
	}
	r := rand.New(rand.NewPCG(3, 5))
	for _, rate := range []float64{0.5, 0.9, 0.99} {
		for _, requests := range []int{100, 500, 2000} {
			for _, share := range []float64{0, 0.5, 1} {
				missed, broken, plain := 0, 0, 0
				for range repetitions {
					s := draw(r, requests, rate, share)
					b := Interval(s, 0)
					if rate < b.Lower || rate > b.Upper {
						missed++
					}
					if b.Upper < rate && BelowP(s, rate, 0) < 0.05 {
						broken++
					}
					if l, u := wilson(b.Estimate, float64(s.N)); rate < l || rate > u {
						plain++
					}
				}
				of := float64(repetitions)
				if float64(missed)/of > most(0.05) {
					t.Errorf("rate %v, %d requests, %v together: %d of %d intervals miss it", rate, requests, share, missed, repetitions)
				}
				if float64(broken)/of > most(0.025) {
					t.Errorf("rate %v, %d requests, %v together: %d of %d are called worse", rate, requests, share, broken, repetitions)
				}
				if share == 1 && float64(plain)/of < 0.1 {
					t.Errorf("rate %v, %d requests: only %d of %d intervals that take pairs for independent ones miss it", rate, requests, plain, repetitions)
				}
			}
		}
	}
}
