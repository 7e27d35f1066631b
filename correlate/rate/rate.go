// Package rate owns the statistics of shares: how sure one is, given pairs that come in clusters and may be linked wrongly. It is
// pure: no time, no state but what the caller keeps.
package rate

import (
	"math"

	"gonum.org/v1/gonum/mathext"
)

// Sums accumulates pairs clustered by the request that they belong to. Sums can be added up.
type Sums struct {
	Clusters, N, K uint64 // N pairs, of which K are right
	kk, km, mm     uint64 // sums of k², k·m and m² over the clusters
}

// Add counts one cluster of m pairs of which k are right.
func (s *Sums) Add(m, k int) {
	s.Clusters++
	s.N += uint64(m)
	s.K += uint64(k)
	s.kk += uint64(k * k)
	s.km += uint64(k * m)
	s.mm += uint64(m * m)
}

// Merge adds other sums.
func (s *Sums) Merge(o Sums) {
	s.Clusters += o.Clusters
	s.N += o.N
	s.K += o.K
	s.kk += o.kk
	s.km += o.km
	s.mm += o.mm
}

// Remove takes off other sums that were merged before.
func (s *Sums) Remove(o Sums) {
	s.Clusters -= o.Clusters
	s.N -= o.N
	s.K -= o.K
	s.kk -= o.kk
	s.km -= o.km
	s.mm -= o.mm
}

// clustersMin is how many clusters it takes to estimate what they have in common.
const clustersMin = 20

// prior is how many lost pairs weigh as much as the fear that all pairs of a cluster share their fate.
const prior = 5

// Effective gives how many independent pairs tell as much as these: N over the design effect of the ratio estimator, at most N and
// at least 1. Where the pairs cannot tell (all are alike, or there are few clusters) each cluster counts once, and the fewer of the
// rarer kind there are the nearer to that.
func (s Sums) Effective() float64 {
	n, c := float64(s.N), float64(s.Clusters)
	if s.N == 0 {
		return 0
	}
	if s.N == s.Clusters {
		return n
	}
	if s.K == 0 || s.K == s.N || s.Clusters < clustersMin {
		return c
	}
	p := float64(s.K) / n
	residual := float64(s.kk) - 2*p*float64(s.km) + p*p*float64(s.mm)
	variance := residual * c / (c - 1) / (n * n)
	design := max(1, variance/(p*(1-p)/n))
	if alike := n / c; design < alike {
		design += (alike - design) * prior / (prior + float64(min(s.K, s.N-s.K)))
	}
	return max(1, n/design)
}

// Bounds is a share with its bounds at 95 %.
type Bounds struct{ Estimate, Lower, Upper, Effective float64 }

// z is the 97.5 % quantile of the normal distribution; small is where the normal approximation gives way to Jeffreys' interval.
const (
	z     = 1.959963984540054
	small = 40
)

// Interval gives the bounds of the share of right pairs: Wilson's score interval on the effective number, Jeffreys' below 40. A
// share of mislinked pairs, 0 to 1, is never right, so the upper bound is widened by it. Without pairs the bounds are 0 and 1.
//
// Brown, Cai, DasGupta: Interval Estimation for a Binomial Proportion, Statistical Science 16 (2001).
func Interval(s Sums, mislinked float64) Bounds {
	if s.N == 0 {
		return Bounds{Upper: 1}
	}
	b := Bounds{Estimate: float64(s.K) / float64(s.N), Effective: s.Effective()}
	if b.Effective < small {
		b.Lower, b.Upper = jeffreys(b.Estimate*b.Effective, b.Effective)
	} else {
		b.Lower, b.Upper = wilson(b.Estimate, b.Effective)
	}
	b.Upper = widen(b.Upper, mislinked)
	b.Lower, b.Upper = min(b.Lower, b.Estimate), max(b.Upper, b.Estimate)
	return b
}

