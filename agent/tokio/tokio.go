// Package tokio owns what weft must know of a process of Rust's tokio to read, from outside, which task runs on a thread, and which one
// waits for what that one does.
//
// Nothing is known by symbol or version: tables of the kinds of tasks lie in the executable, and are known by what they hold, seven addresses of
// code and three places in the task that follow from each other. All else is seen in the memory of the tasks: where a thread keeps the number of
// the one that runs, and where a client's task that owns a connection has the sender of a channel for one value, on which another task waits for
// the reply. Memory belongs to strangers: every read is bounded, and what is not seen again and again in the same way is not told. x86-64 only.
package tokio

import (
	"debug/elf"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"slices"

	"weft/agent/memory"
)

// ErrNotTokio says that no tables of tasks are in the executable of a process.
var ErrNotTokio = errors.New("not a process of tokio")

// Program is what is known of the executable of a process, where it is in the memory of that.
type Program struct {
	Low, High uint64 // of the tables of the kinds of tasks
	Current   uint32 // the number of the running task, in bytes before the thread pointer; 0: not found yet
	Waker     uint64 // address of the table of tasks' wakers; 0: not found yet
	Holders   []Holder
	Relays    []Relay

	start  uint64 // of the executable in memory
	local  int    // bytes before the thread pointer that are the executable's
	code   span
	data   []span
	tables map[uint64]bool
	votes  map[uint32]*votes
	seen   int                       // stacks with a task on them
	kinds  map[uint64]map[Holder]int // what was seen of each kind of future
	looks  map[uint64]int            // in which something was
	relays map[uint64]*ballot        // by kind of waker
}

// Holder is where a kind of future has the sender of a channel, as the kernel side takes it; offsets are in bytes.
type Holder struct {
	Table                            uint64
	Box, Sender, State, Own, Waiting uint16
}

// Sample is what the kernel side has copied of a thread: the innermost words of its stack, and the words before its thread pointer.
type Sample struct {
	Stack, Local []uint64
}

type span struct{ low, high uint64 }

func (s span) has(at uint64) bool { return at >= s.low && at < s.high }

// votes are how often a place has held the number of a task on the stack, and which ones.
type votes struct {
	times   int
	numbers map[uint64]bool
}

// Of a task, and of the table of its kind, in words: functions, then where the task's trailer, scheduler and number are, in bytes.
const (
	functions     = 7
	trailerWord   = functions
	schedulerWord = functions + 1
	numberWord    = functions + 2
	tableWords    = functions + 3
	taskTable     = 16 // bytes
	headerSize    = 32
	schedulerMax  = 256
	schedulerSize = 64
	taskMax       = 1 << 16
	taskAlign     = 15
	wordsLow      = 1 << 16
	wordsHigh     = 1 << 47
	areaMax       = 32 << 20
	tablesMax     = 1 << 14
	localMax      = 1 << 16
)

// Inspect looks for the tables in the executable of a process. It reads up to some megabytes: not for the data path.
func Inspect(pid uint32) (*Program, error) {
	path, err := os.Readlink(fmt.Sprintf("/proc/%d/exe", pid))
	if err != nil {
		return nil, fmt.Errorf("look for the executable: %w", err)
	}
	m, err := memory.Open(pid)
	if err != nil {
		return nil, err
	}
	defer m.Close()
	return inspect(m, path)
}

