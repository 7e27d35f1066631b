package library

import (
	"bytes"
	"debug/elf"
	"errors"
	"fmt"
	"io"
	"slices"

	"golang.org/x/arch/x86/x86asm"
)

// BoringSSL inside of a file without symbols is found by what its functions report: each error names the source file and says which one
// it is, by constants that are part of the library's interface. Of the functions of ssl_lib.cc,
//
//   - SSL_write reports "should not have been called" (QUIC), "uninitialized", "handshake failure", of late "bad length", in this order
//     of lines, and calls what it found in a table (the method's write_app_data);
//   - ssl_read_impl reports "uninitialized" and "handshake failure" and not the first, on lines before those;
//   - SSL_peek and SSL_read call ssl_read_impl and report only the first, on the same line between those, for one has the other
//     inside; and SSL_read changes what the connection has left to read, where SSL_peek changes nothing.
//
// All of that has to be so, each only once, and all have to report to one function, or nothing is found. It was held against grpcio's
// cygrpc of 1.48, 1.60, 1.71 and 1.85, which GCC has built for x86-64.
const (
	libSSL          = 16 // ERR_LIB_SSL of openssl/err.h
	notToBeCalled   = 66 // ERR_R_SHOULD_NOT_HAVE_BEEN_CALLED
	badLength       = 111
	handshakeFailed = 215
	uninitialized   = 226
)

// ErrBoring means that BoringSSL is in a file, and its functions could not be told apart.
var ErrBoring = errors.New("BoringSSL is inside of it without symbols, and its functions are not what is known of them")

// Search looks for the functions of a library that is in the file without symbols, by their code. It reads the whole file, up to a bound.
func Search(path string) (Functions, error) { return within(path, search) }

func search(r io.ReaderAt) (Functions, error) {
	image, err := elf.NewFile(r)
	if err != nil || image.Class != elf.ELFCLASS64 || image.Data != elf.ELFDATA2LSB {
		return nil, ErrNone
	}
	name, err := findSource(image)
	if err != nil {
		return nil, err
	}
	if image.Machine != elf.EM_X86_64 {
		return nil, fmt.Errorf("%w: that is known for x86-64 only", ErrBoring)
	}
	all, err := functions(image)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrBoring, err)
	}
	reports, err := reporting(image, name, all)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrBoring, err)
	}
	read, write, ok := tellApart(reports)
	if !ok {
		return nil, ErrBoring
	}
	f := Functions{}
	for name, address := range map[string]uint64{"SSL_read": read, "SSL_write": write} {
		at, ok := offset(image, address)
		if !ok {
			return nil, ErrBoring
		}
		f[name] = at
	}
	return f, nil
}

// tellApart gives the addresses of SSL_read and SSL_write among the functions that report errors.
func tellApart(all []*report) (read, write uint64, ok bool) {
	only := func(is func(*report) bool) *report {
		var found []*report
		for _, r := range all {
			if is(r) {
				found = append(found, r)
			}
		}
		if len(found) != 1 {
			return nil
		}
		return found[0]
	}
	w := only(func(r *report) bool {
		return r.indirect && r.has(notToBeCalled, uninitialized, handshakeFailed) && r.hasNoneBut(notToBeCalled, uninitialized, handshakeFailed, badLength)
	})
	impl := only(func(r *report) bool { return r.has(uninitialized, handshakeFailed) && !r.has(notToBeCalled) })
	if w == nil || impl == nil {
		return 0, 0, false
	}
	reads := func(r *report) bool {
		return len(r.errors) == 1 && r.has(notToBeCalled) && slices.Contains(r.calls, impl.start)
	}
	rd := only(func(r *report) bool { return reads(r) && r.stores > 0 })
	peek := only(func(r *report) bool { return reads(r) && r.stores == 0 })
	if rd == nil || peek == nil {
		return 0, 0, false
	}
	line := rd.errors[0].line
	lines := []uint32{w.line(notToBeCalled), w.line(uninitialized), w.line(handshakeFailed)}
	if w.has(badLength) {
		lines = append(lines, w.line(badLength))
	}
	ordered := slices.IsSorted(lines) && line < lines[0] && peek.errors[0].line == line &&
		impl.line(uninitialized) < impl.line(handshakeFailed) && impl.line(handshakeFailed) < line
	for _, r := range []*report{w, impl, rd, peek} {
		for _, e := range r.errors {
			ordered = ordered && e.to == w.errors[0].to
		}
	}
	return rd.start, w.start, ordered
}

// A report is what is known of one function that reports errors.
type report struct {
	start    uint64
	errors   []failure
	calls    []uint64
	indirect bool // it calls what is in a table
	stores   int  // instructions that write to memory that is not its stack
}

// failure is one place that reports an error.
type failure struct {
	reason, line uint32
	to           uint64 // the function that it is reported to
}

