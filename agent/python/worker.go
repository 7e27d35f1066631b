package python

import (
	"encoding/binary"
	"slices"
)

// Workers is what the kernel side needs to read which job a thread works on: an item that was put into a pool of concurrent.futures,
// or the future for which a thread of anyio works. CPython 3.11 to 3.13, x86-64 and glibc only. Frames of Python are kept on a stack of
// their own for each thread, in chunks; those of the functions with which a thread begins are at the start of the first one, and so at
// the same place in all threads that begin in the same way.
type Workers struct {
	Possible bool     // what such threads are made of is loaded
	Put      Code     // that puts an item into the queue of a pool; the first word at its second argument is the item. None: no pool can be
	Slot     uint32   // behind the thread pointer: of the address of the thread's state; 0: no thread works for others yet
	Chunk    uint32   // in that: of the address of the last chunk of its stack
	Places   []Worker // the ways in which the threads that work for others begin
}

// Worker is a place of the function that works for others, in bytes from the start of the first chunk of the stack.
type Worker struct {
	Code  uint64 // the address of the function's code
	Frame uint16 // of that address
	Local uint16 // of the variable with the job
	Await bool   // that is a future of asyncio, and not an item of a pool
}

// PlacesMax bounds the ways in which threads begin that are told of.
const PlacesMax = 4

// The words of CPython's structures that are known by their place, and bounds for what is sought in others: PyThreadState, with the
// states before and behind it and its interpreter in front; _PyStackChunk; PyFunctionObject; PyCodeObject; the thread of glibc, which
// names itself in its first and third words.
const (
	stateNext   = 8
	stateOwner  = 16
	stateWords  = 64
	threadSelf  = 16
	threadSize  = 0x900
	chunkSize   = 8
	chunkLooked = 4096
	chunksMax   = 64
	objectWords = 48
	typeDict    = 264
	tupleSize   = 16
	tupleItems  = 24
	localsMax   = 32
	threadsMax  = 1024
)

// The distance from the address of the code in a frame to its function, and to its variables: of CPython 3.12 and 3.13, and of 3.11. There
// the frame begins with the function. In the later ones what is before it is of the caller, which may hold the function as well; in 3.11 what
// would be the function is a frame.
var frames = [...]struct{ function, locals int64 }{{16, 72}, {-32, 40}}

// begun is a function in which threads work for others.
type begun struct {
	function, code uint64
	local          uint64 // the place of the job among its variables
	await          bool
}

// workers looks for threads that work for others. What is not loaded, or not understood, is left out.
func (r *runtime) workers(modules dictionary) (w Workers) {
	if !r.layout.logarithm {
		return w
	}
	var all []begun
	if pool, ok := r.module(modules, "concurrent.futures.thread"); ok {
		b, ok := r.begun(pool, "_worker", "work_item")
		if w.Put, w.Possible = r.put(modules); ok && w.Possible {
			all = append(all, b)
		}
	}
	if b, ok := r.awaited(modules); ok {
		all = append(all, b)
	}
	if w.Possible = len(all) > 0; !w.Possible {
		return Workers{}
	}
	r.placeWorkers(&w, all)
	return w
}

// awaited gives the function of the threads of anyio.
func (r *runtime) awaited(modules dictionary) (b begun, ok bool) {
	backend, ok := r.module(modules, "anyio._backends._asyncio")
	if !ok {
		return b, false
	}
	t, ok := r.get(backend, "WorkerThread")
	if !ok || r.Word(t+objectType) != r.typeType {
		return b, false
	}
	methods, ok := r.dictionary(r.Word(t+typeDict), r.layout)
	if !ok {
		return b, false
	}
	b, ok = r.begun(methods, "run", "future")
	b.await = true
	return b, ok
}

// put gives the code of SimpleQueue.put.
func (r *runtime) put(modules dictionary) (Code, bool) {
	names, ok := r.module(modules, "_queue")
	if !ok {
		return Code{}, false
	}
	t, ok := r.typeOf(names, "SimpleQueue", "_queue.SimpleQueue")
	if !ok {
		return Code{}, false
	}
	return r.method(t, "put")
}

// begun gives a function of which one variable is the job.
func (r *runtime) begun(names dictionary, name, local string) (b begun, ok bool) {
	if b.function, ok = r.get(names, name); !ok {
		return b, false
	}
	for _, p := range r.words(b.function, objectWords) {
		if p%8 == 0 && p != 0 && r.Word(p+objectType) == r.codeType {
			b.code = p
			break
		}
	}
	if b.code == 0 {
		return b, false
	}
	for _, p := range r.words(b.code, objectWords) {
		if p%8 != 0 || p == 0 || r.Word(p+objectType) != r.tupleType {
			continue
		}
		if b.local, ok = r.among(p, local); ok {
			return b, true
		}
	}
	return b, false
}

// among gives the place of a name in a tuple of names.
func (r *runtime) among(tuple uint64, name string) (uint64, bool) {
	n := min(r.Word(tuple+tupleSize), localsMax)
	for i := range n {
		if r.isString(r.Word(tuple+tupleItems+8*i), name) {
			return i, true
		}
	}
	return 0, false
}

