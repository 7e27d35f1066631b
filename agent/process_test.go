package agent

import (
	"os"
	"os/exec"
	"testing"

	"golang.org/x/sys/unix"
)

func TestTouches(t *testing.T) {
	ports := Choice{IncludePorts: []uint16{80}}
	for _, c := range []struct {
		choice Choice
		v      Verdict
		want   bool
	}{
		{Choice{}, Traced, true}, {Choice{}, Excluded, false}, {Choice{}, Other, false},
		{ports, Traced, true}, {ports, Excluded, false}, {ports, Other, true}, // of its connections with the port something is traced
	} {
		if got := c.choice.touches(c.v); got != c.want {
			t.Errorf("%+v, verdict %d: %v", c.choice, c.v, got)
		}
	}
}

// TestEnded: a process that was not waited for yet has ended, one that runs has not.
func TestEnded(t *testing.T) {
	if ended(uint32(os.Getpid())) {
		t.Error("this process has ended")
	}
	c := exec.Command("true")
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	pid := uint32(c.Process.Pid)
	var info unix.Siginfo
	if err := unix.Waitid(unix.P_PID, c.Process.Pid, &info, unix.WEXITED|unix.WNOWAIT, nil); err != nil {
		t.Fatal(err)
	}
	if !ended(pid) {
		t.Error("a process that was not waited for has not ended")
	}
	if err := c.Wait(); err != nil {
		t.Fatal(err)
	}
	if !ended(pid) {
		t.Error("a process that was waited for has not ended")
	}
}
