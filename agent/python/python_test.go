package python

import (
	"encoding/binary"
	"errors"
	"math/rand/v2"
	"strings"
	"testing"

	"weft/agent/memory"
)

// process is the memory of a process, laid out by hand. Its addresses start at base, where its only writable area is; code is
// where a file is mapped.
type process struct {
	bytes []byte
}

const (
	base = 0x1000_0000
	code = 0x4000_0000
	room = 1 << 20
)

func (p *process) ReadAt(b []byte, at int64) (int, error) {
	if at < base || at-base+int64(len(b)) > int64(len(p.bytes)) {
		return 0, errors.New("not mapped")
	}
	return copy(b, p.bytes[at-base:]), nil
}

func (p *process) put(words ...uint64) uint64 {
	at := base + uint64(len(p.bytes))
	for _, w := range words {
		p.bytes = binary.LittleEndian.AppendUint64(p.bytes, w)
	}
	return at
}

func (p *process) write(at, word uint64) { binary.LittleEndian.PutUint64(p.bytes[at-base:], word) }

// zeroed is an object of n words of which some are set, by their offset in bytes.
func (p *process) zeroed(n int, words map[uint64]uint64) uint64 {
	at := p.put(make([]uint64, n)...)
	for offset, w := range words {
		p.write(at+offset, w)
	}
	return at
}

func (p *process) bytesOf(text string) uint64 {
	at := base + uint64(len(p.bytes))
	p.bytes = append(p.bytes, text...)
	p.bytes = append(p.bytes, make([]byte, 8+(8-len(text)%8)%8)...)
	return at
}

// kind is a way in which versions of CPython differ.
type kind struct {
	logarithm bool
	header    int  // of a string, bytes
	nested    bool // the interpreter is part of _PyRuntime
}

var kinds = map[string]kind{"3.10": {false, 48, false}, "3.11": {true, 48, true}, "3.13": {true, 40, true}}

func (p *process) stringOf(k kind, text string) uint64 {
	at := p.put(1, 2, uint64(len(text)), 0)
	p.put(make([]uint64, k.header/8-4)...)
	p.bytesOf(text)
	return at
}

// dictionary gives one with strings as its keys.
func (p *process) dictionary(k kind, dictType uint64, entries map[string]uint64) uint64 {
	var words []uint64
	for key, v := range entries {
		if !k.logarithm {
			words = append(words, 77) // the hash
		}
		words = append(words, p.stringOf(k, key), v)
	}
	n := uint64(len(entries))
	keys := uint64(0)
	if k.logarithm {
		keys = p.put(1, 5|5<<8|1<<16, 9, n)
	} else {
		keys = p.put(1, 32, 0, 9, n)
	}
	p.put(make([]uint64, 4)...) // 32 indices
	p.put(words...)
	return p.put(1, dictType, n, 0, keys, 0)
}

// build lays out an interpreter with asyncio and uvloop.
func build(k kind) (*process, *runtime) {
	p := &process{}
	r := &runtime{Memory: &memory.Memory{From: p, Left: memory.ReadMax, Areas: []memory.Area{
		{Start: base, End: base + room, Write: true},
		{Start: code, End: code + 0x1000, Offset: 0x3000, Execute: true, Path: "/lib/x.so"},
	}}}
	r.dictType, r.moduleType, r.typeType = p.put(0, 0), p.put(0, 0), p.put(0, 0)
	module := func(names map[string]uint64) uint64 {
		return p.put(1, r.moduleType, p.dictionary(k, r.dictType, names))
	}
	task := p.zeroed(51, map[uint64]uint64{objectType: r.typeType, typeName: p.bytesOf("_asyncio.Task"), typeInit: code + 0x10})
	methods := p.put(p.bytesOf("write_eof"), code+0x20, 0, 0, p.bytesOf("write"), code+0x30, 0, 0, p.bytesOf("writelines"), code+0x40, 0, 0, 0, 0, 0, 0)
	stream := p.zeroed(51, map[uint64]uint64{objectType: r.typeType, typeName: p.bytesOf("uvloop.loop.UVStream"), typeMethods: methods})
	modules := map[string]uint64{
		"_asyncio":    module(map[string]uint64{"Task": task, "_current_tasks": p.dictionary(k, r.dictType, nil)}),
		"uvloop.loop": module(map[string]uint64{"UVStream": stream}),
	}
	for _, name := range strings.Fields("sys builtins __main__ a b c d e f g h") {
		modules[name] = module(map[string]uint64{"x": 1})
	}
	table := p.dictionary(k, r.dictType, modules)
	decoy := p.dictionary(k, r.dictType, map[string]uint64{"sys": 1, "builtins": 2, "__main__": 3, "a": 4, "b": 5, "c": 6, "d": 7, "e": 8, "f": 9, "g": 10, "h": 11})
	if k.nested {
		r.start, r.size = p.put(7, decoy, 9, table), 32
	} else {
		state := p.put(append([]uint64{1, decoy, table}, make([]uint64, stateSize/8)...)...)
		r.start, r.size = p.put(0, decoy, state), 24
	}
	p.put(make([]uint64, 100)...)
	return p, r
}

