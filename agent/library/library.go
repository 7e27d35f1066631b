// Package library owns what weft must know of a TLS library to read what passes through it: where its functions are in the file,
// be it a shared library or a program that has the library inside.
//
// Files belong to strangers: every read is bounded, and what cannot be understood is an error, never a guess.
package library

import (
	"debug/elf"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"slices"
)

// ErrNone means that a file has none of the functions.
var ErrNone = errors.New("no function of a TLS library")

// names are the functions that are looked for: those of OpenSSL and BoringSSL, of GnuTLS, and of NSPR, by which programs use NSS. Those of
// rustls are in rustls.go.
var names = []string{
	"SSL_read", "SSL_write", "SSL_read_ex", "SSL_write_ex", "SSL_sendfile", "SSL_free",
	"gnutls_record_recv", "gnutls_record_send", "gnutls_deinit",
	"PR_Read", "PR_Write", "PR_Recv", "PR_Send", "PR_Close", layersNSS,
}

// layersNSS puts NSS between a file descriptor of NSPR and its user. Without it in one of its files a process uses NSPR for something else.
const layersNSS = "SSL_ImportFD"

// tableMax bounds a table of symbols and the names in it, in bytes each.
const tableMax = 64 << 20

// Functions are the offsets in the file of the functions that are in it, by name; see RustlsEncrypt for those of rustls.
type Functions map[string]uint64

// NSPR tells whether what passes through the file is TLS only in a process that has another one which layers NSS.
func (f Functions) NSPR() bool {
	_, reads := f["PR_Read"]
	return reads && !f.LayersNSS()
}

// LayersNSS tells whether the file has the function by which the descriptors of NSPR speak TLS.
func (f Functions) LayersNSS() bool {
	_, layers := f[layersNSS]
	return layers
}

// Inspect looks for the functions in the file at path, among the symbols for the dynamic linker, and then among those for debuggers.
func Inspect(path string) (Functions, error) { return within(path, inspect) }

// within has a file searched that may be hostile.
func within(path string, search func(io.ReaderAt) (Functions, error)) (f Functions, err error) {
	defer func() {
		// The standard library's parsers do not promise to stand hostile input.
		if p := recover(); p != nil {
			err = fmt.Errorf("parse %s: %v", path, p)
		}
	}()
	file, err := openRegular(path)
	if err != nil {
		return nil, err
	}
	defer file.Close() //nolint:errcheck // read only
	return search(file)
}

func inspect(r io.ReaderAt) (Functions, error) {
	image, err := elf.NewFile(r)
	if err != nil || image.Class != elf.ELFCLASS64 || image.ByteOrder != binary.LittleEndian {
		return nil, ErrNone
	}
	if f := exported(image); len(f) > 0 {
		return f, nil
	}
	for _, kind := range []elf.SectionType{elf.SHT_DYNSYM, elf.SHT_SYMTAB} {
		f, err := symbols(image, kind)
		if err != nil {
			return nil, err
		}
		if len(f) > 0 {
			return f, nil
		}
	}
	return nil, ErrNone
}

// symbolSize is that of Elf64_Sym.
const symbolSize = 24

func symbols(image *elf.File, kind elf.SectionType) (Functions, error) {
	f := Functions{}
	err := eachFunction(image, kind, func(text []byte, at uint32, address uint64) {
		name, kind := wanted(text, at)
		if name == "" && kind == "" {
			return
		}
		at64, ok := offset(image, address)
		switch {
		case ok && kind != "":
			f.add(kind, at64)
		case ok:
			f[name] = at64
		}
	})
	if err != nil {
		return nil, err
	}
	f.settle()
	return f, nil
}

// eachFunction visits the functions that a table of symbols defines: where in text the name begins, and the address.
func eachFunction(image *elf.File, kind elf.SectionType, visit func(text []byte, at uint32, address uint64)) error {
	table := image.SectionByType(kind)
	if table == nil || int(table.Link) >= len(image.Sections) {
		return nil
	}
	texts := image.Sections[table.Link]
	if table.Size > tableMax || texts.Size > tableMax {
		return fmt.Errorf("symbols: %d and %d bytes, more than %d are not read", table.Size, texts.Size, tableMax)
	}
	entries, err := table.Data()
	if err != nil {
		return fmt.Errorf("read symbols: %w", err)
	}
	text, err := texts.Data()
	if err != nil {
		return fmt.Errorf("read names of symbols: %w", err)
	}
	for ; len(entries) >= symbolSize; entries = entries[symbolSize:] {
		section, address := binary.LittleEndian.Uint16(entries[6:]), binary.LittleEndian.Uint64(entries[8:])
		if elf.ST_TYPE(entries[4]) != elf.STT_FUNC || elf.SectionIndex(section) == elf.SHN_UNDEF {
			continue
		}
		visit(text, binary.LittleEndian.Uint32(entries), address)
	}
	return nil
}

// wanted gives the name at an offset if it is one of those that are looked for, or which kind of rustls's functions it is.
func wanted(text []byte, at uint32) (name, kind string) {
	const longest = len("gnutls_record_recv")
	if uint64(at) >= uint64(len(text)) {
		return "", ""
	}
	text = text[at:]
	end := slices.Index(text[:min(len(text), longest+1)], 0)
	if end < 0 {
		return "", rustls(text)
	}
	for _, name := range names {
		if string(text[:end]) == name {
			return name, ""
		}
	}
	return "", ""
}

// offset turns a virtual address into an offset in the file.
func offset(image *elf.File, address uint64) (uint64, bool) {
	for _, p := range image.Progs {
		if p.Type == elf.PT_LOAD && p.Flags&elf.PF_X != 0 && address >= p.Vaddr && address-p.Vaddr < p.Filesz {
			return address - p.Vaddr + p.Off, true
		}
	}
	return 0, false
}
