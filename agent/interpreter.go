package agent

import (
	"errors"
	"fmt"
	"log/slog"
	"os"
	"syscall"
	"time"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/link"

	"weft/agent/java"
	"weft/agent/node"
	"weft/agent/python"
	"weft/bpf"
)

// interpreters tells the kernel side how to find the running tasks and greenlets of the processes that run Python, and the virtual
// threads of those that run Java, and puts probes on where Node.js goes on with timers. The scout looks at a process when its first event is there: its modules are loaded then, usually; if
// not, some time later. A nil one does nothing.
type interpreters struct {
	kernel         *kernel
	log            *slog.Logger
	tasks, threads bool // of Python, of Java
	timers         bool // of Node.js
	running        map[uint32]*interpreter
	probes         map[place]*placed
	warned         [3]bool // of tasks, of virtual threads, of timers
}

// interpreter is what was found in one process.
type interpreter struct {
	probes  []place
	follows bool // Node.js: what its event loop does is told
	looks   int
	next    time.Time // when it is looked at again; zero: not any more
	jobs    bool      // the kernel side asks for another look where it does not understand a thread
	asks    int       // such looks
	asked   time.Time // the last one
}

// place is one instruction of one file.
type place struct {
	file   inode
	offset uint64
}

// placed is a probe, for all processes that have the file.
type placed struct {
	links []link.Link
	users int
}

// looksAfter are the times after which a process is looked at again that had not loaded what is sought.
var looksAfter = [...]time.Duration{time.Second, 5 * time.Second, 30 * time.Second}

// asksAfter are the times between the looks at a process that has threads which are not understood; of the last one there is no end.
var asksAfter = [...]time.Duration{time.Second, 5 * time.Second, 30 * time.Second, 5 * time.Minute}

func newInterpreters(k *kernel, o *Options) *interpreters {
	return &interpreters{
		kernel: k, log: o.Log, tasks: o.Tasks, threads: o.Threads, timers: o.Timers,
		running: make(map[uint32]*interpreter), probes: make(map[place]*placed),
	}
}

// look inspects a process, and notes whether that is to be repeated.
func (s *interpreters) look(pid uint32, now time.Time) {
	if s == nil {
		return
	}
	p := s.running[pid]
	if p == nil {
		p = &interpreter{}
		s.running[pid] = p
	}
	p.next = time.Time{}
	found, err := python.Interpreter{}, python.ErrNotPython
	if s.tasks {
		found, err = python.Inspect(pid)
	}
	switch {
	case errors.Is(err, python.ErrNotPython):
		s.lookAtOthers(pid, p, now)
		return
	case err != nil && ended(pid):
		delete(s.running, pid)
		return
	case errors.Is(err, python.ErrNoTasks):
	case err != nil:
		if !s.warned[0] {
			s.log.Warn("tasks of a Python process are not told apart", "pid", pid, "reason", err)
		}
		s.warned[0] = true
		return
	default:
		err = s.watch(pid, p, &found)
		if err != nil && !ended(pid) {
			s.log.Warn("tasks of a Python process are not told apart", "pid", pid, "reason", err)
		}
		if err != nil {
			return
		}
	}
	if len(found.Writes) == 0 {
		p.lookLater(now)
	}
}

// knows tells whether a process runs something that was understood.
func (s *interpreters) knows(pid uint32) bool { return s != nil && s.running[pid] != nil }

// lookLater notes when a process is looked at again, if it is.
func (p *interpreter) lookLater(now time.Time) bool {
	if p.looks == len(looksAfter) {
		return false
	}
	p.next = now.Add(looksAfter[p.looks])
	p.looks++
	return true
}

// lookAtOthers looks at a process that is no Python.
func (s *interpreters) lookAtOthers(pid uint32, p *interpreter, now time.Time) {
	if s.threads && s.lookAtJava(pid, p, now) || s.timers && s.lookAtNode(pid, p) {
		return
	}
	delete(s.running, pid)
}

// follow puts probes on where a process goes on with what is no socket, if it runs Node.js: when it was executed, for its first requests are linked
// only if all that its event loop does was told before.
func (s *interpreters) follow(pid uint32, turns []uint64) {
	if s == nil || !s.timers || len(turns) == 0 {
		return
	}
	p := &interpreter{}
	s.running[pid] = p
	name, err := os.Readlink(fmt.Sprintf("/proc/%d/exe", pid))
	if err == nil {
		err = s.addTurns(pid, p, name, turns)
	}
	p.follows = err == nil
}

