package python

import (
	"debug/elf"
	"errors"
	"path/filepath"
	"strings"

	"weft/agent/memory"
)

// code gives the place of an instruction in the file that it is mapped from.
func (r *runtime) code(at uint64) (Code, bool) {
	a := r.AreaOf(at)
	if a == nil || !a.Execute || a.Path == "" {
		return Code{}, false
	}
	return Code{Path: a.Path, Offset: at - a.Start + a.Offset}, true
}

// find looks for the interpreter in the executable and in libpython.
func find(m *memory.Memory) (*runtime, error) {
	tried := map[string]bool{}
	for i := range m.Areas {
		a := &m.Areas[i]
		if a.Path == "" || tried[a.Path] || !strings.Contains(filepath.Base(a.Path), "python") {
			continue
		}
		tried[a.Path] = true
		if r, err := findIn(m, a); err == nil {
			return r, nil
		} else if !errors.Is(err, ErrNotPython) {
			return nil, err
		}
	}
	return nil, ErrNotPython
}

// findIn reads the dynamic symbols of the file of an area, the first one of that file.
func findIn(m *memory.Memory, a *memory.Area) (*runtime, error) {
	r := &runtime{Memory: m}
	err := m.ELF(a.Path, func(f *elf.File) error {
		symbols, err := f.DynamicSymbols()
		if err != nil {
			return ErrNotPython
		}
		bias := uint64(0)
		if f.Type == elf.ET_DYN {
			bias = a.Start - a.Offset
		}
		for _, s := range symbols {
			at := bias + s.Value
			switch s.Name {
			case "_PyRuntime":
				r.start, r.size = at, s.Size
			case "PyDict_Type":
				r.dictType = at
			case "PyModule_Type":
				r.moduleType = at
			case "PyType_Type":
				r.typeType = at
			case "PyCode_Type":
				r.codeType = at
			case "PyTuple_Type":
				r.tupleType = at
			}
		}
		return nil
	})
	if errors.Is(err, memory.ErrNotELF) {
		return nil, ErrNotPython
	}
	if err != nil {
		return nil, err
	}
	if r.start == 0 || r.dictType == 0 || r.moduleType == 0 || r.typeType == 0 {
		return nil, ErrNotPython
	}
	return r, nil
}
