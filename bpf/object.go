package bpf

import (
	"errors"
	"fmt"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/link"
)

// Objects are the loaded programs and maps, of either build.
type Objects struct {
	WeftObjects
	AddressObjects // empty where sockets keep their state themselves
}

// AddressObjects are those that only the build by address has.
type AddressObjects struct {
	FunctionCalls           *ebpf.Map     `ebpf:"function_calls"`
	TCPSendmsgBegins        *ebpf.Program `ebpf:"tcp_sendmsg_begins"`
	TCPRecvmsgBegins        *ebpf.Program `ebpf:"tcp_recvmsg_begins"`
	UnixStreamSendmsgBegins *ebpf.Program `ebpf:"unix_stream_sendmsg_begins"`
	UnixStreamRecvmsgBegins *ebpf.Program `ebpf:"unix_stream_recvmsg_begins"`
	SendReturns             *ebpf.Program `ebpf:"send_returns"`
	ReceiveReturns          *ebpf.Program `ebpf:"receive_returns"`
	TCPDestroySock          *ebpf.Program `ebpf:"tcp_destroy_sock"`
	UnixRelease             *ebpf.Program `ebpf:"unix_release"`
	UnixReleaseEnters       *ebpf.Program `ebpf:"unix_release_enters"`
}

// Load puts the specification into the kernel.
func (o *Objects) Load(spec *ebpf.CollectionSpec, options *ebpf.CollectionOptions) error {
	if err := preallocate(spec); err != nil {
		return fmt.Errorf("read the kernel's types: %w", err)
	}
	if err := keepStack(spec); err != nil {
		return err
	}
	if spec.Maps["function_calls"] == nil {
		return spec.LoadAndAssign(&o.WeftObjects, options)
	}
	return spec.LoadAndAssign(o, options)
}

// Close gives the programs and maps back.
func (o *Objects) Close() error {
	a := &o.AddressObjects
	failed := []error{o.WeftObjects.Close(), a.FunctionCalls.Close()}
	for _, p := range []*ebpf.Program{
		a.TCPSendmsgBegins, a.TCPRecvmsgBegins, a.UnixStreamSendmsgBegins, a.UnixStreamRecvmsgBegins, a.SendReturns, a.ReceiveReturns,
		a.TCPDestroySock, a.UnixRelease, a.UnixReleaseEnters,
	} {
		failed = append(failed, p.Close())
	}
	return errors.Join(failed...)
}

// captureProgram is a program of a hook.
type captureProgram struct {
	hook    Hook   // empty: of all
	name    string // in the object
	of      func(*Objects) *ebpf.Program
	at      []string // the kernel's functions, of a program on kprobes
	returns bool     // it is put where they return
}

var (
	senders   = []string{"tcp_sendmsg", "unix_stream_sendmsg"}
	receivers = []string{"tcp_recvmsg", "unix_stream_recvmsg"}
)

// capturePrograms are those that see operations, and the ends of sockets where their addresses are what they are known by.
var capturePrograms = []captureProgram{
	{hook: Tracepoint, name: "sock_send_length", of: func(o *Objects) *ebpf.Program { return o.SockSendLength }},
	{hook: Tracepoint, name: "sock_recv_length", of: func(o *Objects) *ebpf.Program { return o.SockRecvLength }},
	{hook: Fexit, name: "tcp_sendmsg", of: func(o *Objects) *ebpf.Program { return o.TcpSendmsg }},
	{hook: Fexit, name: "tcp_recvmsg", of: func(o *Objects) *ebpf.Program { return o.TcpRecvmsg }},
	{hook: Fexit, name: "unix_stream_sendmsg", of: func(o *Objects) *ebpf.Program { return o.UnixStreamSendmsg }},
	{hook: Fexit, name: "unix_stream_recvmsg", of: func(o *Objects) *ebpf.Program { return o.UnixStreamRecvmsg }},
	{hook: Fexit, name: "unix_release_enters", of: func(o *Objects) *ebpf.Program { return o.UnixReleaseEnters }},
	{hook: Kretprobe, name: "tcp_sendmsg_begins", of: func(o *Objects) *ebpf.Program { return o.TCPSendmsgBegins }, at: senders[:1]},
	{hook: Kretprobe, name: "tcp_recvmsg_begins", of: func(o *Objects) *ebpf.Program { return o.TCPRecvmsgBegins }, at: receivers[:1]},
	{hook: Kretprobe, name: "unix_stream_sendmsg_begins", of: func(o *Objects) *ebpf.Program { return o.UnixStreamSendmsgBegins }, at: senders[1:]},
	{hook: Kretprobe, name: "unix_stream_recvmsg_begins", of: func(o *Objects) *ebpf.Program { return o.UnixStreamRecvmsgBegins }, at: receivers[1:]},
	{hook: Kretprobe, name: "send_returns", of: func(o *Objects) *ebpf.Program { return o.SendReturns }, at: senders, returns: true},
	{hook: Kretprobe, name: "receive_returns", of: func(o *Objects) *ebpf.Program { return o.ReceiveReturns }, at: receivers, returns: true},
	{hook: Kretprobe, name: "unix_release", of: func(o *Objects) *ebpf.Program { return o.UnixRelease }, at: []string{"unix_release"}},
	{name: "tcp_destroy_sock", of: func(o *Objects) *ebpf.Program { return o.TCPDestroySock }},
}

// Capture is a loaded program of the chosen hook, and where it is put.
type Capture struct {
	Program  *ebpf.Program
	function string // of a program on kprobes
	returns  bool
}

// Captures gives the loaded programs of whichever hook was chosen.
func (o *Objects) Captures() []Capture {
	var all []Capture
	for _, c := range capturePrograms {
		program := c.of(o)
		if program == nil || program.Type() == ebpf.SocketFilter { // an empty one
			continue
		}
		if program.Type() == ebpf.Tracing {
			all = append(all, Capture{Program: program})
		}
		for _, function := range c.at {
			all = append(all, Capture{program, function, c.returns})
		}
	}
	return all
}

// callsMax is how many calls of one function may be under way so that all their returns are seen, the most that the kernel allows. Without a
// number it is ten, or twice the CPUs, and a thread that waits in a receive is one of them.
const callsMax = 4096

// Attach puts the program on.
func (c Capture) Attach() (link.Link, error) {
	switch {
	case c.function == "":
		return link.AttachTracing(link.TracingOptions{Program: c.Program})
	case !c.returns:
		return link.Kprobe(c.function, c.Program, nil)
	}
	l, err := link.Kretprobe(c.function, c.Program, &link.KprobeOptions{RetprobeMaxActive: callsMax})
	if err != nil {
		return nil, fmt.Errorf("put a probe on the return of %s, with room for %d calls: %w", c.function, callsMax, err)
	}
	return l, nil
}

// AttachNarrow puts the program on a return with what room the kernel gives by itself: that needs no tracefs.
func (c Capture) AttachNarrow() (link.Link, error) {
	return link.Kretprobe(c.function, c.Program, nil)
}

// Returns tells whether the program is put on the return of a function.
func (c Capture) Returns() bool { return c.returns }

func (c Capture) String() string {
	switch {
	case c.function == "":
		return c.Program.String()
	case c.returns:
		return "the return of " + c.function
	}
	return c.function
}
