package bpf

import (
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strconv"
	"testing"
	"time"
	"unsafe"

	"github.com/cilium/ebpf"
	"golang.org/x/sys/unix"
)

// The main thread stays with the main goroutine: it does not end with one that was locked to it, so that no worker may be it.
func init() { runtime.LockOSThread() }

// worker is a thread of this process that does what it is told.
type worker struct {
	tid  uint32
	jobs chan func()
}

func newWorker(t testing.TB) *worker {
	t.Helper()
	w := &worker{jobs: make(chan func())}
	ready := make(chan uint32)
	go func() {
		runtime.LockOSThread() // and never unlocked: the thread ends with the goroutine
		ready <- uint32(unix.Gettid())
		for job := range w.jobs {
			job()
		}
	}()
	w.tid = <-ready
	return w
}

// do has the thread do something, and waits until it has.
func (w *worker) do(job func()) {
	done := make(chan struct{})
	w.jobs <- func() { job(); close(done) }
	<-done
}

// ends has the thread end, and waits until it has.
func (w *worker) ends(t testing.TB) {
	t.Helper()
	close(w.jobs)
	for until := time.Now().Add(10 * time.Second); time.Now().Before(until); time.Sleep(time.Millisecond) {
		if _, err := os.Stat("/proc/self/task/" + strconv.Itoa(int(w.tid))); err != nil {
			return
		}
	}
	t.Fatalf("thread %d has not ended after ten seconds", w.tid)
}

const (
	futexWait    = 0
	futexWake    = 1
	futexPrivate = 128
)

// word is one on which threads wait.
type word struct{ value uint32 }

func (w *word) futex(op, value int, timeout *unix.Timespec) (int, unix.Errno) {
	n, _, errno := unix.Syscall6(unix.SYS_FUTEX, uintptr(unsafe.Pointer(&w.value)), uintptr(op|futexPrivate), uintptr(value),
		uintptr(unsafe.Pointer(timeout)), 0, 0)
	return int(n), errno
}

// wakes has one thread wait on the word, and another one wake it.
func (w *word) wakes(t testing.TB, waker, waiter *worker, timeout *unix.Timespec) {
	t.Helper()
	waited := make(chan struct{})
	waiter.jobs <- func() {
		for w.futexIsZero(timeout) {
		}
		close(waited)
	}
	waker.do(func() {
		for until := time.Now().Add(10 * time.Second); time.Now().Before(until); {
			if n, _ := w.futex(futexWake, 1, nil); n == 1 {
				return
			}
			runtime.Gosched()
		}
		t.Error("nobody has waited")
	})
	<-waited
}

// futexIsZero waits once; true: a signal has interrupted it.
func (w *word) futexIsZero(timeout *unix.Timespec) bool {
	_, errno := w.futex(futexWait, 0, timeout)
	return errno == unix.EINTR
}

// deed is a record of what a thread has done.
type deed struct {
	deed       WeftDeed
	tid, other uint32
	timed      bool
}

// deeds gives what was told of some threads of this process.
func (k *capture) deeds(t *testing.T, of ...*worker) (found []deed) {
	t.Helper()
	k.drain()
	for _, r := range k.threads {
		known := func(tid uint32) bool { return slices.ContainsFunc(of, func(w *worker) bool { return w.tid == tid }) }
		if known(r.Head.Tid) && WeftDeed(r.Deed) != WeftDeedDEED_CREW && (r.Other == 0 || known(r.Other)) {
			found = append(found, deed{WeftDeed(r.Deed), r.Head.Tid, r.Other, r.Address&1 != 0})
		}
	}
	k.threads = nil
	return found
}

// crew gives threads of which one has read a request and another one has made a call.
func (k *capture) crew(t testing.TB) (server, caller *worker) {
	k.hook(k.objects.SchedWaking)
	server, caller = newWorker(t), newWorker(t)
	p := families["ipv4"](t)
	caller.do(func() { _, _ = unix.Write(p.client, []byte(get)) })
	server.do(func() { _, _ = unix.Read(p.server, make([]byte, 100)) })
	k.credit(t, 1<<20) // the runtime wakes threads, too
	return server, caller
}

// TestWakes: a wake on a word on which one thread alone waits is told from the second time on.
func TestWakes(t *testing.T) {
	k := start(t)
	server, caller := k.crew(t)
	other := newWorker(t)
	var own, limited, common word
	long := unix.Timespec{Sec: 10}
	for range 3 {
		own.wakes(t, caller, server, nil)
		limited.wakes(t, caller, server, &long)
	}
	want := []deed{{WeftDeedDEED_WAKES, caller.tid, server.tid, false}, {WeftDeedDEED_WAKES, caller.tid, server.tid, true}}
	if got := k.deeds(t, server, caller); !slices.Equal(got, append(want, want...)) {
		t.Errorf("told %+v", got)
	}
	for range 5 {
		common.wakes(t, caller, server, nil)
		common.wakes(t, caller, other, nil)
	}
	for range 5 {
		common.wakes(t, caller, server, nil)
	}
	if got := k.deeds(t, server, caller, other); len(got) != 0 {
		t.Errorf("of a word on which two wait: %+v", got)
	}
	third := newWorker(t)
	for range 3 {
		(&word{}).wakes(t, other, third, nil)
	}
	if got := k.deeds(t, other, third); len(got) != 0 {
		t.Errorf("of threads that have nothing to do with requests: %+v", got)
	}
}

// credit says how many wakes of this process are still told.
func (k *capture) credit(t testing.TB, n int32) {
	t.Helper()
	if err := k.objects.Crews.Put(uint32(os.Getpid()), WeftCrew{Credit: n}); err != nil {
		t.Fatal(err)
	}
}

