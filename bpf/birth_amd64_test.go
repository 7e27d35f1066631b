package bpf

import (
	"os"
	"strconv"
	"testing"
	"unsafe"

	"github.com/cilium/ebpf"
	"golang.org/x/sys/unix"
)

// Where the words are of what is laid out here: of a thread's structure, and of the outermost end of its stack.
const (
	bufferWord = 5
	stackWord  = 9
	stackSize  = 300 // words
	entryAt    = 3   // the word of the stack, from its end, behind which Java begins
	entryMark  = 0x7a7a7a7a7a7a
	bufferRoom = 1 << 12
)

// javaThread is a thread that has what HotSpot keeps of one.
type javaThread struct {
	*worker
	structure []uint64
	stack     []uint64 // the last word is the outermost
	restore   func()   // nil: it has ended
}

// ends has the thread end as itself.
func (w *javaThread) ends(t *testing.T) {
	t.Helper()
	w.do(w.restore)
	w.restore = nil
	w.worker.ends(t)
}

// java is what is laid out of a process of HotSpot.
type java struct {
	heap        *heap
	collections *uint64
	eden        uint64
	shift       uint32
}

func words(at uint64, n int) []uint64 { return unsafe.Slice(*(**uint64)(unsafe.Pointer(&at)), n) }

// thread makes one. Its thread-local memory is put back when the test is over.
func (j *java) thread(t testing.TB) *javaThread {
	w := &javaThread{worker: newWorker(t)}
	w.stack = words(j.heap.put(make([]uint64, stackSize)...), stackSize)
	w.stack[stackSize-entryAt] = entryMark
	w.do(func() {
		vector, base := lead(t)
		before := *vector
		end := uint64(uintptr(unsafe.Pointer(&w.stack[0]))) + 8*stackSize
		structure := j.heap.put(0, 0, j.heap.put(0, base), 0, 0, 0, 0, 0, 0, end)
		w.structure = words(structure, stackWord+1)
		*vector = j.heap.put(0, 0, 0, 0, 0, 0, j.heap.put(0, structure))
		w.restore = func() { *vector = before }
	})
	t.Cleanup(func() {
		if w.restore != nil {
			w.do(w.restore)
		}
	})
	return w
}

// buffer gives the thread one that begins at a place of eden, of which so many bytes are used.
func (w *javaThread) buffer(start, used uint64) {
	copy(w.structure[bufferWord:], []uint64{start, start + used, start, start + bufferRoom})
}

// holds puts words on the stack, the first one at a place from where Java begins.
func (w *javaThread) holds(place int, held ...uint64) {
	clear(w.stack[:stackSize-entryAt])
	for i, word := range held {
		w.stack[stackSize-entryAt-1-place-i] = word
	}
}

// startJava takes this process for one of HotSpot.
func startJava(t testing.TB, base uint64, shift uint32) (*capture, *java) {
	k := start(t)
	j := &java{heap: newHeap(t), shift: shift}
	at := j.heap.put(7)
	j.collections = &words(at, 1)[0]
	j.eden = 0x7e0000000000
	k.watch(WeftInterpreter{
		Machine: WeftMachine{Slot: 48, Current: 8, System: 16, Pointer: 8},
		Heap:    WeftHeap{Base: base, Shift: shift, Buffer: 8 * bufferWord, Stack: 8 * stackWord, Entry: entryMark, Collections: at},
	})
	return k, j
}

// asks has a thread make a call, and gives who has allocated what it holds.
func (k *capture) asks(t *testing.T, w *javaThread) (told []WeftWaiter) {
	t.Helper()
	p := families["ipv4"](t)
	k.waiters()
	w.do(func() { _, _ = unix.Write(p.client, []byte(get)) })
	for _, r := range k.waiters() {
		if r.Head.Tid != w.tid || r.Worker != 0 || r.Head.Pid != uint32(os.Getpid()) {
			t.Errorf("told of thread %d: %+v", w.tid, r)
		}
		told = append(told, r.Waiters[:min(r.Count, uint32(len(r.Waiters)))]...)
	}
	return told
}

// reads has a thread read a request, and gives the connection.
func (k *capture) reads(t testing.TB, w *javaThread) pair {
	p := families["ipv4"](t)
	_, _ = unix.Write(p.client, []byte(get))
	w.do(func() { _, _ = unix.Read(p.server, make([]byte, 100)) })
	return p
}

