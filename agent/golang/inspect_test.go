package golang

import (
	"bufio"
	"debug/elf"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
)

// variants are the ways in which Go programs are built that change where things are found.
var variants = map[string]struct {
	cgo   bool
	flags []string
}{
	"plain":           {false, nil},
	"stripped":        {false, []string{"-ldflags=-s -w"}},
	"pie":             {false, []string{"-buildmode=pie"}},
	"stripped pie":    {false, []string{"-buildmode=pie", "-ldflags=-s -w"}},
	"cgo":             {true, nil},
	"stripped cgo":    {true, []string{"-ldflags=-s -w"}},
	"cgo pie":         {true, []string{"-buildmode=pie"}},
	"stripped cgopie": {true, []string{"-buildmode=pie", "-ldflags=-s -w"}},
	"static cgo":      {true, []string{"-ldflags=-s -w -linkmode=external -extldflags=-static"}},
}

// toolchains are those of WEFT_TEST_TOOLCHAINS (go1.18.10,go1.27.4), by default the one that runs the test.
func toolchains() []string {
	if v := os.Getenv("WEFT_TEST_TOOLCHAINS"); v != "" {
		return strings.Split(v, ",")
	}
	return []string{"local"}
}

// buildChild builds the test program; a toolchain may be a name that the go command downloads, or a path.
func buildChild(t *testing.T, toolchain, arch string, cgo bool, flags ...string) string {
	t.Helper()
	sources := map[string]string{"main.go": "child.go.txt", "wait.go": "pure.go.txt"}
	if cgo {
		sources["wait.go"] = "cgo.go.txt"
	}
	for name, from := range sources {
		text, err := os.ReadFile(filepath.Join("testdata", from))
		if err != nil {
			t.Fatal(err)
		}
		sources[name] = string(text)
	}
	return buildIn(t, t.TempDir(), sources, toolchain, arch, cgo, flags...)
}

// buildIn builds the sources in a module of their own.
func buildIn(t testing.TB, dir string, sources map[string]string, toolchain, arch string, cgo bool, flags ...string) string {
	t.Helper()
	sources["go.mod"] = "module example.com/child/v2\n\ngo 1.18\n"
	for name, text := range sources {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	command := "go"
	if filepath.IsAbs(toolchain) {
		command, toolchain = toolchain, "local"
	}
	c := exec.Command(command, append([]string{"build", "-p", "2", "-o", "child"}, append(flags, ".")...)...)
	c.Dir = dir
	enabled := map[bool]string{true: "1", false: "0"}[cgo]
	c.Env = append(os.Environ(), "GOTOOLCHAIN="+toolchain, "GOFLAGS=", "GOWORK=off", "GOARCH="+arch, "CGO_ENABLED="+enabled)
	if text, err := c.CombinedOutput(); err != nil {
		t.Fatalf("build: %v\n%s", err, text)
	}
	return filepath.Join(dir, "child")
}

// told is what the child says of itself.
type told struct {
	pid, tid           int
	goid, parent       uint64
	entry, conn, sysfd uint64
	version            string
}

func startChild(t *testing.T, exe string) told {
	t.Helper()
	c := exec.Command(exe)
	in, err := c.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := c.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	c.Stderr = os.Stderr
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = in.Close()
		_ = c.Wait()
	})
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	said := told{pid: c.Process.Pid}
	if _, err := fmt.Sscan(line, &said.tid, &said.goid, &said.parent, &said.entry, &said.conn, &said.sysfd, &said.version); err != nil {
		t.Fatalf("%q: %v", line, err)
	}
	return said
}

// registers stops the thread for a moment and reads its registers.
func registers(t *testing.T, tid int) (regs syscall.PtraceRegs) {
	t.Helper()
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	if err := syscall.PtraceAttach(tid); err != nil {
		t.Fatalf("attach: %v", err)
	}
	defer syscall.PtraceDetach(tid) //nolint:errcheck // the child ends with the test
	if _, err := syscall.Wait4(tid, nil, syscall.WALL, nil); err != nil {
		t.Fatalf("wait for the stop: %v", err)
	}
	if err := syscall.PtraceGetRegs(tid, &regs); err != nil {
		t.Fatalf("read registers: %v", err)
	}
	return regs
}

// memory reads the child's memory as the kernel side does.
type memory struct {
	t *testing.T
	f *os.File
}

func (m memory) word(address uint64) uint64 {
	m.t.Helper()
	var b [8]byte
	if _, err := m.f.ReadAt(b[:], int64(address)); err != nil {
		m.t.Fatalf("read %#x of the child: %v", address, err)
	}
	return binary.LittleEndian.Uint64(b[:])
}

// fileOffset looks an address of the child up in its memory map.
func fileOffset(t *testing.T, pid int, address uint64) uint64 {
	t.Helper()
	maps, err := os.ReadFile(fmt.Sprintf("/proc/%d/maps", pid))
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(maps)) {
		var from, to, offset uint64
		var mode string
		if _, err := fmt.Sscanf(line, "%x-%x %s %x", &from, &to, &mode, &offset); err == nil && from <= address && address < to {
			return address - from + offset
		}
	}
	t.Fatalf("%#x is not mapped", address)
	return 0
}

