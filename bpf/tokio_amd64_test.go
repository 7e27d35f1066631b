package bpf

import (
	"os"
	"runtime"
	"slices"
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"

	"weft/correlate/event"
)

// Where the words are of what is laid out here of tokio, in bytes.
const (
	taskBox     = 48
	taskTrailer = 64
	boxSender   = 8
	joined      = 24
	tableSize   = 80
)

// rust is what is laid out of a process of tokio.
type rust struct {
	*heap
	k       *capture
	number  *uint64 // of the running task
	runtime WeftRuntime
	box     uint64 // table of the kind of future that is in a box
}

// startRust takes this process for one of tokio; its thread stays the same until the test is over.
func startRust(t *testing.T) *rust {
	r := &rust{heap: newHeap(t), k: start(t)}
	runtime.LockOSThread()
	t.Cleanup(runtime.UnlockOSThread)
	_, base := lead(t)
	local, at := below(t, base)
	r.number = (*uint64)(local)
	r.box = r.put(1, 2, 3)
	low := r.put(1, 2, 3, 4, 5, 6, 7, taskTrailer, 32, 40)
	r.runtime = WeftRuntime{Low: low, High: low + 1, Waker: r.put(1, 2, 3, 4), Current: uint32(base - at)}
	r.runtime.Holders[1] = WeftHolder{Table: r.box, Box: taskBox, Sender: boxSender, State: 48, Own: 16, Waiting: 32}
	r.tells()
	return r
}

// below gives memory that is below an address, by no more than what 32 bits tell.
func below(t *testing.T, base uint64) (unsafe.Pointer, uint64) {
	const page, step, least = 1 << 16, 1 << 24, 1 << 20
	at := uint64(least)
	if base > 1<<31 {
		at = (base - 1<<31) &^ (page - 1)
	}
	for ; at+page < base; at += step {
		local, err := unix.MmapPtr(-1, 0, *(*unsafe.Pointer)(unsafe.Pointer(&at)), page, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_ANON|unix.MAP_FIXED_NOREPLACE)
		if err == nil {
			t.Cleanup(func() { _ = unix.MunmapPtr(local, page) })
			return local, at
		}
	}
	t.Fatal("no memory below the thread pointer")
	return nil, 0
}

// tells the kernel side what is known of the process.
func (r *rust) tells() {
	pid := uint32(os.Getpid())
	check(r.k.t, r.k.objects.Runtimes.Put(pid, &r.runtime))
	check(r.k.t, r.k.objects.Processes.Put(pid, WeftProcess{Choice: uint8(WeftChoiceCHOICE_TRACE), Tasks: uint8(WeftTasksOfTASKS_OF_TOKIO)}))
	check(r.k.t, r.k.objects.Epoch.Set(r.k.epoch()+1))
}

// task lays one out that holds a future in a box, which holds what it shares with a receiver, and is awaited by a waker.
func (r *rust) task(number, shared, state, waker, awaiting uint64) uint64 {
	if r.used%16 != 0 {
		r.put(0)
	}
	box := r.put(0, shared)
	return r.put(state, 0, r.runtime.Low, 1, 0, number, box, r.box, 0, 0, waker, awaiting, 0, 0)
}

// awaited is a task of whose result another one waits.
func (r *rust) awaited(number, shared, by uint64) uint64 {
	return r.task(number, shared, joined, r.runtime.Waker, by)
}

// channel lays out what a sender and a receiver share.
func (r *rust) channel(state, own, waiting uint64) uint64 {
	return r.put(2, 1, r.runtime.Waker, own, r.runtime.Waker, waiting, state)
}

// in does something with an address on the stack of the thread, while a task runs. What is further out is there to be read: the kernel side
// brings in no pages.
func (r *rust) in(number, at uint64, do func()) {
	var outer [4096]uint64
	for i := range outer {
		outer[i] = uint64(i)
	}
	r.inner(number, at, do)
	stays(outer[:])
}

//go:noinline
func (r *rust) inner(number, at uint64, do func()) {
	stack := [4]uint64{0, at}
	stays(stack[:])
	*r.number = number
	do()
	*r.number = 0
	stays(stack[:])
}

//go:noinline
func stays([]uint64) {}

// serves has a task read a request.
func (r *rust) serves(t *testing.T, number uint64) {
	t.Helper()
	p := families["ipv4"](t)
	_, _ = unix.Write(p.client, []byte(get))
	r.k.forget()
	r.in(number, 0, func() { _, _ = unix.Read(p.server, make([]byte, 100)) })
	if work, in := r.last(t); work != number || !in {
		t.Errorf("task %d reads a request in task %d", number, work)
	}
}

