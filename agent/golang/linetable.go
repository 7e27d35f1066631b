package golang

import (
	"debug/elf"
	"encoding/binary"
	"errors"
	"fmt"
)

// The line table of a Go program names every function and survives stripping. Its layout since Go 1.18 is that of
// runtime.pcHeader, see runtime/symtab.go and internal/abi/symtab.go in Go's sources:
//
//	magic u32, 0 u8, 0 u8, minLC u8, ptrSize u8, nfunc u64, nfiles u64, textStart u64,
//	then the offsets of: function names, compilation units, files, pc tables, functions (all u64)
//
// and the function part opens with nfunc pairs (entry u32, record u32); a record opens with (entry u32, name i32).
const (
	headerSize   = 72
	maxFunctions = 1 << 23
)

var headerMagics = [...][]byte{
	{0xf1, 0xff, 0xff, 0xff, 0, 0}, // Go 1.20 and later
	{0xf0, 0xff, 0xff, 0xff, 0, 0}, // Go 1.18 and 1.19
}

// A lineTable is the part of .gopclntab that is needed to find a function by its name. All but text are
// offsets in the file.
type lineTable struct {
	count        uint64
	names, units uint64
	functions    uint64
	end          uint64
	text         uint64 // address
}

// function gives the virtual address of the function with the linker's name, in a program of go1.minor.
func (im *image) function(name string, minor int, textField uint32) (uint64, error) {
	from, _, err := im.bounds(name, minor, textField)
	return from, err
}

// bounds gives the virtual addresses at which the function begins and the next one does.
func (im *image) bounds(name string, minor int, textField uint32) (from, to uint64, err error) {
	t, err := im.lines(minor, textField)
	if err != nil {
		return 0, 0, err
	}
	// From the name before it on: another package's path may end in the same.
	at, ok := im.find(append(append([]byte{0}, name...), 0), t.names, t.units)
	if !ok {
		return 0, 0, errAbsent
	}
	at++
	index := window{r: im.r}
	records := window{r: im.r}
	for i := range t.count {
		pair := index.bytes(t.functions+i*8, 8)
		if pair == nil {
			break
		}
		entry, record := binary.LittleEndian.Uint32(pair), binary.LittleEndian.Uint32(pair[4:])
		b := records.bytes(t.functions+uint64(record), 8)
		if b == nil {
			break
		}
		if uint64(binary.LittleEndian.Uint32(b[4:])) == at-t.names && binary.LittleEndian.Uint32(b) == entry {
			next := index.bytes(t.functions+i*8+8, 4) // behind the last one stands where it ends
			if next == nil {
				break
			}
			return t.text + uint64(entry), t.text + uint64(binary.LittleEndian.Uint32(next)), nil
		}
	}
	return 0, 0, errAbsent
}

func (im *image) lines(minor int, textField uint32) (lineTable, error) {
	start, size, err := im.linesAt()
	if err != nil {
		return lineTable{}, err
	}
	var h [headerSize]byte
	if _, err := im.r.ReadAt(h[:], int64(start)); err != nil {
		return lineTable{}, fmt.Errorf("read line table: %w", err)
	}
	word := func(at int) uint64 { return binary.LittleEndian.Uint64(h[at:]) }
	t := lineTable{
		count: word(8), names: start + word(32), units: start + word(40), functions: start + word(64),
		end: start + size,
	}
	ordered := word(32) <= word(40) && word(40) <= word(64) && word(64) <= size
	if h[7] != 8 || !ordered || t.count > maxFunctions || t.count*8 > t.end-t.functions {
		return lineTable{}, errors.New("line table is malformed")
	}
	t.text, err = im.text(start, minor, textField)
	return t, err
}

// linesAt gives the file range that starts with the line table. An external linker may merge its section into
// another one, where it is recognised by its first bytes.
func (im *image) linesAt() (start, size uint64, err error) {
	if s, ok := im.section(".gopclntab", ".data.rel.ro.gopclntab"); ok && s.FileSize >= headerSize {
		return s.Offset, s.FileSize, nil
	}
	s, ok := im.section(".data.rel.ro")
	if !ok {
		return 0, 0, fmt.Errorf("line table: %w", errAbsent)
	}
	end := s.Offset + s.FileSize
	for _, magic := range headerMagics {
		if at, ok := im.find(magic, s.Offset, end); ok && end-at >= headerSize {
			return at, end - at, nil
		}
	}
	return 0, 0, fmt.Errorf("line table: %w", errAbsent)
}

// text gives the address from which the line table counts: up to Go 1.25 it is in the table's header, since Go
// 1.26 only in runtime.firstmoduledata, which has a section of its own.
func (im *image) text(table uint64, minor int, textField uint32) (uint64, error) {
	if minor >= 26 {
		s, ok := im.section(".go.module")
		if !ok {
			return 0, fmt.Errorf("module data: %w", errAbsent)
		}
		return im.pointer(s.Addr + uint64(textField))
	}
	for _, p := range im.file.Progs {
		if p.Type == elf.PT_LOAD && table >= p.Off && table-p.Off < p.Filesz {
			return im.pointer(p.Vaddr + table - p.Off + 24)
		}
	}
	return 0, fmt.Errorf("line table in memory: %w", errAbsent)
}
