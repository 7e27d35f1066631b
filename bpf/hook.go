package bpf

import (
	"fmt"

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
	Kretprobe  Hook = "kretprobe"  // the same, by probes on where they begin and where they return
)

// Hooks are all hooks, best first.
var Hooks = []Hook{Tracepoint, Fexit, Kretprobe}

// Build is one of the ways in which the programs are compiled: where they keep the state of a socket.
type Build string

// The builds.
const (
	InSocket  Build = "socket"  // with the socket: Linux 5.15 and later, and only for programs that are given typed pointers
	ByAddress Build = "address" // in a map, by the address of the socket
)

// Builds are those with which the hook may be had, best first.
func (h Hook) Builds() []Build {
	switch h {
	case Tracepoint:
		return []Build{InSocket}
	case Kretprobe:
		return []Build{ByAddress}
	}
	return []Build{InSocket, ByAddress}
}

// Spec reads the programs.
func (b Build) Spec() (*ebpf.CollectionSpec, error) {
	if b == ByAddress {
		return LoadByAddress()
	}
	return LoadWeft()
}

// Choose leaves those programs in the specification that the hook needs on this kernel. The others become empty ones, which every
// kernel loads and nothing attaches. An error says why the kernel can't have the hook.
func (h Hook) Choose(spec *ebpf.CollectionSpec) error {
	if h != Tracepoint {
		n, err := receiveArguments()
		if err != nil {
			return err
		}
		if err := spec.Variables["receive_arguments"].Set(n); err != nil {
			return fmt.Errorf("configure the program of tcp_recvmsg: %w", err)
		}
	}
	for _, c := range capturePrograms {
		if c.hook != h && c.hook != "" && spec.Programs[c.name] != nil {
			spec.Programs[c.name] = none()
		}
	}
	return nil
}

func none() *ebpf.ProgramSpec {
	return &ebpf.ProgramSpec{
		Name: "none", Type: ebpf.SocketFilter, License: "GPL",
		Instructions: asm.Instructions{asm.Mov.Imm(asm.R0, 0), asm.Return()},
	}
}

// WithoutCookies leaves out what has to be told where it was put.
func WithoutCookies(spec *ebpf.CollectionSpec) {
	for _, name := range []string{"rustls_function", "go_grpc_handler", "go_grpc_opens"} {
		spec.Programs[name] = none()
	}
}

// WithoutTLS leaves out of the specification what reads the plaintext of TLS, and takes the kernel long to verify.
func WithoutTLS(spec *ebpf.CollectionSpec) {
	for _, name := range []string{"ssl_ends", "go_tls_returns", "rustls_function"} {
		spec.Programs[name] = none()
	}
}

// receiveArguments counts the arguments of the kernel's tcp_recvmsg; the program knows how they lie when there are 4 to 6.
func receiveArguments() (uint32, error) {
	kernel, err := btf.LoadKernelSpec()
	if err != nil {
		return 0, fmt.Errorf("read the kernel's types: %w", err)
	}
	var function *btf.Func
	if err := kernel.TypeByName("tcp_recvmsg", &function); err != nil {
		return 0, fmt.Errorf("find tcp_recvmsg in the kernel's types: %w", err)
	}
	proto, ok := function.Type.(*btf.FuncProto)
	if !ok || len(proto.Params) < 4 || len(proto.Params) > 6 {
		return 0, fmt.Errorf("tcp_recvmsg of this kernel has other arguments than weft knows: %v", function.Type)
	}
	return uint32(len(proto.Params)), nil
}
