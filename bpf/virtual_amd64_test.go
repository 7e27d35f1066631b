package bpf

import (
	"runtime"
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"
)

// threadPointer gives that of the calling thread.
func threadPointer(t *testing.T) (base uint64) {
	t.Helper()
	const archGetFS = 0x1003
	if _, _, errno := unix.RawSyscall(unix.SYS_ARCH_PRCTL, archGetFS, uintptr(unsafe.Pointer(&base)), 0); errno != 0 {
		t.Fatal(errno)
	}
	return base
}

// TestRunningVirtual lays out what HotSpot keeps of a thread. The word behind the thread pointer, which neither Go nor what is called here
// looks at, leads to it meanwhile.
func TestRunningVirtual(t *testing.T) {
	k := start(t)
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	h := newHeap(t)
	p := families["ipv4"](t)
	base := threadPointer(t)
	vector := *(**uint64)(unsafe.Pointer(&base))
	vector = (*uint64)(unsafe.Add(unsafe.Pointer(vector), 8))
	before := *vector
	defer func() { *vector = before }()

	const number, mounted = 41, 1 << 8
	system, stranger := h.put(0, base), h.put(0, base+64)
	structure := func(system, mounted, number uint64) uint64 { return h.put(0, 0, system, mounted, number) }
	machine := WeftMachine{Slot: 48, Current: 8, System: 16, Pointer: 8, Mounted: 25, Number: 32}
	for _, c := range []struct {
		name      string
		structure uint64
		want      uint64
		unread    bool
	}{
		{"a virtual thread", structure(system, mounted, number), number, false},
		{"the thread itself", structure(system, 0, number), 0, false},
		{"no thread of Java", 0, 0, false},
		{"another thread's structure", structure(stranger, mounted, number), 0, true},
		{"nothing there", 64, 0, true},
		{"no number", structure(system, mounted, 0), 0, true},
	} {
		count := k.count(WeftCountCOUNT_TASK_UNREAD)
		*vector = h.put(0, 0, 0, 0, 0, 0, h.put(0, c.structure))
		k.watch(WeftInterpreter{Machine: machine})
		work, origin, in := k.told(t, p)
		if work != c.want || origin != c.want || in != (c.want != 0) {
			t.Errorf("%s: work %d, origin %d, in a task: %v", c.name, work, origin, in)
		}
		if unread := k.count(WeftCountCOUNT_TASK_UNREAD) > count; unread != c.unread {
			t.Errorf("%s: counted as unread: %v", c.name, unread)
		}
	}
}
