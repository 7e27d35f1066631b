package java

import "encoding/binary"

// Heap is what tells which thread has allocated an object: each has a buffer in which it alone allocates. The zero Heap is one that is not
// understood: of a collector that moves objects while threads run, or keeps no such buffers. Offsets are in bytes.
type Heap struct {
	Base        uint64 // of references of 32 bits
	Collections uint64 // address of the number of collections so far, 32 bits
	Entry       uint64 // what Java's outermost method on a stack returns to
	Shift       uint32 // of references of 32 bits
	Buffer      uint32 // in the thread's structure: of its buffer, whose words are its start, what is free of it, another one, and its end
	Stack       uint32 // in the thread's structure: of the address of the outermost end of its stack
}

var (
	bufferRow      = row{"Thread", "_tlab"}
	startRow       = row{"ThreadLocalAllocBuffer", "_start"}
	topRow         = row{"ThreadLocalAllocBuffer", "_top"}
	endRow         = row{"ThreadLocalAllocBuffer", "_end"}
	stackRow       = row{"JavaThread", "_stack_base"}
	heapRow        = row{"Universe", "_collectedHeap"}
	collectionsRow = row{"CollectedHeap", "_total_collections"}
	entryRow       = row{"StubRoutines", "_call_stub_return_address"}
	flagsRow       = row{"JVMFlag", "flags"}
	flagCountRow   = row{"JVMFlag", "numFlags"}
	flagNameRow    = row{"JVMFlag", "_name"}
	flagPlaceRow   = row{"JVMFlag", "_addr"}
	// How references of 32 bits are read: since Java 23, since 13, and before.
	baseRows  = []row{{"CompressedOops", "_base"}, {"CompressedOops", "_narrow_oop._base"}, {"Universe", "_narrow_oop._base"}}
	shiftRows = []row{{"CompressedOops", "_shift"}, {"CompressedOops", "_narrow_oop._shift"}, {"Universe", "_narrow_oop._shift"}}
	heapRows  = append(append([]row{
		bufferRow, startRow, topRow, endRow, stackRow, heapRow, collectionsRow, entryRow, flagsRow, flagCountRow, flagNameRow, flagPlaceRow,
	}, baseRows...), shiftRows...)
)

// Of the buffer, the words as the kernel side takes them.
const (
	topPlace = 8
	endPlace = 24
	shiftMax = 8
)

// findHeap gives what is known of the heap, the zero Heap if that is not enough.
func (j *machine) findHeap() (found Heap) {
	for _, r := range [...]row{bufferRow, topRow, endRow, stackRow, heapRow, collectionsRow, entryRow} {
		if j.rows[r] == (value{}) {
			return Heap{}
		}
	}
	base, shift := j.first(baseRows), j.first(shiftRows)
	if j.rows[startRow].offset != 0 || j.rows[topRow].offset != topPlace || j.rows[endRow].offset != endPlace || base.address == 0 || shift.address == 0 || !j.collects() {
		return Heap{}
	}
	heap := j.Word(j.rows[heapRow].address)
	found = Heap{
		Base: j.Word(base.address), Shift: uint32(j.Word(shift.address)), Entry: j.Word(j.rows[entryRow].address),
		Collections: heap + j.rows[collectionsRow].offset,
		Buffer:      uint32(j.rows[bufferRow].offset), Stack: uint32(j.rows[stackRow].offset),
	}
	if heap == 0 || found.Entry == 0 || found.Shift > shiftMax || !j.Writable(found.Collections, 4) {
		return Heap{}
	}
	return found
}

// first gives the value of the first row that the tables have.
func (j *machine) first(of []row) value {
	for _, r := range of {
		if v := j.rows[r]; v != (value{}) {
			return v
		}
	}
	return value{}
}

// Bounds of the list of the machine's options.
const (
	flagsMax    = 4096
	flagSizeMin = 16
	flagSizeMax = 96
	flagsTried  = 8 // that have to have names where the size of one is sought
)

// collects tells whether the machine runs with a collector that is known, and gives threads buffers.
func (j *machine) collects() bool {
	flags, n := j.Word(j.rows[flagsRow].address), j.Word(j.rows[flagCountRow].address)
	name, place := j.rows[flagNameRow].offset, j.rows[flagPlaceRow].offset
	if flags == 0 || n < flagsTried || n > flagsMax || name == place || max(name, place) >= flagSizeMax {
		return false
	}
	size := j.flagSize(flags+name, max(name, place)+8)
	if size == 0 {
		return false
	}
	all := make([]byte, n*size)
	if !j.Read(all, flags) {
		return false
	}
	is := make(map[string]bool)
	for ; uint64(len(all)) >= size; all = all[size:] {
		var set [1]byte
		switch text := j.name(binary.LittleEndian.Uint64(all[name:])); text {
		case "UseTLAB", "UseSerialGC", "UseParallelGC", "UseG1GC":
			is[text] = j.Read(set[:], binary.LittleEndian.Uint64(all[place:])) && set[0] == 1
		}
	}
	return is["UseTLAB"] && (is["UseSerialGC"] || is["UseParallelGC"] || is["UseG1GC"])
}

// flagSize gives how many bytes one option takes: the first ones have names.
func (j *machine) flagSize(names, least uint64) uint64 {
	for size := max(least, flagSizeMin); size <= flagSizeMax; size += 8 {
		n := uint64(0)
		for n < flagsTried && j.constant(j.Word(names+n*size)) && j.name(j.Word(names+n*size)) != "" {
			n++
		}
		if n == flagsTried {
			return size
		}
	}
	return 0
}
