package golang

import (
	"debug/elf"
	"errors"
	"fmt"

	"golang.org/x/arch/arm64/arm64asm"
	"golang.org/x/arch/x86/x86asm"
)

// A Call is a function of a program as probes need it, in offsets of the file: where it begins and where it returns. A return probe of
// the kernel's would put an address of its own on the stack, which Go's runtime does not stand; so each return instruction has a
// probe of its own.
type Call struct {
	Entry   uint64
	Returns []uint64
}

// Limits on the code of one function.
const (
	codeMax    = 64 << 10
	returnsMax = 64
)

// TLS are the functions of crypto/tls through which plaintext passes; nil ones are not in the program. Since Go 1.17, on arm64 since
// 1.18, their receiver and buffer are in the first registers of Go's ABI, and so is the length that they return.
type TLS struct {
	Read, Write *Call
}

// InspectTLS finds them in the executable at path: ErrNotGo, ErrVersion with the version's name, or what could not be read.
func InspectTLS(path string) (t TLS, err error) {
	defer recovered(&err)
	file, err := openRegular(path)
	if err != nil {
		return TLS{}, err
	}
	defer file.Close() //nolint:errcheck // read only
	build, err := ReadBuild(file)
	if err != nil {
		return TLS{}, err
	}
	im, err := open(file)
	if err != nil {
		return TLS{}, err
	}
	layout, minor, err := im.layout(build.Version)
	if err != nil {
		return TLS{}, err
	}
	if t.Read, err = im.call("crypto/tls.(*Conn).Read", minor, layout.Text); err != nil {
		return TLS{}, err
	}
	t.Write, err = im.call("crypto/tls.(*Conn).Write", minor, layout.Text)
	return t, err
}

// call finds a function and its returns; nil if the program does not have it.
func (im *image) call(name string, minor int, textField uint32) (*Call, error) {
	from, to, err := im.bounds(name, minor, textField)
	if errors.Is(err, errAbsent) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("find %s: %w", name, err)
	}
	return im.callIn(name, span{from, to})
}

// callIn finds the returns of a function.
func (im *image) callIn(name string, s span) (*Call, error) {
	at, ok := im.offset(s.from, elf.PF_X)
	if !ok || s.to <= s.from || s.to-s.from > codeMax {
		return nil, fmt.Errorf("find the code of %s: %w", name, errAbsent)
	}
	code := make([]byte, s.to-s.from)
	if _, err := im.r.ReadAt(code, int64(at)); err != nil {
		return nil, fmt.Errorf("read the code of %s: %w", name, err)
	}
	returns := returnsAMD64
	if im.file.Machine == elf.EM_AARCH64 {
		returns = returnsARM64
	}
	c := &Call{Entry: at}
	for _, r := range returns(code) {
		c.Returns = append(c.Returns, at+uint64(r))
	}
	if len(c.Returns) == 0 || len(c.Returns) > returnsMax {
		return nil, fmt.Errorf("%s has %d return instructions", name, len(c.Returns))
	}
	return c, nil
}

// returnsAMD64 gives the offsets of the return instructions; none when there is something that is no instruction.
func returnsAMD64(code []byte) (at []int) {
	for i := 0; i < len(code); {
		instruction, err := x86asm.Decode(code[i:], 64)
		if err != nil {
			return nil
		}
		if instruction.Op == x86asm.RET {
			at = append(at, i)
		}
		i += instruction.Len
	}
	return at
}

// returnsARM64 does the same for arm64, whose instructions are all of four bytes: one that is not known is no return.
func returnsARM64(code []byte) (at []int) {
	for i := 0; i+4 <= len(code); i += 4 {
		if instruction, err := arm64asm.Decode(code[i:]); err == nil && instruction.Op == arm64asm.RET {
			at = append(at, i)
		}
	}
	return at
}
