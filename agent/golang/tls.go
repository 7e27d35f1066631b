package golang

import (
	"bytes"
	"debug/elf"
	"encoding/binary"
	"errors"
	"fmt"
)

// tls gives the offset of g from the thread pointer of an amd64 program.
//
// The linker puts runtime.tlsg, 8 bytes, into the thread-local segment, which ends at the thread pointer. Alone
// there its place follows; beside the variables of linked C code only its symbol tells, or, stripped, the code.
func (im *image) tls(minor int, textField uint32) (int64, error) {
	for _, p := range im.file.Progs {
		if p.Type != elf.PT_TLS {
			continue
		}
		align := max(p.Align, 1)
		if align > 1<<16 || align&(align-1) != 0 || p.Memsz < 8 || p.Memsz > 1<<24 {
			return 0, errors.New("thread-local segment is malformed")
		}
		size := (p.Memsz + align - 1) &^ (align - 1)
		if p.Memsz == 8 {
			return -int64(size), nil
		}
		if at, ok := im.tlsSymbol(); ok && at <= p.Memsz-8 {
			return int64(at) - int64(size), nil
		}
		return im.tlsCode(minor, textField)
	}
	return -8, nil // Go's own linker on Linux
}

// tlsSymbol gives the offset of runtime.tlsg in the thread-local segment.
func (im *image) tlsSymbol() (uint64, bool) {
	s, ok := im.section(".symtab")
	if !ok || int(s.Link) >= len(im.file.Sections) {
		return 0, false
	}
	names := im.file.Sections[s.Link]
	if names.Offset > 1<<40 || names.FileSize > 1<<40 {
		return 0, false
	}
	name, ok := im.find([]byte("\x00runtime.tlsg\x00"), names.Offset, names.Offset+names.FileSize)
	if !ok {
		return 0, false
	}
	w := window{r: im.r}
	for at := s.Offset; at+24 <= s.Offset+s.FileSize; at += 24 {
		b := w.bytes(at, 24)
		if b == nil {
			return 0, false
		}
		if uint64(binary.LittleEndian.Uint32(b)) == name+1-names.Offset {
			return binary.LittleEndian.Uint64(b[8:]), true
		}
	}
	return 0, false
}

// tlsCode reads the offset from the code that stores g when a goroutine is resumed, in the two forms that
// linkers leave it in (DX holds g):
//
//	64 48 89 14 25 imm32              mov %rdx, %fs:imm32
//	48 c7 c1 imm32 64 48 89 11        mov $imm32, %rcx; mov %rdx, %fs:(%rcx)
func (im *image) tlsCode(minor int, textField uint32) (int64, error) {
	address, err := im.function("gogo", minor, textField)
	if err != nil {
		return 0, fmt.Errorf("function gogo: %w", err)
	}
	at, ok := im.offset(address, elf.PF_X)
	if !ok {
		return 0, fmt.Errorf("function gogo: %w", errAbsent)
	}
	var code [11]byte
	if _, err := im.r.ReadAt(code[:], int64(at)); err != nil {
		return 0, fmt.Errorf("read function gogo: %w", err)
	}
	var offset []byte
	switch {
	case bytes.HasPrefix(code[:], []byte{0x64, 0x48, 0x89, 0x14, 0x25}):
		offset = code[5:9]
	case bytes.HasPrefix(code[:], []byte{0x48, 0xc7, 0xc1}) && bytes.HasSuffix(code[:], []byte{0x64, 0x48, 0x89, 0x11}):
		offset = code[3:7]
	default:
		return 0, errors.New("function gogo is none of the known forms")
	}
	if v := int64(int32(binary.LittleEndian.Uint32(offset))); v < 0 && v >= -1<<24 {
		return v, nil
	}
	return 0, errors.New("function gogo stores g outside the thread-local segment")
}
