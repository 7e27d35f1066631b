package golang

import (
	"debug/elf"
	"errors"
	"io"
	"os"
	"runtime"
	"strings"
	"testing"
	"time"
)

// An overlay is a file with some of its bytes replaced, and cut at size.
type overlay struct {
	base  []byte
	at    int64
	patch []byte
	size  int64
}

func (o overlay) ReadAt(p []byte, at int64) (int, error) {
	size := min(o.size, int64(len(o.base)))
	if at < 0 || at >= size {
		return 0, io.EOF
	}
	n := copy(p, o.base[at:size])
	for i := range o.patch {
		if to := o.at + int64(i) - at; to >= 0 && to < int64(n) {
			p[to] = o.patch[i]
		}
	}
	if n < len(p) {
		return n, io.EOF
	}
	return n, nil
}

// places are where a patch hurts: the parts of an executable that are interpreted.
func places(t testing.TB, exe string) []int64 {
	t.Helper()
	f, err := elf.Open(exe)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close() //nolint:errcheck // read only
	list := []int64{0, 64}
	for _, s := range f.Sections {
		switch s.Name {
		case ".go.buildinfo", ".gopclntab", ".shstrtab", ".go.module", ".rela.dyn", ".symtab", ".debug_info", ".debug_abbrev":
			list = append(list, int64(s.Offset))
		}
	}
	raw, err := os.ReadFile(exe)
	if err != nil {
		t.Fatal(err)
	}
	var header int64 // e_shoff
	for i := range 8 {
		header |= int64(raw[0x28+i]) << (8 * i)
	}
	return append(list, header)
}

// FuzzInspect holds Inspect to: no panic, bounded memory and time, whatever the executable.
func FuzzInspect(f *testing.F) {
	var bases [][]byte
	var at [][]int64
	for _, flags := range []string{"-ldflags=-s -w", "-ldflags=-compressdwarf=false"} {
		exe := buildFuzzed(f, flags)
		text, err := os.ReadFile(exe)
		if err != nil {
			f.Fatal(err)
		}
		bases, at = append(bases, text), append(at, places(f, exe))
	}
	for i := range 16 {
		f.Add(uint8(i), uint16(0), []byte{0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f}, int64(1)<<40)
		f.Add(uint8(i), uint16(32), []byte{1}, int64(1)<<(8+i))
		f.Add(uint8(i), uint16(i*8), []byte{0xff, 0xff, 0xff, 0x3f}, int64(1)<<40)
	}
	f.Fuzz(func(t *testing.T, place uint8, plus uint16, patch []byte, size int64) {
		base := int(place>>4) % len(bases)
		o := overlay{base: bases[base], at: at[base][int(place)%len(at[base])] + int64(plus), patch: patch, size: size}
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		start := time.Now()
		_, _, err := inspect(o)
		if _, other := inspectStreams(o); err == nil {
			err = other
		}
		if err != nil && strings.HasPrefix(err.Error(), "parse executable: ") {
			t.Error(err)
		}
		if im, err := open(o); err == nil {
			_, _, _ = im.layout("go1.9999") // the way through the debug information
			_, _ = im.grpcLayout("")
		}
		runtime.ReadMemStats(&after)
		if used := after.TotalAlloc - before.TotalAlloc; used > 256<<20 || time.Since(start) > 10*time.Second {
			t.Errorf("%d MiB, %v", used>>20, time.Since(start))
		}
	})
}

// buildFuzzed builds a small program.
func buildFuzzed(t testing.TB, flags string) string {
	t.Helper()
	dir := t.TempDir()
	return buildIn(t, dir, map[string]string{"main.go": "package main\n\nfunc main() { println(1) }\n"}, "local", runtime.GOARCH, false, flags)
}

func TestUnknownVersions(t *testing.T) {
	image := func(flags ...string) *image {
		f, err := os.Open(buildChild(t, "local", runtime.GOARCH, false, flags...))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = f.Close() })
		im, err := open(f)
		if err != nil {
			t.Fatal(err)
		}
		return im
	}
	whole, stripped := image(), image("-ldflags=-s -w")
	want, _, err := whole.layout(runtime.Version())
	if err != nil {
		t.Fatal(err)
	}
	for _, version := range []string{"go1.99", "devel go1.99-0123abc"} {
		got, _, err := whole.layout(version)
		want.TCPConnHash = got.TCPConnHash
		if err != nil || got != want {
			t.Errorf("%s by its debug information: %+v, %v, want %+v", version, got, err, want)
		}
	}
	for _, version := range []string{"go1.99", "go1.17.13", "go2", "", "devel +0123abc", "devel go1.26-0123abc"} {
		if _, _, err := stripped.layout(version); !errors.Is(err, ErrVersion) || !strings.Contains(err.Error(), version) {
			t.Errorf("%s stripped: %v", version, err)
		}
	}
	for _, version := range []string{"go1.26", "go1.26rc1", "go1.26.3 X:nosynchashtriemap"} {
		if _, minor, err := stripped.layout(version); err != nil || minor != 26 {
			t.Errorf("%s: %d, %v", version, minor, err)
		}
	}
}
