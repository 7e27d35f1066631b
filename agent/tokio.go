package agent

import (
	"errors"
	"fmt"
	"log/slog"
	"syscall"
	"time"

	"weft/agent/memory"
	"weft/agent/tokio"
	"weft/bpf"
)

// futures tells the kernel side how to find the running tasks of the processes that run Rust's tokio, and those that wait for them. That is
// seen in what the kernel side copies of their threads, and in the memory of tasks that make calls, while these wait for the replies. A nil one
// does nothing.
type futures struct {
	kernel  *kernel
	log     *slog.Logger
	running map[uint32]*futureProgram
	known   map[inode]tokio.Layout                // what was found out, by executable
	later   func(pid uint32, after time.Duration) // calls learn again
	warned  bool
}

// futureProgram is a process of which something may still be found out.
type futureProgram struct {
	*tokio.Program
	of    inode
	tries int // looks at its memory
	quiet int // times at which there was nothing to look at, since there was something
}

// How often a process is looked at while something is to be found out: a call is under way for some milliseconds only.
const (
	trySoon   = 2 * time.Millisecond
	tryLater  = time.Second
	quietMax  = 1000
	triesSoon = 8000
	knownMax  = 1 << 10
	seesMax   = 16000 // stacks
)

func newFutures(k *kernel, log *slog.Logger, later func(uint32, time.Duration)) *futures {
	return &futures{kernel: k, log: log, running: make(map[uint32]*futureProgram), known: make(map[inode]tokio.Layout), later: later}
}

// look inspects a process that has sent or received its first message.
func (s *futures) look(pid uint32) {
	if s == nil || s.running[pid] != nil {
		return
	}
	p, err := tokio.Inspect(pid)
	if err == nil {
		of := executableOf(pid)
		known := s.known[of]
		p.Adopt(&known)
		s.running[pid] = &futureProgram{Program: p, of: of}
		err = s.tell(pid, p)
	}
	if err == nil {
		err = s.kernel.update(pid, func(w *bpf.WeftProcess) { w.Tasks = uint8(bpf.WeftTasksOfTASKS_OF_TOKIO) })
	}
	if err == nil {
		s.later(pid, trySoon)
		return
	}
	delete(s.running, pid)
	if !errors.Is(err, tokio.ErrNotTokio) && !ended(pid) && !s.warned {
		s.log.Warn("tasks of a process of tokio are not told apart", "pid", pid, "reason", err)
		s.warned = true
	}
}

// executableOf names the executable of a process; the zero inode: it is gone.
func executableOf(pid uint32) inode {
	var st syscall.Stat_t
	if err := syscall.Stat(fmt.Sprintf("/proc/%d/exe", pid), &st); err != nil {
		return inode{}
	}
	return inode{device: st.Dev, number: st.Ino, changed: st.Mtim.Nano()}
}

// tell writes what is known of a process to the kernel side.
func (s *futures) tell(pid uint32, p *tokio.Program) error {
	w := bpf.WeftRuntime{Low: p.Low, High: p.High, Waker: p.Waker, Current: p.Current}
	for i, h := range p.Holders[:min(len(p.Holders), len(w.Holders))] {
		w.Holders[i] = bpf.WeftHolder{Table: h.Table, Box: h.Box, Sender: h.Sender, State: h.State, Own: h.Own, Waiting: h.Waiting}
	}
	for i, r := range p.Relays[:min(len(p.Relays), len(w.Relays))] {
		w.Relays[i] = bpf.WeftRelay{Table: r.Table, Set: r.Set, Waker: r.Waker}
	}
	return s.kernel.objects.Runtimes.Put(pid, &w)
}

// learn looks once more at a process, if it has done anything meanwhile, and has that repeated.
func (s *futures) learn(pid uint32) {
	if s == nil || s.running[pid] == nil {
		return
	}
	p := s.running[pid]
	var known bpf.WeftRuntime
	if s.kernel.objects.Runtimes.Lookup(pid, &known) != nil {
		s.forget(pid)
		return
	}
	if err := s.learnFrom(pid, p, &known); err != nil {
		if !ended(pid) {
			s.log.Warn("tasks of a process of tokio are not told apart", "pid", pid, "reason", err)
		}
		s.forget(pid)
		return
	}
	switch {
	case p.Current == 0 && p.tries > seesMax:
		s.giveUp(pid)
	case p.quiet > quietMax || p.tries > triesSoon:
		s.later(pid, tryLater)
	default:
		s.later(pid, trySoon)
	}
}

func (s *futures) learnFrom(pid uint32, p *futureProgram, known *bpf.WeftRuntime) error {
	p.quiet++
	if layout := s.known[p.of]; p.Adopt(&layout) {
		return s.tell(pid, p.Program)
	}
	var samples []tokio.Sample
	if p.Current == 0 {
		samples = s.samples(pid)
	}
	awaited := p.Strange(known.Awaited[:]) >= 0
	if known.Unknown == 0 && !awaited && len(samples) == 0 {
		return nil
	}
	m, err := memory.Open(pid)
	if err != nil {
		return err
	}
	defer m.Close()
	p.quiet, p.tries = 0, p.tries+1
	for i := range samples {
		p.See(m, &samples[i])
	}
	if known.Unknown != 0 {
		p.Look(m, known.Unknown)
	}
	if awaited {
		p.Await(m, known.Awaited[:], func(number uint64) bool { return s.serves(pid, number) })
	}
	if p.Current == 0 {
		return nil
	}
	if len(s.known) >= knownMax {
		clear(s.known)
	}
	s.known[p.of] = p.Layout()
	return s.tell(pid, p.Program)
}

// serves tells whether a task has read a request.
func (s *futures) serves(pid uint32, number uint64) bool {
	var of bpf.WeftFuture
	return s.kernel.objects.Futures.Lookup(bpf.WeftFutureKey{Number: number, Pid: pid}, &of) == nil && of.Serves != 0
}

// giveUp ends the looks at a process that does not show which task runs: nothing is copied any more.
func (s *futures) giveUp(pid uint32) {
	s.forget(pid)
	if err := s.kernel.update(pid, func(w *bpf.WeftProcess) { w.Tasks = uint8(bpf.WeftTasksOfTASKS_OF_NONE) }); err != nil {
		s.log.Warn("a process of tokio is still looked at", "pid", pid, "reason", err)
	}
}

// samples are what was copied of the threads of a process, the last time on each CPU.
func (s *futures) samples(pid uint32) (all []tokio.Sample) {
	for area := range s.kernel.objects.Glances.MaxEntries() {
		var each []bpf.WeftGlance
		if s.kernel.objects.Glances.Lookup(area, &each) != nil {
			continue
		}
		for i := range each {
			if g := &each[i]; g.Pid == pid && g.Base != 0 && g.Count <= uint32(len(g.Words)) && g.Locals <= uint32(len(g.Local)) {
				all = append(all, tokio.Sample{Stack: g.Words[:g.Count], Local: g.Local[len(g.Local)-int(g.Locals):]})
			}
		}
	}
	return all
}

// forget ends the looks at a process; what the kernel side was told stays.
func (s *futures) forget(pid uint32) {
	if s != nil {
		delete(s.running, pid)
	}
}
