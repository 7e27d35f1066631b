package library

import (
	"debug/elf"
	"encoding/binary"
)

// chainMax bounds the symbols that are looked at for one name. Those of a bucket are a handful; a hostile table has as many as it likes.
const chainMax = 1 << 10

// A hashed is the table by which the dynamic linker looks names up: .gnu.hash, with its symbols and their names. Large programs that export
// a library, such as Node.js, have tens of thousands of them in megabytes; this reads a few hundred bytes for each name.
type hashed struct {
	table, symbols, text *elf.Section
	first                uint32 // index of the first symbol that is in the table
	buckets              uint32
	bucketsAt, chainsAt  int64
}

// hashOf opens the table of a file, if it has one that can be read.
func hashOf(image *elf.File) (h hashed, ok bool) {
	h.table = image.SectionByType(elf.SHT_GNU_HASH)
	h.symbols = image.SectionByType(elf.SHT_DYNSYM)
	if h.table == nil || h.symbols == nil || int(h.symbols.Link) >= len(image.Sections) {
		return h, false
	}
	h.text = image.Sections[h.symbols.Link]
	var head [16]byte
	if h.table.Type == elf.SHT_NOBITS || h.symbols.Type == elf.SHT_NOBITS || h.text.Type == elf.SHT_NOBITS {
		return h, false
	}
	if _, err := h.table.ReadAt(head[:], 0); err != nil {
		return h, false
	}
	h.buckets, h.first = le32(head[:]), le32(head[4:])
	h.bucketsAt = int64(len(head)) + 8*int64(le32(head[8:])) // behind the words of the filter
	h.chainsAt = h.bucketsAt + 4*int64(h.buckets)
	return h, h.buckets > 0
}

// hashOfName is the hash of the table: h*33 + c, from 5381 on.
func hashOfName(name string) uint32 {
	sum := uint32(5381)
	for i := range len(name) {
		sum = sum*33 + uint32(name[i])
	}
	return sum
}

// word reads four bytes of the table.
func (h *hashed) word(at int64) (uint32, bool) {
	var b [4]byte
	_, err := h.table.ReadAt(b[:], at)
	return le32(b[:]), err == nil
}

// find gives the address of a function that the file defines. It is not found, too, where the table is not what it should be.
func (h *hashed) find(name string) (address uint64, found bool) {
	sum := hashOfName(name)
	at, ok := h.word(h.bucketsAt + 4*int64(sum%h.buckets))
	if !ok || at < h.first {
		return 0, false
	}
	for range chainMax {
		one, ok := h.word(h.chainsAt + 4*int64(at-h.first))
		if !ok {
			return 0, false
		}
		if one|1 == sum|1 && h.named(at, name) {
			return h.function(at)
		}
		if one&1 != 0 { // the last one of the bucket
			return 0, false
		}
		at++
	}
	return 0, false
}

// named tells whether a symbol has the name.
func (h *hashed) named(index uint32, name string) bool {
	var at [4]byte
	b := make([]byte, len(name)+1)
	if _, err := h.symbols.ReadAt(at[:], int64(index)*symbolSize); err != nil {
		return false
	}
	_, err := h.text.ReadAt(b, int64(le32(at[:])))
	return err == nil && string(b) == name+"\x00"
}

func (h *hashed) function(index uint32) (address uint64, ok bool) {
	var b [symbolSize]byte
	if _, err := h.symbols.ReadAt(b[:], int64(index)*symbolSize); err != nil {
		return 0, false
	}
	section := elf.SectionIndex(binary.LittleEndian.Uint16(b[6:]))
	return binary.LittleEndian.Uint64(b[8:]), elf.ST_TYPE(b[4]) == elf.STT_FUNC && section != elf.SHN_UNDEF
}

// exported gives those of the functions that a file exports by the names that are looked for.
func exported(image *elf.File) Functions {
	h, ok := hashOf(image)
	if !ok {
		return nil
	}
	f := Functions{}
	for _, name := range names {
		address, ok := h.find(name)
		if !ok {
			continue
		}
		if at, ok := offset(image, address); ok {
			f[name] = at
		}
	}
	return f
}
