package golang

import (
	"bytes"
	"debug/dwarf"
	"debug/elf"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"strings"
)

// windowSize is how much of a file is held at once while it is streamed through.
const windowSize = 128 << 10

var (
	errBudget = errors.New("more would have to be read than is allowed")
	errAbsent = errors.New("not in this executable")
)

// A budget is a reader that refuses to read more than left bytes in all.
type budget struct {
	r    io.ReaderAt
	left int64
}

func (b *budget) ReadAt(p []byte, at int64) (int, error) {
	if int64(len(p)) > b.left {
		return 0, errBudget
	}
	b.left -= int64(len(p))
	return b.r.ReadAt(p, at)
}

// An image is an open executable of a supported machine.
type image struct {
	r    io.ReaderAt // bounded
	file *elf.File
}

func open(r io.ReaderAt) (*image, error) {
	bounded := &budget{r: r, left: buildBudget}
	headers, err := elf.NewFile(bounded)
	if err != nil {
		return nil, fmt.Errorf("read ELF headers: %w", err)
	}
	if headers.Class != elf.ELFCLASS64 || headers.ByteOrder != binary.LittleEndian ||
		headers.Machine != elf.EM_X86_64 && headers.Machine != elf.EM_AARCH64 {
		return nil, fmt.Errorf("%s %s executables are not supported", headers.Machine, headers.Class)
	}
	bounded.left = inspectBudget
	return &image{r: bounded, file: headers}, nil
}

// section gives the file range of the first of the named sections that has contents.
func (im *image) section(names ...string) (s *elf.Section, ok bool) {
	for _, name := range names {
		s := im.file.Section(name)
		if s == nil || s.Type == elf.SHT_NOBITS || s.Flags&elf.SHF_COMPRESSED != 0 {
			continue
		}
		if s.Offset < 1<<40 && s.FileSize < 1<<40 {
			return s, true
		}
	}
	return nil, false
}

// offset turns a virtual address into an offset in the file, if a loaded segment with these flags holds it.
func (im *image) offset(address uint64, flags elf.ProgFlag) (uint64, bool) {
	for _, p := range im.file.Progs {
		if p.Type == elf.PT_LOAD && p.Flags&flags == flags && address >= p.Vaddr && address-p.Vaddr < p.Filesz {
			at := address - p.Vaddr + p.Off
			return at, at < 1<<40
		}
	}
	return 0, false
}

// pointer reads the pointer at a virtual address as it is after relocation at load address 0.
func (im *image) pointer(address uint64) (uint64, error) {
	if im.file.Type == elf.ET_DYN {
		if v, ok := im.relocated(address); ok {
			return v, nil
		}
	}
	at, ok := im.offset(address, 0)
	if !ok {
		return 0, fmt.Errorf("address %#x: %w", address, errAbsent)
	}
	var b [8]byte
	if _, err := im.r.ReadAt(b[:], int64(at)); err != nil {
		return 0, fmt.Errorf("read %#x: %w", address, err)
	}
	return binary.LittleEndian.Uint64(b[:]), nil
}

// relocated looks for the addend of the relative relocation at address.
func (im *image) relocated(address uint64) (uint64, bool) {
	s, ok := im.section(".rela.dyn", ".rela")
	if !ok {
		return 0, false
	}
	relative := uint64(elf.R_X86_64_RELATIVE)
	if im.file.Machine == elf.EM_AARCH64 {
		relative = uint64(elf.R_AARCH64_RELATIVE)
	}
	w := window{r: im.r}
	for at := s.Offset; at+24 <= s.Offset+s.FileSize; at += 24 {
		b := w.bytes(at, 24)
		if b == nil {
			return 0, false
		}
		if binary.LittleEndian.Uint64(b) == address && binary.LittleEndian.Uint64(b[8:])&0xffffffff == relative {
			return binary.LittleEndian.Uint64(b[16:]), true
		}
	}
	return 0, false
}

// find gives the file offset of the first occurrence of needle in [from, to).
func (im *image) find(needle []byte, from, to uint64) (uint64, bool) {
	buf := make([]byte, windowSize)
	for from < to && to-from >= uint64(len(needle)) {
		n := min(uint64(len(buf)), to-from)
		got, err := im.r.ReadAt(buf[:n], int64(from))
		if at := bytes.Index(buf[:got], needle); at >= 0 {
			return from + uint64(at), true
		}
		if err != nil || n == to-from {
			return 0, false
		}
		from += n - uint64(len(needle)) + 1
	}
	return 0, false
}

// A window reads ascending small pieces of a file with few system calls.
type window struct {
	r   io.ReaderAt
	at  uint64
	buf []byte
}

// bytes gives n bytes at an offset, valid until the next call; nil if the file does not have them.
func (w *window) bytes(at uint64, n int) []byte {
	if at < w.at || at+uint64(n) > w.at+uint64(len(w.buf)) {
		if w.buf == nil {
			w.buf = make([]byte, windowSize)
		}
		got, err := w.r.ReadAt(w.buf[:cap(w.buf)], int64(at))
		if got < n || err != nil && err != io.EOF { //nolint:errorlint // ReadAt's contract is io.EOF itself
			w.buf = w.buf[:0]
			return nil
		}
		w.at, w.buf = at, w.buf[:got]
	}
	return w.buf[at-w.at:][:n]
}

// debugLayout reads the layout from the debug information of the executable.
func (im *image) debugLayout() (Layout, error) {
	d, err := im.debug()
	if err != nil {
		return Layout{}, err
	}
	l, _, err := ReadLayout(d)
	return l, err
}

// debug opens the debug information of the executable, if it is not too large.
func (im *image) debug() (*dwarf.Data, error) {
	var size uint64 // of all that is unpacked into memory
	for _, s := range im.file.Sections {
		if strings.HasPrefix(s.Name, ".debug_") || strings.HasPrefix(s.Name, ".zdebug_") {
			// A section in the old .zdebug format tells its size only inside: take the worst that is met.
			size += max(s.Size, s.FileSize*8)
		}
		if s.Type == elf.SHT_RELA || s.Type == elf.SHT_REL {
			size += s.Size
		}
	}
	if size == 0 {
		return nil, errors.New("it has no debug information")
	}
	if size > debugBudget {
		return nil, fmt.Errorf("its debug information is larger than %d MiB", debugBudget>>20)
	}
	d, err := im.file.DWARF()
	if err != nil {
		return nil, fmt.Errorf("its debug information cannot be read: %w", err)
	}
	return d, nil
}
