package agent

import (
	"bytes"
	"fmt"
	"slices"

	"github.com/cilium/ebpf"

	"weft/agent/process"
	"weft/bpf"
	"weft/correlate/event"
)

// Verdict is what the rules say of a process.
type Verdict uint8

// The verdicts; the numbers are those of enum choice in bpf/state.h.
const (
	Traced   Verdict = 1
	Excluded Verdict = 2 // nothing of it is traced
	Other    Verdict = 3 // no rule includes it: only its connections with an included port are traced
)

// Choice says which processes and ports are traced. The zero value traces everything.
type Choice struct {
	// Decide judges a process; nil: all are traced.
	Decide                     func(pid uint32) Verdict
	IncludePorts, ExcludePorts []uint16
	// OnlyPorts says that nothing but IncludePorts includes, so that a process that was not decided on yet is not traced.
	OnlyPorts bool
}

func (c *Choice) of(pid uint32) Verdict {
	if c.Decide == nil {
		return Traced
	}
	return c.Decide(pid)
}

// touches tells whether anything of a process with this verdict may be traced. Probes on the programs of others would cost them a trap
// for nothing, and the kernel up to a tenth of a second each when they are taken off.
func (c *Choice) touches(v Verdict) bool {
	return v == Traced || v == Other && len(c.IncludePorts) > 0
}

// scan decides on all processes that run, and gives those that are to be looked at.
func (a *Agent) scan() (touched []uint32) {
	for _, pid := range processIDs() {
		v := a.options.Choice.of(pid)
		if a.options.Choice.Decide != nil {
			a.chosen[pid] = v
		}
		if a.options.Choice.touches(v) {
			touched = append(touched, pid)
		}
	}
	return touched
}

// process handles the records of a process's life.
func (a *Agent) process(sample []byte) error {
	r, payload, err := as[bpf.WeftProcessRecord](sample)
	if err != nil || uint64(len(payload)) < uint64(r.ArgsLength)+uint64(r.EnvLength) {
		return ErrRecord
	}
	pid := r.Head.Pid
	switch bpf.WeftRecordKind(r.Head.Kind) {
	case bpf.WeftRecordKindRECORD_EXEC:
		a.options.Processes.Exec(process.Execution{
			PID: pid, File: cString(r.File[:]), Comm: cString(r.Comm[:]), Cgroup: r.Cgroup,
			Args: payload[:r.ArgsLength], Env: payload[r.ArgsLength : r.ArgsLength+r.EnvLength],
		})
		delete(a.known, pid)
		a.lives.begin(pid, r.Head.Time)
		return a.decideEarly(pid)
	case bpf.WeftRecordKindRECORD_FORK:
		a.options.Processes.Fork(r.Parent, pid)
		delete(a.known, pid)
		a.lives.begin(pid, r.Head.Time)
		return nil
	}
	a.scout.gone(pid)
	a.lives.end(pid)
	delete(a.chosen, pid)
	traced, known := a.known[pid]
	delete(a.known, pid)
	a.options.Processes.Exit(pid)
	if known && traced != Excluded {
		return a.handle(&event.Event{Kind: event.KindExit, Time: r.Head.Time, PID: pid})
	}
	return nil
}

// decideEarly settles what is traced of a new program before its first operation, where rules exist, and has it looked at if anything
// is.
func (a *Agent) decideEarly(pid uint32) error {
	v := a.options.Choice.of(pid)
	if a.options.Choice.touches(v) {
		a.scout.look(pid)
		a.meets()
	}
	if a.options.Choice.Decide == nil {
		return nil
	}
	return a.choose(pid, v)
}

// choose writes a verdict to the kernel and has the sockets of processes that were not traced looked at again.
func (a *Agent) choose(pid uint32, v Verdict) error {
	a.chosen[pid] = v
	if a.kernel == nil {
		return nil // it is decided on when the probes are put on again
	}
	return a.kernel.update(pid, func(p *bpf.WeftProcess) { p.Choice = uint8(v) })
}

// update changes what the kernel side knows of a process.
func (k *kernel) update(pid uint32, change func(*bpf.WeftProcess)) error {
	k.updating.Lock()
	defer k.updating.Unlock()
	var p bpf.WeftProcess
	// Nothing there yet, or not any more, is the same as nothing known.
	_ = k.objects.Processes.Lookup(pid, &p)
	change(&p)
	if err := k.objects.Processes.Put(pid, p); err != nil {
		return fmt.Errorf("write process %d to the kernel: %w", pid, err)
	}
	k.epoch++
	if err := k.objects.Epoch.Set(k.epoch); err != nil {
		return fmt.Errorf("write the epoch to the kernel: %w", err)
	}
	return nil
}

// Counts gives the kernel side's counters, indexed by bpf.WeftCount.
func (a *Agent) Counts() (sums [bpf.WeftCountCOUNTS]uint64, err error) {
	a.guard.mu.Lock()
	defer a.guard.mu.Unlock()
	sums = a.guard.counted
	if a.guard.kernel == nil {
		return sums, nil
	}
	perCPU, err := a.guard.kernel.tallies()
	for i := range perCPU {
		for c, n := range perCPU[i].Counts {
			sums[c] += n
		}
	}
	return sums, err
}

// tallies gives the counters of each CPU.
func (k *kernel) tallies() (perCPU []bpf.WeftTally, err error) {
	if err := k.objects.Tallies.Lookup(uint32(0), &perCPU); err != nil {
		return nil, fmt.Errorf("read the counters: %w", err)
	}
	return perCPU, nil
}

// Missed is how often the kernel left a program out because one was already running on that CPU. Their operations are not
// in any other counter; on kernels where tracepoints disable preemption it stays 0.
func (a *Agent) Missed() (uint64, error) {
	a.guard.mu.Lock()
	defer a.guard.mu.Unlock()
	sum := a.guard.missed
	if a.guard.kernel == nil {
		return sum, nil
	}
	o := &a.guard.kernel.objects
	programs := []*ebpf.Program{o.InetSockSetState}
	for _, c := range o.Captures() {
		programs = append(programs, c.Program)
	}
	slices.SortFunc(programs, func(x, y *ebpf.Program) int { return x.FD() - y.FD() })
	for _, program := range slices.Compact(programs) { // one may be in several places
		stats, err := program.Stats()
		if err != nil {
			return 0, fmt.Errorf("read the statistics of %s: %w", program, err)
		}
		sum += stats.RecursionMisses
	}
	return sum, nil
}

func cString(b []int8) []byte {
	out := make([]byte, 0, len(b))
	for _, c := range b {
		out = append(out, byte(c))
	}
	before, _, _ := bytes.Cut(out, []byte{0})
	return before
}
