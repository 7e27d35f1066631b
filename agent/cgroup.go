package agent

import (
	"errors"
	"fmt"
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

// The processes that are in the host's namespaces, where a container sees the host's processes: the first one, and, where that one is
// guarded, the parent of the kernel's threads.
var hostProcesses = []string{"/proc/1/", "/proc/2/"}

// ShareCgroups has weft, in all its threads, see cgroups by the paths of the host. A container has a namespace of cgroups of its own
// where nodes use cgroup v2, and the paths of others then begin at its own one: /../../podUID/ID, without what is above both. It needs
// CAP_SYS_ADMIN, and does nothing where weft sees the host's paths or does not see the host's processes.
func ShareCgroups() error {
	own, err := os.Stat("/proc/self/ns/cgroup")
	if errors.Is(err, os.ErrNotExist) {
		return nil // a kernel without such namespaces
	}
	if err != nil {
		return fmt.Errorf("look at the own namespace of cgroups: %w", err)
	}
	host, err := hostCgroups()
	if err != nil {
		return err
	}
	defer host.Close()
	there, err := host.Stat()
	if err != nil {
		return fmt.Errorf("look at the host's namespace of cgroups: %w", err)
	}
	if os.SameFile(own, there) {
		return nil
	}
	if _, _, errno := syscall.AllThreadsSyscall(unix.SYS_SETNS, host.Fd(), unix.CLONE_NEWCGROUP, 0); errno != 0 {
		return fmt.Errorf("enter the host's namespace of cgroups: %w", errno)
	}
	return nil
}

// hostCgroups opens the namespace of the host.
func hostCgroups() (*os.File, error) {
	var failed error
	for i, dir := range hostProcesses {
		if _, err := os.Readlink(dir + "exe"); i > 0 && !errors.Is(err, os.ErrNotExist) {
			break // no thread of the kernel: these are not the host's processes
		}
		f, err := os.Open(dir + "ns/cgroup")
		if err == nil {
			return f, nil
		}
		failed = errors.Join(failed, err)
	}
	return nil, fmt.Errorf("open the host's namespace of cgroups: %w", failed)
}

// cgroups tells whether the paths are the host's.
func cgroups() Finding {
	const what = "cgroups"
	if err := ShareCgroups(); err != nil {
		return Finding{what, false, fmt.Sprintf("their paths may begin at weft's own one, so that rules on them may not match and classes of pods not be told: %v", err)}
	}
	return Finding{what, true, "told by the paths of the host"}
}
