package library

import (
	"bytes"
	"debug/elf"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"
	"time"
)

// source is a library that has two of the functions, one under another name, and uses a third.
const source = `
int SSL_free(void *);
int SSL_read(void *s, void *b, int n) { return n; }
int SSL_write(void *s, const void *b, int n) { return SSL_free(s); }
int my_SSL_write_ex(void) { return 0; }
static int gnutls_deinit(void) { return 7; }
int (*kept)(void) = gnutls_deinit;
`

func build(t *testing.T, flags ...string) string {
	t.Helper()
	dir := t.TempDir()
	in, out := filepath.Join(dir, "a.c"), filepath.Join(dir, "a.so")
	if err := os.WriteFile(in, []byte(source), 0o600); err != nil {
		t.Fatal(err)
	}
	if text, err := exec.Command("gcc", append(flags, "-shared", "-fPIC", "-w", "-o", out, in)...).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, text)
	}
	return out
}

// TestInspect finds what a library defines, and neither what it uses nor what only ends alike.
func TestInspect(t *testing.T) {
	f, err := Inspect(build(t, "-s"))
	if err != nil || len(f) != 2 || f["SSL_read"] == 0 || f["SSL_write"] <= f["SSL_read"] {
		t.Fatalf("%v %v", f, err)
	}
	// What is not exported has a symbol for debuggers, which counts where nothing is exported.
	f, err = Inspect(build(t, "-fvisibility=hidden"))
	if err != nil || len(f) != 3 || f["gnutls_deinit"] == 0 {
		t.Fatalf("%v %v", f, err)
	}
	if f, err := Inspect(build(t, "-fvisibility=hidden", "-s")); !errors.Is(err, ErrNone) {
		t.Errorf("%v %v", f, err)
	}
}

// TestInspectHostile cuts and spoils a library everywhere: an error or what is left, and never more.
func TestInspectHostile(t *testing.T) {
	whole, err := os.ReadFile(build(t))
	if err != nil {
		t.Fatal(err)
	}
	try := func(b []byte) {
		defer func() {
			// As Inspect does.
			_ = recover()
		}()
		f, _ := inspect(bytes.NewReader(b))
		if len(f) > len(names) {
			t.Errorf("%v", f)
		}
	}
	for n := 0; n < len(whole); n += 97 {
		try(whole[:n])
		spoilt := bytes.Clone(whole)
		spoilt[n] ^= 0xff
		try(spoilt)
	}
	if _, err := Inspect(t.TempDir()); !errors.Is(err, ErrNone) {
		t.Errorf("a folder: %v", err)
	}
}

// counted counts what is read.
type counted struct {
	io.ReaderAt
	bytes int
}

func (c *counted) ReadAt(b []byte, at int64) (int, error) {
	n, err := c.ReaderAt.ReadAt(b, at)
	c.bytes += n
	return n, err
}

// TestInspectReadsLittle: of a file that exports many functions, what is read grows with those that are looked for.
func TestInspectReadsLittle(t *testing.T) {
	dir := t.TempDir()
	in, out := filepath.Join(dir, "a.c"), filepath.Join(dir, "a.so")
	text := source
	for i := range 5_000 {
		text += fmt.Sprintf("int a_function_of_the_program_%d(void) { return 0; }\n", i)
	}
	if err := os.WriteFile(in, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	if text, err := exec.Command("gcc", "-shared", "-fPIC", "-w", "-Wl,--hash-style=gnu", "-o", out, in).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, text)
	}
	whole, err := os.ReadFile(out)
	if err != nil {
		t.Fatal(err)
	}
	read := &counted{ReaderAt: bytes.NewReader(whole)}
	f, err := inspect(read)
	if err != nil || len(f) != 2 || read.bytes > 32<<10 {
		t.Errorf("%v %v, %d of %d bytes read", f, err, read.bytes, len(whole))
	}
	image, err := elf.NewFile(read)
	if err != nil {
		t.Fatal(err)
	}
	if all, err := symbols(image, elf.SHT_DYNSYM); err != nil || !maps.Equal(f, all) {
		t.Errorf("%v, of all symbols %v %v", f, all, err)
	}
}

// TestSameNumber: a file that has another's number is another one if it is not as old or not as long.
func TestSameNumber(t *testing.T) {
	name := build(t)
	first, ok := locate(name)
	if !ok || !Stands(name, first.File) {
		t.Fatal(first, ok)
	}
	was := time.Unix(0, first.Changed)
	if err := os.Chtimes(name, was, was.Add(time.Microsecond)); err != nil {
		t.Fatal(err)
	}
	if Stands(name, first.File) {
		t.Error("a file that was changed is taken for the one before")
	}
	if err := errors.Join(os.Truncate(name, 1000), os.Chtimes(name, was, was)); err != nil {
		t.Fatal(err)
	}
	if Stands(name, first.File) {
		t.Error("a file that was cut is taken for the one before")
	}
}

// TestMappings has a process that maps a library which is deleted then: it is found, and can be opened.
func TestMappings(t *testing.T) {
	lib := build(t)
	named := filepath.Join(filepath.Dir(lib), "libmyssl.so")
	if err := os.Rename(lib, named); err != nil {
		t.Fatal(err)
	}
	c := exec.Command("/bin/sleep", "30")
	c.Env = append(os.Environ(), "LD_PRELOAD="+named)
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	defer c.Wait()         //nolint:errcheck // it is killed
	defer c.Process.Kill() //nolint:errcheck // the same
	var found []Mapping
	for range 1000 {
		var err error
		if found, err = Mappings(uint32(c.Process.Pid), false); err != nil {
			t.Fatal(err)
		}
		if len(found) == 2 {
			break
		}
	}
	if len(found) != 2 || found[1].Name != named || !Stands(named, found[1].File) {
		t.Fatalf("%+v", found)
	}
	every, err := Mappings(uint32(c.Process.Pid), true)
	if err != nil || len(every) <= 2 || !slices.Contains(every, found[1]) {
		t.Fatalf("every file: %+v, %v", every, err)
	}
	if err := os.Remove(named); err != nil {
		t.Fatal(err)
	}
	again, err := Mappings(uint32(c.Process.Pid), false)
	if os.Geteuid() == 0 && (err != nil || len(again) != 2 || again[1].File != found[1].File) {
		t.Fatalf("deleted: %+v, %v", again, err)
	}
	if Stands(named, found[1].File) {
		t.Error("the deleted file stands")
	}
	if os.Geteuid() == 0 {
		if f, err := Inspect(again[1].Path); err != nil || len(f) != 2 {
			t.Errorf("deleted: %v, %v", f, err)
		}
	}
}

// TestNSS tells which file has NSPR's functions and which layers NSS on them; a file that has both is read by itself.
func TestNSS(t *testing.T) {
	for _, c := range []struct {
		functions   Functions
		nspr, layer bool
	}{
		{Functions{"PR_Read": 1}, true, false},
		{Functions{"SSL_ImportFD": 1}, false, true},
		{Functions{"PR_Read": 1, "SSL_ImportFD": 2}, false, true},
		{Functions{"SSL_read": 1}, false, false},
	} {
		if c.functions.NSPR() != c.nspr || c.functions.LayersNSS() != c.layer {
			t.Errorf("%v: %v %v", c.functions, c.functions.NSPR(), c.functions.LayersNSS())
		}
	}
}