func TestInspectAgreesWithTheRunningProgram(t *testing.T) {
	for _, toolchain := range toolchains() {
		for name, v := range variants {
			t.Run(filepath.Base(toolchain)+" "+name, func(t *testing.T) {
				exe := buildChild(t, toolchain, runtime.GOARCH, v.cgo, v.flags...)
				o, version, err := Inspect(exe)
				if err != nil {
					t.Fatal(err)
				}
				said := startChild(t, exe)
				if version != said.version {
					t.Errorf("version %s, the program says %s", version, said.version)
				}
				compare(t, o, said)
			})
		}
	}
}

func compare(t *testing.T, o Offsets, said told) {
	t.Helper()
	f, err := os.Open(fmt.Sprintf("/proc/%d/mem", said.pid))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close() //nolint:errcheck // read only
	m := memory{t, f}

	g := current(m, registers(t, said.tid), o)
	g = m.word(m.word(g+uint64(o.M)) + uint64(o.CurG))
	if goid := m.word(g + uint64(o.Goid)); goid != said.goid {
		t.Errorf("goroutine %d, the program says %d", goid, said.goid)
	}
	if o.HasParent != (said.parent != 0) {
		t.Errorf("HasParent %v, the program says its parent is %d", o.HasParent, said.parent)
	}
	if o.HasParent {
		if parent := m.word(g + uint64(o.ParentGoid)); parent != said.parent {
			t.Errorf("parent goroutine %d, the program says %d", parent, said.parent)
		}
	}
	compareList(t, m, o, said)
	if want := fileOffset(t, said.pid, said.entry); o.RoundTrip != want {
		t.Errorf("roundTrip at %#x of the file, the program says %#x", o.RoundTrip, want)
	}
	if hash := uint32(m.word(m.word(said.conn) + uint64(o.ITabHash))); hash != o.TCPConnHash {
		t.Errorf("type hash %d, want %d", hash, o.TCPConnHash)
	}
	netFD := m.word(m.word(said.conn+8) + uint64(o.FDOffset))
	if fd := m.word(netFD + uint64(o.SysfdOffset)); fd != said.sysfd {
		t.Errorf("fd %d, the program says %d", fd, said.sysfd)
	}
}

// compareList looks the goroutine up in the list of all.
func compareList(t *testing.T, m memory, o Offsets, said told) {
	t.Helper()
	at, err := FindGoroutines(uint32(said.pid), &o.Layout)
	if err != nil {
		t.Fatal(err)
	}
	list, length := m.word(at), m.word(at+8)
	for i := range min(length, 1000) {
		g := m.word(list + 8*i)
		if m.word(g+uint64(o.Goid)) == said.goid {
			if parent := m.word(g + uint64(o.ParentGoid)); o.HasParent && parent != said.parent {
				t.Errorf("parent goroutine %d by the list of all, the program says %d", parent, said.parent)
			}
			return
		}
	}
	t.Errorf("goroutine %d is not among the %d of the list", said.goid, length)
}

func TestFindGoroutinesRefusesOthers(t *testing.T) {
	c := exec.Command("cat")
	in, err := c.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = in.Close()
		_ = c.Wait()
	})
	if at, err := FindGoroutines(uint32(c.Process.Pid), &layouts[0]); !errors.Is(err, ErrNoGoroutines) {
		t.Errorf("%#x, %v", at, err)
	}
}

func TestInspectOfTheOtherArchitecture(t *testing.T) {
	for _, flags := range [][]string{nil, {"-buildmode=pie"}} {
		exe := buildChild(t, toolchains()[0], map[string]string{"amd64": "arm64", "arm64": "amd64"}[runtime.GOARCH], false, flags...)
		o, _, err := Inspect(exe)
		if err != nil {
			t.Fatal(err)
		}
		if want := symbolOffset(t, exe, "net/http.(*persistConn).roundTrip"); o.RoundTrip != want {
			t.Errorf("%v: roundTrip at %#x, the symbol says %#x", flags, o.RoundTrip, want)
		}
	}
}

func symbolOffset(t *testing.T, exe, name string) uint64 {
	t.Helper()
	f, err := elf.Open(exe)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close() //nolint:errcheck // read only
	symbols, err := f.Symbols()
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range symbols {
		if s.Name == name {
			in := f.Sections[s.Section]
			return s.Value - in.Addr + in.Offset
		}
	}
	t.Fatalf("no symbol %s", name)
	return 0
}

func TestInspectRefusesOthers(t *testing.T) {
	for _, path := range []string{"/bin/sh", "/dev/null", "/etc/passwd"} {
		if _, _, err := Inspect(path); !errors.Is(err, ErrNotGo) {
			t.Errorf("%s: %v", path, err)
		}
	}
}
