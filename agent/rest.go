package agent

import (
	"context"
	"fmt"
	"runtime"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"weft/agent/watchdog"
	"weft/bpf"
	"weft/correlate/event"
)

// Rest is what the watchdog did. It may be asked for from any goroutine.
type Rest struct {
	Off   bool   // the probes are off now
	Rests uint64 // how often they were taken off
	Why   string // of the last time; empty: never
}

// guard owns the watchdog on the data path, and what others may know of it.
type guard struct {
	dog   *watchdog.Watchdog
	due   bool // the probes have to come off
	until time.Duration
	gone  chan struct{} // closed when nothing of the last kernel side is left

	mu      sync.Mutex
	rest    Rest
	kernel  *kernel // nil: the probes are off
	counted [bpf.WeftCountCOUNTS]uint64
	missed  uint64 // these two: of kernel sides that are gone
}

// detach takes the programs off, if they are on, and returns when they are.
func (g *guard) detach() {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.kernel != nil {
		g.kernel.detach()
	}
}

// Resting tells what the watchdog did.
func (a *Agent) Resting() Rest {
	a.guard.mu.Lock()
	defer a.guard.mu.Unlock()
	return a.guard.rest
}

// sample measures what weft has used up to now.
func (a *Agent) sample() (watchdog.Sample, error) {
	s := watchdog.Sample{At: time.Duration(bootTime())}
	var used unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_SELF, &used); err != nil {
		return s, fmt.Errorf("read own processor time: %w", err)
	}
	s.Own = time.Duration(used.Utime.Nano() + used.Stime.Nano())
	perCPU, err := a.kernel.tallies()
	if err != nil {
		return s, err
	}
	s.Costs = make([]uint64, bpf.WeftCostCOSTS)
	for i := range perCPU {
		s.Operations += perCPU[i].Counts[bpf.WeftCountCOUNT_OPERATIONS]
		for b, n := range perCPU[i].Costs {
			s.Costs[b] += n
		}
	}
	return s, nil
}

// watch lets the watchdog look, when it is time.
func (a *Agent) watch() error {
	g := &a.guard
	if g.due || a.kernel == nil || !g.dog.Due(time.Duration(bootTime())) {
		return nil
	}
	s, err := a.sample()
	if err != nil {
		return err
	}
	cost, over := g.dog.Look(s)
	if !over {
		return nil
	}
	g.due = true
	g.mu.Lock()
	g.rest.Why = fmt.Sprintf("weft took %.1f %% of the %d processors, its kernel side %v for an operation", 100*cost.CPU, runtime.NumCPU(), cost.Operation)
	g.mu.Unlock()
	return nil
}

// takeOff does as if weft ended: nothing of it is in the kernel any more, and what is open is told as lost. Records that were on the
// ring are handed on before.
func (a *Agent) takeOff() error {
	g := &a.guard
	a.kernel.detach()
	if err := a.drain(); err != nil {
		return err
	}
	if err := a.tellLoss(bootTime()); err != nil {
		return err
	}
	if err := a.forgetAll(); err != nil {
		return err
	}
	counts, err := a.Counts()
	if err != nil {
		return err
	}
	missed, err := a.Missed()
	if err != nil {
		return err
	}
	g.mu.Lock()
	g.counted, g.missed, g.kernel = counts, missed, nil
	g.rest.Off = true
	g.rest.Rests++
	why := g.rest.Why
	g.mu.Unlock()
	a.ring.close()
	g.gone = make(chan struct{})
	// The kernel takes up to a tenth of a second for each probe of a program.
	go func(s *scout, k *kernel, gone chan struct{}) {
		s.stop()
		k.close()
		close(gone)
	}(a.scout, a.kernel, g.gone)
	a.kernel, g.due = nil, false
	now := time.Duration(bootTime())
	pause := g.dog.Rest(now)
	g.until = now + pause
	a.options.Log.Error("weft costs too much: its probes are off, nothing is traced", "why", why, "cpu limit", a.options.Limits.CPU,
		"operation limit", a.options.Limits.Operation, "tries again in", pause)
	return nil
}

// forgetAll tells that all processes and connections that are known are out of sight from now on.
func (a *Agent) forgetAll() error {
	now := max(bootTime(), a.ticked)
	if err := a.handle(&event.Event{Kind: event.KindPause, Time: now}); err != nil {
		return err
	}
	for pid, verdict := range a.known {
		a.options.Processes.Exit(pid)
		if verdict == Excluded {
			continue
		}
		if err := a.handle(&event.Event{Kind: event.KindExit, Time: now, PID: pid}); err != nil {
			return err
		}
	}
	clear(a.known)
	clear(a.chosen)
	return nil
}

// putOn starts anew. What can't be had is tried again after another pause.
func (a *Agent) putOn() error {
	g := &a.guard
	k, err := load(&a.options)
	if err == nil {
		a.ring, err = openRing(k.objects.Ring)
		if err != nil {
			k.close()
		}
	}
	if err != nil {
		now := time.Duration(bootTime())
		pause := g.dog.Rest(now)
		g.until = now + pause
		a.options.Log.Error("the probes could not be put on again", "reason", err, "tries again in", pause)
		return nil
	}
	a.setTick()
	a.kernel, a.lives, a.older = k, newLives(bootTime()), findOlder(a.options.Log)
	running := a.scan()
	g.mu.Lock()
	g.kernel, g.rest.Off = k, false
	a.scout = startScout(k, &a.options, running)
	g.mu.Unlock()
	s, err := a.sample()
	if err != nil {
		return err
	}
	g.dog.Begin(s)
	a.options.Log.Warn("the probes are on again")
	return nil
}

// rest is a turn of Run while the probes are off.
func (a *Agent) rest(ctx context.Context) error {
	select {
	case <-ctx.Done():
	case <-time.After(tick):
	}
	if err := a.tick(bootTime()); err != nil {
		return err
	}
	if ctx.Err() != nil || time.Duration(bootTime()) < a.guard.until {
		return nil
	}
	select {
	case <-a.guard.gone:
	default:
		return nil
	}
	err := a.putOn()
	if ctx.Err() != nil {
		a.guard.detach() // the end came while there was nothing to take off
	}
	return err
}
