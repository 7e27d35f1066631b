package library

import (
	"bytes"
	"cmp"
	"debug/elf"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"syscall"
)

// Limits of a search in a file without symbols.
const (
	loadedMax    = 512 << 20 // bytes of the file
	partSize     = 1 << 20
	partBehind   = 512 // bytes of a part that are in the next one, too
	functionsMax = 2 << 20
	reportsMax   = 512 // that name one source file
	codeMax      = 64 << 10
)

var errTooMany = errors.New("too many functions name the source file")

// openRegular opens a file; without O_NONBLOCK a FIFO put in the place of a library would hold the caller.
func openRegular(path string) (*os.File, error) {
	file, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, fmt.Errorf("open library: %w", err)
	}
	if s, err := file.Stat(); err != nil || !s.Mode().IsRegular() {
		file.Close() //nolint:errcheck // read only
		return nil, ErrNone
	}
	return file, nil
}

func le32(b []byte) uint32 { return binary.LittleEndian.Uint32(b) }

// eachPart reads what is loaded of a file with the flags, in parts that overlap.
func eachPart(image *elf.File, flags elf.ProgFlag, visit func(address uint64, part []byte) error) error {
	left := uint64(loadedMax)
	b := make([]byte, partSize)
	for _, p := range image.Progs {
		if p.Type != elf.PT_LOAD || p.Flags&flags != flags {
			continue
		}
		for at := uint64(0); at < p.Filesz; at += partSize - partBehind {
			n, err := p.ReadAt(b[:min(partSize, p.Filesz-at)], int64(at))
			if err != nil && !errors.Is(err, io.EOF) {
				return fmt.Errorf("read what is loaded: %w", err)
			}
			if uint64(n) > left {
				return fmt.Errorf("more than %d bytes are loaded", loadedMax)
			}
			left -= uint64(n)
			if err := visit(p.Vaddr+at, b[:n]); err != nil {
				return err
			}
		}
	}
	return nil
}

// findSource gives the address of the name of BoringSSL's ssl_lib.cc: ErrNone if it is not there; there has to be one.
func findSource(image *elf.File) (address uint64, err error) {
	const end = "/ssl/ssl_lib.cc\x00"
	var found []uint64
	err = eachPart(image, elf.PF_R, func(base uint64, part []byte) error {
		for from := 0; ; {
			i := bytes.Index(part[from:], []byte(end))
			if i < 0 {
				return nil
			}
			from += i + len(end)
			start := bytes.LastIndexByte(part[:from-1], 0) + 1
			if at := base + uint64(start); bytes.Contains(part[start:from], []byte("boringssl")) && !slices.Contains(found, at) {
				found = append(found, at)
			}
			if len(found) > 1 {
				return fmt.Errorf("%w: it is in there more than once", ErrBoring)
			}
		}
	})
	if err == nil && len(found) == 0 {
		err = ErrNone
	}
	if err != nil {
		return 0, err
	}
	return found[0], nil
}

// A function as the table for the unwinder has it.
type function struct {
	start, entry uint64 // addresses of its code, and of its entry in .eh_frame
}

// functions lists them in order: .eh_frame_hdr of the Linux Standard Base, with relative addresses of four bytes.
func functions(image *elf.File) ([]function, error) {
	i := slices.IndexFunc(image.Progs, func(p *elf.Prog) bool { return p.Type == elf.PT_GNU_EH_FRAME })
	if i < 0 {
		return nil, errors.New("it has no table of functions")
	}
	p := image.Progs[i]
	head := make([]byte, 12)
	if _, err := p.ReadAt(head, 0); err != nil {
		return nil, fmt.Errorf("read the table of functions: %w", err)
	}
	const version, relative, count4, table4 = 1, 0x1b, 0x03, 0x3b
	count := uint64(le32(head[8:]))
	if !bytes.Equal(head[:4], []byte{version, relative, count4, table4}) || count > functionsMax || 12+count*8 > p.Filesz {
		return nil, errors.New("its table of functions has another form")
	}
	table := make([]byte, count*8)
	if _, err := p.ReadAt(table, 12); err != nil {
		return nil, fmt.Errorf("read the table of functions: %w", err)
	}
	all := make([]function, 0, count)
	for ; len(table) > 0; table = table[8:] {
		all = append(all, function{relativeTo(p.Vaddr, table), relativeTo(p.Vaddr, table[4:])})
	}
	if !slices.IsSortedFunc(all, func(a, b function) int { return cmp.Compare(a.start, b.start) }) {
		return nil, errors.New("its table of functions is not in order")
	}
	return all, nil
}

// relativeTo is the address that four bytes give from another one on.
func relativeTo(base uint64, b []byte) uint64 { return base + uint64(int64(int32(le32(b)))) }

// around gives the function that has an address in it, with its code; no code: there is none, or its entry does not fit.
func around(image *elf.File, all []function, address uint64) (function, []byte) {
	i, found := slices.BinarySearchFunc(all, address, func(f function, at uint64) int { return cmp.Compare(f.start, at) })
	if !found {
		i--
	}
	if i < 0 {
		return function{}, nil
	}
	f := all[i]
	// Length, that of its CIE, start and length of the code.
	entry := loaded(image, f.entry, 16, elf.PF_R)
	if entry == nil || relativeTo(f.entry+8, entry[8:]) != f.start {
		return f, nil
	}
	size := uint64(le32(entry[12:]))
	if address >= f.start+size || size > codeMax {
		return f, nil
	}
	return f, loaded(image, f.start, size, elf.PF_X)
}

// loaded reads what is loaded at an address; nil: it is not.
func loaded(image *elf.File, address, n uint64, flags elf.ProgFlag) []byte {
	for _, p := range image.Progs {
		if p.Type != elf.PT_LOAD || p.Flags&flags != flags || address < p.Vaddr || address-p.Vaddr > p.Filesz || n > p.Filesz-(address-p.Vaddr) {
			continue
		}
		b := make([]byte, n)
		if _, err := p.ReadAt(b, int64(address-p.Vaddr)); err != nil {
			return nil
		}
		return b
	}
	return nil
}