// lookAtNode does so when the process has sent or received its first message, if that was not possible before; false if it runs no Node.js.
func (s *interpreters) lookAtNode(pid uint32, p *interpreter) bool {
	if p.follows {
		return true
	}
	name, turns, err := node.Library(pid)
	if errors.Is(err, node.ErrNotNode) {
		turns, err = node.Executable(fmt.Sprintf("/proc/%d/exe", pid))
		name, _ = os.Readlink(fmt.Sprintf("/proc/%d/exe", pid))
	}
	if errors.Is(err, node.ErrNotNode) || err != nil && ended(pid) {
		return false
	}
	if err == nil {
		err = s.addTurns(pid, p, name, turns)
	}
	if err != nil && !s.warned[2] && !ended(pid) {
		s.log.Warn("what Node.js does for timers and databases is not told apart", "pid", pid, "reason", err)
		s.warned[2] = true
	}
	p.follows = err == nil
	return true
}

func (s *interpreters) addTurns(pid uint32, p *interpreter, name string, turns []uint64) error {
	if err := s.addAll(pid, p, name, turns, s.kernel.objects.NodeTurns); err != nil {
		return err
	}
	return s.kernel.watchLoops(pid)
}

// watchLoops has the kernel side tell what the event loops of a process do beside what they read of requests and replies.
func (k *kernel) watchLoops(pid uint32) error {
	if err := k.objects.Looping.Set(uint32(1)); err != nil {
		return fmt.Errorf("tell the kernel side of event loops: %w", err)
	}
	return k.update(pid, func(p *bpf.WeftProcess) { p.Loops = 1 })
}

// lookAtJava tells the kernel side where the virtual threads of a process are found. Threads that begin or end meanwhile can hide that:
// then it is looked at again. False if it has none.
func (s *interpreters) lookAtJava(pid uint32, p *interpreter, now time.Time) bool {
	m, err := java.Inspect(pid)
	switch {
	case errors.Is(err, java.ErrNotJava), errors.Is(err, java.ErrNoVirtual), err != nil && ended(pid):
		return false
	case err == nil:
		err = s.kernel.watchTasks(pid, &bpf.WeftInterpreter{Machine: bpf.WeftMachine{
			Slot: m.Slot, Current: m.Current, System: m.System, Pointer: m.Pointer, Mounted: m.Mounted, Number: m.Number,
		}, Heap: bpf.WeftHeap{
			Base: m.Heap.Base, Collections: m.Heap.Collections, Entry: m.Heap.Entry,
			Shift: m.Heap.Shift, Buffer: m.Heap.Buffer, Stack: m.Heap.Stack,
		}})
	case p.lookLater(now):
		return true
	}
	if err != nil && !s.warned[1] {
		s.log.Warn("virtual threads of a Java process are not told apart", "pid", pid, "reason", err)
		s.warned[1] = true
	}
	return true
}

// LookSeldom tells the kernel side at how many of the calls of a process of Java it looks for who has made what the thread holds: at few, as long as
// nothing comes of it, or at all. It is called where events are handled.
func (a *Agent) LookSeldom(pid uint32, seldom bool) {
	why := fruitful
	if seldom {
		why = fruitless
	}
	a.scout.tell(task{pid, why})
}

func (s *interpreters) lookSeldom(pid uint32, seldom uint8) {
	if !s.knows(pid) {
		return // it has ended
	}
	s.log.Debug("how often it is looked for who has made what the threads of a Java process hold", "pid", pid, "seldom", seldom == 1)
	if err := s.kernel.update(pid, func(p *bpf.WeftProcess) { p.Seldom = seldom }); err != nil {
		s.log.Warn("it is looked for as often as before who has made what the threads of a Java process hold", "pid", pid, "reason", err)
	}
}

// again looks at the processes whose time has come.
func (s *interpreters) again(now time.Time) {
	if s == nil {
		return
	}
	for pid, p := range s.running {
		switch {
		case !p.next.IsZero() && now.After(p.next):
			s.look(pid, now)
		case p.jobs && now.After(p.asked.Add(asksAfter[min(p.asks, len(asksAfter)-1)])) && s.wanted(pid):
			p.asks, p.asked = p.asks+1, now
			s.look(pid, now)
		}
	}
}

// wanted tells that a thread of a process has sent or received something which may work for others, in a way that was not seen yet.
func (s *interpreters) wanted(pid uint32) bool {
	var i bpf.WeftInterpreter
	return s.kernel.objects.Interpreters.Lookup(pid, &i) == nil && i.Jobs.Wanted != 0
}

