package agent

import (
	"fmt"
	"os"
	"reflect"
	"strconv"
	"strings"

	"github.com/cilium/ebpf"
	"golang.org/x/sys/unix"

	"weft/agent/golang"
	"weft/bpf"
)

// Finding is one line of what doctor tells.
type Finding struct {
	What   string
	OK     bool
	Detail string // plain words: what it means, and what to do if it is missing
}

// Survey tries everything that weft needs of this kernel and these permissions. It loads and attaches the programs for a
// moment, with a ring of that many bytes by that hook and in that way: see Options.
func Survey(ringSize uint64, hook bpf.Hook, probes bpf.Probes) []Finding {
	found := []Finding{kernelRelease(), typeInformation(), lockdown(), capabilities(), cgroups()}
	k, err := load(&Options{RingSize: ringSize, Hook: hook, Probes: probes, Handover: true, Tasks: true, Threads: true, Timers: true, Tokio: true, TLS: true})
	if err != nil {
		return append(found, Finding{"capture", false, err.Error()})
	}
	defer k.close()
	found = append(found, Finding{"capture", true, "hook " + string(k.hook) + ": " + hookNotes[k.hook]})
	if k.build == bpf.ByAddress {
		found = append(found, Finding{"sockets", true, "known by their addresses: this kernel, or this hook, gives programs no storage of a socket; " +
			"when there are too many, those are forgotten that were not used for the longest time"})
	}
	for _, p := range k.passed {
		found = append(found, Finding{"hook " + string(p.hook), true, fmt.Sprintf("passed over: %v", p.reason)})
	}
	for _, m := range k.missing {
		found = append(found, Finding{m.Hook, false, fmt.Sprintf("not seen without it: %s (%v)", m.Effect, m.Reason)})
	}
	found = append(found, probesFinding(k), handoverProbe(k))
	if memory, err := k.memory(); err == nil {
		found = append(found, Finding{"memory of maps", true, fmt.Sprintf("%.1f MiB with all capabilities, of which the ring %.1f, with no connection", float64(memory)/(1<<20), float64(ringSize)/(1<<20))})
	}
	return found
}

// hookNotes say what a hook sees.
var hookNotes = map[bpf.Hook]string{
	bpf.Tracepoint: "typed tracepoints sock_send_length and sock_recv_length, which see every completed send and receive, and nothing else",
	bpf.Fexit: "the returns of tcp_sendmsg, tcp_recvmsg, unix_stream_sendmsg and unix_stream_recvmsg; " +
		"what passes them by is not seen: of TLS in the kernel that is read in the library, but not joined with the other end where the kernel also decrypts",
	bpf.Kretprobe: "probes on tcp_sendmsg, tcp_recvmsg, unix_stream_sendmsg and unix_stream_recvmsg, where they begin and where they return; " +
		"what passes them by is not seen: of TLS in the kernel that is read in the library, but not joined with the other end where the kernel also decrypts",
}

// probesFinding tells how probes are put on; both ways see the same.
func probesFinding(k *kernel) Finding {
	switch {
	case k.probes == bpf.Multi:
		return Finding{"probes", true, "multi: those of one file are put on and taken off together"}
	case k.single != nil:
		return Finding{"probes", true, fmt.Sprintf("single: one after the other, so that start, end and new programs take longer (%v)", k.single)}
	}
	return Finding{"probes", true, "single, as configured: one after the other"}
}

func kernelRelease() Finding {
	var u unix.Utsname
	if err := unix.Uname(&u); err != nil {
		return Finding{"kernel", false, err.Error()}
	}
	return Finding{"kernel", true, unix.ByteSliceToString(u.Release[:]) + " " + unix.ByteSliceToString(u.Machine[:])}
}

func typeInformation() Finding {
	const path = "/sys/kernel/btf/vmlinux"
	if _, err := os.Stat(path); err != nil {
		return Finding{"type information", false, "no " + path + ": the kernel is built without CONFIG_DEBUG_INFO_BTF; weft can't find its structures"}
	}
	return Finding{"type information", true, path}
}

func lockdown() Finding {
	b, err := os.ReadFile("/sys/kernel/security/lockdown")
	if err != nil {
		return Finding{"lockdown", true, "not known: securityfs is not mounted"}
	}
	mode := string(b)
	if at := strings.IndexByte(mode, '['); at >= 0 {
		mode, _, _ = strings.Cut(mode[at+1:], "]")
	}
	return Finding{"lockdown", mode != "confidentiality", mode + "; weft works up to integrity"}
}

func capabilities() Finding {
	if missing := missingCapabilities(false); len(missing) > 0 {
		return Finding{"capabilities", false, "missing: " + strings.Join(missing, ", ")}
	}
	return Finding{"capabilities", true, "all that weft uses"}
}

// handoverProbe puts the probe on this very program, which has Go's HTTP client in it.
func handoverProbe(k *kernel) Finding {
	const what = "Go hand-over probe"
	const use = "links calls on pooled connections of Go programs to the goroutine that makes them"
	o, _, err := golang.Inspect("/proc/self/exe")
	if err != nil {
		return Finding{what, false, fmt.Sprintf("%s; inspect this program: %v", use, err)}
	}
	l, err := k.probe("/proc/self/exe", o.RoundTrip, k.objects.GoRoundTrip)
	if err != nil {
		return Finding{what, false, fmt.Sprintf("%s; %v", use, err)}
	}
	l.Close()
	return Finding{what, true, use + "; costs a trap for each such call"}
}

// memory sums what the maps take in the kernel, as the kernel tells it.
func (k *kernel) memory() (uint64, error) {
	var sum uint64
	all := reflect.ValueOf(k.objects.WeftMaps) // by reflection, so that none is forgotten
	for i := range all.NumField() {
		one, ok := all.Field(i).Interface().(*ebpf.Map)
		if !ok {
			continue
		}
		n, err := memlock(one.FD())
		if err != nil {
			return 0, err
		}
		sum += n
	}
	if k.objects.FunctionCalls == nil {
		return sum, nil
	}
	n, err := memlock(k.objects.FunctionCalls.FD())
	return sum + n, err
}

// memlock reads the kernel's account of a map's memory: bpf_map_show_fdinfo.
func memlock(fd int) (uint64, error) {
	b, err := os.ReadFile("/proc/self/fdinfo/" + strconv.Itoa(fd))
	if err != nil {
		return 0, fmt.Errorf("read the size of a map: %w", err)
	}
	_, after, found := strings.Cut(string(b), "memlock:")
	if !found {
		return 0, fmt.Errorf("read the size of a map: the kernel does not tell")
	}
	line, _, _ := strings.Cut(after, "\n")
	return strconv.ParseUint(strings.TrimSpace(line), 10, 64)
}
