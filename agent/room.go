package agent

import (
	"fmt"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/link"
	"golang.org/x/sys/unix"
)

// descriptorsKept is how many of the process's file descriptors probes leave for connections, spans that wait and /proc. A probe holds
// two, and a node may run programs without end.
const descriptorsKept = 40

// attach puts a program at an offset of an executable or library.
func attach(file *link.Executable, program *ebpf.Program, options *link.UprobeOptions) (link.Link, error) {
	if err := roomForProbe(); err != nil {
		return nil, err
	}
	return file.Uprobe("", program, options)
}

// attachReturn puts a program where a function returns.
func attachReturn(file *link.Executable, program *ebpf.Program, options *link.UprobeOptions) (link.Link, error) {
	if err := roomForProbe(); err != nil {
		return nil, err
	}
	return file.Uretprobe("", program, options)
}

// roomForProbe asks for the lowest free descriptor: as many are in use, or nearly.
func roomForProbe() error {
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &limit); err != nil {
		return fmt.Errorf("read the limit of open files: %w", err)
	}
	fd, err := unix.Open("/dev/null", unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return fmt.Errorf("look for a free file descriptor: %w", err)
	}
	_ = unix.Close(fd)
	if uint64(fd)+descriptorsKept >= limit.Cur {
		return fmt.Errorf("the last %d of %d file descriptors are kept for export: raise the limit of open files (LimitNOFILE, ulimit -n)",
			descriptorsKept, limit.Cur)
	}
	return nil
}
