package agent

import (
	"testing"

	"golang.org/x/sys/unix"
)

// TestRoomForProbe: probes leave the last descriptors.
func TestRoomForProbe(t *testing.T) {
	if err := roomForProbe(); err != nil {
		t.Fatal(err)
	}
	var was unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &was); err != nil {
		t.Fatal(err)
	}
	few := was
	few.Cur = descriptorsKept
	if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &few); err != nil {
		t.Fatal(err)
	}
	err := roomForProbe()
	if back := unix.Setrlimit(unix.RLIMIT_NOFILE, &was); back != nil {
		t.Fatal(back)
	}
	if err == nil {
		t.Error("a probe may have one of the last descriptors")
	}
}
