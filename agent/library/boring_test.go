package library

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// shape is code that reports errors as BoringSSL's functions do, and moves no byte.
const shape = `
#ifndef WRITE
#define WRITE SSL_write
#define LINE 20
#define BAD 111
#define NAME "third_party/boringssl/ssl/ssl_lib.cc"
#endif
struct ssl;
struct method { void *pad[9]; int (*write)(struct ssl *, char *, long *, const void *, long); };
struct left { long size; char *at; };
struct ssl { struct method *method; void *quic, *shake; struct left *left; };
__attribute__((noipa)) void put(int library, int zero, int reason, const char *file, unsigned line) { __asm__ volatile("" ::: "memory"); }
__attribute__((noipa)) int shake(struct ssl *s) { __asm__ volatile("" ::: "memory"); return s->shake != 0; }
#define PUT(reason, line) put(16, 0, reason, NAME, line)
__attribute__((noipa)) int ssl_read_impl(struct ssl *s)
{
	if (!s->shake) { PUT(226, 10); return -1; }
	while (!s->left->size) { if (!shake(s)) { PUT(215, 11); return -1; } }
	return 1;
}
int SSL_peek(struct ssl *s, void *b, int n)
{
	int r;
	if (s->quic) { PUT(66, LINE); return -1; }
	r = ssl_read_impl(s);
	if (r <= 0) return r;
	__builtin_memcpy(b, s->left->at, n < s->left->size ? n : s->left->size);
	return n;
}
int SSL_read(struct ssl *s, void *b, int n)
{
	int r = SSL_peek(s, b, n);
	if (r > 0) { s->left->at += r; s->left->size -= r; }
	return r;
}
int WRITE(struct ssl *s, const void *b, int n)
{
	char again = 0;
	long wrote = 0;
	int r;
	if (s->quic) { PUT(66, 30); return -1; }
	if (!s->shake) { PUT(226, 31); return -1; }
	do {
		if (!shake(s)) { PUT(215, 32); return -1; }
		if (n < 0) { PUT(BAD, 33); return -1; }
		r = s->method->write(s, &again, &wrote, b, n);
	} while (again);
	return r <= 0 ? r : (int)wrote;
}
`

// buildShape builds it with symbols, and without.
func buildShape(t *testing.T, flags ...string) (named, stripped string) {
	t.Helper()
	dir := t.TempDir()
	in, named, stripped := filepath.Join(dir, "a.c"), filepath.Join(dir, "named.so"), filepath.Join(dir, "stripped.so")
	if err := os.WriteFile(in, []byte(shape), 0o600); err != nil {
		t.Fatal(err)
	}
	flags = append(flags, "-O2", "-shared", "-fPIC", "-fvisibility=hidden", "-o", named, in)
	if text, err := exec.Command("gcc", flags...).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, text)
	}
	if text, err := exec.Command("strip", "-o", stripped, named).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, text)
	}
	return named, stripped
}

// TestSearch finds by their code what the symbols tell.
func TestSearch(t *testing.T) {
	named, stripped := buildShape(t)
	want, err := Inspect(named)
	if err != nil {
		t.Fatal(err)
	}
	if f, err := Inspect(stripped); !errors.Is(err, ErrNone) {
		t.Fatalf("symbols are left: %v %v", f, err)
	}
	got, err := Search(stripped)
	if err != nil || len(got) != 2 || got["SSL_read"] != want["SSL_read"] || got["SSL_write"] != want["SSL_write"] {
		t.Errorf("%#x %v, want %#x", got, err, want)
	}
}

// TestSearchRefuses what is not wholly as it has to be: another error, another order of lines, another name.
func TestSearchRefuses(t *testing.T) {
	const write = "-DWRITE=SSL_write"
	for name, c := range map[string]struct {
		flags []string
		want  error
	}{
		"an error that is not known": {[]string{write, "-DLINE=20", "-DBAD=77", `-DNAME="boringssl/ssl/ssl_lib.cc"`}, ErrBoring},
		"lines in another order":     {[]string{write, "-DLINE=40", "-DBAD=111", `-DNAME="boringssl/ssl/ssl_lib.cc"`}, ErrBoring},
		"another library":            {[]string{write, "-DLINE=20", "-DBAD=111", `-DNAME="openssl/ssl/ssl_lib.c"`}, ErrNone},
		"no table of functions":      {[]string{write, "-DLINE=20", "-DBAD=111", `-DNAME="boringssl/ssl/ssl_lib.cc"`, "-Wl,--no-eh-frame-hdr"}, ErrBoring},
	} {
		_, stripped := buildShape(t, c.flags...)
		if f, err := Search(stripped); !errors.Is(err, c.want) {
			t.Errorf("%s: %v %v", name, f, err)
		}
	}
}

// TestSearchHostile cuts and spoils such a file everywhere: what is found lies in it, or nothing is found.
func TestSearchHostile(t *testing.T) {
	_, stripped := buildShape(t)
	whole, err := os.ReadFile(stripped)
	if err != nil {
		t.Fatal(err)
	}
	try := func(b []byte) {
		defer func() {
			_ = recover() // as Search does
		}()
		f, _ := search(bytes.NewReader(b))
		for name, at := range f {
			if at >= uint64(len(b)) || len(f) != 2 {
				t.Errorf("%s at %#x of %#x bytes", name, at, len(b))
			}
		}
	}
	for n := 0; n < len(whole); n += 61 {
		try(whole[:n])
		spoilt := bytes.Clone(whole)
		spoilt[n] ^= 0xff
		try(spoilt)
	}
}
