package main

import (
	"cmp"
	"math"
	"slices"
)

// reference is another way to find the request that a call is part of. It is given the exchanges of one process in the
// order of their starts, and gives for each of them the index of its parent, or -1.
type reference struct {
	name string
	link func(all []exchange) []int
}

var references = []reference{
	{"same thread", sameThread},
	{"containment", containment},
	{"joint", joint},
}

// judgeReference holds the links of a reference against the truth.
func judgeReference(all []exchange, proxy bool, r reference) (s score) {
	for _, one := range byProcess(all) {
		served := servers(one)
		for i, parent := range r.link(one) {
			from := served[one[i].cause(proxy)]
			if one[i].server || from == nil {
				continue
			}
			s.calls++
			switch {
			case parent < 0:
			case one[parent].id == from.id:
				s.right++
			default:
				s.wrong++
			}
		}
	}
	return s
}

func byProcess(all []exchange) [][]exchange {
	sorted := slices.Clone(all)
	slices.SortStableFunc(sorted, func(a, b exchange) int { return cmp.Or(cmp.Compare(a.pid, b.pid), cmp.Compare(a.start, b.start)) })
	var out [][]exchange
	for len(sorted) > 0 {
		n := 1
		for n < len(sorted) && sorted[n].pid == sorted[0].pid {
			n++
		}
		out = append(out, sorted[:n])
		sorted = sorted[n:]
	}
	return out
}

// sameThread takes the request that the thread has read last and that is not over: vPath's rule.
func sameThread(all []exchange) []int {
	return latest(all, func(call, request *exchange) bool { return request.tid == call.tid && request.end >= call.start })
}

// containment takes the request that was read last of those that contain the call in time.
func containment(all []exchange) []int {
	return latest(all, func(call, request *exchange) bool { return request.end >= call.end })
}

func latest(all []exchange, may func(call, request *exchange) bool) []int {
	parents := make([]int, len(all))
	for i := range all {
		parents[i] = -1
		for k := i - 1; k >= 0 && !all[i].server && parents[i] < 0; k-- {
			if all[k].server && may(&all[i], &all[k]) {
				parents[i] = k
			}
		}
	}
	return parents
}

// gaps is what a process takes between two steps, learned: the logarithm of nanoseconds, normal.
type gaps struct{ mean, deviation float64 }

func (g gaps) cost(gap int64) float64 {
	z := (math.Log(float64(max(gap, 1))) - g.mean) / g.deviation
	return z * z / 2
}

func learn(of []float64) gaps {
	if len(of) < 2 {
		return gaps{13, 2}
	}
	sum, squares := 0.0, 0.0
	for _, v := range of {
		sum += v
		squares += v * v
	}
	n := float64(len(of))
	return gaps{sum / n, math.Sqrt(max(squares/n-sum/n*sum/n, 0.01))}
}

// joint is after TraceWeaver: calls are given to the requests that contain them so that the gaps between the steps of each
// request are as likely as possible, learned from the last round's assignment. Calls that are under way at the same time are
// assigned together, at least cost, windowMax at most; a request takes one of them, or at a price two.
func joint(all []exchange) []int {
	parents := containment(all)
	for range 3 {
		g := learnGaps(all, parents)
		parents = assignAll(all, g)
	}
	return parents
}

func learnGaps(all []exchange, parents []int) map[uint16]gaps {
	seen := map[uint16][]float64{}
	last := map[int]int64{}
	for i := range all {
		p := parents[i]
		if p < 0 {
			continue
		}
		from := all[p].start
		if at, ok := last[p]; ok && at <= all[i].start {
			from = at
		}
		last[p] = max(last[p], all[i].end)
		seen[all[i].port] = append(seen[all[i].port], math.Log(float64(max(all[i].start-from, 1))))
	}
	out := map[uint16]gaps{}
	for port, of := range seen {
		out[port] = learn(of)
	}
	return out
}

// windowMax is how many calls are assigned at a time; second is the price of a second call at the same time.
const (
	windowMax = 30
	second    = 2
)

func assignAll(all []exchange, g map[uint16]gaps) []int {
	parents := make([]int, len(all))
	lastEnd := make(map[int]int64)
	var open, window []int
	until := int64(math.MaxInt64)
	flush := func() {
		assignWindow(all, window, open, g, lastEnd, parents)
		window, until = window[:0], math.MaxInt64
	}
	for i := range all {
		parents[i] = -1
		x := &all[i]
		if x.server {
			open = append(open, i)
			continue
		}
		if len(window) == windowMax || x.start > until {
			flush()
			open = slices.DeleteFunc(open, func(k int) bool { return all[k].end < x.start })
		}
		window = append(window, i)
		until = min(until, x.end)
	}
	flush()
	return parents
}

// assignWindow gives each call of a window a request.
func assignWindow(all []exchange, window, open []int, g map[uint16]gaps, lastEnd map[int]int64, parents []int) {
	if n := len(open); n == 0 || len(window) == 0 {
		return
	}
	columns := len(open) * (1 + (len(window)+len(open)-1)/len(open))
	costs := make([][]float64, len(window))
	for r, i := range window {
		costs[r] = make([]float64, columns)
		for c := range columns {
			k := open[c%len(open)]
			costs[r][c] = costOf(&all[i], &all[k], g[all[i].port], lastEnd[k]) + second*float64(c/len(open))
		}
	}
	for r, c := range leastCost(costs) {
		if c >= 0 && costs[r][c] < impossible {
			k := open[c%len(open)]
			parents[window[r]] = k
			lastEnd[k] = max(lastEnd[k], all[window[r]].end)
		}
	}
}

const impossible = 1e6

func costOf(call, request *exchange, g gaps, lastEnd int64) float64 {
	if call.start < request.start || call.end > request.end {
		return impossible
	}
	from := request.start
	if lastEnd > 0 && lastEnd <= call.start {
		from = lastEnd
	}
	return g.cost(call.start - from)
}

// leastCost solves the assignment of rows to columns (not fewer) by the Hungarian method; it gives the column of each row.
func leastCost(cost [][]float64) []int {
	n, m := len(cost), len(cost[0])
	u, v := make([]float64, n+1), make([]float64, m+1)
	row, way := make([]int, m+1), make([]int, m+1)
	for i := 1; i <= n; i++ {
		row[0] = i
		least := make([]float64, m+1)
		for j := range least {
			least[j] = math.Inf(1)
		}
		used := make([]bool, m+1)
		at := 0
		for row[at] != 0 {
			used[at] = true
			at = step(cost, row, way, least, used, u, v, at)
		}
		for at != 0 {
			row[at], at = row[way[at]], way[at]
		}
	}
	columns := make([]int, n)
	for i := range columns {
		columns[i] = -1
	}
	for j := 1; j <= m; j++ {
		if row[j] > 0 {
			columns[row[j]-1] = j - 1
		}
	}
	return columns
}

func step(cost [][]float64, row, way []int, least []float64, used []bool, u, v []float64, at int) int {
	i, next, delta := row[at], 0, math.Inf(1)
	for j := 1; j < len(least); j++ {
		if used[j] {
			continue
		}
		if c := cost[i-1][j-1] - u[i] - v[j]; c < least[j] {
			least[j], way[j] = c, at
		}
		if least[j] < delta {
			delta, next = least[j], j
		}
	}
	for j := range least {
		if used[j] {
			u[row[j]] += delta
			v[j] -= delta
		} else {
			least[j] -= delta
		}
	}
	return next
}
