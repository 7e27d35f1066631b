package node

import (
	"debug/elf"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

const (
	shell = "#include <unistd.h>\nvoid run(void);\nint main(void) { run(); write(1, \"x\", 1); pause(); }\n"
	runs  = `void timers(void *) __asm__("_ZN4node11Environment9RunTimersEP10uv_timer_s");
void timers(void *handle) {}
void file(void *) __asm__("_ZN4node2fs15FSReqAfterScopeC1EPNS0_9FSReqBaseEP7uv_fs_s");
void file(void *handle) {}
void closed(void *) __asm__("_ZN4node2fs10FileHandle8CloseReq7ResolveEv");
void closed(void *handle) {}
static void done(void *) __asm__("uv__work_done");
static __attribute__((noinline, used)) void done(void *handle) {}
void run(void) { timers(0); done(0); }
`
	other = "void run(void) {}\n"
)

// compile builds a file from a source.
func compile(t *testing.T, out, source string, flags ...string) string {
	t.Helper()
	in := out + ".c"
	if err := os.WriteFile(in, []byte(source), 0o600); err != nil {
		t.Fatal(err)
	}
	args := append([]string{"-w", "-fPIC", "-Wl,--hash-style=gnu", "-rdynamic", "-o", out, in}, flags...)
	if text, err := exec.Command("gcc", args...).CombinedOutput(); err != nil {
		t.Fatalf("build %s: %v: %s", out, err, text)
	}
	return out
}

// started runs a program until the test ends.
func started(t *testing.T, program string) uint32 {
	t.Helper()
	c := exec.Command(program)
	out, err := c.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Process.Kill(); _ = c.Wait() })
	if _, err := out.Read(make([]byte, 1)); err != nil {
		t.Fatalf("%s: %v", program, err)
	}
	return uint32(c.Process.Pid)
}

// symbol gives where in a file a function is.
func symbol(t *testing.T, path, name string) uint64 {
	t.Helper()
	image, err := elf.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer image.Close()
	all, _ := image.Symbols()
	for _, s := range all {
		for _, p := range image.Progs {
			if s.Name == name && p.Type == elf.PT_LOAD && s.Value >= p.Vaddr && s.Value < p.Vaddr+p.Filesz {
				return s.Value - p.Vaddr + p.Off
			}
		}
	}
	t.Fatalf("%s has no %s", path, name)
	return 0
}

func TestTurns(t *testing.T) {
	dir := t.TempDir()
	whole := compile(t, filepath.Join(dir, "whole"), shell+runs)
	stripped := compile(t, filepath.Join(dir, "stripped"), shell+runs, "-s")
	library := compile(t, filepath.Join(dir, "libnode.so.108"), runs, "-shared")
	linked := compile(t, filepath.Join(dir, "linked"), shell, library, "-Wl,-rpath,"+dir)
	for _, c := range []struct {
		program string
		offsets int
	}{{whole, 2}, {stripped, 3}, {library, 2}} {
		at, err := Executable(c.program)
		if err != nil || len(at) != c.offsets {
			t.Errorf("%s: %d, %v", c.program, at, err)
			continue
		}
		names, of := []string{runTimers, workDone}, c.program
		if c.program == stripped { // has its code where the whole one has it
			names, of = append([]string{runTimers}, fileDone...), whole
		}
		for i, name := range names {
			if at[i] != symbol(t, of, name) {
				t.Errorf("%s: %s is at %d", c.program, name, at[i])
			}
		}
	}
	if name, at, err := Library(started(t, linked)); err != nil || name != library || len(at) != 2 {
		t.Errorf("of a program with a library: %s, %d, %v", name, at, err)
	}
	plain := compile(t, filepath.Join(dir, "plain"), shell+other)
	if at, err := Executable(plain); !errors.Is(err, ErrNotNode) {
		t.Errorf("of another program: %d, %v", at, err)
	}
	if name, _, err := Library(started(t, plain)); !errors.Is(err, ErrNotNode) {
		t.Errorf("of another program: %s, %v", name, err)
	}
}
