package agent

import (
	"errors"
	"fmt"
	"os"
	"runtime"
	"strings"
	"sync"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/link"
	"github.com/cilium/ebpf/rlimit"

	"weft/bpf"
)

// ErrKernel means that this kernel lacks what the capture stands on.
var ErrKernel = errors.New("this kernel lacks all of the tracepoints sock_send_length and sock_recv_length (Linux 6.3), fexit and kretprobes, or its type information (CONFIG_DEBUG_INFO_BTF)")

// kernel is the loaded kernel side: it lives as long as the process, nothing is pinned.
type kernel struct {
	objects   bpf.Objects
	build     bpf.Build
	hook      bpf.Hook
	passed    []passedOver
	probes    bpf.Probes
	cookies   bool  // a probe can tell its program what it was attached with
	single    error // why probes are not put on by the better way; nil: they are, or it was not wanted
	links     []link.Link
	epoch     uint32
	updating  sync.Mutex
	detaching sync.Once
	detached  bool
	waking    bool // wakes of threads are told, or can't be
	missing   []Missing
}

// passedOver is a better hook that could not be had, and why.
type passedOver struct {
	hook   bpf.Hook
	reason error
}

// Missing is a capability that this kernel or these permissions do not give.
type Missing struct {
	Hook   string // the tracepoint
	Effect string // what is not seen without it
	Reason error
}

// hook binds a program to what is lost without it; an empty effect means that nothing works without it.
type hook struct {
	name   string
	put    bpf.Capture
	effect string
}

// load puts the programs and maps into the kernel, sized and configured, and attaches them: to the hook that was asked for, or to the
// best one that can be had here. Each is tried; no version number decides.
func load(o *Options) (*kernel, error) {
	if o.Hook != "" {
		k, err := loadHook(o, o.Hook)
		if err != nil && !errors.Is(err, ErrPermission) {
			err = tooOld(err)
		}
		return k, err
	}
	var passed []passedOver
	var failed []error
	for _, hook := range bpf.Hooks {
		k, err := loadHook(o, hook)
		if err == nil {
			k.passed = passed
			return k, nil
		}
		if errors.Is(err, ErrPermission) {
			return nil, err
		}
		passed = append(passed, passedOver{hook, err})
		failed = append(failed, fmt.Errorf("hook %s: %w", hook, err))
	}
	return nil, tooOld(errors.Join(failed...))
}

// ErrTooOld means that the programs can't be had on this kernel by any hook.
var ErrTooOld = errors.New("weft needs Linux 5.10 or later")

// tooOld says what the kernel lacks, if it is that; what the verifier said of the first program that it refused is no help then.
func tooOld(err error) error {
	missing := missingFeatures()
	if len(missing) == 0 {
		return err
	}
	return fmt.Errorf("%w: this kernel lacks %s", ErrTooOld, strings.Join(missing, "; "))
}

// loadHook is load for one hook: with the state of sockets where it is kept best.
func loadHook(o *Options, hook bpf.Hook) (*kernel, error) {
	var failed []error
	for _, build := range hook.Builds() {
		k, err := loadBuild(o, hook, build)
		if err == nil || errors.Is(err, ErrPermission) {
			return k, err
		}
		failed = append(failed, err)
	}
	return nil, errors.Join(failed...)
}

func loadBuild(o *Options, hook bpf.Hook, build bpf.Build) (*kernel, error) {
	// 5.10 still counts maps against the limit of locked memory; later kernels do not, so an error says nothing.
	_ = rlimit.RemoveMemlock()
	spec, err := build.Spec()
	if err != nil {
		return nil, fmt.Errorf("read the embedded programs: %w", err)
	}
	spec.Maps["ring"].MaxEntries = uint32(o.RingSize)
	memory, err := memoryOf()
	if err != nil {
		return nil, err
	}
	cpus, err := ebpf.PossibleCPU()
	if err != nil {
		return nil, fmt.Errorf("ask how many CPUs the machine can have: %w", err)
	}
	fitMaps(spec.Maps, o, memory, cpus)
	settings := bpf.WeftSetting{Self: uint32(os.Getpid()), Wake: wakeBytes(o.RingSize)}
	if o.TLS {
		settings.Tls = 1
	}
	if o.Choice.OnlyPorts {
		settings.IgnoreUnknown = 1
	}
	if len(o.Choice.IncludePorts)+len(o.Choice.ExcludePorts) > 0 {
		settings.Ports = 1
	}
	if err := spec.Variables["settings"].Set(settings); err != nil {
		return nil, fmt.Errorf("configure the programs: %w", err)
	}
	if err := hook.Choose(spec); err != nil {
		return nil, explain("choose the hook", err)
	}
	if !o.TLS {
		bpf.WithoutTLS(spec)
	}
	k := &kernel{epoch: 1, hook: hook, build: build, probes: o.Probes}
	if k.probes == "" {
		k.probes, k.single = chooseProbes()
	}
	k.probes.Choose(spec)
	k.knowCalls(spec)
	if err := k.objects.Load(spec, nil); err != nil {
		return nil, explain("load the programs", err)
	}
	if err := k.putPorts(&o.Choice); err != nil {
		k.close()
		return nil, err
	}
	if err := k.decide(&o.Choice); err != nil {
		k.close()
		return nil, err
	}
	if err := k.attach(); err != nil {
		k.close()
		return nil, err
	}
	return k, nil
}

