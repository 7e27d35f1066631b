// Package java owns what weft must know of a HotSpot process to read, from outside, which virtual thread runs on a thread, where the
// machine keeps that for its own flight recorder, and which thread has allocated an object.
//
// Nothing is known by version. libjvm holds tables of its own structures for its serviceability tools, hotspot/share/runtime/vmStructs.hpp:
// their rows are found by the names that they point to, whether or not the symbol of a table is exported. The number of a virtual thread
// is that of java.lang.Thread; the machine writes it to its own memory when it mounts one, in every build with the flight recorder, whether or
// not that is on. Objects of the heap, which move, are not read. The kernel comes from a thread to its structure by libjvm's
// thread-local memory; where in that the pointer is, is told by the threads of which both are known. Memory belongs to strangers: every read
// is bounded, each step is checked, and what does not fit is an error, never a guess. x86-64 only.
package java

import (
	"debug/elf"
	"encoding/binary"
	"errors"
	"fmt"
	"path/filepath"

	"weft/agent/memory"
)

// What Inspect can say of a process.
var (
	ErrNotJava   = errors.New("not a process of HotSpot")
	ErrNoVirtual = errors.New("this Java has no virtual threads, and its heap is not understood")
	ErrLayout    = errors.New("the machine's memory is none of the known kinds")
)

// Machine is what the kernel side needs to read the virtual thread that runs on a thread of one process, and who has allocated what a
// thread holds. Offsets are in bytes.
type Machine struct {
	Slot    uint32 // in the thread's vector of modules: of the address of libjvm's thread-local memory
	Current uint32 // in that memory: of the address of the thread's structure
	System  uint32 // in that structure: of the address of what is known of the system's thread
	Pointer uint32 // in that: of its thread pointer
	Mounted uint32 // in the thread's structure: of the byte that is not 0 while it runs a virtual thread
	Number  uint32 // in the thread's structure: of the number of the virtual thread; 0: this Java has none
	Heap    Heap
}

// Inspect looks into the memory of a process. The error is ErrNotJava, ErrNoVirtual, ErrLayout, or says what could not be read. It
// reads up to some megabytes: not for the data path.
func Inspect(pid uint32) (Machine, error) {
	m, err := memory.Open(pid)
	if err != nil {
		return Machine{}, err
	}
	defer m.Close()
	return inspect(m)
}

// machine is the memory of a process in which libjvm is mapped.
type machine struct {
	*memory.Memory
	path string // of libjvm
	rows map[row]value
}

// row is what a row of the tables names.
type row struct{ kind, field string }

// value is what the row says: an offset in the structure, or where a static field is.
type value struct{ offset, address uint64 }

// The rows that are sought. What tells of the system's thread was moved from JavaThread to Thread in Java 24.
var (
	listRow    = row{"ThreadsSMRSupport", "_java_thread_list"}
	lengthRow  = row{"ThreadsList", "_length"}
	threadsRow = row{"ThreadsList", "_threads"}
	systemRow  = row{"Thread", "_osthread"}
	earlierRow = row{"JavaThread", "_osthread"}
	pointerRow = row{"OSThread", "_pthread_id"}
	virtualRow = row{"JavaThread", "_vthread"}
	recordsRow = row{"Thread", "_jfr_thread_local"}
	numberRow  = row{"JfrThreadLocal", "_vthread_id"}
	mountedRow = row{"JfrThreadLocal", "_vthread"}
)

var wanted = rowsOf(append([]row{
	listRow, lengthRow, threadsRow, systemRow, earlierRow, pointerRow, virtualRow, recordsRow, numberRow, mountedRow,
}, heapRows...))

func rowsOf(all []row) map[row]bool {
	m := make(map[row]bool, len(all))
	for _, r := range all {
		m[r] = true
	}
	return m
}

func inspect(m *memory.Memory) (found Machine, err error) {
	j := &machine{Memory: m, rows: make(map[row]value)}
	for i := range m.Areas {
		if a := &m.Areas[i]; filepath.Base(a.Path) == "libjvm.so" {
			j.path = a.Path
			break
		}
	}
	if j.path == "" {
		return found, ErrNotJava
	}
	if err := j.readRows(); err != nil {
		return found, err
	}
	found.Heap = j.findHeap()
	needed := []row{listRow, lengthRow, threadsRow, systemRow, pointerRow}
	if _, ok := j.rows[virtualRow]; ok {
		needed = append(needed, recordsRow, numberRow, mountedRow)
	} else if found.Heap == (Heap{}) {
		return found, ErrNoVirtual
	}
	if _, ok := j.rows[systemRow]; !ok {
		j.rows[systemRow] = j.rows[earlierRow]
	}
	for _, r := range needed {
		if v := j.rows[r]; v == (value{}) {
			return found, fmt.Errorf("%w: its tables do not tell %s::%s", ErrLayout, r.kind, r.field)
		}
	}
	found.System, found.Pointer = uint32(j.rows[systemRow].offset), uint32(j.rows[pointerRow].offset)
	if _, ok := j.rows[virtualRow]; ok {
		found.Mounted = uint32(j.rows[recordsRow].offset + j.rows[mountedRow].offset)
		found.Number = uint32(j.rows[recordsRow].offset + j.rows[numberRow].offset)
	}
	return found, j.findCurrent(&found)
}

// Of a row of a table: the names of the structure, of the field and of its type; whether it is static; its offset, or its address.
const (
	rowSize   = 48
	rowStatic = 24
	rowOffset = 32
	rowPlace  = 40
	offsetMax = 1 << 16 // in a structure
	nameMax   = 32
	scanMax   = 8 << 20
)

