package agent

import (
	"errors"
	"fmt"
	"log/slog"
	"os"
	"strconv"
	"sync"
	"syscall"
	"time"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/link"

	"weft/agent/golang"
	"weft/bpf"
)

// scout looks at the executables of processes, beside the data path, and tells the kernel side how to find the goroutines
// of those that are Go.
type scout struct {
	kernel     *kernel
	handover   bool
	tls        *libraries    // nil: TLS is not read
	loops      *interpreters // nil: neither tasks of event loops nor virtual threads are looked for
	futures    *futures      // nil: tasks of tokio are not looked for
	log        *slog.Logger
	tasks      chan task
	greetings  chan task // those that cannot wait: a process that begins with TLS sends its first request next
	quit       chan struct{}
	unreadable unreadables
	done       chan struct{}
	scanned    chan struct{} // closed when the processes that were there at the start have been looked at
	programs   map[inode]*program
	running    map[uint32]*program
	stopping   sync.Once
}

// task is one thing that the scout was told of a process.
type task struct {
	pid uint32
	why errand
}

type errand uint8

const (
	executed  errand = iota // it has executed something
	gone                    // it is gone
	loaded                  // it has run for a little, and may have loaded its libraries by now
	greeted                 // a socket of it has begun with TLS
	talks                   // its first message was seen: its runtime works by now
	learns                  // it may show by now what was not found before
	fruitless               // nothing comes of who has made what its threads hold
	fruitful                // something comes of that again
)

// loadings are when a new process is looked at again: what it loads is mapped some time after it was executed.
var loadings = [...]time.Duration{20 * time.Millisecond, 80 * time.Millisecond, 250 * time.Millisecond, 700 * time.Millisecond}

type inode struct {
	device, number uint64
	changed        int64
}

// tasksMax bounds what waits for the scout; what finds no room is looked at when the process is first seen again.
const tasksMax = 4096

// startScout begins with the processes that run.
func startScout(k *kernel, o *Options, running []uint32) *scout {
	s := &scout{
		kernel: k, handover: o.Handover, log: o.Log,
		tasks: make(chan task, tasksMax), greetings: make(chan task, tasksMax), quit: make(chan struct{}), done: make(chan struct{}), scanned: make(chan struct{}),
		programs: make(map[inode]*program), running: make(map[uint32]*program),
	}
	if o.Tasks || o.Threads || o.Timers {
		s.loops = newInterpreters(k, o)
	}
	if o.Tokio {
		s.futures = newFutures(k, o.Log, func(pid uint32, after time.Duration) {
			time.AfterFunc(after, func() { s.tell(task{pid, learns}) })
		})
	}
	if o.TLS {
		s.tls = newLibraries(k, o.Log)
	}
	go s.run(running)
	return s
}

func (s *scout) run(scanned []uint32) {
	defer close(s.done)
	for _, pid := range scanned {
		s.inspect(pid)
	}
	close(s.scanned)
	again := time.NewTicker(time.Second)
	defer again.Stop()
	for {
		s.greet()
		select {
		case t := <-s.greetings:
			s.do(t)
		case now := <-again.C:
			s.loops.again(now)
			s.dropRested(now)
			s.tls.sweep(now)
		case t := <-s.tasks:
			s.do(t)
		case <-s.quit:
			s.close()
			return
		}
	}
}

// greet does what cannot wait by now, before all else that does.
func (s *scout) greet() {
	for range len(s.greetings) {
		s.do(<-s.greetings)
	}
}

func (s *scout) do(t task) {
	switch {
	case t.why == gone:
		s.forget(t.pid)
		s.loops.forget(t.pid)
		s.futures.forget(t.pid)
	case t.why == learns:
		s.futures.learn(t.pid)
	case t.why == talks:
		s.looksAtRuntime(t.pid)
	case t.why == fruitless:
		s.loops.lookSeldom(t.pid, 1)
	case t.why == fruitful:
		s.loops.lookSeldom(t.pid, 0)
	case t.why == executed:
		s.loops.forget(t.pid)
		s.futures.forget(t.pid)
		s.inspect(t.pid)
		if s.tls != nil {
			for _, after := range loadings {
				time.AfterFunc(after, func() { s.tell(task{t.pid, loaded}) })
			}
		}
	case s.tls == nil:
	case !s.tls.reads(t.pid):
		s.lookAgain(t)
	case t.why == greeted, t.why == loaded:
		// It may speak by another library than the one that is read.
		if again := s.tls.follow(t.pid, t.why == greeted); again > 0 {
			time.AfterFunc(again, func() { s.tell(t) })
		}
	}
}

// looksAtRuntime looks at what runs in a process.
func (s *scout) looksAtRuntime(pid uint32) {
	s.findGoroutines(pid)
	s.loops.look(pid, time.Now())
	if p := s.running[pid]; !s.loops.knows(pid) && (p == nil || !p.isGo) {
		s.futures.look(pid)
	}
}

// lookAgain looks at what a process has loaded by now. One that speaks TLS has it somewhere, and so all of its files are looked at.
func (s *scout) lookAgain(t task) {
	switch {
	case t.why == greeted && s.tls.barren(t.pid, time.Now()):
	case s.tls.look(t.pid, false), t.why == greeted && s.tls.look(t.pid, true):
		s.unreadable.forget(t.pid)
	case t.why == greeted:
		s.unreadable.note(t.pid, s.tls.why(t.pid))
	}
}

