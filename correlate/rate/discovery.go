package rate

import (
	"cmp"
	"slices"
)

// Adjust turns p values of many tests into those that hold for all of them together, in place: whoever calls everything below q a
// discovery has at most a share of q false ones among them. Benjamini and Hochberg, J. R. Statist. Soc. B 57 (1995).
func Adjust(p []float64) {
	order := make([]int, len(p))
	for i := range order {
		order[i] = i
	}
	slices.SortFunc(order, func(a, b int) int { return cmp.Compare(p[a], p[b]) })
	least := 1.0
	for rank := len(order); rank > 0; rank-- {
		i := order[rank-1]
		least = min(least, p[i]*float64(len(p))/float64(rank))
		p[i] = least
	}
}
