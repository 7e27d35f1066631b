package python

import (
	"math/rand/v2"
	"slices"
	"testing"

	"weft/agent/memory"
)

// workersOf is a process with a pool of concurrent.futures, one of anyio, and threads.
type workersOf struct {
	*process
	r             *runtime
	modules       dictionary
	states        []uint64
	worker, await begun
	words         int // of a frame, from the address of the code to the variables
}

const (
	slotHere  = 0x318
	chunkHere = 0x128 / 8
	frameHere = 200
)

func (p *process) tuple(k kind, r *runtime, names ...string) uint64 {
	var items []uint64
	for _, name := range names {
		items = append(items, p.stringOf(k, name))
	}
	return p.put(append([]uint64{1, r.tupleType, uint64(len(names))}, items...)...)
}

// function gives one with these variables, and the place of the last one.
func (p *process) function(k kind, r *runtime, variables ...string) begun {
	code := p.put(1, r.codeType, 0, 7, p.tuple(k, r, "work_item of another one"), p.tuple(k, r, variables...))
	p.put(make([]uint64, objectWords)...)
	at := p.put(1, 0, 7, 7, 7, 7, code)
	p.put(make([]uint64, objectWords)...)
	return begun{function: at, code: code, local: uint64(len(variables) - 1)}
}

// buildWorkers lays it out, in the way of CPython 3.11, or of later versions, whose frames begin with the code.
func buildWorkers(name string) *workersOf {
	k := kinds[name]
	w := &workersOf{words: 5}
	if name == "3.13" {
		w.words = 9
	}
	w.process, w.r = build(k)
	p, r := w.process, w.r
	r.layout = layouts[1]
	r.codeType, r.tupleType = p.put(0, 0), p.put(0, 0)
	w.worker, w.await = p.function(k, r, "executor_reference", "work_queue", "work_item"), p.function(k, r, "self", "future")
	w.await.await = true
	module := func(names map[string]uint64) uint64 {
		return p.put(1, r.moduleType, p.dictionary(k, r.dictType, names))
	}
	queue := p.zeroed(51, map[uint64]uint64{objectType: r.typeType, typeName: p.bytesOf("_queue.SimpleQueue"), typeMethods: p.put(
		p.bytesOf("put_nowait"), code+0x50, 0, 0, p.bytesOf("put"), code+0x60, 0, 0, 0, 0, 0, 0)})
	thread := p.zeroed(51, map[uint64]uint64{objectType: r.typeType, typeDict: p.dictionary(k, r.dictType, map[string]uint64{"run": w.await.function})})
	w.modules, _ = r.dictionary(p.dictionary(k, r.dictType, map[string]uint64{
		"concurrent.futures.thread": module(map[string]uint64{"_worker": w.worker.function}),
		"_queue":                    module(map[string]uint64{"SimpleQueue": queue}),
		"anyio._backends._asyncio":  module(map[string]uint64{"WorkerThread": thread}),
	}), r.layout)
	w.threads()
	return w
}

// threads lays out three: the first one, which is part of the runtime, runs neither function, the others run one each.
func (w *workersOf) threads() {
	p, r := w.process, w.r
	r.size += uint64(len(p.bytes)) // all that is there is the runtime, and so is the first state
	for i, b := range []begun{{code: 8, function: 8}, w.worker, w.await} {
		chunk := p.put(0, 1<<14)
		p.put(make([]uint64, 1<<11-2)...)
		at := chunk + frameHere
		p.write(at, b.code)
		p.write(at-32, b.function)
		if w.words == 9 { // what is before the frame is the caller's
			p.write(at+16, b.function)
		}
		last := chunk
		if i == 2 { // deep in calls
			last = p.put(chunk, 1<<14)
			p.put(make([]uint64, 1<<11-2)...)
		}
		pointer := p.put(make([]uint64, threadSize/8)...)
		p.write(pointer, pointer)
		p.write(pointer+threadSelf, pointer)
		state := p.put(make([]uint64, stateWords)...)
		for offset, word := range map[uint64]uint64{stateOwner: r.start + 8, 200: pointer, 8 * chunkHere: last, 8*chunkHere + 8: last + 100, 8*chunkHere + 16: last + 1<<14} {
			p.write(state+offset, word)
		}
		if i > 0 {
			p.write(state, w.states[i-1])
			p.write(w.states[i-1]+stateNext, state)
		}
		p.write(pointer+slotHere, state)
		w.states = append(w.states, state)
		if i == 0 {
			r.size = uint64(len(p.bytes)) + 16 - (r.start - base)
			p.put(0, state)
		}
	}
}

