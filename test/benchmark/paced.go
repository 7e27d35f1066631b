package main

import (
	"fmt"
	"strconv"
	"time"
)

// pacedRates are requests per second, below what the machine can do.
var pacedRates = map[string][]int{"nginx 1 KB": {100, 1000, 3000, 10_000}, "2-hop Go chain, go.handover=on": {1000, 3000}}

// paced is what the open-loop client says of one run: percentiles of the time from when a request was due until its
// answer was whole, in µs.
type paced struct {
	Requests      int
	P50, P90, P99 float64

	server, agent float64 // CPU in the measured time, seconds
	waits         float64 // of weft's threads, a second
}

// settled is when weft looks at a program that has been started no more often than at others.
const settled = 6 * time.Second

type pacedPair struct{ without, with paced }

func writePaced(b *bench) error {
	b.title("What the traced side pays, by requests a second")
	b.text("An open-loop client of ours sends each request when it is due, over 16 keep-alive connections, and counts from then. With weft it has run for 6 s before that.\n")
	var rows [][]string
	for _, v := range b.chosen(2) {
		for _, rate := range pacedRates[v.name] {
			row, err := b.paceRow(v, rate)
			if err != nil {
				return fmt.Errorf("%s at %d: %w", v.name, rate, err)
			}
			rows = append(rows, row)
		}
	}
	b.table([]string{"workload", "requests/s", "p50 µs without / with", "p90 µs", "p99 µs", "server CPU µs/request", "of that more", "weft CPU µs/request", "weft CPU of a core", "weft's waits/s"}, rows)
	return nil
}

func (b *bench) paceRow(v variant, rate int) ([]string, error) {
	pairs, err := b.pacePairs(v, rate)
	if err != nil {
		return nil, err
	}
	values := func(f func(paced) float64) string {
		return gather(pairs, func(p pacedPair) float64 { return f(p.without) }).text(0) + " / " +
			gather(pairs, func(p pacedPair) float64 { return f(p.with) }).text(0)
	}
	p := b.growth("By requests a second", "requests a second")
	p.add(v.name+": % of a core", float64(rate), gather(pairs, func(p pacedPair) float64 { return 100 * p.with.agent / b.run.Seconds() }).median())
	server := func(p paced) float64 { return p.server / float64(p.Requests) * 1e6 }
	return []string{
		v.name, fmt.Sprint(rate),
		values(func(p paced) float64 { return p.P50 }), values(func(p paced) float64 { return p.P90 }), values(func(p paced) float64 { return p.P99 }),
		values(server),
		gather(pairs, func(p pacedPair) float64 { return 100 * (server(p.with)/server(p.without) - 1) }).text(0) + " %",
		gather(pairs, func(p pacedPair) float64 { return p.with.agent / float64(p.with.Requests) * 1e6 }).text(0),
		gather(pairs, func(p pacedPair) float64 { return 100 * p.with.agent / b.run.Seconds() }).text(1) + " %",
		gather(pairs, func(p pacedPair) float64 { return p.with.waits }).text(0),
	}, nil
}

func (b *bench) pacePairs(v variant, rate int) ([]pacedPair, error) {
	t, err := v.start(b)
	if err != nil {
		return nil, err
	}
	defer t.stop()
	pairs := make([]pacedPair, min(b.pairs, 3))
	for i := range pairs {
		for turn := range 2 {
			if (turn+i)%2 == 0 {
				pairs[i].without, err = b.paceTarget(t, rate, 0)
			} else {
				pairs[i].with, err = b.paceTraced(t, rate, v.args)
			}
			if err != nil {
				return nil, err
			}
		}
	}
	return pairs, nil
}

func (b *bench) paceTraced(t *target, rate int, args []string) (p paced, err error) {
	a, err := startAgent(b, append([]string{"run", "--output", "otlp"}, args...)...)
	if err != nil {
		return p, err
	}
	p, err = b.paceTarget(t, rate, a.pid())
	if _, stopErr := a.stop(); err == nil {
		err = stopErr
	}
	return p, err
}

func (b *bench) paceTarget(t *target, rate, agent int) (p paced, err error) {
	var ready string
	c, err := startRole("pace", &ready, "pace", t.url, b.run.String(), strconv.Itoa(rate))
	if err != nil {
		return p, err
	}
	defer c.stop()
	if agent != 0 {
		time.Sleep(settled)
	}
	server, used, waits := cpuOf(t.servers...), cpuOf(agent), waitsOf(agent)
	if err = c.ask(&p); err == nil && p.Requests == 0 {
		err = fmt.Errorf("pace %s: no request was answered", t.url)
	}
	p.server, p.agent = cpuOf(t.servers...)-server, cpuOf(agent)-used
	p.waits = float64(waitsOf(agent)-waits) / b.run.Seconds()
	return p, err
}
