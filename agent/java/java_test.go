package java

import (
	"bytes"
	"debug/elf"
	"encoding/binary"
	"errors"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"weft/agent/memory"
)

// process is the memory of a process, laid out by hand: what libjvm never writes, what it writes, and the heap.
type process struct {
	*memory.Memory
	areas [3]struct {
		at    uint64
		bytes []byte
	}
	names map[string]uint64
	rows  map[row]uint64 // where each row is
}

const (
	constants = iota
	tables
	heap
	room = 1 << 13
)

func (p *process) ReadAt(b []byte, at int64) (int, error) {
	for i := range p.areas {
		a := &p.areas[i]
		if from := at - int64(a.at); from >= 0 && from+int64(len(b)) <= room {
			return copy(b, append(a.bytes, make([]byte, room-len(a.bytes))...)[from:]), nil
		}
	}
	return 0, errors.New("not mapped")
}

func (p *process) put(area int, words ...uint64) uint64 {
	a := &p.areas[area]
	at := a.at + uint64(len(a.bytes))
	for _, w := range words {
		a.bytes = binary.LittleEndian.AppendUint64(a.bytes, w)
	}
	return at
}

func (p *process) write(area int, at, word uint64) {
	binary.LittleEndian.PutUint64(p.areas[area].bytes[at-p.areas[area].at:], word)
}

func (p *process) name(text string) uint64 {
	if at, ok := p.names[text]; ok {
		return at
	}
	a := &p.areas[constants]
	p.names[text] = a.at + uint64(len(a.bytes))
	a.bytes = append(append(a.bytes, text...), 0)
	return p.names[text]
}

// tell puts a row into a table.
func (p *process) tell(kind, field string, offset, address uint64) {
	static := uint64(0)
	if address != 0 {
		static = 1
	}
	p.rows[row{kind, field}] = p.put(tables, p.name(kind), p.name(field), p.name("type"), static, offset, address)
}

// threadOf makes a thread whose structure is known to the system and to itself, and gives the structure.
func (p *process) threadOf(slot int) uint64 {
	structure := p.put(heap, 0, 0, 0)
	local := p.put(heap, 0, 0, structure)
	vector := p.put(heap, make([]uint64, slotsSize/64)...)
	p.write(heap, vector+8*uint64(slot), local)
	pointer := p.put(heap, 0, vector)
	p.write(heap, pointer, pointer)
	p.write(heap, structure+16, p.put(heap, 7, pointer))
	return structure
}

// build lays out a machine; holder is the structure that tells of the system's thread.
func build(t *testing.T, holder string) *process {
	p := &process{names: make(map[string]uint64), rows: make(map[row]uint64)}
	p.Memory = &memory.Memory{From: p, Root: t.TempDir(), Left: memory.ReadMax}
	for i := range p.areas {
		p.areas[i].at = uint64(i+1) << 32
		a := memory.Area{Start: p.areas[i].at, End: p.areas[i].at + room, Write: i != constants, Path: "/x/libjvm.so"}
		if i == heap {
			a.Path = ""
		}
		p.Areas = append(p.Areas, a)
	}
	p.put(heap, 0)
	threads := p.put(heap, p.threadOf(4), p.threadOf(4), p.threadOf(4))
	list := p.put(heap, 3<<32, threads)
	p.put(tables, 5)
	p.tell("ThreadsSMRSupport", "_java_thread_list", 0, p.put(heap, list))
	p.tell("ThreadsList", "_length", 4, 0)
	p.tell("ThreadsList", "_threads", 8, 0)
	p.tell(holder, "_osthread", 16, 0)
	p.tell("OSThread", "_pthread_id", 8, 0)
	p.put(tables, 1, 2, 3)
	p.tell("JavaThread", "_vthread", 1128, 0)
	p.tell("JavaThread", "_vthread", 1128, 0) // it is in two tables
	p.tell("Thread", "_jfr_thread_local", 600, 0)
	p.tell("JfrThreadLocal", "_vthread_id", 80, 0)
	p.tell("JfrThreadLocal", "_vthread", 99, 0)
	p.library(t, elf.EM_X86_64, 24)
	return p
}