func (r *report) line(reason uint32) uint32 {
	for _, e := range r.errors {
		if e.reason == reason {
			return e.line
		}
	}
	return 0
}

func (r *report) has(reasons ...uint32) bool {
	for _, reason := range reasons {
		if !slices.ContainsFunc(r.errors, func(e failure) bool { return e.reason == reason }) {
			return false
		}
	}
	return true
}

func (r *report) hasNoneBut(reasons ...uint32) bool {
	return !slices.ContainsFunc(r.errors, func(e failure) bool { return !slices.Contains(reasons, e.reason) })
}

// registers are the constants in those that hold the arguments of ERR_put_error(library, function, reason, file, line), as far as known.
type registers struct {
	known [4]bool // EDI, ESI, EDX, R8D
	value [4]uint32
	file  bool // the name of the source file is in RCX
}

var argument = map[x86asm.Reg]int{
	x86asm.EDI: 0, x86asm.RDI: 0, x86asm.ESI: 1, x86asm.RSI: 1, x86asm.EDX: 2, x86asm.RDX: 2, x86asm.R8L: 3, x86asm.R8: 3,
}

// set notes what an instruction writes to a register.
func (g *registers) set(in *x86asm.Inst, next, name uint64) {
	reg, ok := in.Args[0].(x86asm.Reg)
	if !ok || in.Op == x86asm.CMP || in.Op == x86asm.TEST || in.Op == x86asm.PUSH {
		return
	}
	if reg == x86asm.RCX || reg == x86asm.ECX {
		m, ok := in.Args[1].(x86asm.Mem)
		g.file = ok && in.Op == x86asm.LEA && m.Base == x86asm.RIP && next+uint64(m.Disp) == name
	}
	i, ok := argument[reg]
	if !ok {
		return
	}
	g.known[i] = false
	if v, ok := in.Args[1].(x86asm.Imm); ok && in.Op == x86asm.MOV {
		g.known[i], g.value[i] = true, uint32(v)
	}
	if in.Op == x86asm.XOR && in.Args[0] == in.Args[1] {
		g.known[i], g.value[i] = true, 0
	}
}

// failure is the error that a call reports with what is in the registers.
func (g *registers) failure(to uint64) (failure, bool) {
	ok := g.file && g.known == [4]bool{true, true, true, true} && g.value[0] == libSSL && g.value[1] == 0
	return failure{g.value[2], g.value[3], to}, ok
}

// follow reads the code of a function: nil when there is something in it that is no instruction.
func follow(start uint64, code []byte, name uint64) *report {
	r := &report{start: start}
	var g registers
	for at := 0; at < len(code); {
		in, err := x86asm.Decode(code[at:], 64)
		if err != nil {
			return nil
		}
		at += in.Len
		next := start + uint64(at)
		switch in.Op {
		case x86asm.CALL:
			r.call(&in, next, &g)
			g = registers{}
		case x86asm.JMP, x86asm.RET:
			g = registers{}
		default:
			g.set(&in, next, name)
			if m, ok := in.Args[0].(x86asm.Mem); ok && writes(in.Op) && m.Base != x86asm.RSP {
				r.stores++
			}
		}
	}
	return r
}

func (r *report) call(in *x86asm.Inst, next uint64, g *registers) {
	switch to := in.Args[0].(type) {
	case x86asm.Rel:
		address := next + uint64(int64(to))
		r.calls = append(r.calls, address)
		if e, ok := g.failure(address); ok {
			r.errors = append(r.errors, e)
		}
	case x86asm.Mem:
		r.indirect = r.indirect || to.Base != x86asm.RIP
	}
}

// writes tells whether an instruction whose first operand is memory may change it.
func writes(op x86asm.Op) bool {
	return op != x86asm.CMP && op != x86asm.TEST && op != x86asm.NOP && op != x86asm.PUSH
}

// reporting reads the functions that name the source file.
func reporting(image *elf.File, name uint64, all []function) ([]*report, error) {
	var reports []*report
	seen := map[uint64]bool{}
	err := eachPart(image, elf.PF_X, func(address uint64, part []byte) error {
		// lea name(%rip), %rcx
		for i := 0; ; i++ {
			k := bytes.Index(part[i:], []byte{0x48, 0x8d, 0x0d})
			if k < 0 || i+k+7 > len(part) {
				return nil
			}
			i += k
			here := address + uint64(i)
			if relativeTo(here+7, part[i+3:]) != name {
				continue
			}
			f, code := around(image, all, here)
			if code == nil || seen[f.start] {
				continue
			}
			seen[f.start] = true
			if len(seen) > reportsMax {
				return errTooMany
			}
			if r := follow(f.start, code, name); r != nil {
				reports = append(reports, r)
			}
		}
	})
	return reports, err
}