func (w *workersOf) place(b begun) Worker {
	return Worker{Code: b.code, Frame: frameHere, Local: uint16(frameHere + 8*w.words + 8*int(b.local)), Await: b.await}
}

func TestWorkers(t *testing.T) {
	for _, name := range []string{"3.11", "3.13"} {
		w := buildWorkers(name)
		got := w.r.workers(w.modules)
		if !got.Possible || got.Put != (Code{"/lib/x.so", 0x3060}) || got.Slot != slotHere || got.Chunk != 8*chunkHere {
			t.Errorf("%s: %+v", name, got)
		}
		if want := []Worker{w.place(w.worker), w.place(w.await)}; !slices.Equal(got.Places, want) {
			t.Errorf("%s: places %+v, want %+v", name, got.Places, want)
		}
	}
}

// TestNoWorkers takes away what is needed.
func TestNoWorkers(t *testing.T) {
	for name, change := range map[string]func(w *workersOf){
		"no thread": func(w *workersOf) {
			for _, s := range w.states {
				w.write(s+stateOwner, 0)
			}
		},
		"an address at two places": func(w *workersOf) { w.twice() },
		"threads that differ": func(w *workersOf) {
			w.write(w.pointer(1)+slotHere, 0)
			w.write(w.pointer(1)+slotHere+8, w.states[1])
		},
		"no ends of the chunks": func(w *workersOf) {
			for _, s := range w.states {
				w.write(s+8*chunkHere+16, 0)
			}
		},
	} {
		w := buildWorkers("3.13")
		change(w)
		if got := w.r.workers(w.modules); !got.Possible || got.Slot != 0 || len(got.Places) > 0 || got.Chunk != 0 {
			t.Errorf("%s: %+v", name, got)
		}
	}
	w := buildWorkers("3.11")
	w.write(w.pointer(1)+slotHere, 0)
	if got := w.r.workers(w.modules); got.Slot != slotHere {
		t.Errorf("beside a thread that begins: %+v", got)
	}
	w.r.layout = layouts[0]
	if got := w.r.workers(w.modules); got.Possible {
		t.Errorf("of CPython 3.10: %+v", got)
	}
}

func (w *workersOf) pointer(i int) uint64 { return w.r.Word(w.states[i] + 200) }

func (w *workersOf) twice() {
	for i, s := range w.states {
		w.write(w.pointer(i)+slotHere+64, s)
	}
}

// TestWorkersNoise changes memory at random: there may be no panic, and the bytes that are read are bounded.
func TestWorkersNoise(t *testing.T) {
	random := rand.New(rand.NewPCG(3, 4))
	w := buildWorkers("3.11")
	good := append([]byte(nil), w.bytes...)
	for range 500 {
		copy(w.bytes, good)
		w.r.Left = memory.ReadMax
		for range 1 + random.IntN(200) {
			at := uint64(random.IntN(len(w.bytes)/8)) * 8
			w.write(base+at, [...]uint64{0, ^uint64(0), random.Uint64(), base + at, base + uint64(random.IntN(len(w.bytes)))}[random.IntN(5)])
		}
		w.r.workers(w.modules)
		if used := memory.ReadMax - w.r.Left; used > 16<<20 {
			t.Fatalf("%d bytes were read", used)
		}
	}
}
