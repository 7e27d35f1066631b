package agent

import (
	"log/slog"
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"

	"weft/agent/library"
)

// BenchmarkLook is the time from the moment at which weft looks at a process that has mapped a new copy of LIBRARY, or else of one of the
// machine's libraries, until its functions have their probes. It needs root.
func BenchmarkLook(b *testing.B) {
	from := os.Getenv("LIBRARY")
	if from == "" {
		from = library.Usual()[0].Path
	}
	whole, err := os.ReadFile(from)
	if err != nil {
		b.Fatal(err)
	}
	k, err := load(&Options{RingSize: 1 << 20, TLS: true, Log: slog.Default()})
	if err != nil {
		b.Fatal(err)
	}
	defer k.close()
	l := &libraries{kernel: k, log: slog.Default(), files: make(map[library.File]*probed), users: make(map[uint32]user)}
	self := uint32(os.Getpid())
	l.look(self, false) // this program
	b.ResetTimer()
	for range b.N {
		b.StopTimer()
		unmap := mapCopy(b, whole)
		b.StartTimer()
		read := l.look(self, false)
		b.StopTimer()
		if !read {
			b.Fatalf("%s is not read", from)
		}
		unmap()
		l.look(self, false)
		b.StartTimer()
	}
}

// mapCopy maps a new file as one maps code, and deletes it.
func mapCopy(b *testing.B, whole []byte) (unmap func()) {
	b.Helper()
	name := filepath.Join(b.TempDir(), "libssl-copy.so")
	if err := os.WriteFile(name, whole, 0o600); err != nil {
		b.Fatal(err)
	}
	file, err := os.Open(name)
	if err != nil {
		b.Fatal(err)
	}
	defer file.Close()
	mapped, err := unix.Mmap(int(file.Fd()), 0, len(whole), unix.PROT_READ|unix.PROT_EXEC, unix.MAP_PRIVATE)
	if err != nil {
		b.Fatal(err)
	}
	if err := os.Remove(name); err != nil {
		b.Fatal(err)
	}
	return func() { _ = unix.Munmap(mapped) }
}