// last gives the task of the last record.
func (r *rust) last(t *testing.T) (work uint64, in bool) {
	t.Helper()
	r.k.drain()
	if len(r.k.records) == 0 {
		t.Fatal("no records")
	}
	m := r.k.records[len(r.k.records)-1]
	if m.Work != m.Origin {
		t.Errorf("the work %d is of %d", m.Work, m.Origin)
	}
	return m.Work, m.Flags&event.InTask != 0
}

// calls has a task make a call and read the reply, and gives for whom.
func (r *rust) calls(t *testing.T, number, at uint64) (call, reply uint64) {
	t.Helper()
	p := families["ipv4"](t)
	r.k.forget()
	r.in(number, at, func() { _, _ = unix.Write(p.client, []byte(get)) })
	call, in := r.last(t)
	if in != (call != 0) {
		t.Errorf("a call of %d is in a task: %v", call, in)
	}
	_, _ = unix.Read(p.server, make([]byte, 100))
	_, _ = unix.Write(p.server, []byte(okReply))
	r.k.forget()
	r.in(number, at, func() { _, _ = unix.Read(p.client, make([]byte, 100)) })
	reply, _ = r.last(t)
	return call, reply
}

// TestRunningFuture: a call that one task sends is that of the one that waits for the reply, or has it sent by a task of its own.
func TestRunningFuture(t *testing.T) {
	r := startRust(t)
	const server, stranger, child, conn = 7, 8, 9, 20
	r.serves(t, server)
	serving, idle := r.task(server, 0, 0, 0, 0), r.task(stranger, 0, 0, 0, 0)
	begun := r.awaited(child, 0, serving)
	words(begun+taskBox+8, 1)[0] = 0 // it is no client's
	left := r.task(child+1, 0, 0, r.runtime.Waker, serving)
	self := r.put() &^ 15
	next := uint64(conn)
	for _, c := range []struct {
		name   string
		shared func(own uint64) uint64
		want   uint64
	}{
		{"waits", func(own uint64) uint64 { return r.channel(9, own, serving) }, server},
		{"waits, and the sender was not asked for yet", func(uint64) uint64 { return r.channel(1, 0, serving) }, server},
		{"waits for one that it has started", func(own uint64) uint64 { return r.channel(9, own, begun) }, server},
		{"has left what it has started", func(own uint64) uint64 { return r.channel(9, own, left) }, 0},
		{"has read nothing", func(own uint64) uint64 { return r.channel(9, own, idle) }, 0},
		{"waits for another task", func(own uint64) uint64 { return r.channel(9, own+128, serving) }, 0},
		{"does not wait yet", func(own uint64) uint64 { return r.channel(8, own, serving) }, 0},
		{"was sent something", func(own uint64) uint64 { return r.channel(11, own, serving) }, 0},
		{"is gone", func(own uint64) uint64 { return r.channel(13, own, serving) }, 0},
		{"waits in another way", func(own uint64) uint64 { return r.put(2, 1, r.runtime.Waker, own, r.box, serving, 9) }, 0},
		{"is no task", func(own uint64) uint64 { return r.channel(9, own, r.put(0, 0, r.box, 1, 0, server, 0, 0)) }, 0},
		{"is nowhere", func(own uint64) uint64 { return r.channel(9, own, 1<<44) }, 0},
		{"shares nothing", func(uint64) uint64 { return 0 }, 0},
	} {
		next++
		at := r.task(next, 0, 0, 0, 0)
		words(r.wordOf(at, taskBox)+boxSender, 1)[0] = c.shared(at)
		if call, reply := r.calls(t, next, at); call != c.want || reply != c.want {
			t.Errorf("the task %s: the call is of %d, the reply of %d, want %d", c.name, call, reply, c.want)
		}
	}
	for _, c := range []struct {
		name       string
		number, at uint64
		want       uint64
	}{
		{"the one that has read the request", server, serving, server},
		{"one that this one has started", child, begun, server},
		{"one that it has left", child + 1, left, 0},
		{"one that is not on the stack", 99, self, 0},
		{"another one than that on the stack", 98, serving, 0},
		{"none", 0, serving, 0},
	} {
		if call, reply := r.calls(t, c.number, c.at); call != c.want || reply != c.want {
			t.Errorf("the task that calls is %s: the call is of %d, the reply of %d, want %d", c.name, call, reply, c.want)
		}
	}
}

func (r *rust) wordOf(at uint64, offset uint64) uint64 { return words(at+offset, 1)[0] }

