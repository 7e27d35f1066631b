package spill

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

func open(t *testing.T, o Options) (*Store, uint64, Lost) {
	t.Helper()
	if o.Size == 0 {
		o.Size = 1 << 20
	}
	if o.Age == 0 {
		o.Age = time.Hour
	}
	s, found, lost, err := Open(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	return s, found, lost
}

func put(t *testing.T, s *Store, text string, spans int) Lost {
	t.Helper()
	lost, err := s.Put([]byte(text), spans)
	if err != nil {
		t.Fatal(err)
	}
	return lost
}

// drain takes all that waits, oldest first.
func drain(s *Store) (texts []string, spans int, lost Lost) {
	for {
		b, l := s.Next()
		lost.Full, lost.Expired, lost.Corrupt = lost.Full+l.Full, lost.Expired+l.Expired, lost.Corrupt+l.Corrupt
		if b == nil {
			return texts, spans, lost
		}
		texts, spans = append(texts, string(b.Bytes)), spans+b.Spans
		s.Done(b)
	}
}

func folder(t *testing.T, dir string) (names []string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if e.Name() != "lock" {
			names = append(names, e.Name())
		}
	}
	return names
}

func TestOldestFirstAcrossARestart(t *testing.T) {
	o := Options{Dir: filepath.Join(t.TempDir(), "a", "spill"), Size: 1 << 20, Age: time.Hour}
	s, _, _ := open(t, o)
	for i := range 20 {
		put(t, s, fmt.Sprint(i), i)
	}
	b, _ := s.Next()
	if again, _ := s.Next(); again.file.number != b.file.number || string(b.Bytes) != "0" {
		t.Errorf("%s, then %s", b.Bytes, again.Bytes)
	}
	s.Close() // as a kill leaves it: one is on its way
	s, found, lost := open(t, o)
	if found != 190 || lost != (Lost{}) {
		t.Errorf("found %d, lost %+v", found, lost)
	}
	put(t, s, "20", 1)
	texts, spans, _ := drain(s)
	if strings.Join(texts, " ") != "0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20" || spans != 191 {
		t.Errorf("%v with %d spans", texts, spans)
	}
	if left := folder(t, o.Dir); len(left) > 0 || s.size != 0 {
		t.Errorf("%v are left, %d bytes", left, s.size)
	}
}

func TestFilesAreTheOwners(t *testing.T) {
	o := Options{Dir: filepath.Join(t.TempDir(), "spill")}
	s, _, _ := open(t, o)
	put(t, s, "x", 1)
	for _, name := range append(folder(t, o.Dir), "lock", ".") {
		info, err := os.Stat(filepath.Join(o.Dir, name))
		if err != nil || info.Mode().Perm()&0o077 != 0 {
			t.Errorf("%s: %v %v", name, info.Mode(), err)
		}
	}
}

func TestBoundDropsTheOldest(t *testing.T) {
	o := Options{Dir: t.TempDir(), Size: 10 * block}
	s, _, _ := open(t, o)
	for i := range 10 {
		put(t, s, fmt.Sprint(i), 3)
	}
	b, _ := s.Next() // it is on its way, and not dropped under whoever sends it
	if lost := put(t, s, "10", 3); lost != (Lost{Full: 3}) {
		t.Errorf("lost %+v", lost)
	}
	s.Done(b)
	texts, _, _ := drain(s)
	if strings.Join(texts, " ") != "2 3 4 5 6 7 8 9 10" {
		t.Errorf("%v", texts)
	}
	noise := make([]byte, 11*block)
	for i := range noise {
		noise[i] = byte(rand.Uint32())
	}
	if lost, err := s.Put(noise, 7); err != nil || lost != (Lost{Full: 7}) || s.Len() != 0 {
		t.Errorf("a message above the bound: %+v, %v", lost, err)
	}
}

func TestAge(t *testing.T) {
	o := Options{Dir: t.TempDir(), Age: time.Hour}
	s, _, _ := open(t, o)
	put(t, s, "old", 2)
	put(t, s, "young", 3)
	put(t, s, "future", 4)
	s.Close()
	for i, hours := range []time.Duration{2, 0, -1000} { // the clock may have been stepped meanwhile
		f := s.files[i]
		from := f.name()
		f.millis = time.Now().Add(-hours * time.Hour).UnixMilli()
		if err := os.Rename(filepath.Join(o.Dir, from), filepath.Join(o.Dir, f.name())); err != nil {
			t.Fatal(err)
		}
	}
	s, found, lost := open(t, o)
	if found != 9 || lost != (Lost{Expired: 2}) {
		t.Errorf("found %d, lost %+v", found, lost)
	}
	if texts, _, _ := drain(s); strings.Join(texts, " ") != "young future" {
		t.Errorf("%v", texts)
	}
}

