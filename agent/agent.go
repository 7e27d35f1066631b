// Package agent owns all that touches this machine: it loads the kernel side, reads its ring and turns records into
// events, with the facts about processes that the kernel does not have.
package agent

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"runtime"
	"sync/atomic"
	"time"
	"unsafe"

	"github.com/cilium/ebpf/ringbuf"
	"golang.org/x/sys/unix"

	"weft/agent/process"
	"weft/agent/watchdog"
	"weft/bpf"
	"weft/correlate/event"
)

// tick is how often waiting decisions get a chance to expire, and how long a record waits on a ring that does not fill. It is what weft uses on a
// node with little to do: while a goroutine waits for the ring in a system call, Go's runtime looks after it every 20 µs to begin with.
const tick = 100 * time.Millisecond

// A program that has just been started is met by shorter ticks for a while: what its first connections tell of it, such as that it has loaded a
// TLS library, is wanted before its first requests.
const (
	youngTick = 20 * time.Millisecond
	youngTime = 5 * time.Second
)

// lossEvery is how often the kernel's counters are read: each costs a system call.
const lossEvery = 250 * time.Millisecond

// Options are what Open needs; the zero value of each is not useful, except Choice.
type Options struct {
	RingSize  uint64     // bytes, a power of two and a multiple of the page size
	Hook      bpf.Hook   // how operations are seen; empty: as it is best here
	Probes    bpf.Probes // how programs are put on functions; empty: as it is best here
	Choice    Choice
	Processes Processes
	// Renamed tells every process that is described otherwise than when it was last found; nil: none ever is. It is called often.
	Renamed  func(tell func(pid uint32, p *event.Process) error) error
	Handover bool // put a probe on Go's HTTP client where a program has one
	Tasks    bool // read which task an event loop runs, and put a probe on where tasks are started
	Threads  bool // read which virtual thread of Java a thread runs
	Timers   bool // put a probe on where Node.js runs timers
	Tokio    bool // read which task of Rust's tokio runs, and which one waits for it
	TLS      bool // put probes on TLS libraries, and read what passes through them
	Limits   watchdog.Limits
	Log      *slog.Logger
}

// Processes knows who a process is. Calls come from one goroutine and must be quick.
type Processes interface {
	Exec(process.Execution) *event.Process
	Fork(parent, child uint32)
	Exit(pid uint32)
	// Find gives the facts about a process, from what was told above or from /proc; nil if there is nothing to know.
	Find(pid uint32) *event.Process
}

// Agent is the running kernel side and the reader of its ring.
type Agent struct {
	kernel  *kernel // nil: the watchdog has taken the probes off
	ring    *ring
	options Options
	scout   *scout
	ready   <-chan struct{}
	missing []Missing
	guard   guard
	known   map[uint32]Verdict // processes that the consumer was told of
	chosen  map[uint32]Verdict // what the kernel was told of a process
	pending atomic.Pointer[Choice]
	lives   lives
	handle  func(*event.Event) error
	ev      event.Event
	ticked  uint64 // boot time of the last tick
	young   uint64 // boot time until which ticks are short
	losses  event.Loss
	told    uint64 // boot time of the last look at the losses
	older   older
	size    atomic.Uint64 // bytes of all records
}

// Open loads and attaches the kernel side. Nothing of it stays behind when the process ends, however it ends.
func Open(o Options) (*Agent, error) {
	k, err := load(&o)
	if err != nil {
		return nil, err
	}
	ring, err := openRing(k.objects.Ring)
	if err != nil {
		k.close()
		return nil, err
	}
	a := &Agent{
		kernel: k, ring: ring, options: o, known: make(map[uint32]Verdict), chosen: make(map[uint32]Verdict), lives: newLives(bootTime()),
		missing: k.missing,
		older:   findOlder(o.Log),
	}
	a.scout = startScout(k, &a.options, a.scan())
	a.ready = a.scout.scanned
	a.guard.kernel, a.guard.dog = k, watchdog.New(o.Limits, runtime.NumCPU())
	return a, nil
}

// Missing tells what this kernel or these permissions do not give.
func (a *Agent) Missing() []Missing { return a.missing }

// Ready is closed when everything that runs now is traced as well as it can be: the executables of all processes were
// looked at. Events come before that, too.
func (a *Agent) Ready() <-chan struct{} { return a.ready }

// Close takes the programs off.
func (a *Agent) Close() {
	a.scout.stop()
	if a.kernel == nil {
		<-a.guard.gone
		return
	}
	a.ring.close()
	a.kernel.close()
}

