package golang

import (
	"debug/elf"
	"encoding/binary"
	"os"
	"testing"
)

// TestInspectTLS finds crypto/tls in programs with and without symbols, and holds the returns against the bytes of the code.
func TestInspectTLS(t *testing.T) {
	for _, arch := range []string{"amd64", "arm64"} {
		for _, toolchain := range toolchains() {
			plain := buildChild(t, toolchain, arch, false)
			stripped := buildChild(t, toolchain, arch, false, "-ldflags=-s -w")
			symbols := symbolOffsets(t, plain)
			for _, exe := range []string{plain, stripped} {
				found, err := InspectTLS(exe)
				if err != nil {
					t.Fatal(err)
				}
				if found.Read == nil || found.Write == nil {
					t.Fatalf("%s %s: %+v", toolchain, arch, found)
				}
				if exe == plain && (found.Read.Entry != symbols["crypto/tls.(*Conn).Read"] || found.Write.Entry != symbols["crypto/tls.(*Conn).Write"]) {
					t.Errorf("%s %s: %+v", toolchain, arch, found)
				}
				for _, call := range []*Call{found.Read, found.Write} {
					checkReturns(t, exe, arch, call)
				}
			}
		}
	}
}

func checkReturns(t *testing.T, exe, arch string, call *Call) {
	t.Helper()
	text, err := os.ReadFile(exe)
	if err != nil {
		t.Fatal(err)
	}
	for _, at := range call.Returns {
		isReturn := text[at] == 0xc3
		if arch == "arm64" {
			isReturn = binary.LittleEndian.Uint32(text[at:]) == 0xd65f03c0
		}
		if !isReturn || at <= call.Entry {
			t.Errorf("%s: %x at %#x is no return", arch, text[at:at+4], at)
		}
	}
}

func symbolOffsets(t *testing.T, exe string) map[string]uint64 {
	t.Helper()
	f, err := elf.Open(exe)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	symbols, err := f.Symbols()
	if err != nil {
		t.Fatal(err)
	}
	im := &image{file: f}
	offsets := map[string]uint64{}
	for _, s := range symbols {
		if at, ok := im.offset(s.Value, elf.PF_X); ok {
			offsets[s.Name] = at
		}
	}
	return offsets
}