// wakeBytes is how much one CPU writes before it wakes the reader: few wake-ups, and never more than a quarter of the ring
// that nobody was told of.
func wakeBytes(ring uint64) uint32 {
	return uint32(min(ring/4/uint64(runtime.NumCPU()), 1<<20))
}

func (k *kernel) putPorts(c *Choice) error {
	for value, ports := range map[uint8][]uint16{1: c.IncludePorts, 2: c.ExcludePorts} {
		for _, port := range ports {
			if err := k.objects.Ports.Put(port, value); err != nil {
				return fmt.Errorf("write port %d to the kernel: %w", port, err)
			}
		}
	}
	return nil
}

// decide settles what runs already, so that nothing of an ignored process is recorded, or lost, at the start.
func (k *kernel) decide(c *Choice) error {
	if c.Decide == nil {
		return nil
	}
	for _, pid := range processIDs() {
		if err := k.update(pid, func(p *bpf.WeftProcess) { p.Choice = uint8(c.Decide(pid)) }); err != nil {
			return err
		}
	}
	return nil
}

func (k *kernel) attach() error {
	p := &k.objects.WeftPrograms
	on := func(p *ebpf.Program) bpf.Capture { return bpf.Capture{Program: p} }
	hooks := []hook{
		{"sched_process_exec", on(p.SchedProcessExec), "names of processes that end before they are read from /proc"},
		{"sched_process_fork", on(p.SchedProcessFork), "names of forked processes that end before they are read from /proc"},
		{"sched_process_exit", on(p.SchedProcessExit), "the end of processes"},
		{"inet_sock_set_state", on(p.InetSockSetState), "connect times, and responses that end with their connection"},
		{"tcp_receive_reset", on(p.TcpReceiveReset), "resets"},
	}
	for _, c := range k.objects.Captures() {
		hooks = append(hooks, hook{name: c.String(), put: c})
	}
	for _, h := range hooks {
		l, err := k.putHook(h.put)
		if err == nil {
			k.links = append(k.links, l)
			continue
		}
		if h.effect == "" {
			return explain("attach to "+h.name, err)
		}
		k.missing = append(k.missing, Missing{Hook: h.name, Effect: h.effect, Reason: err})
	}
	if err := k.objects.Attached.Set(uint32(1)); err != nil {
		return fmt.Errorf("tell the kernel side that all hooks are there: %w", err)
	}
	return nil
}

// putHook puts a program on a hook. The room for calls under way at a return is asked for in a way that not every container has.
func (k *kernel) putHook(c bpf.Capture) (link.Link, error) {
	l, err := c.Attach()
	if err == nil || !c.Returns() {
		return l, err
	}
	narrow, failed := c.AttachNarrow()
	if failed != nil {
		return nil, err
	}
	k.missing = append(k.missing, Missing{
		Hook: c.String(), Effect: "calls, where more than ten, or twice as many as there are CPUs, wait in that function", Reason: err,
	})
	return narrow, nil
}

// release lets all exchanges in again: the ring is empty.
func (k *kernel) release() error {
	var pressure uint32
	if err := k.objects.Pressure.Get(&pressure); err != nil {
		return fmt.Errorf("read the pressure: %w", err)
	}
	if pressure == 0 {
		return nil
	}
	if err := k.objects.Pressure.Set(uint32(0)); err != nil {
		return fmt.Errorf("release the pressure: %w", err)
	}
	return nil
}

// explain says what the user can do about what the kernel said.
func explain(doing string, err error) error {
	switch {
	case errors.Is(err, os.ErrPermission):
		return refused(doing, err)
	case errors.Is(err, ebpf.ErrNotSupported), errors.Is(err, os.ErrNotExist):
		return fmt.Errorf("%s: %w (%w)", doing, err, ErrKernel)
	}
	return fmt.Errorf("%s: %w", doing, err)
}

// detach takes the programs off; what is on the ring can still be read.
func (k *kernel) detach() {
	k.detaching.Do(func() {
		k.detached = true
		for _, l := range k.links {
			l.Close()
		}
	})
}

func (k *kernel) close() {
	k.detach()
	k.objects.Close()
}
