package bpf

import (
	"debug/elf"
	"os"
	"reflect"
	"runtime"
	"strings"
	"testing"

	"github.com/cilium/ebpf"
	"golang.org/x/sys/unix"

	"weft/correlate/event"
)

// aThread lays out what CPython keeps of a thread that works on a job: its state, the chunks of its stack, and in the first one the frame of
// the function that it begins with.
type aThread struct {
	*heap
	slot *uint64
}

const (
	codeOfWorker  = 0x7f0000003000
	codeOfAwaiter = 0x7f0000004000
	typeOfTasks   = 0x7f0000005000
)

// jobsHere is where the words are that are laid out here.
var jobsHere = WeftJobs{Told: 1, Task: typeOfTasks, Slot: 8, Last: 16, Places: [4]WeftJobPlace{
	{Code: codeOfWorker, Frame: 32, Local: 48, Kind: uint32(WeftJobKindJOB_ITEM)},
	{Code: codeOfAwaiter, Frame: 32, Local: 56, Kind: uint32(WeftJobKindJOB_FUTURE)},
}}

// runs has the calling thread run a function with two variables, below so many chunks of other calls.
func (a aThread) runs(code, item, future uint64, chunks int) {
	last := a.put(0, 1<<14, 0, 0, code, 0, item, future)
	for range chunks {
		last = a.put(last, 1<<14, 0, 0)
	}
	*a.slot = a.put(0, 0, last)
}

func newThread(t testing.TB) aThread {
	slot, _ := lead(t)
	before := *slot
	t.Cleanup(func() { *slot = before })
	return aThread{newHeap(t), slot}
}

// TestRunningJob: what a thread that works for others does is told by what is known of its item, or of the task that waits for its future.
func TestRunningJob(t *testing.T) {
	k := start(t)
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	a := newThread(t)
	p := families["ipv4"](t)
	awaits := func(kind uint64) (task, future uint64) {
		task = a.put(1, kind)
		return task, a.put(1, 0, 0, a.put(1, 0, 0, task))
	}
	item, rootless, unknown := a.put(1), a.put(2), a.put(3)
	task, future := awaits(typeOfTasks)
	other, ofAnother := awaits(typeOfTasks + 8)
	known := map[uint64]WeftLineage{item: {Branch: 7, Root: 5}, rootless: {Branch: 9}, task: {Branch: 13, Root: 11}, other: {Branch: 17, Root: 17}}
	for _, c := range []struct {
		name         string
		code         uint64
		item, future uint64
		chunks       int
		work, origin uint64
		wanted       uint8
	}{
		{"an item", codeOfWorker, item, 0, 0, 7, 5, 0},
		{"an item, deep in calls", codeOfWorker, item, 0, 5, 7, 5, 0},
		{"an item, deeper than is looked", codeOfWorker, item, 0, 20, 0, 0, 1},
		{"an item of which it is not known for whom it is", codeOfWorker, rootless, 0, 0, 0, 0, 0},
		{"an item that was put before", codeOfWorker, unknown, 0, 0, 0, 0, 0},
		{"no item", codeOfWorker, 0, 0, 0, 0, 0, 0},
		{"a future", codeOfAwaiter, item, future, 0, 13, 11, 0},
		{"a future that something else waits for", codeOfAwaiter, item, ofAnother, 0, 0, 0, 0},
		{"a future that nothing waits for", codeOfAwaiter, item, a.put(1, 0, 0, 0), 0, 0, 0, 0},
		{"no worker", 8, item, future, 0, 0, 0, 1},
	} {
		for at, of := range known { // in each turn the thread reads what it has sent, as a request
			check(t, k.objects.Tasks.Put(WeftTaskKey{Task: at, Pid: uint32(os.Getpid())}, of))
		}
		k.watchJobs()
		a.runs(c.code, c.item, c.future, c.chunks)
		work, origin, in := k.callsIn(t, p)
		if work != c.work || origin != c.origin || in != (c.work != 0) {
			t.Errorf("%s: work %d, origin %d, in a task: %v", c.name, work, origin, in)
		}
		if i := k.interpreter(); i.Jobs.Wanted != c.wanted {
			t.Errorf("%s: wanted %d", c.name, i.Jobs.Wanted)
		}
	}
	*a.slot = 64
	k.watchJobs()
	if work, _, _ := k.callsIn(t, p); work != 0 {
		t.Errorf("a thread without a state works on %d", work)
	}
}

// watchJobs tells the kernel side where jobs are; the calling thread runs no event loop.
func (k *capture) watchJobs() {
	k.t.Helper()
	k.watch(WeftInterpreter{Jobs: jobsHere})
}

func (k *capture) interpreter() (i WeftInterpreter) {
	k.t.Helper()
	check(k.t, k.objects.Interpreters.Lookup(uint32(os.Getpid()), &i))
	return i
}

// callsIn gives the work and origin of a call that this thread sends; the receiving end is the same thread, and tells nothing here.
func (k *capture) callsIn(t *testing.T, p pair) (work, origin uint64, inTask bool) {
	t.Helper()
	k.forget()
	move(t, p.client, p.server, get, 1<<20)
	k.drain()
	sent := k.records[0]
	move(t, p.server, p.client, okReply, 1<<20)
	return sent.Work, sent.Origin, sent.Flags&event.InTask != 0
}

// putItem is a function to which the program is attached that an item meets on its way into a queue: its fifth argument is in the register of
// the second one of C.
//
//go:noinline
func putItem(_, _, _, _ uint64, arguments uint64) uint64 { return arguments }