// TestFirstCrew: the first thread that makes a call and reads no requests is told, once, to a reader that is woken for it.
func TestFirstCrew(t *testing.T) {
	k := start(t)
	const patience = 10 * time.Second
	k.reader.SetDeadline(time.Now().Add(patience))
	told := make(chan uint32, 1)
	go func() {
		defer close(told)
		for k.reader.ReadInto(&k.record) == nil {
			r := (*WeftThreadRecord)(unsafe.Pointer(&k.record.RawSample[0]))
			if WeftRecordKind(r.Head.Kind) == WeftRecordKindRECORD_THREAD && WeftDeed(r.Deed) == WeftDeedDEED_CREW {
				told <- r.Head.Tid
				return
			}
		}
	}()
	time.Sleep(100 * time.Millisecond) // it waits
	began := time.Now()
	server, caller := k.crew(t)
	if got := <-told; got != caller.tid || time.Since(began) > patience/2 {
		t.Errorf("after %v thread %d is told to be the first, want %d", time.Since(began), got, caller.tid)
	}
	p := families["ipv4"](t)
	server.do(func() { _, _ = unix.Write(p.client, []byte(get)) })
	newWorker(t).do(func() { _, _ = unix.Write(p.client, []byte(get)) })
	k.drain()
	for _, r := range k.threads {
		if WeftDeed(r.Deed) == WeftDeedDEED_CREW {
			t.Errorf("thread %d is told to be the first one as well", r.Head.Tid)
		}
	}
}

// TestWakesWithoutRequests: a program that wakes its threads without end, and has no requests, is told of no longer.
func TestWakesWithoutRequests(t *testing.T) {
	k := start(t)
	server, caller := k.crew(t)
	var own word
	for range 2 {
		own.wakes(t, caller, server, nil)
	}
	k.deeds(t, server, caller)
	k.credit(t, 0)
	own.wakes(t, caller, server, nil)
	if got := k.deeds(t, server, caller); len(got) != 0 {
		t.Errorf("told %+v", got)
	}
	p := families["ipv4"](t)
	caller.do(func() {
		for range 10 {
			_, _ = unix.Write(p.client, []byte(get))
		}
	})
	for range 5 {
		own.wakes(t, caller, server, nil)
	}
	if got := k.deeds(t, server, caller); len(got) == 0 {
		t.Error("nothing is told after requests")
	}
}

// TestNoCrew: where no call was made by a thread that reads no requests, no wake is told.
func TestNoCrew(t *testing.T) {
	k := start(t)
	k.hook(k.objects.SchedWaking)
	server, other := newWorker(t), newWorker(t)
	for _, w := range []*worker{server, other} {
		if err := k.objects.Hands.Put(w.tid, WeftHand{Pid: uint32(os.Getpid()), Does: 1}); err != nil {
			t.Fatal(err)
		}
	}
	var own word
	for range 3 {
		own.wakes(t, other, server, nil)
	}
	if got := k.deeds(t, server, other); len(got) != 0 {
		t.Errorf("told %+v", got)
	}
}

// TestThreadEnds: of a thread that has made a call is told when it ends.
func TestThreadEnds(t *testing.T) {
	k := start(t)
	server, caller := k.crew(t)
	k.deeds(t, server, caller)
	caller.ends(t)
	if got, want := k.deeds(t, server, caller), []deed{{WeftDeedDEED_ENDS, caller.tid, 0, false}}; !slices.Equal(got, want) {
		t.Errorf("told %+v, want %+v", got, want)
	}
}

// BenchmarkWake gives the kernel time per wake of a thread, by bpf_stats, above that of an empty program: between processes, in a process
// without requests, and in one where each wake is told.
func BenchmarkWake(b *testing.B) {
	b.Run("processes", func(b *testing.B) {
		k := load(b, everything())
		echo := exec.Command("cat")
		in, err := echo.StdinPipe()
		check(b, err)
		out, err := echo.StdoutPipe()
		check(b, err)
		check(b, echo.Start())
		defer func() { in.Close(); _ = echo.Wait() }()
		buf := make([]byte, 1)
		k.measureWakes(b, func() {
			_, err := in.Write(buf)
			check(b, err)
			_, err = out.Read(buf)
			check(b, err)
		})
	})
	b.Run("threads", func(b *testing.B) {
		k := load(b, everything())
		one, other, own := newWorker(b), newWorker(b), word{}
		k.measureWakes(b, func() { own.wakes(b, one, other, nil) })
	})
	b.Run("told", func(b *testing.B) {
		k := load(b, everything())
		k.choose(os.Getpid(), WeftChoiceCHOICE_TRACE)
		k.attach()
		server, caller := k.crew(b)
		own := word{}
		k.measureWakes(b, func() { own.wakes(b, caller, server, nil); k.forget() })
	})
}

// measureWakes does something that wakes threads, again and again.
func (k *capture) measureWakes(b *testing.B, wake func()) {
	if b.Name() != "BenchmarkWake/told" {
		k.hook(k.objects.SchedWaking)
	}
	stats, err := ebpf.EnableStats(uint32(unix.BPF_STATS_RUN_TIME))
	check(b, err)
	defer stats.Close()
	m := newMeter(b, k, "sched_waking", k.objects.SchedWaking)
	before, floor := m.stats(m.program), m.stats(m.empty)
	rounds := max(b.N, 3000)
	for range rounds {
		wake()
	}
	after, ceiling := m.stats(m.program), m.stats(m.empty)
	b.ReportMetric(0, "ns/op")
	n := float64(after.RunCount - before.RunCount)
	b.ReportMetric(float64(after.Runtime-before.Runtime)/n-float64(ceiling.Runtime-floor.Runtime)/float64(ceiling.RunCount-floor.RunCount), "ns/wake")
	b.ReportMetric(n/float64(rounds), "wakes/round")
}
