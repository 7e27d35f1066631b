package tokio

import (
	"encoding/binary"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"weft/agent/memory"
)

// process is the memory of a process, laid out by hand: an executable's code, what it never writes, and the heap.
type process struct {
	*memory.Memory
	t     *testing.T
	words [3][]uint64
	table uint64 // of tasks
	kind  uint64 // table of what is in their boxes
	waker uint64 // table of wakers
}

const (
	code = iota
	data
	heap
	room    = 1 << 15 // bytes of each
	exe     = "/x/service"
	local   = 32 // bytes of a thread's memory that are the executable's
	trailer = 96
)

func startOf(area int) uint64 { return uint64(area+1) << 32 }

func (p *process) ReadAt(b []byte, at int64) (int, error) {
	for i := range p.words {
		from := uint64(at) - startOf(i)
		if from >= room || from+uint64(len(b)) > room {
			continue
		}
		all := make([]byte, room)
		for n, w := range p.words[i] {
			binary.LittleEndian.PutUint64(all[8*n:], w)
		}
		return copy(b, all[from:]), nil
	}
	return 0, errors.New("not mapped")
}

// put lays words out at a place where a task may be.
func (p *process) put(area int, words ...uint64) uint64 {
	for len(p.words[area])%2 != 0 {
		p.words[area] = append(p.words[area], 0)
	}
	at := startOf(area) + 8*uint64(len(p.words[area]))
	p.words[area] = append(p.words[area], words...)
	return at
}

func (p *process) write(at, word uint64) {
	area := int(at>>32) - 1
	p.words[area][(at-startOf(area))/8] = word
}

func functionsOf(n int) (all []uint64) {
	for i := range n {
		all = append(all, startOf(code)+uint64(16*i))
	}
	return all
}

