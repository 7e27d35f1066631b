package library

import (
	"bytes"
	"debug/elf"
	"encoding/binary"
	"io"
	"slices"
)

// Named gives where in the file at path functions are, by their names: those that it exports, and of the others those that are among its
// symbols for debuggers, if it has any. The error is ErrNone where none of them is there.
func Named(path string, wanted ...string) (Functions, error) {
	return within(path, func(r io.ReaderAt) (Functions, error) {
		image, err := elf.NewFile(r)
		if err != nil || image.Class != elf.ELFCLASS64 || image.ByteOrder != binary.LittleEndian {
			return nil, ErrNone
		}
		return named(image, wanted)
	})
}

func named(image *elf.File, wanted []string) (Functions, error) {
	f := Functions{}
	keep := func(name string, address uint64) {
		if at, ok := offset(image, address); ok {
			f[name] = at
		}
	}
	if h, ok := hashOf(image); ok {
		for _, name := range wanted {
			if address, ok := h.find(name); ok {
				keep(name, address)
			}
		}
	}
	if len(f) == 0 {
		return nil, ErrNone
	}
	hidden := slices.DeleteFunc(slices.Clone(wanted), func(name string) bool { return f[name] != 0 })
	if len(hidden) == 0 {
		return f, nil
	}
	// A table that is too large to be read is as none.
	_ = eachFunction(image, elf.SHT_SYMTAB, func(text []byte, at uint32, address uint64) {
		if uint64(at) >= uint64(len(text)) {
			return
		}
		for _, name := range hidden {
			if rest, found := bytes.CutPrefix(text[at:], []byte(name)); found && len(rest) > 0 && rest[0] == 0 {
				keep(name, address)
			}
		}
	})
	return f, nil
}
