package python

import "encoding/binary"

// layout is how the keys of a dictionary are kept: PyDictKeysObject. Its indices follow the header, and the entries those.
type layout struct {
	header    uint32 // bytes
	logarithm bool
}

// The layouts: of CPython 3.8 to 3.10 and of 3.11 to 3.13.
var layouts = [...]layout{{40, false}, {32, true}}

// dictionary is what is read of a PyDictObject, once.
type dictionary struct {
	entries []byte
	size    int // of an entry
}

// Offsets in PyDictObject and in its keys, and bounds.
const (
	dictUsed    = 16
	dictKeys    = 32
	dictValues  = 40
	entriesMax  = 1 << 17
	modulesLow  = 10
	modulesHigh = 1 << 16
)

// dictionary reads one whose keys have the layout.
func (r *runtime) dictionary(at uint64, l layout) (d dictionary, ok bool) {
	if r.Word(at+objectType) != r.dictType || r.Word(at+dictValues) != 0 {
		return d, false
	}
	keys := r.Word(at + dictKeys)
	var h [40]byte
	if !r.Read(h[:], keys) {
		return d, false
	}
	indices, entries := binary.LittleEndian.Uint64(h[8:]), binary.LittleEndian.Uint64(h[32:])
	d.size = 24
	if l.logarithm {
		if h[9] > 20 || h[8] > 20 || h[10] > 1 {
			return d, false
		}
		indices, entries = 1<<h[9], binary.LittleEndian.Uint64(h[24:])
		if h[10] == 1 { // all keys are strings: no hashes
			d.size = 16
		}
	} else {
		indices *= width(indices)
	}
	if indices == 0 || indices > 4*entriesMax || entries > entriesMax || entries < r.Word(at+dictUsed) {
		return d, false
	}
	d.entries = make([]byte, int(entries)*d.size)
	return d, r.Read(d.entries, keys+uint64(l.header)+indices)
}

// width is how many bytes one of so many indices takes, 0 if they are more than are looked at.
func width(indices uint64) uint64 {
	switch {
	case indices <= 0xff:
		return 1
	case indices <= 0xffff:
		return 2
	case indices <= entriesMax:
		return 4
	}
	return 0
}

// get gives the object under a key that is a string.
func (r *runtime) get(d dictionary, key string) (uint64, bool) {
	for at := 0; at+d.size <= len(d.entries); at += d.size {
		k := binary.LittleEndian.Uint64(d.entries[at+d.size-16:])
		v := binary.LittleEndian.Uint64(d.entries[at+d.size-8:])
		if v != 0 && r.isString(k, key) {
			return v, true
		}
	}
	return 0, false
}

// isString tells whether an object is a compact ASCII string: its length is behind its type, and its bytes are behind a header
// of 48 bytes, 40 since CPython 3.12.
func (r *runtime) isString(at uint64, want string) bool {
	var b [96]byte
	n := len(want)
	if n > len(b)-48 || !r.Read(b[:48+n], at) || binary.LittleEndian.Uint64(b[16:]) != uint64(n) {
		return false
	}
	return string(b[40:40+n]) == want || string(b[48:48+n]) == want
}

// module gives the names of a module.
func (r *runtime) module(modules dictionary, name string) (d dictionary, ok bool) {
	m, ok := r.get(modules, name)
	if !ok || r.Word(m+objectType) != r.moduleType {
		return d, false
	}
	return r.dictionary(r.Word(m+moduleNames), r.layout)
}

const moduleNames = 16 // offset in PyModuleObject

// findModules looks for the table of modules, sys.modules. The main interpreter is part of _PyRuntime since CPython 3.11, before
// it points to it.
func (r *runtime) findModules() (dictionary, bool) {
	if d, ok := r.searchModules(r.start, min(r.size, runtimeMax)); ok {
		return d, true
	}
	b := make([]byte, min(r.size, 4096))
	if !r.Read(b, r.start) {
		return dictionary{}, false
	}
	for at := 0; at+8 <= len(b); at += 8 {
		p := binary.LittleEndian.Uint64(b[at:])
		if p%8 != 0 || !r.Writable(p, stateSize) {
			continue
		}
		if d, ok := r.searchModules(p, stateSize); ok {
			return d, true
		}
	}
	return dictionary{}, false
}

const (
	runtimeMax = 1 << 20
	stateSize  = 4096 // of an interpreter's state, the table of modules is in the first half of it
)

// searchModules looks at all pointers in a stretch of memory.
func (r *runtime) searchModules(start, size uint64) (dictionary, bool) {
	b := make([]byte, size)
	if !r.Read(b, start) {
		return dictionary{}, false
	}
	for at := 0; at+8 <= len(b); at += 8 {
		p := binary.LittleEndian.Uint64(b[at:])
		if p%8 != 0 || !r.Writable(p, dictValues+8) || r.Word(p+objectType) != r.dictType {
			continue
		}
		if used := r.Word(p + dictUsed); used < modulesLow || used > modulesHigh {
			continue
		}
		for _, l := range layouts {
			if d, ok := r.dictionary(p, l); ok && r.hasModules(d, l) {
				return d, true
			}
		}
	}
	return dictionary{}, false
}

// hasModules tells whether a dictionary is the table of modules, and keeps its layout if it is.
func (r *runtime) hasModules(d dictionary, l layout) bool {
	for _, name := range [...]string{"sys", "builtins", "__main__"} {
		if m, ok := r.get(d, name); !ok || r.Word(m+objectType) != r.moduleType {
			return false
		}
	}
	r.layout = l
	return true
}
