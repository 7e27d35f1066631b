package python

import (
	"debug/elf"
	"encoding/binary"
	"errors"
	"fmt"

	"weft/agent/memory"
)

// Greenlet is what the kernel side needs to read the greenlet that a thread runs: gevent and eventlet are made of them. greenlet 2.0
// and later keep that in memory of the thread, x86-64 only.
type Greenlet struct {
	Module uint32 // its number among those that have memory for each thread; 0: not loaded, or not understood
	Type   uint64 // address of the type of types: what a greenlet's type is of
	Init   Code   // that initialises a greenlet; its first argument is the greenlet
}

// greenlet looks for the module in the table of modules. Its absence is no error.
func (r *runtime) greenlet(modules dictionary) (g Greenlet, err error) {
	names, ok := r.module(modules, "greenlet._greenlet")
	if !ok {
		return g, nil
	}
	t, ok := r.typeOf(names, "greenlet", "greenlet.greenlet")
	if !ok {
		return g, fmt.Errorf("%w: greenlet has no type", ErrLayout)
	}
	c, ok := r.code(r.Word(t + typeInit))
	if !ok {
		return g, fmt.Errorf("%w: greenlets are initialised by no code in a file", ErrLayout)
	}
	at, err := r.moduleSlot(c.Path)
	if err != nil {
		return g, err
	}
	number := r.Word(at)
	if number == 0 || number > 1<<12 {
		return g, fmt.Errorf("%w: greenlet has no number for its thread-local memory", ErrLayout)
	}
	return Greenlet{Module: uint32(number), Type: r.typeType, Init: c}, nil
}

// moduleSlot gives the address at which the dynamic linker has written the module number of a library: where the relocation
// R_X86_64_DTPMOD64 of its own thread-local segment says.
func (r *runtime) moduleSlot(path string) (uint64, error) {
	var offset uint64
	var ok bool
	err := r.ELF(path, func(f *elf.File) error {
		offset, ok = moduleRelocation(f)
		return nil
	})
	switch {
	case errors.Is(err, memory.ErrNotELF):
		return 0, fmt.Errorf("%w: %s is no library", ErrLayout, path)
	case err != nil:
		return 0, err
	case !ok:
		return 0, fmt.Errorf("%w: greenlet keeps nothing in memory of the thread", ErrLayout)
	}
	for i := range r.Areas {
		if a := &r.Areas[i]; a.Path == path {
			return a.Start - a.Offset + offset, nil
		}
	}
	return 0, fmt.Errorf("%w: %s is not mapped", ErrLayout, path)
}

// moduleRelocation looks for the first relocation that asks for a module number without a symbol.
func moduleRelocation(f *elf.File) (uint64, bool) {
	if f.Machine != elf.EM_X86_64 || f.Class != elf.ELFCLASS64 {
		return 0, false
	}
	s := f.Section(".rela.dyn")
	if s == nil || s.FileSize > 16<<20 {
		return 0, false
	}
	b, err := s.Data()
	if err != nil {
		return 0, false
	}
	for ; len(b) >= 24; b = b[24:] {
		if binary.LittleEndian.Uint64(b[8:]) == uint64(elf.R_X86_64_DTPMOD64) {
			return binary.LittleEndian.Uint64(b), true
		}
	}
	return 0, false
}