// probePut attaches it.
func (k *capture) probePut() {
	k.t.Helper()
	file, err := elf.Open("/proc/self/exe")
	check(k.t, err)
	defer file.Close()
	at := uint64(reflect.ValueOf(putItem).Pointer())
	for _, s := range file.Progs {
		if s.Type == elf.PT_LOAD && at >= s.Vaddr && at < s.Vaddr+s.Filesz {
			put(k.t, "/proc/self/exe", k.objects.PythonItemPut, 0, at-s.Vaddr+s.Off)
			return
		}
	}
	k.t.Fatal("the function is in no segment")
}

// lineage gives what is known of an item.
func (k *capture) lineage(item uint64) (of WeftLineage) {
	k.t.Helper()
	check(k.t, k.objects.Tasks.Lookup(WeftTaskKey{Task: item, Pid: uint32(os.Getpid())}, &of))
	return of
}

// TestItemIsPut: an item descends from what the thread works on that puts it: a request that it has read, its own item, or the task of its
// loop; and nothing that was known of an item before at the same address is left.
func TestItemIsPut(t *testing.T) {
	k := start(t)
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	a := newThread(t)
	p := families["ipv4"](t)
	k.probePut()
	k.watchJobs()
	item, own := a.put(1), a.put(2)
	arguments := a.put(item, 0)
	puts := func() WeftLineage {
		putItem(0, 0, 0, 0, arguments)
		return k.lineage(item)
	}
	tid := uint64(unix.Gettid())

	a.runs(codeOfWorker, own, 0, 0)
	check(t, k.objects.Tasks.Put(WeftTaskKey{Task: item, Pid: uint32(os.Getpid())}, WeftLineage{Branch: 7, Root: 5}))
	if of := puts(); of.Root != 0 {
		t.Errorf("put by a thread of which nothing is known: %+v", of)
	}
	check(t, k.objects.Hands.Put(uint32(tid), WeftHand{Pid: uint32(os.Getpid()), Does: 1}))
	if of := puts(); of.Root != tid || of.Branch <= tid {
		t.Errorf("put by a thread that has read a request before: %+v", of)
	}
	check(t, k.objects.Tasks.Put(WeftTaskKey{Task: own, Pid: uint32(os.Getpid())}, WeftLineage{Branch: 7, Root: 5}))
	if of := puts(); of != (WeftLineage{Branch: 7, Root: 5}) {
		t.Errorf("put in an item for a request: %+v", of)
	}
	k.turn(t, p) // which reads one here
	head := k.lineage(tid)
	if of := puts(); of.Root != head.Root || of.Branch <= of.Root || of.Root <= tid || head.Branch != own {
		t.Errorf("put by a thread that has read a request, %+v: %+v", head, of)
	}
	for _, r := range k.records[1:] {
		if r.Flags&event.InTask != 0 {
			t.Error("the request itself is told as a job")
		}
	}
	if of := k.lineage(own); of.Root != 0 {
		t.Errorf("the item in which a request was read is still for another: %+v", of)
	}
	a.runs(codeOfWorker, a.put(3), 0, 0)
	if of := puts(); of.Root != 0 {
		t.Errorf("put in another item than that in which the request was read: %+v", of)
	}
	const task = 0x7f0000001000
	check(t, k.objects.Tasks.Put(WeftTaskKey{Task: task, Pid: uint32(os.Getpid())}, WeftLineage{Branch: 11, Root: 11}))
	k.watch(WeftInterpreter{Jobs: jobsHere, Logarithm: 1, Current: a.dictionary(true, [2]uint64{1, task})})
	if of := puts(); of.Root != 11 || of.Branch <= 11 {
		t.Errorf("put by a task: %+v", of)
	}
}

// BenchmarkJob is as Event/tasks, in a thread that works on an item, below a second chunk of calls.
func BenchmarkJob(b *testing.B) {
	w := workload{
		name: "job", steps: []step{{"request", false, request(250), 0}, {"reply-1KiB-body", true, reply(1024, 1000) + strings.Repeat("b", 1000), 0}},
		runs: func(t testing.TB, k *capture) func() {
			slot, _ := lead(t)
			before := *slot
			a := aThread{newHeap(t), slot}
			item := a.put(1)
			check(t, k.objects.Tasks.Put(WeftTaskKey{Task: item, Pid: uint32(os.Getpid())}, WeftLineage{Branch: 7, Root: 5}))
			a.runs(codeOfWorker, item, 0, 1)
			k.watchJobs()
			return func() { *slot = before }
		},
	}
	w.measure(b)
}

// BenchmarkItemPut gives the kernel time of the program that an item meets on its way into a queue, and the time of the whole probe.
func BenchmarkItemPut(b *testing.B) {
	k := load(b, everything())
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	a := newThread(b)
	item := a.put(1)
	arguments := a.put(item, 0)
	check(b, k.objects.Tasks.Put(WeftTaskKey{Task: item, Pid: uint32(os.Getpid())}, WeftLineage{Branch: 7, Root: 5}))
	a.runs(codeOfWorker, item, 0, 1)
	k.watchJobs()
	k.probePut()
	stats, err := ebpf.EnableStats(uint32(unix.BPF_STATS_RUN_TIME))
	check(b, err)
	defer stats.Close()
	before, err := k.objects.PythonItemPut.Stats()
	check(b, err)
	for b.Loop() {
		putItem(0, 0, 0, 0, arguments)
	}
	after, err := k.objects.PythonItemPut.Stats()
	check(b, err)
	b.ReportMetric(float64(after.Runtime-before.Runtime)/float64(after.RunCount-before.RunCount), "kernel-ns/op")
}