// words reads so many words, those that can be read.
func (r *runtime) words(at uint64, n int) []uint64 {
	if a := r.AreaOf(at); a == nil {
		return nil
	} else if left := int((a.End - at) / 8); left < n {
		n = left
	}
	b := make([]byte, 8*n)
	if !r.Read(b, at) {
		return nil
	}
	all := make([]uint64, n)
	for i := range all {
		all[i] = binary.LittleEndian.Uint64(b[8*i:])
	}
	return all
}

// placeWorkers looks at the threads for those that are in one of the functions.
func (r *runtime) placeWorkers(w *Workers, all []begun) {
	threads := r.threads()
	for _, t := range threads {
		chunk, at := r.firstChunk(t.state)
		if at == 0 || w.Chunk != 0 && w.Chunk != at {
			continue
		}
		for _, b := range all {
			p, ok := r.placeOf(b, chunk)
			if !ok || len(w.Places) == PlacesMax || slices.Contains(w.Places, p) {
				continue
			}
			w.Places, w.Chunk = append(w.Places, p), at
		}
	}
	if len(w.Places) > 0 {
		w.Slot = r.stateSlot(threads)
	}
	if w.Slot == 0 {
		w.Chunk, w.Places = 0, nil
	}
}

// placeOf looks for the frame of a function in the first chunk of a thread.
func (r *runtime) placeOf(b begun, chunk uint64) (Worker, bool) {
	for i, word := range r.words(chunk, chunkLooked/8) {
		if word != b.code || i < 4 {
			continue
		}
		at := uint64(8 * i)
		for _, f := range frames {
			if r.Word(chunk+at+uint64(f.function)) == b.function {
				return Worker{Code: b.code, Frame: uint16(at), Local: uint16(at + uint64(f.locals) + 8*b.local), Await: b.await}, true
			}
		}
	}
	return Worker{}, false
}

// thread is one thread of the interpreter.
type thread struct{ state, pointer uint64 }

// threads gives the threads of the main interpreter: the state of one that is found leads to the others. The runtime points to one at least,
// mostly to that of the first thread, which is part of itself.
func (r *runtime) threads() []thread {
	all := r.words(r.start, int(min(r.size, runtimeMax)/8))
	for _, p := range all {
		if at := (p - r.start) / 8; p%8 == 0 && at < uint64(len(all)) && r.inRuntime(all[min(at+stateOwner/8, uint64(len(all)-1))]) {
			if found := r.beside(p); len(found) > 0 {
				return found
			}
		}
	}
	for _, p := range all {
		if p%8 == 0 && !r.inRuntime(p) && r.Writable(p, 8*stateWords) {
			if found := r.beside(p); len(found) > 0 {
				return found
			}
		}
	}
	return nil
}

func (r *runtime) inRuntime(p uint64) bool { return p-r.start < r.size }

// beside gives a thread and all that come before or behind it, none if it is no thread.
func (r *runtime) beside(state uint64) (all []thread) {
	if _, ok := r.threadOf(state); !ok {
		return nil
	}
	seen := map[uint64]bool{}
	for _, way := range [...]uint64{stateNext, 0} {
		for s, n := state, 0; s != 0 && (n == 0 || !seen[s]) && n < threadsMax; s, n = r.Word(s+way), n+1 {
			if t, ok := r.threadOf(s); ok && !seen[s] {
				all = append(all, t)
			}
			seen[s] = true
		}
	}
	return all
}

// threadOf takes what may be the state of a thread: its interpreter is part of the runtime, and one of its words is a thread pointer.
func (r *runtime) threadOf(state uint64) (thread, bool) {
	all := r.words(state, stateWords)
	if len(all) < stateWords || !r.inRuntime(all[stateOwner/8]) {
		return thread{}, false
	}
	for _, p := range all[stateOwner/8+1:] {
		if p%8 == 0 && r.Writable(p, threadSelf+8) && r.Word(p) == p && r.Word(p+threadSelf) == p {
			return thread{state, p}, true
		}
	}
	return thread{}, false
}

// stateSlot gives the place behind the thread pointers at which each thread has the address of its state; 0 if that is not clear. A thread
// that begins or ends has it nowhere.
func (r *runtime) stateSlot(threads []thread) uint32 {
	var found []uint32
	for _, t := range threads {
		var at []uint32
		for j, word := range r.words(t.pointer, threadSize/8) {
			if word == t.state {
				at = append(at, uint32(8*j))
			}
		}
		switch {
		case len(at) == 0:
		case len(found) == 0:
			found = at
		default:
			found = slices.DeleteFunc(found, func(n uint32) bool { return !slices.Contains(at, n) })
			if len(found) == 0 {
				return 0
			}
		}
	}
	if len(found) != 1 {
		return 0
	}
	return found[0]
}

// firstChunk gives the first chunk of a thread's stack, and the place of the address of the last one in its state: the end of what is used
// of it, and its own, follow that.
func (r *runtime) firstChunk(state uint64) (uint64, uint32) {
	all := r.words(state, stateWords)
	for i := 0; i+2 < len(all); i++ {
		chunk, top, end := all[i], all[i+1], all[i+2]
		if chunk%8 != 0 || chunk == 0 || top < chunk || top > end || r.Word(chunk+chunkSize) != end-chunk {
			continue
		}
		for range chunksMax {
			before := r.Word(chunk)
			if before == 0 {
				return chunk, uint32(8 * i)
			}
			chunk = before
		}
	}
	return 0, 0
}
