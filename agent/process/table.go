// Package process owns who the processes of this machine are: what they call themselves, what they run, and where.
//
// It knows them from what the kernel copied when they executed, and from /proc. Both are bounded, and both are
// written by strangers.
package process

import (
	"bytes"
	"cmp"
	"os"
	"slices"
	"strings"

	"weft/agent/container"
	"weft/correlate/event"
)

// Options say how processes are described.
type Options struct {
	Proc     string // where /proc of the host is; default /proc
	HostName string // host.name; default: that of this machine
	HostID   string // host.id; default: the contents of /etc/machine-id, that of the first process if weft is in a container
	Limit    int    // processes that are remembered; default 16384
	Pods     Pods   // nil: nothing is known of pods but what the cgroup tells
}

// Pods knows the pods of this node. It is asked from one goroutine and must be quick.
type Pods interface {
	// Version changes whenever an answer of Attributes may have.
	Version() uint64
	// Attributes gives what is known of a place, a service's name included; nil: nothing. They count less than what the
	// environment of a process says, and more than what weft finds out.
	Attributes(container.Place) []event.Attribute
}

// An entry is what is remembered of one thread group.
type entry struct {
	process *event.Process
	facts   *facts
	owner   uint32 // the process id in process; another one until a forked child is looked up for the first time
}

// A Table knows processes by their thread group id, in the process namespace of Options.Proc. It is not safe for
// concurrent use.
type Table struct {
	options     Options
	host        []event.Attribute
	entries     map[uint32]entry
	executables executables
	places      map[uint64]container.Place // by cgroup, for processes that are gone before /proc is read
	version     uint64                     // of the pods, when they were last asked
}

// New makes an empty table.
func New(o Options) *Table {
	if o.Proc == "" {
		o.Proc = "/proc"
	}
	if o.HostName == "" {
		o.HostName, _ = os.Hostname() // without it the attribute is left out
	}
	if o.HostID == "" {
		o.HostID = cmp.Or(machineID(o.Proc+"/1/root"), machineID(""))
	}
	if o.Limit <= 0 {
		o.Limit = 16384
	}
	return &Table{
		options:     o,
		host:        hostAttributes(o),
		entries:     map[uint32]entry{},
		executables: executables{},
		places:      map[uint64]container.Place{},
	}
}

func machineID(root string) string {
	return strings.TrimSpace(string(readBounded(root + "/etc/machine-id")))
}

// Execution is what the kernel copied when a process executed a program. The arguments and the environment are
// NUL-separated; everything may be cut.
type Execution struct {
	PID        uint32
	File, Comm []byte // the path given to execve, and the command name
	Args, Env  []byte
	Cgroup     uint64
}

// Exec notes that a process has executed a program. What the kernel could not copy is read from /proc if the process is
// still there. The result is never nil.
func (t *Table) Exec(e Execution) *event.Process {
	from := t.proc(e.PID)
	p := t.program(from)
	p.exe, p.file, p.comm = from.link("exe"), text(e.File), text(e.Comm)
	args, env := e.Args, e.Env
	if isCut(args) {
		args = longer(args, from.read("cmdline"))
	}
	if isCut(env) {
		env = longer(env, from.read("environ"))
	}
	p.args, p.env = arguments(args), readEnvironment(env)
	return t.add(e.PID, t.describe(e.PID, p, t.place(from, e.Cgroup)))
}

// Fork notes that child runs what parent runs, until it executes something else.
func (t *Table) Fork(parent, child uint32) {
	if parent == child {
		return
	}
	if e, ok := t.entries[parent]; ok {
		t.put(child, e)
		return
	}
	delete(t.entries, child) // a reused id
}

// Exit forgets a process.
func (t *Table) Exit(pid uint32) { delete(t.entries, pid) }

// Len is the number of processes that are remembered.
func (t *Table) Len() int { return len(t.entries) }