func wilson(p, n float64) (lower, upper float64) {
	centre := (p + z*z/(2*n)) / (1 + z*z/n)
	half := z / (1 + z*z/n) * math.Sqrt(p*(1-p)/n+z*z/(4*n*n))
	return max(0, centre-half), min(1, centre+half)
}

// jeffreys gives the equal-tailed interval of the posterior under Beta(1/2, 1/2).
func jeffreys(k, n float64) (lower, upper float64) {
	lower, upper = 0, 1
	if k > 0 {
		lower = mathext.InvRegIncBeta(k+0.5, n-k+0.5, 0.025)
	}
	if k < n {
		upper = mathext.InvRegIncBeta(k+0.5, n-k+0.5, 0.975)
	}
	return lower, upper
}

// widen allows for a share of pairs that cannot be right.
func widen(upper, mislinked float64) float64 {
	if mislinked >= 1 {
		return 1
	}
	return min(1, upper/(1-max(0, mislinked)))
}

// ShareUpper gives the upper 95 % bound of the share k of n, one-sided, by Jeffreys; 0 when n is 0: nothing was seen.
func ShareUpper(k, n uint64) float64 {
	if n == 0 {
		return 0
	}
	if k >= n {
		return 1
	}
	return mathext.InvRegIncBeta(float64(k)+0.5, float64(n-k)+0.5, 0.95)
}

// BelowP gives the probability of so few right pairs, or fewer, if the true share were at the limit: small when the share is below
// it. The binomial tail at the effective number, continued to fractions by the incomplete beta function; the limit allows for
// mislinked pairs.
func BelowP(s Sums, limit, mislinked float64) float64 {
	n := s.Effective()
	limit *= 1 - min(1, max(0, mislinked))
	if n == 0 || limit <= 0 {
		return 1
	}
	k := float64(s.K) / float64(s.N) * n
	if n-k <= 0 || limit >= 1 {
		if k >= n {
			return 1
		}
		return 0
	}
	return mathext.RegIncBeta(n-k, k+1, 1-limit)
}

// Contrast gives the two-sided probability of shares that differ as much as these two, or more, if the true ones were the same:
// Fisher's exact test while the numbers are small, else the test of two proportions with pooled variance.
func Contrast(a, b Sums) float64 {
	if a.N == 0 || b.N == 0 {
		return 1
	}
	na, nb := a.Effective(), b.Effective()
	pa, pb := float64(a.K)/float64(a.N), float64(b.K)/float64(b.N)
	if na+nb <= fisherMax {
		return fisher(int(math.Round(pa*na)), int(math.Round(na)), int(math.Round(pb*nb)), int(math.Round(nb)))
	}
	pooled := (pa*na + pb*nb) / (na + nb)
	variance := pooled * (1 - pooled) * (1/na + 1/nb)
	if variance <= 0 {
		return 1
	}
	return math.Erfc(math.Abs(pa-pb) / math.Sqrt(2*variance))
}

// fisherMax is up to how many pairs the exact test is made.
const fisherMax = 400

// fisher sums the probabilities of all tables with these margins that are no likelier than the one that was seen.
func fisher(ka, na, kb, nb int) float64 {
	k, n := ka+kb, na+nb
	seen := hypergeometric(ka, na, k, n)
	total := 0.0
	for i := max(0, k-nb); i <= min(k, na); i++ {
		if p := hypergeometric(i, na, k, n); p <= seen+1e-9 {
			total += math.Exp(p)
		}
	}
	return min(1, total)
}

// hypergeometric gives the logarithm of the probability of i right ones among na drawn of n, k of which are right.
func hypergeometric(i, na, k, n int) float64 {
	return choose(k, i) + choose(n-k, na-i) - choose(n, na)
}

func choose(n, k int) float64 {
	a, _ := math.Lgamma(float64(n + 1))
	b, _ := math.Lgamma(float64(k + 1))
	c, _ := math.Lgamma(float64(n - k + 1))
	return a - b - c
}