// Run hands every event to handle, in ring order, until the context ends; then it takes the probes off, drains the ring
// and returns nil. An error of handle or of the ring ends it.
func (a *Agent) Run(ctx context.Context, handle func(*event.Event) error) error {
	a.handle = handle
	defer context.AfterFunc(ctx, a.guard.detach)()
	first, err := a.sample()
	if err != nil {
		return err
	}
	a.guard.dog.Begin(first)
	if err := a.tick(bootTime()); err != nil {
		return err
	}
	var record ringbuf.Record
	a.setTick()
	for {
		ended := false
		switch {
		case a.kernel == nil:
			err = a.rest(ctx)
			ended = a.kernel == nil && ctx.Err() != nil
		case a.guard.due && ctx.Err() == nil:
			err = a.takeOff()
		default:
			ended, err = a.read(ctx, &record)
		}
		if err != nil || ended {
			return err
		}
	}
}

// read hands on one record, or ticks when none comes in time. ended: none will come any more.
func (a *Agent) read(ctx context.Context, record *ringbuf.Record) (ended bool, err error) {
	err = a.ring.read(record)
	switch {
	case err == nil:
		return false, a.record(record.RawSample)
	case !errors.Is(err, os.ErrDeadlineExceeded):
		return false, fmt.Errorf("read ring: %w", err)
	case ctx.Err() != nil:
		a.guard.detach()
		if err := a.drain(); err != nil {
			return true, err
		}
		a.told = 0
		return true, a.tick(bootTime())
	}
	if err := a.kernel.release(); err != nil {
		return false, err
	}
	a.setTick()
	return false, a.tick(bootTime())
}

// setTick says when the next tick is due, if no record comes before.
func (a *Agent) setTick() {
	due := tick
	if bootTime() < a.young {
		due = youngTick
	}
	a.ring.until(time.Now().Add(due))
}

// meets has the ticks short for a program that has been started.
func (a *Agent) meets() {
	now := bootTime()
	was := a.young
	if a.young = now + uint64(youngTime); was <= now {
		a.setTick()
	}
}

// drain hands on what is left on the ring of programs that have been taken off.
func (a *Agent) drain() error {
	var record ringbuf.Record
	err := a.ring.ReadInto(&record)
	for ; err == nil; err = a.ring.ReadInto(&record) {
		if err := a.record(record.RawSample); err != nil {
			return err
		}
	}
	if !errors.Is(err, os.ErrDeadlineExceeded) {
		return fmt.Errorf("read ring: %w", err)
	}
	return nil
}

// recordHeader is what the ring keeps before each record, in bytes.
const recordHeader = 8

// Size is how many bytes of the ring all records have taken so far.
func (a *Agent) Size() uint64 { return a.size.Load() }

// record handles one record: it is the way of the data on this side of the ring.
func (a *Agent) record(sample []byte) error {
	a.size.Add(uint64(len(sample)+7)&^7 + recordHeader)
	head, _, err := as[bpf.WeftHandoverRecord](sample) // the shortest kind; all kinds open with the same head
	if err != nil {
		return err
	}
	switch bpf.WeftRecordKind(head.Head.Kind) {
	case bpf.WeftRecordKindRECORD_MESSAGE:
		err = decodeMessage(sample, &a.ev)
	case bpf.WeftRecordKindRECORD_SOCKET:
		if err = decodeSocket(sample, &a.ev); err == nil {
			a.older.describe(&a.ev.Conn)
		}
	case bpf.WeftRecordKindRECORD_HANDOVER:
		err = decodeHandover(sample, &a.ev)
	case bpf.WeftRecordKindRECORD_STREAM:
		err = decodeStream(sample, &a.ev)
	case bpf.WeftRecordKindRECORD_WAITERS:
		err = decodeWaiters(sample, &a.ev)
	case bpf.WeftRecordKindRECORD_HELD:
		err = decodeHeld(sample, &a.ev)
	case bpf.WeftRecordKindRECORD_THREAD:
		if err = decodeThread(sample, &a.ev); err == nil && bpf.WeftDeed(a.ev.Thread.Deed) == bpf.WeftDeedDEED_CREW {
			a.watchThreads()
			return nil
		}
	case bpf.WeftRecordKindRECORD_HELLO:
		if err = decodeHello(sample, &a.ev); err == nil {
			a.scout.greets(a.ev.PID)
		}
	case bpf.WeftRecordKindRECORD_SESSION:
		err = decodeSession(sample, &a.ev)
	case bpf.WeftRecordKindRECORD_CLOSE:
		return a.closes(sample)
	case bpf.WeftRecordKindRECORD_EXEC, bpf.WeftRecordKindRECORD_FORK, bpf.WeftRecordKindRECORD_EXIT:
		return a.process(sample)
	default:
		return ErrRecord
	}
	if err != nil {
		return err
	}
	if a.ev.Time > a.ticked+uint64(tick) {
		if err := a.tickBetween(); err != nil {
			return err
		}
	}
	verdict, known := a.known[a.ev.PID]
	if !known {
		if verdict, err = a.introduce(a.ev.PID); err != nil {
			return err
		}
	}
	// The kernel records a process until it was decided on.
	if verdict == Excluded || verdict == Other && a.ev.Kind == event.KindMessage && a.ev.Message.Flags&event.ByPort == 0 {
		return nil
	}
	return a.handle(&a.ev)
}