// Find gives the process that a thread group or one of its threads belongs to. One that was never seen is read
// from /proc; nil if it is not there either.
func (t *Table) Find(pid uint32) *event.Process {
	e, ok := t.entries[pid]
	if !ok {
		return t.load(pid)
	}
	if e.owner != pid {
		e = entry{process: t.compose(e.facts, pid), facts: e.facts, owner: pid}
		t.entries[pid] = e
	}
	return e.process
}

// load reads a process from /proc.
func (t *Table) load(pid uint32) *event.Process {
	from := t.proc(pid)
	group, comm := from.group()
	if group == 0 {
		return nil
	}
	if group != pid { // a thread: it is not remembered, its end would not be told
		if e, ok := t.entries[group]; ok && e.owner == group {
			return e.process
		}
		return t.Find(group)
	}
	p := t.program(from)
	p.exe, p.comm = from.link("exe"), comm
	p.args, p.env = arguments(from.read("cmdline")), readEnvironment(from.read("environ"))
	return t.add(pid, t.describe(pid, p, container.Of(from.read("cgroup"))))
}

func (t *Table) program(from proc) *program {
	return &program{directory: func() string { return from.link("cwd") }, content: from.content}
}

// place finds where a process is that has just executed: by its /proc, or by what another one in the same cgroup said.
func (t *Table) place(from proc, cgroup uint64) container.Place {
	text := from.read("cgroup")
	if text == nil {
		return t.places[cgroup]
	}
	place := container.Of(text)
	if container.Unified(text) {
		if len(t.places) >= t.options.Limit {
			clear(t.places)
		}
		t.places[cgroup] = place
	}
	return place
}

func (t *Table) add(pid uint32, f *facts) *event.Process {
	p := t.compose(f, pid)
	t.put(pid, entry{process: p, facts: f, owner: pid})
	return p
}

// Renamed tells each process of which more, or something else, is known than when it was last told: its pod has appeared or
// changed. It costs nothing while no pod changes.
func (t *Table) Renamed(tell func(pid uint32, p *event.Process) error) error {
	if t.options.Pods == nil || t.options.Pods.Version() == t.version {
		return nil
	}
	t.version = t.options.Pods.Version()
	for pid, e := range t.entries {
		if e.owner != pid || e.facts.place.Pod == "" || t.options.Pods.Attributes(e.facts.place) == nil {
			continue // a child that was not asked for yet is described when it is, and what outlives its pod keeps its name
		}
		p := t.compose(e.facts, pid)
		if p.Service == e.process.Service && slices.Equal(p.Attributes, e.process.Attributes) {
			continue
		}
		t.entries[pid] = entry{process: p, facts: e.facts, owner: pid}
		if err := tell(pid, p); err != nil {
			return err
		}
	}
	return nil
}

// put remembers an entry. A full table gives up any other one: it is read from /proc when it is asked for.
func (t *Table) put(pid uint32, e entry) {
	if _, ok := t.entries[pid]; !ok && len(t.entries) >= t.options.Limit {
		for other := range t.entries {
			delete(t.entries, other)
			break
		}
	}
	t.entries[pid] = e
}

// isCut tells whether the kernel's copy may have been cut: whole ones end in a NUL.
func isCut(b []byte) bool {
	return len(b) == 0 || b[len(b)-1] != 0 || len(b)%1024 == 0
}

func longer(a, b []byte) []byte {
	if len(b) > len(a) {
		return b
	}
	return a
}

// text gives the string in a buffer that is filled up with NUL bytes.
func text(b []byte) string {
	if i := bytes.IndexByte(b, 0); i >= 0 {
		b = b[:i]
	}
	return string(b)
}

// arguments splits NUL-separated arguments. A process title written over them leaves NUL bytes behind.
func arguments(b []byte) []string {
	b = bytes.TrimRight(b, "\x00")
	if len(b) == 0 {
		return nil
	}
	return strings.Split(string(b), "\x00")
}