// build lays out the executable of a service.
func build(t *testing.T) *process {
	t.Helper()
	p := &process{t: t}
	p.Memory = &memory.Memory{From: p, Root: t.TempDir(), Left: memory.ReadMax}
	for i := range p.words {
		a := memory.Area{Start: startOf(i), End: startOf(i) + room, Execute: i == code, Write: i == heap, Path: exe}
		if i == heap {
			a.Path = ""
		}
		p.Areas = append(p.Areas, a)
	}
	p.put(data, 5, 6)
	p.table = p.put(data, append(functionsOf(functions), trailer, headerSize, headerSize+8)...)
	p.kind = p.put(data, append(functionsOf(1), 40, 8, functionsOf(1)[0])...)
	p.waker = p.put(data, functionsOf(4)...)
	p.put(heap, 0)
	if err := os.MkdirAll(filepath.Dir(p.Root+exe), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(p.Root+exe, executable(), 0o644); err != nil {
		t.Fatal(err)
	}
	return p
}

// executable is a file with nothing but the size of its memory of each thread.
func executable() []byte {
	b := make([]byte, 64+56)
	copy(b, "\x7fELF\x02\x01\x01")
	put := func(at int, size int, v uint64) {
		for i := range size {
			b[at+i] = byte(v >> (8 * i))
		}
	}
	put(16, 2, 3)  // a shared object
	put(18, 2, 62) // x86-64
	put(20, 4, 1)
	put(32, 8, 64) // program headers
	put(52, 2, 64)
	put(54, 2, 56)
	put(56, 2, 1)
	put(58, 2, 64)
	put(64, 4, 7) // PT_TLS
	put(64+40, 8, local-4)
	put(64+48, 8, 8)
	return b
}

func (p *process) inspect() *Program {
	p.t.Helper()
	found, err := inspect(p.Memory, exe)
	if err != nil {
		p.t.Fatal(err)
	}
	return found
}

// task lays out one that has a future in a box, in which the address of what it shares with a receiver is the third word.
func (p *process) task(number uint64) (at, shared uint64) {
	shared = p.put(heap, 2, 1, 0, 0, 0, 0, 0, 5)
	box := p.put(heap, 3, shared+4, shared, 0, 0)
	at = p.put(heap, 0, 0, p.table, 1, 7, number, 0, box, p.kind, 0, 0, 0, 0, 0)
	return at, shared
}

// waits has a task wait for another one.
func (p *process) waits(shared, own, other uint64) {
	for i, w := range []uint64{p.waker, own, p.waker, other, waiting} {
		p.write(shared+16+8*uint64(i), w)
	}
}

func TestInspect(t *testing.T) {
	p := build(t)
	if found := p.inspect(); found.Low != p.table || found.High != p.table+1 || found.local != local || found.Current != 0 {
		t.Errorf("%+v, want the table at %x", found, p.table)
	}
	for name, change := range map[string]func(*process){
		"no place of the number":       func(p *process) { p.write(p.table+8*numberWord, 8) },
		"a trailer before the number":  func(p *process) { p.write(p.table+8*trailerWord, headerSize) },
		"a place that is no word's":    func(p *process) { p.write(p.table+8*schedulerWord, headerSize+4) },
		"another word among functions": func(p *process) { p.write(p.table+8*3, 1) },
		"an executable of another name": func(p *process) {
			for i := range p.Areas {
				p.Areas[i].Path = "/x/library"
			}
		},
	} {
		p := build(t)
		change(p)
		if found, err := inspect(p.Memory, exe); !errors.Is(err, ErrNotTokio) {
			t.Errorf("%s: %+v, %v", name, found, err)
		}
	}
	if err := os.WriteFile(p.Root+exe, []byte("#!"), 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := inspect(p.Memory, exe); !errors.Is(err, memory.ErrNotELF) {
		t.Errorf("with a file that is none: %v", err)
	}
}

// TestSee: where the number of the running task is, and not where something else has the same value now and then.
func TestSee(t *testing.T) {
	p := build(t)
	found := p.inspect()
	one, _ := p.task(41)
	other, _ := p.task(42)
	see := func(number uint64, stack ...uint64) {
		found.See(p.Memory, &Sample{Stack: append([]uint64{7, p.table, 8}, stack...), Local: []uint64{number, 41, 9, 41, number}})
	}
	for range currentLeast + 2 {
		see(41, one, other)
	}
	if found.Current != 0 {
		t.Errorf("with one task that runs it is known: %d", found.Current)
	}
	see(42, one, other)
	if found.Current != 8 {
		t.Errorf("current %d, want 8", found.Current)
	}
	for range 2 {
		see(0, other) // it is not the running one
	}
	if found.Current != 0 {
		t.Errorf("after it was wrong twice: %d", found.Current)
	}
}

// TestLookForSet: what waits for a sender may be of a set that a task awaits, and not the task itself.
func TestLookForSet(t *testing.T) {
	p := build(t)
	kind := p.put(data, functionsOf(4)...)
	found := p.inspect()
	server, _ := p.task(41)
	own, shared := p.task(50)
	p.waits(shared, own, server)
	p.write(shared+32, kind)
	p.write(shared+40, p.put(heap, 1, 2, 3, p.put(heap, 0, 0, p.waker, server), 5))
	for range lookLeast {
		found.Look(p.Memory, own)
	}
	if want := (Holder{Table: p.kind, Box: 56, Sender: 16, State: 48, Own: 16, Waiting: 32}); len(found.Holders) != 1 || found.Holders[0] != want {
		t.Errorf("holders %+v, want %+v", found.Holders, want)
	}
}

// TestLook: a sender is taken for that when it was seen often enough, and nothing else was always seen.
func TestLook(t *testing.T) {
	p := build(t)
	found := p.inspect()
	server, _ := p.task(41)
	own, shared := p.task(50)
	other, shares := p.task(51)
	if found.Look(p.Memory, own) || found.Waker != 0 {
		t.Errorf("nobody waits: %+v", found.Holders)
	}
	p.waits(shared, own, server)
	p.waits(shares, other, server)
	for i, at := range []uint64{own, other, own, own + 16, 0} {
		if found.Look(p.Memory, at) {
			t.Errorf("it is believed after %d", i+1)
		}
	}
	want := Holder{Table: p.kind, Box: 56, Sender: 16, State: 48, Own: 16, Waiting: 32}
	if !found.Look(p.Memory, other) || len(found.Holders) != 1 || found.Holders[0] != want || found.Waker != p.waker {
		t.Errorf("holders %+v, waker %x; want %+v, %x", found.Holders, found.Waker, want, p.waker)
	}
	for name, change := range map[string]func(p *process, own, shared, server uint64){
		"something was sent":     func(p *process, _, shared, _ uint64) { p.write(shared+48, waiting+2) },
		"of another task":        func(p *process, own, shared, _ uint64) { p.write(shared+24, own+16) },
		"of this task":           func(p *process, own, shared, _ uint64) { p.write(shared+40, own) },
		"another kind of wakers": func(p *process, _, shared, _ uint64) { p.write(shared+16, p.table+8) },
		"no waker":               func(p *process, _, shared, _ uint64) { p.write(shared+16, p.kind); p.write(shared+32, p.kind) },
		"waits for no task":      func(p *process, _, shared, _ uint64) { p.write(shared+40, shared) },
		"a copy was left behind": func(p *process, own, shared, _ uint64) { p.write(p.Word(own+56)+24, shared) },
		"two states":             func(p *process, _, shared, _ uint64) { p.write(shared+8, waiting) },
		"no box":                 func(p *process, own, _, _ uint64) { p.write(own+64, p.kind+8) },
	} {
		p := build(t)
		found := p.inspect()
		server, _ := p.task(41)
		own, shared := p.task(50)
		p.waits(shared, own, server)
		change(p, own, shared, server)
		for range 2 * lookLeast {
			found.Look(p.Memory, own)
		}
		if len(found.Holders) != 0 {
			t.Errorf("%s: %+v", name, found.Holders)
		}
	}
}

// TestAwait: a way from a waker to that of a task is taken when it has led to tasks that serve, nearly each time, and no other one has.
func TestAwait(t *testing.T) {
	const served = 41
	serves := func(number uint64) bool { return number == served }
	lay := func() (p *process, found *Program, kind uint64) {
		p = build(t)
		kind = p.put(data, functionsOf(4)...)
		found = p.inspect()
		found.Waker = p.waker
		return p, found, kind
	}
	// entry lays out something of a set, of which the fourth word leads to the set, where the third one is the waker of a task.
	entry := func(p *process, task uint64) uint64 { return p.put(heap, 1, 2, 3, p.put(heap, 0, 0, p.waker, task), 5) }
	far := func(p *process) { p.words[heap] = append(p.words[heap], make([]uint64, wokenSize)...) }
	p, found, kind := lay()
	server, _ := p.task(served)
	for i := range lookLeast {
		far(p)
		awaited := []uint64{0, server, kind, entry(p, server), 0, 0}
		if got := found.Await(p.Memory, awaited, serves); got != (i == lookLeast-1) {
			t.Errorf("after %d looks it is %v that something is known", i+1, got)
		}
	}
	if want := (Relay{Table: kind, Set: 24, Waker: 16}); len(found.Relays) != 1 || found.Relays[0] != want {
		t.Errorf("%+v, want %+v", found.Relays, want)
	}
	if found.Await(p.Memory, []uint64{kind, entry(p, server)}, serves) {
		t.Error("it is learned twice")
	}
	for name, awaited := range map[string]func(p *process, kind, server uint64) []uint64{
		"a task that has read nothing": func(p *process, kind, _ uint64) []uint64 {
			other, _ := p.task(50)
			return []uint64{kind, entry(p, other)}
		},
		"no task":             func(p *process, kind, server uint64) []uint64 { return []uint64{kind, entry(p, server+16)} },
		"no waker":            func(p *process, _, server uint64) []uint64 { return []uint64{p.kind, entry(p, server)} },
		"the task's own":      func(p *process, _, server uint64) []uint64 { return []uint64{p.waker, server} },
		"memory that is gone": func(_ *process, kind, _ uint64) []uint64 { return []uint64{kind, 1 << 40} },
		"two ways": func(p *process, kind, server uint64) []uint64 {
			set := p.put(heap, 0, 0, p.waker, server)
			return []uint64{kind, p.put(heap, 1, p.put(heap, p.waker, server), 3, set, 5)}
		},
		"no pair": func(_ *process, kind, _ uint64) []uint64 { return []uint64{kind} },
		"a way that changes": func(p *process, kind, server uint64) []uint64 {
			return []uint64{kind, entry(p, server) + 8*(p.words[heap][0]%2)}
		},
	} {
		p, found, kind := lay()
		server, _ := p.task(served)
		for range 2 * lookLeast {
			far(p)
			p.words[heap][0]++
			found.Await(p.Memory, awaited(p, kind, server), serves)
		}
		if len(found.Relays) != 0 {
			t.Errorf("%s: %+v", name, found.Relays)
		}
	}
}

// TestAwaitEnds: what leads nowhere is not looked at for ever.
func TestAwaitEnds(t *testing.T) {
	p := build(t)
	kind, other := p.put(data, functionsOf(4)...), p.put(data, functionsOf(4)...)
	found := p.inspect()
	awaited := []uint64{kind, 8, other, 8}
	if found.Strange(awaited) >= 0 {
		t.Error("as long as the tasks' own waker is not known there is nothing to look for")
	}
	found.Waker = p.waker
	for n := range 2 * idleMost {
		if got, want := found.Strange(awaited), 2*(n/idleMost); got != want {
			t.Fatalf("after %d looks the waker at %d is looked at, want %d", n, got, want)
		}
		found.Await(p.Memory, awaited, func(uint64) bool { return true })
	}
	if found.Strange(awaited) >= 0 {
		t.Error("it never ends")
	}
}

// TestAdopt: what was found out holds for another process of the same executable, wherever that is mapped.
func TestAdopt(t *testing.T) {
	p := build(t)
	one, other := p.inspect(), p.inspect()
	one.Current, one.Waker = 8, p.waker
	one.Holders, one.Relays = []Holder{{Table: p.kind, Box: 56}}, []Relay{{Table: p.kind, Set: 8}}
	other.start += 1 << 20
	layout := one.Layout()
	if !other.Adopt(&layout) || other.Current != 8 || other.Waker != p.waker+1<<20 || other.Holders[0] != (Holder{Table: p.kind + 1<<20, Box: 56}) {
		t.Errorf("%+v", other)
	}
	if len(other.Relays) != 1 || other.Relays[0] != (Relay{Table: p.kind + 1<<20, Set: 8}) {
		t.Errorf("%+v", other.Relays)
	}
	if other.Adopt(&layout) || one.Holders[0].Table != p.kind {
		t.Error("what is known was adopted once more, or was changed")
	}
}