func inspect(m *memory.Memory, path string) (*Program, error) {
	p := &Program{
		tables: make(map[uint64]bool), votes: make(map[uint32]*votes), kinds: make(map[uint64]map[Holder]int), looks: make(map[uint64]int),
		relays: make(map[uint64]*ballot),
	}
	for i := range m.Areas {
		a := &m.Areas[i]
		if a.Path != path {
			continue
		}
		if p.start == 0 {
			p.start = a.Start
		}
		switch {
		case !a.Execute:
			p.data = append(p.data, span{a.Start, a.End})
		case p.code.high == 0:
			p.code = span{a.Start, a.End}
		default:
			p.code.high = a.End
		}
	}
	for _, s := range p.data {
		if s.high-s.low <= areaMax {
			p.findTables(m, s)
		}
	}
	if len(p.tables) == 0 || len(p.tables) > tablesMax {
		return nil, ErrNotTokio
	}
	err := m.ELF(path, func(f *elf.File) error {
		for _, s := range f.Progs {
			if s.Type == elf.PT_TLS && s.Memsz <= localMax && s.Align <= localMax {
				p.local = int((s.Memsz + max(s.Align, 1) - 1) / max(s.Align, 1) * max(s.Align, 1))
			}
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("look for the memory of threads: %w", err)
	}
	return p, nil
}

// findTables looks for tables in a part of what is mapped from the executable.
func (p *Program) findTables(m *memory.Memory, s span) {
	b := make([]byte, s.high-s.low)
	if !m.Read(b, s.low) {
		return
	}
	run := uint64(0) // addresses of code on end
	for at := uint64(0); at+8 <= uint64(len(b)); at += 8 {
		if p.code.has(binary.LittleEndian.Uint64(b[at:])) {
			run++
			continue
		}
		if run >= functions && isTable(b[at-8*functions:]) {
			p.adds(s.low + at - 8*functions)
		}
		run = 0
	}
}

func (p *Program) adds(table uint64) {
	p.tables[table] = true
	if p.Low == 0 || table < p.Low {
		p.Low = table
	}
	p.High = max(p.High, table+1)
}

// isTable tells whether what follows seven addresses of code are places in a task: of its scheduler behind the header, of its number behind
// that, and of its trailer behind the future.
func isTable(b []byte) bool {
	if len(b) < 8*tableWords {
		return false
	}
	word := func(n int) uint64 { return binary.LittleEndian.Uint64(b[8*n:]) }
	trailer, scheduler, number := word(trailerWord), word(schedulerWord), word(numberWord)
	return (trailer|scheduler|number)&7 == 0 && scheduler >= headerSize && scheduler <= schedulerMax &&
		number >= scheduler && number <= scheduler+schedulerSize && trailer > number && trailer < taskMax
}

// task gives the table and the number of the task at an address; false if there is none.
func (p *Program) task(m *memory.Memory, at uint64) (table, number uint64, ok bool) {
	if at&taskAlign != 0 || at < wordsLow || at >= wordsHigh {
		return 0, 0, false
	}
	table = m.Word(at + taskTable)
	if !p.tables[table] {
		return 0, 0, false
	}
	number = m.Word(at + m.Word(table+8*numberWord))
	return table, number, number != 0
}

// Layout is what was found out, with addresses from the start of the executable: it is the same for all processes of that.
type Layout struct {
	Current uint32
	Waker   uint64
	Holders []Holder
	Relays  []Relay
}

// Layout gives what was found out so far.
func (p *Program) Layout() Layout {
	l := Layout{Current: p.Current, Holders: slices.Clone(p.Holders), Relays: slices.Clone(p.Relays)}
	if p.Waker != 0 {
		l.Waker = p.Waker - p.start
	}
	for i := range l.Holders {
		l.Holders[i].Table -= p.start
	}
	for i := range l.Relays {
		l.Relays[i].Table -= p.start
	}
	return l
}

// Adopt takes what was found out in another process of the same executable, if that is more. True if it was.
func (p *Program) Adopt(l *Layout) bool {
	more := p.Current == 0 && l.Current != 0
	if more {
		p.Current = l.Current
	}
	if p.Waker == 0 && l.Waker != 0 {
		p.Waker = l.Waker + p.start
	}
	if len(l.Holders) > len(p.Holders) {
		more, p.Holders = true, slices.Clone(l.Holders)
		for i := range p.Holders {
			p.Holders[i].Table += p.start
		}
	}
	if len(l.Relays) > len(p.Relays) {
		more, p.Relays = true, slices.Clone(l.Relays)
		for i := range p.Relays {
			p.Relays[i].Table += p.start
		}
	}
	return more
}

// What has to be seen of the place of the number.
const (
	currentLeast = 6 // stacks
	currentTasks = 2
)

// See looks for the number of the running task in what was copied of a thread: the address of that task is on its stack.
func (p *Program) See(m *memory.Memory, s *Sample) {
	found := make(map[uint64]bool)
	met := make(map[uint64]bool)
	for _, word := range s.Stack {
		if word&taskAlign != 0 || met[word] {
			continue
		}
		met[word] = true
		if _, number, ok := p.task(m, word); ok {
			found[number] = true
		}
	}
	if len(found) == 0 {
		return
	}
	p.seen++
	for i, word := range s.Local {
		at := uint32(8 * (len(s.Local) - i))
		if !found[word] || int(at) > p.local {
			continue
		}
		v := p.votes[at]
		if v == nil {
			v = &votes{numbers: make(map[uint64]bool)}
			p.votes[at] = v
		}
		v.times++
		v.numbers[word] = true
	}
	p.decideCurrent()
}

// decideCurrent takes the one place that has held the number of a task nearly always, of different ones, if no other place comes near.
func (p *Program) decideCurrent() {
	p.Current = 0
	for at, v := range p.votes {
		if v.times < currentLeast || len(v.numbers) < currentTasks || v.times*10 < p.seen*9 {
			continue
		}
		if p.Current != 0 {
			p.Current = 0
			return
		}
		p.Current = at
	}
}
