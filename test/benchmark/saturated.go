package main

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// warm is how long each run is loaded before it is measured.
const warm = time.Second

// settle is how long weft may hold spans and wait for a batch to fill before its memory is read.
const settle = 1200 * time.Millisecond

// drain is how long servers may take for what the load before has left under way: weft does not see it.
const drain = 500 * time.Millisecond

// run is one measured run; the second half is empty without weft.
type run struct {
	load
	server float64 // CPU of the servers in the measured time, seconds

	account  *account
	resident residence
	served   uint64 // requests while weft was attached, the warm-up included
	received tally
	waits    float64 // of weft's threads, a second, under load
	seconds  float64 // of load, the warm-up included
}

func (r run) serverMicros() float64 { return r.server / r.Requests * 1e6 }
func (r run) clientMicros() float64 { return r.cpu / r.Requests * 1e6 }

// pair is a run without weft and one with it, next to each other in time.
type pair struct{ without, with run }

// variant is a way to start weft on a workload.
type variant struct {
	name string
	workload
	args []string
}

var variants = []variant{
	{"nginx 1 KB", nginx, nil},
	{"2-hop Go chain, go.handover=on", chain, []string{"--go-handover", "on"}},
	{"2-hop Go chain, go.handover=off", chain, []string{"--go-handover", "off"}},
}

// chosen gives those of the first n variants that are to be measured.
func (b *bench) chosen(n int) []variant {
	return slices.DeleteFunc(slices.Clone(variants[:n]), func(v variant) bool { return !strings.Contains(v.name, b.on) })
}

func writeSaturated(b *bench) error {
	b.title("What the traced side pays, saturated")
	b.text("`wrk -t1 -c16`, keep-alive; wrk, servers, weft (both ends of every connection traced, nothing filtered, OTLP/HTTP) and the receiver share the cores.\n")
	results := map[string][]pair{}
	measured := b.chosen(len(variants))
	for _, v := range measured {
		pairs, err := b.measurePairs(v)
		if err != nil {
			return fmt.Errorf("%s: %w", v.name, err)
		}
		results[v.name] = pairs
	}
	b.table([]string{"workload", "req/s without", "req/s with weft", "**ratio of pairs**", "p50 ms", "p99 ms",
		"server CPU µs/request", "of that more", "wrk CPU µs/request"}, tracedRows(measured, results))
	b.table([]string{"workload", "weft CPU µs/request", "**weft CPU µs/span**", "records/s", "weft's waits/s", "RSS MiB (peak)", "requests served", "spans expected",
		"spans received", "losses counted", "missing"}, agentRows(measured, results))
	b.text("Expected: one span for each end of each request that the servers count while weft is attached, warm-up included. Received: those of the workload's processes. Losses: counted by weft, of the whole node. Records are what the kernel side puts on the ring. Waits are the times that a thread of weft has given a processor up by itself (voluntary_ctxt_switches of all its threads): each wake-up of its reader is one, and so is all that its exporter and its runtime wait for. Missing is expected - received - losses counted: on a node with nothing else it has to be 0, and other work makes it less.")
	return nil
}

// measurePairs alternates which of the two runs comes first.
func (b *bench) measurePairs(v variant) ([]pair, error) {
	t, err := v.start(b)
	if err != nil {
		return nil, err
	}
	defer t.stop()
	pairs := make([]pair, b.pairs)
	for i := range pairs {
		for turn := range 2 {
			if (turn+i)%2 == 0 {
				pairs[i].without, err = b.loadTarget(t)
			} else {
				pairs[i].with, err = b.loadTraced(t, v.args)
			}
			if err != nil {
				return nil, err
			}
		}
	}
	return pairs, nil
}

// loadTarget warms a target and measures it.
func (b *bench) loadTarget(t *target) (r run, err error) {
	if _, err = b.runWrk(t.url, warm); err != nil {
		return r, err
	}
	before := cpuOf(t.servers...)
	r.load, err = b.runWrk(t.url, b.run)
	r.server = cpuOf(t.servers...) - before
	return r, err
}

