package java

import (
	"errors"
	"testing"
)

// tellHeap lays out what tells of the heap; options are those of the machine that are set.
func (p *process) tellHeap(options ...string) {
	p.tell("Thread", "_tlab", 256, 0)
	p.tell("ThreadLocalAllocBuffer", "_start", 0, 0)
	p.tell("ThreadLocalAllocBuffer", "_top", 8, 0)
	p.tell("ThreadLocalAllocBuffer", "_end", 24, 0)
	p.tell("JavaThread", "_stack_base", 592, 0)
	p.tell("CollectedHeap", "_total_collections", 16, 0)
	p.tell("Universe", "_collectedHeap", 0, p.put(heap, p.put(heap, 0, 0, 41)))
	p.tell("StubRoutines", "_call_stub_return_address", 0, p.put(heap, 0x7f00))
	p.tell("CompressedOops", "_narrow_oop._base", 0, p.put(heap, 1<<35))
	p.tell("CompressedOops", "_narrow_oop._shift", 0, p.put(heap, 1<<32|3)) // something else is behind it
	set, unset := p.put(heap, 1), p.put(heap, 0)
	var list []uint64
	for _, o := range []string{"A", "UseG1GC", "UseSerialGC", "UseParallelGC", "UseZGC", "UseTLAB", "B", "C", "D"} {
		is := unset
		for _, chosen := range options {
			if o == chosen {
				is = set
			}
		}
		list = append(list, is, p.name(o), 0)
	}
	p.tell("JVMFlag", "flags", 0, p.put(heap, p.put(heap, list...)))
	p.tell("JVMFlag", "numFlags", 0, p.put(heap, 9))
	p.tell("JVMFlag", "_name", 8, 0)
	p.tell("JVMFlag", "_addr", 0, 0)
}

func TestHeap(t *testing.T) {
	for _, collector := range []string{"UseG1GC", "UseSerialGC", "UseParallelGC"} {
		p := build(t, "Thread")
		p.tellHeap("UseTLAB", collector)
		m, err := inspect(p.Memory)
		of := p.Word(p.Word(p.rows[heapRow] + rowPlace))
		if want := (Heap{Base: 1 << 35, Shift: 3, Collections: of + 16, Entry: 0x7f00, Buffer: 256, Stack: 592}); err != nil || m.Heap != want || m.Number == 0 {
			t.Errorf("%s: %+v, %v; want %+v", collector, m, err, want)
		}
	}
}

// TestOtherHeap: where it is not understood, that there are virtual threads is told all the same.
func TestOtherHeap(t *testing.T) {
	of := func(collector string) func(*process) {
		return func(p *process) { p.tellHeap("UseTLAB", collector) }
	}
	changed := func(change func(*process)) func(*process) {
		return func(p *process) { of("UseG1GC")(p); change(p) }
	}
	for name, lay := range map[string]func(*process){
		"a collector that is not known": of("UseZGC"),
		"no buffers":                    func(p *process) { p.tellHeap("UseG1GC") },
		"no rows":                       func(*process) {},
		"a buffer of another kind":      changed(func(p *process) { p.tellAgain("ThreadLocalAllocBuffer", "_end", 16) }),
		"no heap yet":                   changed(func(p *process) { p.write(heap, p.Word(p.rows[heapRow]+rowPlace), 0) }),
		"a strange shift":               changed(func(p *process) { p.write(heap, p.Word(p.rows[shiftRows[1]]+rowPlace), 40) }),
		"options without names":         changed(func(p *process) { p.write(heap, p.Word(p.Word(p.rows[flagsRow]+rowPlace))+8, 0) }),
		"many options":                  changed(func(p *process) { p.write(heap, p.Word(p.rows[flagCountRow]+rowPlace), 1<<40) }),
		"a count nowhere":               changed(func(p *process) { p.tellAgain("CollectedHeap", "_total_collections", 60000) }),
	} {
		p := build(t, "Thread")
		lay(p)
		if m, err := inspect(p.Memory); err != nil || m.Heap != (Heap{}) || m.Number == 0 {
			t.Errorf("%s: %+v, %v", name, m, err)
		}
	}
}

// TestNoVirtual: a Java without virtual threads is looked at for its heap.
func TestNoVirtual(t *testing.T) {
	p := build(t, "Thread")
	p.tellHeap("UseTLAB", "UseG1GC")
	p.rename("_vthread", "_vthreat")
	m, err := inspect(p.Memory)
	if err != nil || m.Heap == (Heap{}) || m.Number != 0 || m.Mounted != 0 || m.Slot != 32 {
		t.Errorf("%+v, %v", m, err)
	}
	p.write(heap, p.listed(), 1<<32) // one thread
	if m, err := inspect(p.Memory); !errors.Is(err, ErrLayout) {
		t.Errorf("with one thread: %+v, %v", m, err)
	}
}
