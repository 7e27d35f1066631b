package node

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"weft/agent"
	"weft/test/tracer"
)

// TestRightsAreGivenUp starts weft as root with all rights: after its start no thread of it has more than it names, none can get any
// back, nothing listens that was not asked for, others can't use its socket, and programs that are not to be traced, as that of this test,
// have no probes. The TLS libraries of the machine have some all the time.
func TestRightsAreGivenUp(t *testing.T) {
	control := filepath.Join(t.TempDir(), "socket")
	w, err := tracer.Start(world.weft, tracer.Options{Output: "none", Args: []string{"--exe", "app", "--tls", "off", "--control", control}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(w.Kill)
	var lasting uint64
	for _, c := range agent.Capabilities {
		if c.Lasting {
			lasting |= 1 << c.Number
		}
	}
	threads, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/status", w.PID()))
	if err != nil || len(threads) < 2 {
		t.Fatalf("threads %v, %v", threads, err)
	}
	for _, thread := range threads {
		text, err := os.ReadFile(thread)
		if err != nil {
			continue // it has ended
		}
		for _, want := range []string{fmt.Sprintf("CapPrm:\t%016x", lasting), fmt.Sprintf("CapEff:\t%016x", lasting), fmt.Sprintf("CapInh:\t%016x", 0), "NoNewPrivs:\t1"} {
			if !strings.Contains(string(text), want+"\n") {
				t.Errorf("%s: not %q:\n%s", thread, want, text)
			}
		}
	}
	if out := command(t, "ss", "-tulpnH"); strings.Contains(out, fmt.Sprintf("pid=%d,", w.PID())) {
		t.Errorf("weft listens:\n%s", out)
	}
	owned(t, control)
	open, err := filepath.Glob(fmt.Sprintf("/proc/%d/fd/*", w.PID()))
	if err != nil || len(open) == 0 {
		t.Fatalf("open files: %v, %v", open, err)
	}
	for _, f := range open {
		if to, _ := os.Readlink(f); strings.Contains(to, "perf_event") {
			t.Errorf("a probe on a program that is not traced: %s", to)
		}
	}
	if err := w.Stop(); err != nil {
		t.Error(err)
	}
}

// TestRecordingIsTheOwners holds that others can't read a recording, also if a file of its name is there that they could.
func TestRecordingIsTheOwners(t *testing.T) {
	file := filepath.Join(t.TempDir(), "recording")
	if err := os.WriteFile(file, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	record := exec.Command(world.weft, "record", "-o", file, "--exe", "app")
	if err := record.Start(); err != nil {
		t.Fatal(err)
	}
	await(t, "a recording", func() bool {
		info, err := os.Stat(file)
		return err == nil && info.Size() > 0
	})
	owned(t, file)
	_ = record.Process.Signal(syscall.SIGINT)
	if err := record.Wait(); err != nil {
		t.Error(err)
	}
}

// owned fails if anybody but the owner may do something with a file.
func owned(t *testing.T, file string) {
	t.Helper()
	info, err := os.Stat(file)
	if err != nil {
		t.Fatal(err)
	}
	if mode := info.Mode().Perm(); mode != 0o600 {
		t.Errorf("%s has the mode %o", file, mode)
	}
}