// watch puts the probes on and tells the kernel side.
func (s *interpreters) watch(pid uint32, p *interpreter, found *python.Interpreter) error {
	before := p.probes
	p.probes = nil
	defer func() { s.release(before) }()
	w := bpf.WeftInterpreter{
		Current: found.Current, Size: found.Size, Logarithm: boolByte(found.Logarithm), Deferred: boolByte(len(found.Writes) > 0),
		Module: found.Greenlet.Module, Type: found.Greenlet.Type, Jobs: jobsOf(found),
	}
	p.jobs = w.Jobs.Told != 0
	o := &s.kernel.objects
	if found.Current != 0 {
		if err := s.add(pid, p, found.Init, o.AsyncioTaskInit); err != nil {
			return err
		}
	}
	if found.Greenlet.Module != 0 {
		if err := s.add(pid, p, found.Greenlet.Init, o.GreenletInit); err != nil {
			return err
		}
	}
	if found.Workers.Put.Path != "" {
		if err := s.add(pid, p, found.Workers.Put, o.PythonItemPut); err != nil {
			return err
		}
	}
	for _, c := range found.Writes {
		if err := s.add(pid, p, c, o.UvloopStreamWrite); err != nil {
			return err
		}
	}
	return s.kernel.watchTasks(pid, &w)
}

// jobsOf is what leads to the jobs of a process's threads.
func jobsOf(found *python.Interpreter) bpf.WeftJobs {
	w := &found.Workers
	j := bpf.WeftJobs{Task: found.Task, Slot: w.Slot, Last: w.Chunk, Told: boolByte(w.Possible)}
	for n, p := range w.Places[:min(len(w.Places), len(j.Places))] {
		kind := uint32(bpf.WeftJobKindJOB_ITEM)
		if p.Await {
			kind = uint32(bpf.WeftJobKindJOB_FUTURE)
		}
		j.Places[n] = bpf.WeftJobPlace{Code: p.Code, Frame: p.Frame, Local: p.Local, Kind: kind}
	}
	return j
}

// add puts a probe on and notes that the process uses it.
func (s *interpreters) add(pid uint32, p *interpreter, c python.Code, program *ebpf.Program) error {
	return s.addAll(pid, p, c.Path, []uint64{c.Offset}, program)
}

// addAll does so at several places of one file, which are always put on together.
func (s *interpreters) addAll(pid uint32, p *interpreter, name string, offsets []uint64, program *ebpf.Program) error {
	at, err := s.probe(pid, name, offsets, program)
	if err == nil {
		p.probes = append(p.probes, at)
	}
	return err
}

// watchTasks writes what leads to the running task of a process; what the kernel side knows of it already stays.
func (k *kernel) watchTasks(pid uint32, w *bpf.WeftInterpreter) error {
	var before bpf.WeftInterpreter
	if err := k.objects.Interpreters.Lookup(pid, &before); err == nil && before.Current == w.Current {
		w.Loop, w.Cause = before.Loop, before.Cause
	}
	if err := k.objects.Interpreters.Put(pid, w); err != nil {
		return fmt.Errorf("write process %d to the kernel: %w", pid, err)
	}
	return k.update(pid, func(p *bpf.WeftProcess) { p.Tasks, p.Seldom = 1, 0 })
}

// probe gives the probe at places in a file of a process, by the first one.
func (s *interpreters) probe(pid uint32, name string, offsets []uint64, program *ebpf.Program) (place, error) {
	path := fmt.Sprintf("/proc/%d/root%s", pid, name)
	var st syscall.Stat_t
	if err := syscall.Stat(path, &st); err != nil {
		return place{}, fmt.Errorf("look at %s: %w", name, err)
	}
	key := place{inode{device: st.Dev, number: st.Ino, changed: st.Mtim.Nano()}, offsets[0]}
	p := s.probes[key]
	if p == nil {
		var all []placement
		for _, at := range offsets {
			all = append(all, placement{program: program, at: at})
		}
		links, err := s.kernel.putAll(path, all)
		if err != nil {
			return key, err
		}
		p = &placed{links: links}
		s.probes[key] = p
	}
	p.users++
	return key, nil
}

// forget takes off the probes that only this process has used.
func (s *interpreters) forget(pid uint32) {
	if s == nil {
		return
	}
	if p := s.running[pid]; p != nil {
		delete(s.running, pid)
		s.release(p.probes)
	}
}

func (s *interpreters) release(places []place) {
	for _, key := range places {
		p := s.probes[key]
		if p.users--; p.users == 0 {
			takeOff(p.links...)
			delete(s.probes, key)
		}
	}
}

// links are all that hold files.
func (s *interpreters) links() (all []link.Link) {
	if s == nil {
		return nil
	}
	for _, p := range s.probes {
		all = append(all, p.links...)
	}
	return all
}

func boolByte(b bool) uint8 {
	if b {
		return 1
	}
	return 0
}
