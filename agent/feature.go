package agent

import (
	"errors"
	"fmt"
	"strings"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
)

// feature is a call of the kernel that the programs make.
type feature struct {
	helper asm.BuiltinFunc
	name   string
	since  string // the first kernel that has it for the programs of tracepoints and functions
}

// required are those that not every kernel has on which weft may be tried.
var required = []feature{
	{asm.FnSkStorageGet, "storage of sockets in tracing programs (bpf_sk_storage_get)", "5.11"},
	{asm.FnGetCurrentTaskBtf, "the running task (bpf_get_current_task_btf)", "5.11"},
	{asm.FnGetSocketCookie, "the number of a socket (bpf_get_socket_cookie)", "5.12"},
	{asm.FnTaskPtRegs, "the saved registers of a task (bpf_task_pt_regs)", "5.15"},
	{asm.FnLoop, "loops (bpf_loop)", "5.17"},
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