func TestInspect(t *testing.T) {
	for name, k := range kinds {
		_, r := build(k)
		i, err := r.inspect()
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if i.Init != (Code{"/lib/x.so", 0x3010}) || i.Logarithm != k.logarithm || r.Word(i.Current+objectType) != r.dictType {
			t.Errorf("%s: %+v", name, i)
		}
		if want := []Code{{"/lib/x.so", 0x3030}, {"/lib/x.so", 0x3040}}; len(i.Writes) != 2 || i.Writes[0] != want[0] || i.Writes[1] != want[1] {
			t.Errorf("%s: writes %v", name, i.Writes)
		}
	}
}

// TestAbsent takes away what is needed, a word at a time.
func TestAbsent(t *testing.T) {
	p, r := build(kinds["3.11"])
	at := strings.Index(string(p.bytes), "_asyncio\x00")
	copy(p.bytes[at:], "_asyncia")
	if _, err := r.inspect(); !errors.Is(err, ErrNoTasks) {
		t.Errorf("without asyncio: %v", err)
	}
	p, r = build(kinds["3.11"])
	at = strings.Index(string(p.bytes), "builtins")
	copy(p.bytes[at:], "builtout")
	if _, err := r.inspect(); !errors.Is(err, ErrLayout) {
		t.Errorf("without builtins: %v", err)
	}
	p, r = build(kinds["3.11"])
	at = strings.Index(string(p.bytes), "_asyncio.Task")
	copy(p.bytes[at:], "_asyncio.Tusk")
	if _, err := r.inspect(); !errors.Is(err, ErrLayout) {
		t.Errorf("another type of tasks: %v", err)
	}
	_, r = build(kinds["3.11"])
	r.Areas[1].Execute = false
	if _, err := r.inspect(); !errors.Is(err, ErrLayout) {
		t.Errorf("initialised by what is no code: %v", err)
	}
	_, r = build(kinds["3.11"])
	r.Left = 1000
	if _, err := r.inspect(); err == nil {
		t.Error("more was read than is allowed")
	}
}

// TestNoise changes memory at random: there may be no panic, and nothing is found that is not code in a file.
func TestNoise(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	for name, k := range kinds {
		p, r := build(k)
		good := append([]byte(nil), p.bytes...)
		for range 2000 {
			copy(p.bytes, good)
			r.Left, r.layout = memory.ReadMax, layout{}
			for range 1 + random.IntN(40) {
				at := uint64(random.IntN(len(p.bytes)/8)) * 8
				p.write(base+at, [...]uint64{0, ^uint64(0), random.Uint64(), base + at, uint64(random.IntN(1 << 20)), base + uint64(random.IntN(len(p.bytes)))}[random.IntN(6)])
			}
			i, err := r.inspect()
			if err == nil && (i.Init.Path != "/lib/x.so" || i.Init.Offset < 0x3000 || i.Init.Offset >= 0x4000) {
				t.Fatalf("%s: %+v", name, i)
			}
			if used := memory.ReadMax - r.Left; used > 8<<20 {
				t.Fatalf("%s: %d bytes were read", name, used)
			}
		}
	}
}