// readRows looks for the rows in what is mapped from libjvm, first in what can be written.
func (j *machine) readRows() error {
	for _, write := range [...]bool{true, false} {
		for i := range j.Areas {
			a := &j.Areas[i]
			if a.Path != j.path || a.Execute || a.Write != write || a.End-a.Start > scanMax {
				continue
			}
			if err := j.readRowsIn(a); err != nil {
				return err
			}
		}
		if _, ok := j.rows[listRow]; ok {
			return nil
		}
	}
	return nil
}

func (j *machine) readRowsIn(a *memory.Area) error {
	b := make([]byte, a.End-a.Start)
	if !j.Read(b, a.Start) {
		return fmt.Errorf("%w: %s can't be read", ErrLayout, j.path)
	}
	for ; len(b) >= rowSize; b = b[8:] {
		word := func(at int) uint64 { return binary.LittleEndian.Uint64(b[at:]) }
		v := value{word(rowOffset), word(rowPlace)}
		static := binary.LittleEndian.Uint32(b[rowStatic:]) == 1
		if v.offset >= offsetMax || static != (v.address != 0) || !j.constant(word(0)) || !j.constant(word(8)) {
			continue
		}
		r := row{j.name(word(0)), j.name(word(8))}
		if !wanted[r] {
			continue
		}
		if before, ok := j.rows[r]; ok && before != v {
			return fmt.Errorf("%w: its tables tell %s::%s twice", ErrLayout, r.kind, r.field)
		}
		j.rows[r] = v
	}
	return nil
}

// constant tells whether an address is one of what libjvm never writes.
func (j *machine) constant(at uint64) bool {
	a := j.AreaOf(at)
	return a != nil && !a.Write && a.Path == j.path
}

func (j *machine) name(at uint64) string {
	var b [nameMax]byte
	if !j.Read(b[:], at) {
		return ""
	}
	for n, c := range b {
		if c == 0 {
			return string(b[:n])
		}
	}
	return ""
}

const (
	threadsMax  = 1 << 16
	lookedAt    = 64 // threads, at most
	threadsLow  = 2
	slotsSize   = 4096 // of a thread's vector of modules that are looked at
	slotsFirst  = 16
	memoryMax   = 4096 // of libjvm's thread-local memory
	vectorPlace = 8    // of the vector, behind the thread pointer
)

// thread is one of which is known where its structure is, and the vector of the modules' thread-local memory.
type thread struct{ structure, vector uint64 }

// threads gives those that the machine lists.
func (j *machine) threads(m *Machine) (all []thread) {
	list := j.Word(j.rows[listRow].address)
	var length [4]byte
	if !j.Read(length[:], list+j.rows[lengthRow].offset) {
		return nil
	}
	n := binary.LittleEndian.Uint32(length[:])
	at := j.Word(list + j.rows[threadsRow].offset)
	if n > threadsMax {
		return nil
	}
	for i := range min(n, lookedAt) {
		structure := j.Word(at + 8*uint64(i))
		pointer := j.Word(j.Word(structure+uint64(m.System)) + uint64(m.Pointer))
		if pointer != 0 && j.Word(pointer) == pointer { // the thread's control block opens with its own address
			all = append(all, thread{structure, j.Word(pointer + vectorPlace)})
		}
	}
	return all
}

// findCurrent looks for the pointer to a thread's structure in libjvm's thread-local memory: it is where each thread has its own.
func (j *machine) findCurrent(m *Machine) error {
	size, err := j.localSize()
	if err != nil {
		return err
	}
	all := j.threads(m)
	if len(all) < threadsLow {
		return fmt.Errorf("%w: no list of threads was found", ErrLayout)
	}
	slots := make([]byte, slotsSize)
	if !j.Read(slots, all[0].vector) {
		slots = slots[:slotsSize/8]
		if !j.Read(slots, all[0].vector) {
			return fmt.Errorf("%w: a thread's memory can't be read", ErrLayout)
		}
	}
	local := make([]byte, size)
	for slot := slotsFirst; slot < len(slots); slot += 8 {
		block := binary.LittleEndian.Uint64(slots[slot:])
		if block == 0 || !j.Writable(block, size) || !j.Read(local, block) {
			continue
		}
		for at := 0; at+8 <= len(local); at += 8 {
			if binary.LittleEndian.Uint64(local[at:]) == all[0].structure && j.agree(all[1:], uint64(slot), uint64(at)) {
				m.Slot, m.Current = uint32(slot), uint32(at)
				return nil
			}
		}
	}
	return fmt.Errorf("%w: threads do not tell where their structures are", ErrLayout)
}

// agree tells whether all threads keep the pointer at the same place.
func (j *machine) agree(all []thread, slot, at uint64) bool {
	for _, t := range all {
		if j.Word(j.Word(t.vector+slot)+at) != t.structure {
			return false
		}
	}
	return true
}

// localSize gives how much thread-local memory libjvm has.
func (j *machine) localSize() (size uint64, err error) {
	err = j.ELF(j.path, func(f *elf.File) error {
		if f.Machine != elf.EM_X86_64 {
			return fmt.Errorf("%w: threads are found on x86-64 only", ErrLayout)
		}
		for _, p := range f.Progs {
			if p.Type == elf.PT_TLS {
				size = p.Memsz
			}
		}
		return nil
	})
	switch {
	case errors.Is(err, memory.ErrNotELF):
		return 0, fmt.Errorf("%w: %s is no library", ErrLayout, j.path)
	case err == nil && (size < 8 || size > memoryMax):
		return 0, fmt.Errorf("%w: libjvm keeps nothing in memory of the thread", ErrLayout)
	}
	return size, err
}
