package agent

import (
	"errors"
	"fmt"
	"strings"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	"github.com/cilium/ebpf/features"

	"weft/bpf"
)

// feature is a call of the kernel that the programs make.
type feature struct {
	helper asm.BuiltinFunc
	name   string
	since  string // the first kernel that has it for the programs of tracepoints and functions
}

// required are those that not every kernel has on which weft may be tried.
var required = []feature{
	{asm.FnProbeReadUser, "reading a program's memory (bpf_probe_read_user)", "5.5"},
	{asm.FnKtimeGetBootNs, "the time since the boot (bpf_ktime_get_boot_ns)", "5.7"},
	{asm.FnRingbufOutput, "ring buffers (bpf_ringbuf_output)", "5.8"},
}

// optional are those without which something is not seen.
var optional = []struct {
	feature
	effect string
}{
	{feature{asm.FnGetAttachCookie, "bpf_get_attach_cookie", "5.15"}, "what rustls and NSS encrypt, and which goroutine a stream of Go's gRPC belongs to"},
	{feature{asm.FnLoop, "bpf_loop", "5.17"}, "calls of goroutines that a request's goroutine has not started itself: for workers of a pool, and for goroutines further down; and those of tasks of Rust's tokio"},
}

// errByAddress is why a call is not made that the kernel may have.
var errByAddress = errors.New("programs that know sockets by their addresses do without it")

// knowCalls finds out what the programs do without here, and leaves those out that could do nothing.
func (k *kernel) knowCalls(spec *ebpf.CollectionSpec) {
	k.cookies = true
	for _, f := range optional {
		err := features.HaveProgramHelper(ebpf.Kprobe, f.helper)
		if err == nil && f.helper == asm.FnLoop && k.build == bpf.ByAddress {
			err = errByAddress
		}
		if err == nil {
			continue
		}
		k.missing = append(k.missing, Missing{Hook: f.name, Effect: f.effect, Reason: err})
		if f.helper == asm.FnGetAttachCookie {
			k.cookies = false
			bpf.WithoutCookies(spec)
		}
	}
}

// missingFeatures names what the kernel lacks of them. Each is tried by a program that does nothing but call it, with no arguments: a
// kernel that knows the call complains of these, another one of the call.
func missingFeatures() (missing []string) {
	for _, f := range required {
		p, err := ebpf.NewProgram(&ebpf.ProgramSpec{
			Name: "try", Type: ebpf.Tracing, AttachType: ebpf.AttachTraceRawTp, AttachTo: "sched_process_exit", License: "GPL",
			Instructions: asm.Instructions{f.helper.Call(), asm.Mov.Imm(asm.R0, 0), asm.Return()},
		})
		if err == nil {
			p.Close()
			continue
		}
		var said *ebpf.VerifierError
		if errors.As(err, &said) && lacksCall(said.Log) {
			missing = append(missing, fmt.Sprintf("%s, Linux %s", f.name, f.since))
		}
	}
	return missing
}

// lacksCall reads the two complaints of the kernel: that it has no such call, and that such a program may not make it.
func lacksCall(log []string) bool {
	for _, line := range log {
		if strings.Contains(line, "unknown func") || strings.Contains(line, "invalid func") || strings.Contains(line, "cannot use helper") {
			return true
		}
	}
	return false
}
