package bpf

import (
	"encoding/binary"
	"os"
	"runtime"
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"

	"weft/correlate/event"
)

// heap is memory of this process in which objects of a CPython interpreter are laid out by hand.
type heap struct {
	bytes []byte
	used  int
}

func newHeap(t testing.TB) *heap {
	t.Helper()
	b, err := unix.Mmap(-1, 0, 1<<20, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_ANON)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = unix.Munmap(b) })
	return &heap{bytes: b}
}

// put lays words out and gives their address.
func (h *heap) put(words ...uint64) uint64 {
	at := uint64(uintptr(unsafe.Pointer(&h.bytes[h.used])))
	for _, w := range words {
		binary.LittleEndian.PutUint64(h.bytes[h.used:], w)
		h.used += 8
	}
	return at
}

// dictionary gives one with these entries, each a key and a value; removed ones have the value 0.
func (h *heap) dictionary(logarithm bool, entries ...[2]uint64) uint64 {
	const indices = 8
	used := uint64(0)
	keys := []uint64{1, indices, 0, 5, uint64(len(entries))}
	if logarithm {
		keys = []uint64{1, 3 | 3<<8, 5, uint64(len(entries))}
	}
	keys = append(keys, 0) // the indices
	for _, e := range entries {
		keys = append(keys, 0, e[0], e[1])
		if e[1] != 0 {
			used++
		}
	}
	return h.put(1, 0, used, 0, h.put(keys...), 0)
}

// watch tells the kernel side where the current tasks of this process are, and that the calling thread runs the loop.
func (k *capture) watch(w WeftInterpreter) {
	k.t.Helper()
	w.Loop = uint32(unix.Gettid())
	w.Size = 40
	if w.Logarithm > 0 {
		w.Size = 32
	}
	pid := uint32(os.Getpid())
	if err := k.objects.Interpreters.Put(pid, w); err != nil {
		k.t.Fatal(err)
	}
	if err := k.objects.Processes.Put(pid, WeftProcess{Choice: uint8(WeftChoiceCHOICE_TRACE), Tasks: 1}); err != nil {
		k.t.Fatal(err)
	}
	if err := k.objects.Epoch.Set(k.epoch() + 1); err != nil {
		k.t.Fatal(err)
	}
}

func (k *capture) epoch() (n uint32) {
	k.t.Helper()
	if err := k.objects.Epoch.Get(&n); err != nil {
		k.t.Fatal(err)
	}
	return n
}

// told gives the work and origin of the records of one request and its reply, and fails if they differ.
func (k *capture) told(t *testing.T, p pair) (work, origin uint64, inTask bool) {
	t.Helper()
	k.turn(t, p)
	if len(k.records) == 0 {
		t.Fatal("no records")
	}
	first := k.records[0]
	for _, r := range k.records {
		if r.Work != first.Work || r.Origin != first.Origin || (r.Flags^first.Flags)&event.InTask != 0 {
			t.Errorf("records of one task differ: %+v, %+v", first, r)
		}
	}
	return first.Work, first.Origin, first.Flags&event.InTask != 0
}

// TestRunningTask lays out what CPython keeps of its current task, in both of its ways, and what it could keep that is not
// understood.
func TestRunningTask(t *testing.T) {
	k := start(t)
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	h := newHeap(t)
	p := families["ipv4"](t)
	const task, loop = 0x7f0000001000, 0x7f0000002000
	for logarithm := range 2 {
		for _, c := range []struct {
			name    string
			entries [][2]uint64
			want    uint64
		}{
			{"none", nil, 0},
			{"one", [][2]uint64{{loop, task}}, task},
			{"one behind others that were removed", [][2]uint64{{loop, 0}, {loop, 0}, {loop, task}}, task},
			{"one in front of one that was removed", [][2]uint64{{loop, task}, {loop, 0}}, task},
			{"of two loops", [][2]uint64{{loop, task}, {loop + 8, task + 8}}, 0},
		} {
			k.watch(WeftInterpreter{Current: h.dictionary(logarithm == 1, c.entries...), Logarithm: uint8(logarithm)})
			work, origin, in := k.told(t, p)
			if work != c.want || origin != c.want || in != (c.want != 0) {
				t.Errorf("%s, logarithm %d: work %#x, origin %#x, in a task: %v", c.name, logarithm, work, origin, in)
			}
		}
	}
	for name, at := range map[string]uint64{"nothing there": 8, "no dictionary": h.put(1, 2, 1, 4, 5, 6), "keys without bound": h.put(1, 2, 1, 4, h.put(1, 1<<40, 1, 1<<40, 1<<40))} {
		k.watch(WeftInterpreter{Current: at})
		if work, _, in := k.told(t, p); work != 0 || in {
			t.Errorf("%s: work %#x", name, work)
		}
	}
	if n := k.count(WeftCountCOUNT_TASK_UNREAD); n == 0 {
		t.Error("what could not be read was not counted")
	}
}

// TestLineage: a task that is known is told by its branch and root, and only to the thread that runs the loop.
func TestLineage(t *testing.T) {
	k := start(t)
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	h := newHeap(t)
	p := families["ipv4"](t)
	const task = 0x7f0000001000
	key := WeftTaskKey{Task: task, Pid: uint32(os.Getpid())}
	if err := k.objects.Tasks.Put(key, WeftLineage{Branch: 7, Root: 5}); err != nil {
		t.Fatal(err)
	}
	k.watch(WeftInterpreter{Current: h.dictionary(true, [2]uint64{1, task}), Logarithm: 1})
	if work, origin, in := k.told(t, p); work != 7 || origin != 5 || !in {
		t.Errorf("work %d, origin %d, in a task: %v", work, origin, in)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		runtime.LockOSThread()
		if work, _, in := k.told(t, p); work != 0 || in {
			t.Errorf("another thread works on task %d", work)
		}
	}()
	<-done
}