// TestBirth: what the thread of a request has allocated since it has read the head, another one holds that makes a call.
func TestBirth(t *testing.T) {
	k, j := startJava(t, 0, 0)
	server, caller := j.thread(t), j.thread(t)
	const used, second = 256, 1 << 20
	begin := func() {
		server.buffer(j.eden, used)
		k.reads(t, server)
	}
	grow := func() { server.buffer(j.eden, 2*used) }
	for _, c := range []struct {
		name   string
		after  func() // that the head was read
		places uint64
		held   []uint64 // on the stack, from place 4 on
	}{
		{"a job", grow, 5, []uint64{j.eden + used}},
		{"some, with others", grow, 6 | 8<<8, []uint64{j.eden + bufferRoom, j.eden + used + 8, 0, j.eden + 2*used - 8}},
		{"more than are told", grow, 5 | 6<<8 | 7<<16 | 8<<24 | 9<<32 | 10<<40,
			[]uint64{j.eden + used, j.eden + used, j.eden + used, j.eden + used, j.eden + used, j.eden + used, j.eden + used}},
		{"older than the request", grow, 0, []uint64{j.eden, j.eden + used - 8}},
		{"not allocated yet", grow, 0, []uint64{j.eden + 2*used, j.eden + used + 4}},
		{"another buffer", func() { server.buffer(j.eden+second, used) }, 5 | 6<<8, []uint64{j.eden + second, j.eden + used}},
		{"no buffer any more", func() { server.buffer(0, 0) }, 5, []uint64{j.eden + used}},
		{"objects were moved", func() { grow(); *j.collections++ }, 6, []uint64{j.eden + second, j.eden + used}},
		{"a buffer that makes no sense", func() { server.buffer(j.eden, 2*bufferRoom) }, 0, []uint64{j.eden + bufferRoom + 8}},
	} {
		begin()
		c.after()
		caller.holds(4, c.held...)
		told := k.asks(t, caller)
		switch {
		case c.places == 0 && len(told) > 0:
			t.Errorf("%s: told %+v", c.name, told)
		case c.places != 0 && (len(told) != 1 || told[0].Goroutine != uint64(server.tid) || told[0].Place&(1<<48-1) != c.places || told[0].Parent == 0):
			t.Errorf("%s: told %+v, want places %x of thread %d", c.name, told, c.places, server.tid)
		}
	}
}

// TestBirthReferences: references of 32 bits are read as the machine does, two to a word.
func TestBirthReferences(t *testing.T) {
	const shift = 3
	eden := uint64(0x7e0000000000)
	for _, base := range []uint64{0, eden - 1<<20} {
		k, j := startJava(t, base, shift)
		if base == 0 {
			j.eden = 0x600000000 // where such references reach without a base
		}
		server, caller := j.thread(t), j.thread(t)
		server.buffer(j.eden, 0)
		k.reads(t, server)
		server.buffer(j.eden, 64)
		at := (j.eden + 8 - base) >> shift
		caller.holds(0, at, 0, at<<32|1, (j.eden+64-base)>>shift, j.eden+16)
		if told := k.asks(t, caller); len(told) != 1 || told[0].Place&(1<<48-1) != 1|3<<8|5<<16 {
			t.Errorf("base %x: told %+v", base, told)
		}
	}
}

// TestBirthOf: of whom nothing is told, and of several.
func TestBirthOf(t *testing.T) {
	k, j := startJava(t, 0, 0)
	one, other, caller := j.thread(t), j.thread(t), j.thread(t)
	read := func(w *javaThread, at uint64) {
		w.buffer(at, 0)
		k.reads(t, w)
		w.buffer(at, 64)
	}
	const second = 1 << 20
	read(one, j.eden)
	read(other, j.eden+second)
	caller.holds(0, j.eden+second, j.eden)
	told := k.asks(t, caller)
	if len(told) != 2 || told[0].Goroutine != uint64(one.tid) || told[0].Place&0xffff != 2 || told[1].Goroutine != uint64(other.tid) || told[1].Place&0xffff != 1 {
		t.Errorf("of two it is told: %+v", told)
	}
	before := told
	read(one, j.eden)
	if told = k.asks(t, caller); len(told) != 2 || told[0].Parent <= before[0].Parent || told[1] != before[1] {
		t.Errorf("of the next request it is told: %+v, before %+v", told, before)
	}
	other.holds(0, j.eden)
	if told = k.asks(t, other); len(told) != 0 {
		t.Errorf("a thread that reads requests tells %+v", told)
	}
	without := j.thread(t)
	without.holds(0, j.eden)
	for _, w := range []*javaThread{one, other, caller, without} {
		w.stack[stackSize-entryAt] = 0
	}
	if told = k.asks(t, caller); len(told) != 2 {
		t.Errorf("where Java begins on a stack is looked for twice: %+v", told)
	}
	if told = k.asks(t, without); len(told) != 0 {
		t.Errorf("a stack without Java tells %+v", told)
	}
	k.hook(k.objects.SchedProcessExit)
	k.cradles(t, 2)
	one.ends(t)
	k.cradles(t, 1)
	if told = k.asks(t, caller); len(told) != 1 || told[0].Goroutine != uint64(other.tid) {
		t.Errorf("of a thread that has ended it is told: %+v", told)
	}
}

