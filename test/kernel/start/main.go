// Start is the first process of a guest: it mounts what programs expect, runs the one command of its kernel command line's
// files, tells the status on the console, and switches the machine off.
package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

var mounts = []struct{ kind, at string }{
	{"proc", "/proc"},
	{"sysfs", "/sys"},
	{"devtmpfs", "/dev"},
	{"cgroup2", "/sys/fs/cgroup"},
	{"bpf", "/sys/fs/bpf"},
	{"tracefs", "/sys/kernel/tracing"},
	{"securityfs", "/sys/kernel/security"},
}

func main() {
	status := "0"
	if err := run(); err != nil {
		fmt.Println(err)
		status = "1"
	}
	fmt.Println("guest ends with status " + status)
	unix.Sync()
	if err := unix.Reboot(unix.LINUX_REBOOT_CMD_POWER_OFF); err != nil {
		fmt.Println("switch off:", err)
	}
}

func run() error {
	for _, m := range mounts {
		if err := os.MkdirAll(m.at, 0o755); err != nil {
			return fmt.Errorf("make %s: %w", m.at, err)
		}
		if err := unix.Mount(m.kind, m.at, m.kind, 0, ""); err != nil {
			return fmt.Errorf("mount %s: %w", m.at, err)
		}
	}
	if err := os.Chmod("/tmp", 0o1777); err != nil {
		return err
	}
	for _, fd := range []struct{ target, name string }{{"/proc/self/fd", "/dev/fd"}, {"fd/1", "/dev/stdout"}, {"fd/2", "/dev/stderr"}} {
		if err := os.Symlink(fd.target, fd.name); err != nil {
			return err
		}
	}
	if err := loadModules(); err != nil {
		return err
	}
	lo, err := netlink.LinkByName("lo")
	if err != nil {
		return fmt.Errorf("find lo: %w", err)
	}
	if err := netlink.LinkSetUp(lo); err != nil {
		return fmt.Errorf("set lo up: %w", err)
	}
	return command()
}

// loadModules loads /modules/*.ko, again and again while that gets further: one may need another.
func loadModules() error {
	files, err := filepath.Glob("/modules/*.ko")
	if err != nil {
		return err
	}
	var failed error
	for range files {
		failed = nil
		for _, file := range files {
			f, err := os.Open(file)
			if err != nil {
				return err
			}
			err = unix.FinitModule(int(f.Fd()), "", 0)
			f.Close()
			if err != nil && err != unix.EEXIST {
				failed = fmt.Errorf("load %s: %w", file, err)
			}
		}
	}
	return failed
}

// command runs the lines of /command, its arguments, in the folder and the environment that /folder and /environment say.
func command() error {
	lines := func(file string) []string {
		b, _ := os.ReadFile(file) // an empty one is as good as none
		return strings.FieldsFunc(string(b), func(r rune) bool { return r == '\n' })
	}
	argv := lines("/command")
	if len(argv) == 0 {
		return fmt.Errorf("no command in /command")
	}
	cmd := exec.Command(argv[0], argv[1:]...)
	cmd.Env = lines("/environment")
	cmd.Dir = strings.Join(lines("/folder"), "")
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("run %s: %w", argv[0], err)
	}
	return nil
}