// TestUnknownFuture: of a kind that is not known it is told which task it was, and a kind may be that of the task itself.
func TestUnknownFuture(t *testing.T) {
	r := startRust(t)
	const server = 7
	r.serves(t, server)
	serving := r.task(server, 0, 0, 0, 0)
	caller := func(number uint64) uint64 {
		at := r.task(number, 0, 0, 0, 0)
		shared := r.channel(9, at, serving)
		words(at+taskBox, 1)[0], words(r.wordOf(at, taskBox)+boxSender, 1)[0] = shared, shared
		return at
	}
	r.runtime.Holders[1] = WeftHolder{}
	r.tells()
	at := caller(20)
	var told WeftRuntime
	if call, _ := r.calls(t, 20, at); call != 0 {
		t.Errorf("a kind that is not known: the call is of %d", call)
	}
	if check(t, r.k.objects.Runtimes.Lookup(uint32(os.Getpid()), &told)); told.Unknown != at {
		t.Errorf("it is told of task %x, want %x", told.Unknown, at)
	}
	r.runtime.Holders[0] = WeftHolder{Table: r.runtime.Low, Sender: taskBox, State: 48, Own: 16, Waiting: 32}
	r.tells()
	if call, _ := r.calls(t, 21, caller(21)); call != server {
		t.Errorf("the kind is that of the task: the call is of %d, want %d", call, server)
	}
}

// TestSetOfFutures: a task that awaits several others together, or several replies, has its waker in a set.
func TestSetOfFutures(t *testing.T) {
	r := startRust(t)
	const server, child, toSet, toTask = 7, 8, 16, 8
	r.serves(t, server)
	serving := r.task(server, 0, 0, 0, 0)
	kind := r.put(1, 2, 3, 4)
	set := r.put(0, r.runtime.Waker, serving)
	entry := r.put(0, 0, set)
	none := r.put(0, 0, r.put(0, kind, serving))
	next := uint64(20)
	calls := func(waker, waits uint64) (call, reply uint64) {
		next++
		at := r.task(next, 0, 0, 0, 0)
		shared := r.put(2, 1, r.runtime.Waker, at, waker, waits, 9)
		words(r.wordOf(at, taskBox)+boxSender, 1)[0] = shared
		return r.calls(t, next, at)
	}
	awaited := r.task(child, 0, joined, kind, entry)
	words(awaited+taskBox+8, 1)[0] = 0 // it is no client's
	ways := []struct {
		name         string
		waker, waits uint64
		want         uint64
	}{
		{"one reply of a set", kind, entry, server},
		{"a task of a set", r.runtime.Waker, awaited, server},
		{"the same without a set", r.runtime.Waker, serving, server},
		{"something that leads to no waker of a task", kind, none, 0},
		{"something that leads nowhere", kind, 1 << 44, 0},
	}
	for _, c := range ways[:2] {
		if call, _ := calls(c.waker, c.waits); call != 0 {
			t.Errorf("the way is not known, and for %s the call is of %d", c.name, call)
		}
		var told WeftRuntime
		check(t, r.k.objects.Runtimes.Lookup(uint32(os.Getpid()), &told))
		if i := slices.Index(told.Awaited[:], kind); i < 0 || told.Awaited[i+1] != entry {
			t.Errorf("it is told that %x awaits %s", told.Awaited, c.name)
		}
		r.tells()
	}
	r.runtime.Relays[2] = WeftRelay{Table: kind, Set: toSet, Waker: toTask}
	r.tells()
	for _, c := range ways {
		if call, reply := calls(c.waker, c.waits); call != c.want || reply != c.want {
			t.Errorf("%s is awaited: the call is of %d, the reply of %d, want %d", c.name, call, reply, c.want)
		}
	}
}

// TestFutureNotFound: as long as it is not known where the running task is found, what shows that is copied.
func TestFutureNotFound(t *testing.T) {
	r := startRust(t)
	r.runtime.Current = 0
	r.tells()
	_, base := lead(t)
	for _, word := range words(base-1024, 128) {
		*r.number = max(*r.number, word) // brings the memory in
	}
	at := r.task(7, 0, 0, 0, 0)
	if call, _ := r.calls(t, 7, at); call != 0 {
		t.Errorf("the call is of %d", call)
	}
	seen := false
	for area := range r.k.objects.Glances.MaxEntries() {
		var each []WeftGlance
		check(t, r.k.objects.Glances.Lookup(area, &each))
		for i := range each {
			g := &each[i]
			if g.Pid != uint32(os.Getpid()) || g.Base != base {
				continue
			}
			for _, word := range g.Words[:g.Count] {
				seen = seen || word == at
			}
			if before := words(base-8, 1)[0]; g.Local[len(g.Local)-1] != before {
				t.Errorf("before the thread pointer is %x, want %x", g.Local[len(g.Local)-1], before)
			}
		}
	}
	if !seen {
		t.Error("the task is not on what was copied of the stack")
	}
}
