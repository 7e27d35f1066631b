package bpf

import (
	"fmt"
	"slices"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	"github.com/cilium/ebpf/btf"
)

// Hook is how the kernel side is called when a socket operation has ended.
type Hook string

// The hooks.
const (
	Tracepoint Hook = "tracepoint" // sock_send_length and sock_recv_length, Linux 6.3 and later
	Fexit      Hook = "fexit"      // the return of the functions of TCP and AF_UNIX that send and receive
)

// Hooks are all hooks, best first.
var Hooks = []Hook{Tracepoint, Fexit}

// captureProgram is a program of a hook.
type captureProgram struct {
	hook Hook
	name string // in the object
	of   func(*WeftPrograms) *ebpf.Program
}

var capturePrograms = []captureProgram{
	{Tracepoint, "sock_send_length", func(p *WeftPrograms) *ebpf.Program { return p.SockSendLength }},
	{Tracepoint, "sock_recv_length", func(p *WeftPrograms) *ebpf.Program { return p.SockRecvLength }},
	{Fexit, "tcp_sendmsg", func(p *WeftPrograms) *ebpf.Program { return p.TcpSendmsg }},
	{Fexit, "tcp_recvmsg", func(p *WeftPrograms) *ebpf.Program { return p.TcpRecvmsg }},
	{Fexit, "tcp_recvmsg_waiting", func(p *WeftPrograms) *ebpf.Program { return p.TcpRecvmsgWaiting }},
	{Fexit, "unix_stream_sendmsg", func(p *WeftPrograms) *ebpf.Program { return p.UnixStreamSendmsg }},
	{Fexit, "unix_stream_recvmsg", func(p *WeftPrograms) *ebpf.Program { return p.UnixStreamRecvmsg }},
}

// Choose leaves those programs in the specification that the hook needs on this kernel. The others become empty ones, which every
// kernel loads and nothing attaches. An error says why the kernel can't have the hook.
func (h Hook) Choose(spec *ebpf.CollectionSpec) error {
	unwanted := ""
	if h == Fexit {
		var err error
		if unwanted, err = unwantedReceive(); err != nil {
			return err
		}
	}
	for _, c := range capturePrograms {
		if c.hook != h || c.name == unwanted {
			spec.Programs[c.name] = &ebpf.ProgramSpec{
				Name: "none", Type: ebpf.SocketFilter, License: "GPL",
				Instructions: asm.Instructions{asm.Mov.Imm(asm.R0, 0), asm.Return()},
			}
		}
	}
	return nil
}

// Captures gives the loaded programs of whichever hook was chosen.
func Captures(p *WeftPrograms) []*ebpf.Program {
	var programs []*ebpf.Program
	for _, c := range capturePrograms {
		if program := c.of(p); program.Type() == ebpf.Tracing {
			programs = append(programs, program)
		}
	}
	return programs
}

// unwantedReceive names the program that does not fit the kernel's tcp_recvmsg, which had an argument more before Linux 5.19
// (commit ec095263a965).
func unwantedReceive() (string, error) {
	kernel, err := btf.LoadKernelSpec()
	if err != nil {
		return "", fmt.Errorf("read the kernel's types: %w", err)
	}
	var function *btf.Func
	if err := kernel.TypeByName("tcp_recvmsg", &function); err != nil {
		return "", fmt.Errorf("find tcp_recvmsg in the kernel's types: %w", err)
	}
	proto, ok := function.Type.(*btf.FuncProto)
	programs := []string{5: "tcp_recvmsg_waiting", 6: "tcp_recvmsg"}
	if !ok || !slices.Contains([]int{5, 6}, len(proto.Params)) {
		return "", fmt.Errorf("tcp_recvmsg of this kernel has other arguments: %v", function.Type)
	}
	return programs[len(proto.Params)], nil
}
