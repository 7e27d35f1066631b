// Package watchdog decides when weft costs its machine too much, and for how long it then keeps off. It measures nothing itself.
package watchdog

import "time"

// Limits are what weft may cost.
type Limits struct {
	CPU       float64       // share of all processors, of weft and its kernel side together; 0: no limit
	Operation time.Duration // of the kernel side for a usual operation; 0: no limit
	Window    time.Duration // what the costs are measured over
	Pause     time.Duration // for how long the probes stay off the first time
}

// Sample is what was counted up to a moment. All numbers only grow.
type Sample struct {
	At         time.Duration // of a clock that does not jump
	Own        time.Duration // processor time of weft's process
	Operations uint64
	// Costs counts operations that were timed, by the power of two that is in their nanoseconds: entry i those from 2^i on.
	Costs []uint64
}

// Cost is what a window has shown.
type Cost struct {
	CPU       float64       // share of all processors
	Operation time.Duration // the median; 0: too few were timed
}

// enough is how many operations have to be timed before their median says anything.
const enough = 8

// Each pause without a calm time in between is twice as long as the one before, up to pauseMax times the first. The time is calm
// when the probes were on for calm times the last pause.
const (
	pauseMax = 64
	calm     = 2
)

// Watchdog compares windows with limits.
type Watchdog struct {
	limits     Limits
	processors int
	first      Sample
	began      time.Duration // when the probes were put on last
	pause      time.Duration // the last one; 0: none yet
}

// New makes a watchdog for a machine with that many processors.
func New(l Limits, processors int) *Watchdog {
	return &Watchdog{limits: l, processors: processors}
}

// Begin opens the first window after the probes were put on.
func (w *Watchdog) Begin(s Sample) {
	w.began = s.At
	w.open(s)
}

func (w *Watchdog) open(s Sample) {
	w.first = s
	w.first.Costs = append([]uint64(nil), s.Costs...)
}

// Due tells whether the window is over.
func (w *Watchdog) Due(at time.Duration) bool {
	return (w.limits.CPU > 0 || w.limits.Operation > 0) && at >= w.first.At+w.limits.Window
}

// Look judges the window that ends with the sample, and opens the next one. over tells that the probes have to come off.
func (w *Watchdog) Look(s Sample) (c Cost, over bool) {
	c.Operation = median(w.first.Costs, s.Costs)
	used := s.Own - w.first.Own + c.Operation*time.Duration(s.Operations-w.first.Operations)
	if took := s.At - w.first.At; took > 0 {
		c.CPU = float64(used) / float64(took) / float64(w.processors)
	}
	w.open(s)
	return c, w.limits.CPU > 0 && c.CPU > w.limits.CPU || w.limits.Operation > 0 && c.Operation > w.limits.Operation
}

// Rest gives how long the probes have to stay off now.
func (w *Watchdog) Rest(at time.Duration) time.Duration {
	if w.pause == 0 || at-w.began >= calm*w.pause {
		w.pause = w.limits.Pause
	} else {
		w.pause = min(2*w.pause, pauseMax*w.limits.Pause)
	}
	return w.pause
}

// median gives that of the operations that were timed between two samples: as far into its power of two as its rank is among those
// that are there. It is not moved by the few during which the kernel did something else.
func median(before, after []uint64) time.Duration {
	var total uint64
	counts := make([]uint64, len(after))
	for i := range after {
		counts[i] = after[i]
		if i < len(before) {
			counts[i] -= before[i]
		}
		total += counts[i]
	}
	if total < enough {
		return 0
	}
	rank := total / 2
	for i, n := range counts {
		if rank >= n {
			rank -= n
			continue
		}
		low := float64(uint64(1) << i)
		return time.Duration(low + low*(float64(rank)+0.5)/float64(n))
	}
	return 0
}
