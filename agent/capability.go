package agent

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// A Capability is a privilege of capabilities(7) that weft uses.
type Capability struct {
	Number    uint
	Name      string
	Use       string // what it gives
	Essential bool   // nothing is traced without it
	Lasting   bool   // it is needed after the start, for what comes later
}

// Capabilities are all that weft uses. CAP_SYS_ADMIN stands for CAP_BPF and CAP_PERFMON, too.
var Capabilities = []Capability{
	{unix.CAP_BPF, "CAP_BPF", "load programs and maps into the kernel", true, true},
	{unix.CAP_PERFMON, "CAP_PERFMON", "attach them to tracepoints, and read what the kernel knows of a socket", true, true},
	{unix.CAP_SYS_PTRACE, "CAP_SYS_PTRACE", "read /proc of other users' processes: executables, working directories, files in containers", false, true},
	{unix.CAP_DAC_READ_SEARCH, "CAP_DAC_READ_SEARCH", "read what only its owner may: environments of other users' processes, for names of services", false, true},
	{unix.CAP_NET_ADMIN, "CAP_NET_ADMIN", "ask the kernel who is behind an address that the node translates, as that of a Service", false, true},
	{unix.CAP_SYS_ADMIN, "CAP_SYS_ADMIN", "put probes on programs (TLS, Go's hand-over), and enter namespaces: of networks, to find who listened in containers before and to ask the node's for translated addresses, and the node's of cgroups, to see their whole paths", false, true},
}

// ErrPermission means that the kernel refused programs or maps to this process.
var ErrPermission = errors.New("run weft as root, or with the capabilities CAP_BPF, CAP_PERFMON, CAP_SYS_PTRACE and CAP_DAC_READ_SEARCH")

// refused makes an error of a kernel that says no: it names the capabilities that are missing. What the kernel and the library say
// of it follows, for their guess, that memory may not be locked, is wrong from Linux 5.11 on.
func refused(doing string, cause error) error {
	missing := missingCapabilities(true)
	if len(missing) == 0 {
		return fmt.Errorf("%s: the kernel refused, though weft has the capabilities: a container's seccomp profile or a security module may forbid it, or, before Linux 5.11, the limit of locked memory, which CAP_SYS_RESOURCE lets it raise: %w (%w)",
			doing, cause, ErrPermission)
	}
	return fmt.Errorf("%s: this process lacks %s: %w (the kernel said: %w)", doing, strings.Join(missing, ", "), ErrPermission, cause)
}

// missingCapabilities gives those that this process has not, each with its use.
func missingCapabilities(essential bool) (missing []string) {
	has, err := effective()
	if err != nil {
		return nil
	}
	for _, c := range Capabilities {
		stands := has&(1<<unix.CAP_SYS_ADMIN) != 0 && (c.Number == unix.CAP_BPF || c.Number == unix.CAP_PERFMON)
		if has&(1<<c.Number) == 0 && !stands && (c.Essential || !essential) {
			missing = append(missing, c.Name+" ("+c.Use+")")
		}
	}
	return missing
}

// effective gives the capabilities that this process has, one bit each.
func effective() (uint64, error) {
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return 0, fmt.Errorf("read own capabilities: %w", err)
	}
	_, after, _ := strings.Cut(string(status), "CapEff:")
	var set uint64
	if _, err := fmt.Sscanf(after, "%x", &set); err != nil {
		return 0, fmt.Errorf("read own capabilities: %w", err)
	}
	return set, nil
}

// DropCapabilities gives up, in all threads and for good, every capability that is of no use after the start. No program that is
// executed later gets any back.
func DropCapabilities() error {
	var lasting uint64
	for _, c := range Capabilities {
		if c.Lasting {
			lasting |= 1 << c.Number
		}
	}
	has, err := effective()
	if err != nil {
		return err
	}
	has &= lasting
	if _, _, errno := syscall.AllThreadsSyscall6(unix.SYS_PRCTL, unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0, 0); errno != 0 {
		return fmt.Errorf("forbid new privileges: %w", errno)
	}
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var data [2]unix.CapUserData
	for i := range data {
		half := uint32(has >> (32 * i))
		data[i] = unix.CapUserData{Effective: half, Permitted: half}
	}
	_, _, errno := syscall.AllThreadsSyscall(unix.SYS_CAPSET, uintptr(unsafe.Pointer(&header)), uintptr(unsafe.Pointer(&data)), 0)
	if errno != 0 {
		return fmt.Errorf("give up capabilities: %w", errno)
	}
	return nil
}