// library writes an ELF file with so much thread-local memory.
func (p *process) library(t *testing.T, machine elf.Machine, local uint64) {
	t.Helper()
	var b bytes.Buffer
	h := elf.Header64{Type: uint16(elf.ET_DYN), Machine: uint16(machine), Version: 1, Phoff: 64, Ehsize: 64, Phentsize: 56, Phnum: 1}
	copy(h.Ident[:], "\x7fELF\x02\x01\x01")
	if err := binary.Write(&b, binary.LittleEndian, h); err != nil {
		t.Fatal(err)
	}
	if err := binary.Write(&b, binary.LittleEndian, elf.Prog64{Type: uint32(elf.PT_TLS), Memsz: local}); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(p.Root, "x")
	if err := os.MkdirAll(path, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(path, "libjvm.so"), b.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestInspect(t *testing.T) {
	for _, holder := range []string{"Thread", "JavaThread"} {
		m, err := inspect(build(t, holder).Memory)
		if want := (Machine{Slot: 32, Current: 16, System: 16, Pointer: 8, Mounted: 699, Number: 680}); err != nil || m != want {
			t.Errorf("%s: %+v, %v", holder, m, err)
		}
	}
}

// TestOther takes away what is needed, or makes it something else.
func TestOther(t *testing.T) {
	for name, c := range map[string]struct {
		change func(p *process)
		want   error
	}{
		"no libjvm":               {func(p *process) { p.Areas[0].Path, p.Areas[1].Path = "/x/y.so", "" }, ErrNotJava},
		"no virtual threads":      {func(p *process) { p.rename("JavaThread", "JavaThreat") }, ErrNoVirtual},
		"no flight recorder":      {func(p *process) { p.rename("JfrThreadLocal", "JfrThreadLokal") }, ErrLayout},
		"two answers":             {func(p *process) { p.tell("JfrThreadLocal", "_vthread_id", 88, 0) }, ErrLayout},
		"names that it writes":    {func(p *process) { p.Areas[0].Write = true }, ErrNoVirtual},
		"no thread-local memory":  {func(p *process) { p.library(t, elf.EM_X86_64, 0) }, ErrLayout},
		"less of it":              {func(p *process) { p.library(t, elf.EM_X86_64, 16) }, ErrLayout},
		"another processor":       {func(p *process) { p.library(t, elf.EM_AARCH64, 24) }, ErrLayout},
		"threads that do not fit": {func(p *process) { p.tellAgain("OSThread", "_pthread_id", 0) }, ErrLayout},
		"one thread":              {func(p *process) { p.write(heap, p.listed(), 1<<32) }, ErrLayout},
		"a thread elsewhere":      {func(p *process) { p.write(heap, p.Word(p.listed()+8)+16, p.threadOf(5)) }, ErrLayout},
		"little may be read":      {func(p *process) { p.Left = room - 1 }, ErrLayout},
	} {
		p := build(t, "Thread")
		c.change(p)
		if m, err := inspect(p.Memory); !errors.Is(err, c.want) {
			t.Errorf("%s: %+v, %v", name, m, err)
		}
	}
}

func (p *process) rename(name, to string) {
	copy(p.areas[constants].bytes[p.names[name]-p.areas[constants].at:], to)
}

func (p *process) tellAgain(kind, field string, offset uint64) {
	p.write(tables, p.rows[row{kind, field}]+rowOffset, offset)
}

// listed gives the address of the list of threads.
func (p *process) listed() uint64 {
	return p.Word(p.Word(p.rows[listRow] + rowPlace))
}

// TestNoise changes memory at random: there may be no panic and no endless reading.
func TestNoise(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	p := build(t, "Thread")
	var good [3][]byte
	for i := range p.areas {
		good[i] = bytes.Clone(p.areas[i].bytes)
	}
	failed := map[string]bool{}
	for range 500 {
		p.Left = memory.ReadMax
		for i := range p.areas {
			copy(p.areas[i].bytes, good[i])
		}
		for range 1 + random.IntN(20) {
			area := random.IntN(3)
			a := &p.areas[area]
			at := a.at + uint64(random.IntN(len(a.bytes)/8))*8
			p.write(area, at, [...]uint64{0, ^uint64(0), random.Uint64(), at, uint64(random.IntN(1 << 20))}[random.IntN(5)])
		}
		m, err := inspect(p.Memory)
		if err == nil && (m.Slot >= slotsSize || m.Current >= 24) {
			t.Fatalf("%+v", m)
		}
		if err != nil {
			failed[strings.SplitN(err.Error(), ":", 2)[0]] = true
		}
		if used := memory.ReadMax - p.Left; used > 4<<20 {
			t.Fatalf("%d bytes were read", used)
		}
	}
	if len(failed) < 2 {
		t.Errorf("errors %v", failed)
	}
}