// TestBirthSeldom: where it is of no use, it is looked for at one call of 16.
func TestBirthSeldom(t *testing.T) {
	k, j := startJava(t, 0, 0)
	server, caller := j.thread(t), j.thread(t)
	server.buffer(j.eden, 0)
	k.reads(t, server)
	server.buffer(j.eden, 64)
	caller.holds(0, j.eden)
	const calls = 800
	told := func() (n int) {
		for range calls {
			n += len(k.asks(t, caller))
		}
		return n
	}
	if n := told(); n != calls {
		t.Errorf("of %d calls %d are told of", calls, n)
	}
	k.looksSeldom()
	if n := told(); n < calls/32 || n > calls/8 {
		t.Errorf("of %d calls of a process of which it is of no use %d are told of", calls, n)
	}
}

// looksSeldom says of this process that it is of no use.
func (k *capture) looksSeldom() {
	k.t.Helper()
	check(k.t, k.objects.Processes.Put(uint32(os.Getpid()), WeftProcess{Choice: uint8(WeftChoiceCHOICE_TRACE), Tasks: 1, Seldom: 1}))
	check(k.t, k.objects.Epoch.Set(k.epoch()+1))
}

// cradles holds how many threads are known that read requests.
func (k *capture) cradles(t *testing.T, want int) {
	t.Helper()
	n := 0
	var key WeftCradleKey
	var value WeftCradle
	for all := k.objects.Cradles.Iterate(); all.Next(&key, &value); {
		n++
	}
	if n != want {
		t.Errorf("%d threads are known that read requests, want %d", n, want)
	}
}

// TestBirthAfterTheAnswer: what a thread allocates when its request is being answered is for nobody, until it reads again.
func TestBirthAfterTheAnswer(t *testing.T) {
	k, j := startJava(t, 0, 0)
	server, caller := j.thread(t), j.thread(t)
	caller.holds(0, j.eden)
	for range 2 {
		server.buffer(j.eden, 0)
		p := k.reads(t, server)
		server.buffer(j.eden, 64)
		if told := k.asks(t, caller); len(told) != 1 {
			t.Errorf("before the answer it is told: %+v", told)
		}
		_, _ = unix.Write(p.server, []byte(okReply)) // by another thread
		if told := k.asks(t, caller); len(told) != 0 {
			t.Errorf("after the answer it is told: %+v", told)
		}
	}
}

// BenchmarkBirth is a call by a thread of Java, where so many work on requests, where these have answered, and where it is of no use.
func BenchmarkBirth(b *testing.B) {
	for _, threads := range []int{0, 1, 8, 64, 200} {
		b.Run(strconv.Itoa(threads), func(b *testing.B) { benchmarkBirth(b, threads, false, false) })
	}
	b.Run("idle", func(b *testing.B) { benchmarkBirth(b, 200, true, false) })
	b.Run("seldom", func(b *testing.B) { benchmarkBirth(b, 64, false, true) })
}

func benchmarkBirth(b *testing.B, threads int, answer, seldom bool) {
	k, j := startJava(b, 0, 0)
	if seldom {
		k.looksSeldom()
	}
	for i := range threads {
		w, at := j.thread(b), j.eden+uint64(i)<<16
		w.buffer(at, 0)
		p := k.reads(b, w)
		w.buffer(at, 64)
		if answer {
			w.do(func() { _, _ = unix.Write(p.server, []byte(okReply)) })
		}
	}
	caller := j.thread(b)
	for i := range 20 {
		caller.stack[stackSize-entryAt-1-10*i] = j.eden + uint64(i)<<16
	}
	p := families["ipv4"](b)
	all := make([]byte, 1<<16)
	call := func() {
		caller.do(func() { _, _ = unix.Write(p.client, []byte(get)) })
		_, _ = unix.Read(p.server, all)
		_, _ = unix.Write(p.server, []byte(okReply))
		caller.do(func() { _, _ = unix.Read(p.client, all) })
		k.waiters()
	}
	call()
	stats, err := ebpf.EnableStats(uint32(unix.BPF_STATS_RUN_TIME))
	check(b, err)
	defer stats.Close()
	before, err := k.objects.SockSendLength.Stats()
	check(b, err)
	for b.Loop() {
		call()
	}
	after, err := k.objects.SockSendLength.Stats()
	check(b, err)
	b.ReportMetric(float64(after.Runtime-before.Runtime)/float64(after.RunCount-before.RunCount)*2, "ns/call")
}