func TestDamageIsCounted(t *testing.T) {
	o := Options{Dir: t.TempDir()}
	s, _, _ := open(t, o)
	for i := range 6 {
		put(t, s, strings.Repeat(fmt.Sprint("message ", i), 100), 10)
	}
	names := folder(t, o.Dir)
	damage := func(i int, change func([]byte) []byte) {
		file := filepath.Join(o.Dir, names[i])
		b, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, change(b), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	damage(0, func(b []byte) []byte { return nil })
	damage(1, func(b []byte) []byte { return b[:len(b)/2] })
	damage(2, func(b []byte) []byte { b[len(b)/2] ^= 0x10; return b })
	damage(3, func(b []byte) []byte { return bytes.Repeat([]byte{0xff}, len(b)) })
	if err := os.Remove(filepath.Join(o.Dir, names[4])); err != nil {
		t.Fatal(err)
	}
	torn := filepath.Join(o.Dir, partPrefix+"00000000000000ff-1-5"+suffix)
	other := filepath.Join(o.Dir, "notes.txt")
	for _, file := range []string{torn, other} {
		if err := os.WriteFile(file, []byte("x"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	texts, spans, lost := drain(s)
	if len(texts) != 1 || spans != 10 || lost != (Lost{Corrupt: 50}) {
		t.Errorf("%d texts, %d spans, lost %+v", len(texts), spans, lost)
	}
	s.Close()
	s, found, lost := open(t, o)
	if found != 5 || lost != (Lost{Corrupt: 5}) {
		t.Errorf("a file that was not written to its end: found %d, lost %+v", found, lost)
	}
	if put(t, s, "next", 1); s.files[0].number != 0x100 {
		t.Errorf("the next number is %x", s.files[0].number)
	}
	if left := folder(t, o.Dir); len(left) != 2 {
		t.Errorf("%v are left", left)
	}
}

func TestOneStoreAtATime(t *testing.T) {
	o := Options{Dir: t.TempDir()}
	open(t, o)
	if _, _, _, err := Open(o); err == nil || !strings.Contains(err.Error(), "spill.dir") {
		t.Errorf("a second one: %v", err)
	}
}

// TestHeir waits for a folder, is told up to when its user tells all, and gets it when that one ends.
func TestHeir(t *testing.T) {
	o := Options{Dir: t.TempDir(), Size: 1 << 20, Age: time.Hour}
	s, _, _ := open(t, o)
	if HasHeir(o.Dir) {
		t.Error("somebody waits")
	}
	h, err := Await(o.Dir)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Await(o.Dir); !errors.Is(err, ErrTaken) {
		t.Errorf("a second heir: %v", err)
	}
	if !HasHeir(o.Dir) || h.Free() || h.Until() != 0 {
		t.Errorf("it waits: %v, the folder is free: %v, until %d", HasHeir(o.Dir), h.Free(), h.Until())
	}
	if err := Bequeath(o.Dir, 42); err != nil || h.Until() != 42 || h.Free() {
		t.Errorf("%v, until %d, free: %v", err, h.Until(), h.Free())
	}
	s.Close()
	if !h.Free() {
		t.Error("the folder is not free")
	}
	h.Close()
	if HasHeir(o.Dir) || h.Until() != 0 {
		t.Error("what was bequeathed is there for others")
	}
	open(t, o)
}

// TestFullDisk has a file system of its own that is smaller than the bound.
func TestFullDisk(t *testing.T) {
	dir := t.TempDir()
	if err := syscall.Mount("weft", dir, "tmpfs", 0, "size=64k"); err != nil {
		if os.Getuid() == 0 {
			t.Fatal(err)
		}
		dir = "/dev/full/x" // without root: a folder that cannot be
		if _, _, _, err := Open(Options{Dir: dir}); err == nil {
			t.Fatal("opened")
		}
		return
	}
	t.Cleanup(func() { _ = syscall.Unmount(dir, syscall.MNT_DETACH) })
	s, _, _ := open(t, Options{Dir: filepath.Join(dir, "spill")})
	var lost uint64
	for i := range 40 {
		l := put(t, s, fmt.Sprint(i), 2)
		lost += l.Full
	}
	texts, spans, _ := drain(s)
	if lost == 0 || uint64(spans)+lost != 80 || texts[len(texts)-1] != "39" {
		t.Errorf("%d spans came through, %d are counted as lost, of 80; the last is %v", spans, lost, texts)
	}
	if err := os.WriteFile(filepath.Join(dir, "other"), make([]byte, 60<<10), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "rest"), make([]byte, 8<<10), 0o600); err == nil {
		t.Fatal("the disk is not full")
	}
	if l, err := s.Put([]byte("x"), 3); err == nil || l.Failed != 3 {
		t.Errorf("a disk that others have filled: %+v, %v", l, err)
	}
}

func TestManyHands(t *testing.T) {
	s, _, _ := open(t, Options{Dir: t.TempDir()})
	var writers sync.WaitGroup
	for range 4 {
		writers.Go(func() {
			for range 50 {
				if _, err := s.Put([]byte("text"), 1); err != nil {
					t.Error(err)
				}
			}
		})
	}
	_, spans, _ := drain(s) // meanwhile
	writers.Wait()
	_, rest, _ := drain(s)
	if spans += rest; spans != 200 {
		t.Errorf("%d spans", spans)
	}
}

func BenchmarkPutNextDone(b *testing.B) {
	s, _, _, err := Open(Options{Dir: b.TempDir(), Size: 1 << 30, Age: time.Hour})
	if err != nil {
		b.Fatal(err)
	}
	defer s.Close()
	message := bytes.Repeat([]byte("GET /users/{id} http.request.method 4711 "), 1<<14) // about a message of 1024 spans
	b.SetBytes(int64(len(message)))
	for b.Loop() {
		if _, err := s.Put(message, 1024); err != nil {
			b.Fatal(err)
		}
		batch, _ := s.Next()
		s.Done(batch)
	}
}