// closes handles the end of a connection, whose process is not known.
func (a *Agent) closes(sample []byte) error {
	if err := decodeClose(sample, &a.ev); err != nil {
		return err
	}
	return a.handle(&a.ev)
}

// introduce tells the consumer who a process is, before its first event.
func (a *Agent) introduce(pid uint32) (Verdict, error) {
	p := a.options.Processes.Find(pid)
	v := a.options.Choice.of(pid)
	a.known[pid] = v
	if was, decided := a.chosen[pid]; decided && a.options.Choice.touches(v) && !a.options.Choice.touches(was) {
		a.scout.look(pid) // more is known of it than when it was executed
	}
	a.scout.talks(pid)
	if a.options.Choice.Decide != nil {
		if err := a.choose(pid, v); err != nil {
			return v, err
		}
	}
	return v, a.handle(&event.Event{Kind: event.KindProcess, Time: a.lives.since(pid), PID: pid, Process: p})
}

// tickBetween ticks at the time of the event that is about to be handed on, and keeps that event.
func (a *Agent) tickBetween() error {
	kept := a.ev
	err := a.tick(kept.Time)
	a.ev = kept
	return err
}

func (a *Agent) tick(now uint64) error {
	if now < a.ticked {
		now = a.ticked
	}
	a.ticked = now
	if now >= a.told+uint64(lossEvery) || a.fills() {
		a.told = now
		if err := a.tellLoss(now); err != nil {
			return err
		}
	}
	if err := a.watch(); err != nil {
		return err
	}
	a.watchThreads()
	if err := a.rename(now); err != nil {
		return err
	}
	if err := a.reconsider(); err != nil {
		return err
	}
	wall := time.Now().UnixNano() - int64(bootTime()) + int64(now)
	return a.handle(&event.Event{Kind: event.KindClock, Time: now, Wall: wall})
}

// fills tells whether the kernel may be leaving requests out now: see bpf/pressure.h.
func (a *Agent) fills() bool {
	return a.kernel != nil && a.ring.AvailableBytes() > a.ring.BufferSize()/2
}

// rename hands on what has become known of processes that the consumer knows.
func (a *Agent) rename(now uint64) error {
	if a.options.Renamed == nil {
		return nil
	}
	return a.options.Renamed(func(pid uint32, p *event.Process) error {
		if _, known := a.known[pid]; !known {
			return nil
		}
		return a.handle(&event.Event{Kind: event.KindRename, Time: now, PID: pid, Process: p})
	})
}

// tellLoss hands on what the kernel refused since the last time, if anything.
func (a *Agent) tellLoss(now uint64) error {
	counts, err := a.Counts()
	if err != nil {
		return err
	}
	// A request that was left out is a record that is missing.
	total := event.Loss{
		LostServer: counts[bpf.WeftCountCOUNT_LOST_SERVER] + counts[bpf.WeftCountCOUNT_LEFT_OUT_SERVER],
		LostClient: counts[bpf.WeftCountCOUNT_LOST_CLIENT] + counts[bpf.WeftCountCOUNT_LEFT_OUT_CLIENT],
		Records: counts[bpf.WeftCountCOUNT_RING_FULL] + counts[bpf.WeftCountCOUNT_LEFT_OUT_SERVER] +
			counts[bpf.WeftCountCOUNT_LEFT_OUT_CLIENT],
	}
	if total == a.losses {
		return nil
	}
	since := event.Loss{
		LostServer: total.LostServer - a.losses.LostServer,
		LostClient: total.LostClient - a.losses.LostClient,
		Records:    total.Records - a.losses.Records,
	}
	a.losses = total
	return a.handle(&event.Event{Kind: event.KindLoss, Time: now, Loss: since})
}

// bootTime is the clock of the kernel's records: CLOCK_BOOTTIME, ns.
func bootTime() uint64 {
	var t unix.Timespec
	// A raw call, for it never waits: the runtime need not know of it.
	if _, _, err := unix.RawSyscall(unix.SYS_CLOCK_GETTIME, unix.CLOCK_BOOTTIME, uintptr(unsafe.Pointer(&t)), 0); err != 0 {
		panic(err) // the clock exists since Linux 2.6.39; only a wrong argument fails
	}
	return uint64(t.Nano())
}
