package bpf

import (
	"runtime"
	"strings"
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"
)

// lead gives the word behind the thread pointer of the calling thread, which neither Go nor what is called here looks at: it leads to what
// HotSpot keeps of a thread. And it gives the thread pointer.
func lead(t testing.TB) (vector *uint64, base uint64) {
	t.Helper()
	const archGetFS = 0x1003
	if _, _, errno := unix.RawSyscall(unix.SYS_ARCH_PRCTL, archGetFS, uintptr(unsafe.Pointer(&base)), 0); errno != 0 {
		t.Fatal(errno)
	}
	return (*uint64)(unsafe.Add(*(*unsafe.Pointer)(unsafe.Pointer(&base)), 8)), base
}

// aMachine is where the words are that are laid out here.
var aMachine = WeftMachine{Slot: 48, Current: 8, System: 16, Pointer: 8, Mounted: 25, Number: 32}

const isMounted = 1 << 8

// BenchmarkVirtual is as Event/tasks, in a virtual thread of Java.
func BenchmarkVirtual(b *testing.B) {
	w := workload{
		name: "virtual", steps: []step{{"request", false, request(250), 0}, {"reply-1KiB-body", true, reply(1024, 1000) + strings.Repeat("b", 1000), 0}},
		runs: func(t testing.TB, k *capture) func() {
			h := newHeap(t)
			vector, base := lead(t)
			before := *vector
			*vector = h.put(0, 0, 0, 0, 0, 0, h.put(0, h.put(0, 0, h.put(0, base), isMounted, 41)))
			k.watch(WeftInterpreter{Machine: aMachine})
			return func() { *vector = before }
		},
	}
	w.measure(b)
}

// TestRunningVirtual lays out what HotSpot keeps of a thread.
func TestRunningVirtual(t *testing.T) {
	k := start(t)
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	h := newHeap(t)
	p := families["ipv4"](t)
	vector, base := lead(t)
	before := *vector
	defer func() { *vector = before }()

	const number = 41
	system, stranger := h.put(0, base), h.put(0, base+64)
	structure := func(system, mounted, number uint64) uint64 { return h.put(0, 0, system, mounted, number) }
	for _, c := range []struct {
		name      string
		structure uint64
		want      uint64
		unread    bool
	}{
		{"a virtual thread", structure(system, isMounted, number), number, false},
		{"the thread itself", structure(system, 0, number), 0, false},
		{"no thread of Java", 0, 0, false},
		{"another thread's structure", structure(stranger, isMounted, number), 0, true},
		{"nothing there", 64, 0, true},
		{"no number", structure(system, isMounted, 0), 0, true},
	} {
		count := k.count(WeftCountCOUNT_TASK_UNREAD)
		*vector = h.put(0, 0, 0, 0, 0, 0, h.put(0, c.structure))
		k.watch(WeftInterpreter{Machine: aMachine})
		work, origin, in := k.told(t, p)
		if work != c.want || origin != c.want || in != (c.want != 0) {
			t.Errorf("%s: work %d, origin %d, in a task: %v", c.name, work, origin, in)
		}
		if unread := k.count(WeftCountCOUNT_TASK_UNREAD) > count; unread != c.unread {
			t.Errorf("%s: counted as unread: %v", c.name, unread)
		}
	}
}
