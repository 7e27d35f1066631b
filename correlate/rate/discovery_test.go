package rate

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"
)

// TestAdjust has the example of Benjamini and Hochberg's paper, section 3.2: of 15 p values four are discoveries at 0.05.
func TestAdjust(t *testing.T) {
	p := []float64{0.0001, 0.0004, 0.0019, 0.0095, 0.0201, 0.0278, 0.0298, 0.0344, 0.0459, 0.3240, 0.4262, 0.5719, 0.6528, 0.7590, 1}
	rand.New(rand.NewPCG(1, 2)).Shuffle(len(p), func(i, k int) { p[i], p[k] = p[k], p[i] })
	before := slices.Clone(p)
	Adjust(p)
	for i := range p {
		if (p[i] < 0.05) != (before[i] < 0.01) || p[i] < before[i] || p[i] > 1 {
			t.Errorf("%v becomes %v", before[i], p[i])
		}
	}
	Adjust(nil)
}

// TestContrast has Fisher's tea, and two proportions of many pairs.
func TestContrast(t *testing.T) {
	for _, test := range []struct {
		ka, na, kb, nb int
		want           float64
	}{
		{3, 4, 1, 4, 0.4857}, {4, 4, 0, 4, 0.0286}, {0, 0, 5, 9, 1}, {7, 7, 9, 9, 1}, {1000, 1000, 2000, 2000, 1}, {500, 1000, 550, 1000, 0.0253},
	} {
		if p := Contrast(single(test.ka, test.na), single(test.kb, test.nb)); !near(p, test.want) {
			t.Errorf("%+v: %v", test, p)
		}
	}
}

// TestBelowP has binomial tails.
func TestBelowP(t *testing.T) {
	for _, test := range []struct {
		k, n        int
		limit, lost float64
		want        float64
	}{
		{95, 100, 0.99, 0, 0.0034}, {99, 100, 0.99, 0, 0.6340}, {100, 100, 0.99, 0, 1}, {0, 10, 0.5, 0, 0.0010}, {0, 0, 0.99, 0, 1},
		{95, 100, 0.99, 0.04, 0.5568}, {0, 10, 0.99, 1, 1}, {9, 10, 1, 0, 0},
	} {
		if p := BelowP(single(test.k, test.n), test.limit, test.lost); math.Abs(p-test.want) > 2e-3 {
			t.Errorf("%+v: %v", test, p)
		}
	}
	if ShareUpper(0, 0) != 0 || ShareUpper(3, 3) != 1 || !near(ShareUpper(0, 100), 0.0190) {
		t.Error(ShareUpper(0, 0), ShareUpper(3, 3), ShareUpper(0, 100))
	}
}

// TestDiscoveries has 50 rates at the limit among which some are below it, 400 times: of what is called worse at most a share of
// 0.05 is not.
func TestDiscoveries(t *testing.T) {
	r := rand.New(rand.NewPCG(8, 8))
	for _, below := range []int{0, 5, 25} {
		wrong, found, most := 0.0, 0, 0
		for range 400 {
			p := make([]float64, 50)
			for i := range p {
				rate := 0.99
				if i < below {
					rate = 0.9
				}
				p[i] = BelowP(draw(r, 150, rate, 0.5), 0.99, 0)
			}
			Adjust(p)
			right, all := 0, 0
			for i := range p {
				if p[i] < 0.05 {
					all++
					if i < below {
						right++
					}
				}
			}
			wrong += float64(all-right) / float64(max(1, all))
			found, most = found+right, most+below
		}
		if wrong/400 > 0.05+3.1*math.Sqrt(0.05*0.95/400) {
			t.Errorf("%d below: a share of %.3f of what is called worse is not", below, wrong/400)
		}
		if float64(found) < 0.9*float64(most) {
			t.Errorf("%d below: %d of %d are found", below, found, most)
		}
	}
}
