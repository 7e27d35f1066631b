package python

import (
	"bytes"
	"debug/elf"
	"encoding/binary"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"weft/agent/memory"
)

// library gives an ELF file with these relocations and nothing else.
func library(t *testing.T, relocations ...elf.Rela64) []byte {
	t.Helper()
	var body bytes.Buffer
	put := func(v any) {
		if err := binary.Write(&body, binary.LittleEndian, v); err != nil {
			t.Fatal(err)
		}
	}
	names := "\x00.rela.dyn\x00.shstrtab\x00"
	const headerSize, sectionSize, relocationSize = 64, 64, 24
	at := uint64(headerSize + relocationSize*len(relocations))
	header := elf.Header64{
		Type: uint16(elf.ET_DYN), Machine: uint16(elf.EM_X86_64), Version: 1, Shoff: at + uint64(len(names)),
		Ehsize: headerSize, Shentsize: sectionSize, Shnum: 3, Shstrndx: 2,
	}
	copy(header.Ident[:], "\x7fELF\x02\x01\x01")
	put(header)
	put(relocations)
	body.WriteString(names)
	put(elf.Section64{})
	put(elf.Section64{Name: 1, Type: uint32(elf.SHT_RELA), Off: headerSize, Size: at - headerSize, Entsize: relocationSize})
	put(elf.Section64{Name: 11, Type: uint32(elf.SHT_STRTAB), Off: at, Size: uint64(len(names))})
	return body.Bytes()
}

// TestGreenlet finds the number that the dynamic linker has given to greenlet's memory of a thread.
func TestGreenlet(t *testing.T) {
	p, r := build(kinds["3.11"])
	r.Root = t.TempDir()
	slot := p.put(5)
	write := func(relocations ...elf.Rela64) {
		if err := os.WriteFile(filepath.Join(r.Root, "g.so"), library(t, relocations...), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	r.Areas = append(r.Areas, memory.Area{Start: code + 0x10000, End: code + 0x11000, Offset: 0x2000, Execute: true, Path: "/g.so"})
	greenlet := p.zeroed(51, map[uint64]uint64{objectType: r.typeType, typeName: p.bytesOf("greenlet.greenlet"), typeInit: code + 0x10020})
	k := kinds["3.11"]
	names := p.put(1, r.moduleType, p.dictionary(k, r.dictType, map[string]uint64{"greenlet": greenlet}))
	r.layout = layouts[1]
	modules, ok := r.dictionary(p.dictionary(k, r.dictType, map[string]uint64{"greenlet._greenlet": names}), r.layout)
	if !ok {
		t.Fatal("no table of modules")
	}
	bias := r.Areas[2].Start - r.Areas[2].Offset
	module := elf.Rela64{Off: slot - bias, Info: uint64(elf.R_X86_64_DTPMOD64)}
	write(elf.Rela64{Off: 8, Info: uint64(elf.R_X86_64_RELATIVE)}, module)
	g, err := r.greenlet(modules)
	if err != nil || g != (Greenlet{Module: 5, Type: r.typeType, Init: Code{"/g.so", 0x2020}}) {
		t.Errorf("%+v, %v", g, err)
	}
	write(elf.Rela64{Off: 8, Info: uint64(elf.R_X86_64_RELATIVE)})
	if _, err := r.greenlet(modules); !errors.Is(err, ErrLayout) {
		t.Errorf("without memory of the thread: %v", err)
	}
	p.write(slot, 1<<20)
	write(module)
	if _, err := r.greenlet(modules); !errors.Is(err, ErrLayout) {
		t.Errorf("with a number that is none: %v", err)
	}
	if err := os.WriteFile(filepath.Join(r.Root, "g.so"), []byte("\x7fELF\x02\x01\x01 no library"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := r.greenlet(modules); err == nil {
		t.Error("no error for what is no library")
	}
	if g, err := r.greenlet(dictionary{size: 16}); err != nil || g.Module != 0 {
		t.Errorf("without greenlet: %+v, %v", g, err)
	}
}
