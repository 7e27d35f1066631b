package library

import (
	"bytes"
	"fmt"
	"io"
	"strings"
)

// The functions of rustls that every program which has it keeps as functions, however it is optimised, for they are called through tables:
//
//   - encrypt of what implements rustls::crypto::cipher::MessageEncrypter (0.21: rustls::cipher), in rustls or elsewhere
//   - handle of rustls::{client,server}::{tls12,tls13}::ExpectTraffic, as rustls::common_state::State
//
// There is one of each kind for each version of TLS and more, and so their names in Functions are these, and their offsets.
const (
	RustlsEncrypt = "rustls encrypt "
	RustlsHandle  = "rustls handle "
)

const (
	rustNameMax  = 512 // bytes of a name that is looked at
	rustKindsMax = 16  // functions of each kind in one file
)

// rustls gives which of the two kinds a function is, or "".
//
// Names are mangled in one of two ways: `_ZN…17h` with 16 digits and `E`, or by RFC 2603, `_R…`. Behind either LLVM may have put
// a suffix.
func rustls(text []byte) string {
	if !bytes.HasPrefix(text, []byte("_ZN")) && !bytes.HasPrefix(text, []byte("_RNvX")) {
		return ""
	}
	text = text[:min(len(text), rustNameMax)]
	end := bytes.IndexByte(text, 0)
	if end < 0 {
		return ""
	}
	name, _, _ := strings.Cut(string(text[:end]), ".llvm.")
	if strings.Contains(name, "InvalidMessageEncrypter") { // which never encrypts
		return ""
	}
	if name[1] == 'R' {
		return rustlsByPath(name)
	}
	const hash = len("17h0123456789abcdefE")
	if len(name) < hash || !strings.HasPrefix(name[len(name)-hash:], "17h") {
		return ""
	}
	switch name = name[:len(name)-hash]; {
	case strings.HasSuffix(name, "cipher..MessageEncrypter$GT$7encrypt") && strings.Contains(name, "$u20$as$u20$rustls.."):
		return RustlsEncrypt
	case strings.HasSuffix(name, "$GT$$GT$6handle") && strings.Contains(name, "..ExpectTraffic$u20$as$u20$rustls..common_state..State$LT$"):
		return RustlsHandle
	}
	return ""
}

func rustlsByPath(name string) string {
	if !strings.Contains(name, "6rustls") {
		return ""
	}
	switch {
	case strings.HasSuffix(name, "16MessageEncrypter7encrypt"):
		return RustlsEncrypt
	case strings.HasSuffix(name, "ConnectionDataE6handle") && strings.Contains(name, "_13ExpectTrafficI"):
		return RustlsHandle
	}
	return ""
}

// add notes a function of rustls.
func (f Functions) add(kind string, at uint64) {
	f[fmt.Sprintf("%s%#x", kind, at)] = at
}

// of are the offsets of the functions of one kind.
func (f Functions) of(kind string) (at []uint64) {
	for name, one := range f {
		if strings.HasPrefix(name, kind) {
			at = append(at, one)
		}
	}
	return at
}

// settle leaves out what is not a whole rustls, or is more than one can have.
func (f Functions) settle() {
	encrypts, handles := len(f.of(RustlsEncrypt)), len(f.of(RustlsHandle))
	if encrypts > 0 && handles > 0 && encrypts <= rustKindsMax && handles <= rustKindsMax {
		return
	}
	for name := range f {
		if strings.HasPrefix(name, RustlsEncrypt) || strings.HasPrefix(name, RustlsHandle) {
			delete(f, name)
		}
	}
}

// searchMax bounds the bytes of a file that are searched for what it was built from.
const searchMax = 256 << 20

// Rustls gives the version of the rustls that a file was built from, by the names of source files that the compiler left in it for
// messages: without symbols weft cannot read it. "": there is none, or their names were taken out, too.
func Rustls(path string) string {
	file, err := openRegular(path)
	if err != nil {
		return ""
	}
	defer file.Close() //nolint:errcheck // read only
	return rustlsIn(io.LimitReader(file, searchMax))
}

func rustlsIn(r io.Reader) string {
	const overlap = 64
	b := make([]byte, 1<<20)
	for have := 0; ; {
		n, err := io.ReadFull(r, b[have:])
		part := b[:have+n]
		if version := rustlsVersion(part); version != "" {
			return version
		}
		if err != nil {
			return ""
		}
		have = copy(b, part[len(part)-overlap:])
	}
}

// rustlsVersion finds the folder of a source of rustls, as cargo names it: …/rustls-0.23.35/src/….
func rustlsVersion(b []byte) string {
	for {
		at := bytes.Index(b, []byte("/rustls-"))
		if at < 0 {
			return ""
		}
		b = b[at+len("/rustls-"):]
		version, _, ok := bytes.Cut(b[:min(len(b), 32)], []byte("/src/"))
		if ok && len(bytes.Trim(version, "0123456789.")) == 0 && len(version) > 0 {
			return string(version)
		}
	}
}