// loadTraced does the same under a fresh weft, and holds weft's account against the servers'.
func (b *bench) loadTraced(t *target, args []string) (r run, err error) {
	time.Sleep(drain)
	served, err := t.served()
	if err != nil {
		return r, err
	}
	received, err := b.receiver.counts()
	if err != nil {
		return r, err
	}
	a, err := startAgent(b, append([]string{"run", "--output", "otlp"}, args...)...)
	if err != nil {
		return r, err
	}
	began, before := time.Now(), waitsOf(a.pid())
	r, err = b.loadTarget(t)
	r.seconds = time.Since(began).Seconds()
	r.waits = float64(waitsOf(a.pid())-before) / r.seconds
	time.Sleep(settle)
	r.resident = residenceOf(a.pid())
	var stopErr error
	if r.account, stopErr = a.stop(); err == nil {
		err = stopErr
	}
	if err != nil {
		return r, err
	}
	after, err := t.served()
	if err != nil {
		return r, err
	}
	r.served = after - served
	now, err := b.receiver.counts()
	r.received = now.since(received)
	return r, err
}

func tracedRows(measured []variant, results map[string][]pair) (rows [][]string) {
	for _, v := range measured {
		pairs := results[v.name]
		a := gather(pairs, func(p pair) float64 { return p.without.serverMicros() })
		w := gather(pairs, func(p pair) float64 { return p.with.serverMicros() })
		rows = append(rows, []string{
			v.name,
			gather(pairs, func(p pair) float64 { return p.without.rate() }).text(0),
			gather(pairs, func(p pair) float64 { return p.with.rate() }).text(0),
			"**" + gather(pairs, func(p pair) float64 { return p.with.rate() / p.without.rate() }).text(2) + "**",
			both(pairs, 2, func(r run) float64 { return r.P50 / 1000 }),
			both(pairs, 2, func(r run) float64 { return r.P99 / 1000 }),
			fmt.Sprintf("%.1f / %.1f", a.median(), w.median()),
			gather(pairs, func(p pair) float64 { return 100 * (p.with.serverMicros()/p.without.serverMicros() - 1) }).text(0) + " %",
			both(pairs, 1, run.clientMicros),
		})
	}
	return rows
}

// both gives the medians without and with weft.
func both(pairs []pair, digits int, value func(run) float64) string {
	without := gather(pairs, func(p pair) float64 { return value(p.without) })
	with := gather(pairs, func(p pair) float64 { return value(p.with) })
	return fmt.Sprintf("%.*f / %.*f", digits, without.median(), digits, with.median())
}

func agentRows(measured []variant, results map[string][]pair) (rows [][]string) {
	for _, v := range measured {
		pairs := results[v.name]
		var served, expected, received, lost uint64
		reasons := map[string]uint64{}
		for _, p := range pairs {
			served += p.with.served
			expected += p.with.served * uint64(v.spans)
			received += p.with.own(v)
			lost += p.with.account.losses()
			p.with.account.addReasons(reasons)
		}
		rows = append(rows, []string{
			v.name,
			gather(pairs, func(p pair) float64 { return p.with.account.CPU / float64(p.with.served) * 1e6 }).text(1),
			"**" + gather(pairs, func(p pair) float64 { return p.with.account.CPU / float64(p.with.received.total()) * 1e6 }).text(1) + "**",
			gather(pairs, func(p pair) float64 { return float64(p.with.account.Kernel["records"]) / p.with.seconds }).text(0),
			gather(pairs, func(p pair) float64 { return p.with.waits }).text(0),
			fmt.Sprintf("%s (%.0f)", gather(pairs, func(p pair) float64 { return p.with.resident.total }).text(0),
				gather(pairs, func(p pair) float64 { return p.with.resident.peak }).median()),
			fmt.Sprint(served), fmt.Sprint(expected), fmt.Sprint(received), words(lost, reasons), fmt.Sprint(int64(expected - received - lost)),
		})
	}
	return rows
}

// own sums the received spans of the workload, without what others did on the machine.
func (r run) own(v variant) (n uint64) {
	for _, end := range v.ends {
		n += r.received[end]
	}
	return n
}