func (s *scout) close() {
	var links []link.Link
	for _, p := range s.programs {
		links = append(links, p.probes()...)
	}
	closeAll(append(append(links, s.loops.links()...), s.tls.links()...))
}

// look never blocks.
func (s *scout) look(pid uint32)   { s.tell(task{pid, executed}) }
func (s *scout) gone(pid uint32)   { s.tell(task{pid, gone}) }
func (s *scout) greets(pid uint32) { s.tell(task{pid, greeted}) }
func (s *scout) talks(pid uint32)  { s.tell(task{pid, talks}) }

func (s *scout) tell(t task) {
	to := s.tasks
	if t.why == greeted {
		to = s.greetings
	}
	select {
	case to <- t:
	default:
	}
}

func (s *scout) stop() {
	s.stopping.Do(func() { close(s.quit) })
	<-s.done
}

func (s *scout) inspect(pid uint32) {
	s.forget(pid)
	s.inspectGo(pid)
	if s.tls != nil {
		s.tls.look(pid, false)
	}
}

// inspectGo finds the goroutines of a Go program and tells the kernel side.
func (s *scout) inspectGo(pid uint32) {
	path := fmt.Sprintf("/proc/%d/exe", pid)
	var st syscall.Stat_t
	if err := syscall.Stat(path, &st); err != nil {
		return // gone already, or a kernel thread
	}
	key := inode{device: st.Dev, number: st.Ino, changed: st.Mtim.Nano()}
	p := s.programs[key]
	if p == nil {
		p = s.read(path)
		s.programs[key] = p
	}
	p.users++
	s.running[pid] = p
	if !p.isGo {
		s.loops.follow(pid, p.turns)
		return
	}
	if err := s.kernel.update(pid, func(w *bpf.WeftProcess) { tellOffsets(&p.offsets, w) }); err != nil && !ended(pid) {
		s.log.Warn("goroutines of a process are not told apart", "pid", pid, "reason", err)
	}
	s.watchHandover(p, path)
	s.watchStreams(p, path)
}

// ended tells whether a process is gone, or has ended and was not waited for yet: then it is no news that it could not be looked at.
func ended(pid uint32) bool {
	_, err := os.Readlink(fmt.Sprintf("/proc/%d/exe", pid))
	return errors.Is(err, os.ErrNotExist)
}

// findGoroutines looks for the list of all goroutines, in which the kernel side looks up ancestors that it has not seen.
func (s *scout) findGoroutines(pid uint32) {
	p := s.running[pid]
	if p == nil || len(p.probes()) == 0 || !p.offsets.HasParent {
		return
	}
	at, err := golang.FindGoroutines(pid, &p.offsets.Layout)
	if err == nil {
		err = s.kernel.update(pid, func(w *bpf.WeftProcess) { w.AllGoroutines = at })
	}
	if err != nil && !ended(pid) {
		s.log.Warn("calls of goroutines that were not started by the one which serves the request are not linked", "pid", pid, "reason", err)
	}
}

// probe puts a program at an offset of an executable or library.
func (k *kernel) probe(path string, offset uint64, program *ebpf.Program) (link.Link, error) {
	links, err := k.put(path, []placement{{program: program, at: offset}})
	if err != nil {
		return nil, err
	}
	return links[0], nil
}

func (s *scout) forget(pid uint32) {
	if s.tls != nil {
		s.tls.forget(pid)
		s.unreadable.forget(pid)
	}
	p := s.running[pid]
	if p == nil {
		return
	}
	delete(s.running, pid)
	if p.users--; p.users == 0 {
		p.rested = time.Now()
	}
}

// tellOffsets writes what leads to the goroutines of a program.
func tellOffsets(o *golang.Offsets, p *bpf.WeftProcess) {
	p.Go, p.HasParent = 1, 0
	if o.HasParent {
		p.HasParent = 1
	}
	p.Tls = int32(o.TLS)
	p.Goid, p.ParentGoid, p.M, p.Curg = o.Goid, o.ParentGoid, o.M, o.CurG
	p.Conn, p.TlsState, p.Fd, p.Sysfd = o.ConnOffset, o.TLSStateOffset, o.FDOffset, o.SysfdOffset
	p.Stack, p.Sched, p.Waiting, p.Receivers = o.Stack, o.Sched, o.Waiting, o.Receivers
	p.SudogG, p.SudogNext, p.SudogChan = o.SudogG, o.SudogNext, o.SudogChan
	p.Processor, p.Runnext = o.P, o.RunNext
	p.ItabHash, p.TcpConnHash = o.ITabHash, o.TCPConnHash
}

// processIDs lists the processes that run now.
func processIDs() []uint32 {
	entries, err := os.ReadDir("/proc")
	if err != nil {
		return nil
	}
	var ids []uint32
	for _, e := range entries {
		if n, err := strconv.ParseUint(e.Name(), 10, 32); err == nil && int(n) != os.Getpid() {
			ids = append(ids, uint32(n))
		}
	}
	return ids
}
