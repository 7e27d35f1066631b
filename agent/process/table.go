// Package process owns who the processes of this machine are: what they call themselves, what they run, and where.
//
// It knows them from what the kernel copied when they executed, and from /proc. Both are bounded, and both are
// written by strangers.
package process

import (
	"bytes"
	"os"
	"strconv"
	"strings"

	"weft/correlate/event"
)

// Options say how processes are described.
type Options struct {
	Proc     string // where /proc of the host is; default /proc
	HostName string // host.name; default: that of this machine
	HostID   string // host.id; default: the contents of /etc/machine-id
	Limit    int    // processes that are remembered; default 16384
}

// An entry is what is remembered of one thread group.
type entry struct {
	process *event.Process
	owner   uint32 // the process id in process; another one until a forked child is looked up for the first time
}

// A Table knows processes by their thread group id, in the process namespace of Options.Proc. It is not safe for
// concurrent use.
type Table struct {
	options     Options
	host        []event.Attribute
	entries     map[uint32]entry
	executables executables
	containers  map[uint64]string // container id by cgroup, for processes that are gone before /proc is read
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
		o.HostID = strings.TrimSpace(string(readBounded("/etc/machine-id")))
	}
	if o.Limit <= 0 {
		o.Limit = 16384
	}
	return &Table{
		options:     o,
		host:        hostAttributes(o),
		entries:     map[uint32]entry{},
		executables: executables{},
		containers:  map[uint64]string{},
	}
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
	return t.add(e.PID, t.describe(e.PID, p, t.container(from, e.Cgroup)))
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
		e = entry{process: forked(e.process, pid), owner: pid}
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
	return t.add(pid, t.describe(pid, p, containerID(from.read("cgroup"))))
}

func (t *Table) program(from proc) *program {
	return &program{directory: func() string { return from.link("cwd") }, content: from.content}
}

// container finds the container of a process that has just executed: by its /proc, or by what another one in the
// same cgroup said. On a machine without the unified hierarchy all processes may share one cgroup id, so only
// an id that the unified path tells is remembered.
func (t *Table) container(from proc, cgroup uint64) string {
	text := from.read("cgroup")
	if text == nil {
		return t.containers[cgroup]
	}
	id := containerID(text)
	if i := bytes.Index(text, []byte("0::/")); i >= 0 && id != "" && containerID(text[i:]) == id {
		if len(t.containers) >= t.options.Limit {
			clear(t.containers)
		}
		t.containers[cgroup] = id
	}
	return id
}

func (t *Table) add(pid uint32, p *event.Process) *event.Process {
	t.put(pid, entry{process: p, owner: pid})
	return p
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

// forked describes a child that runs what its parent runs.
func forked(parent *event.Process, pid uint32) *event.Process {
	p := *parent
	p.Attributes = append([]event.Attribute(nil), parent.Attributes...)
	for i := range p.Attributes {
		if p.Attributes[i].Key == keyPID {
			p.Attributes[i].Value = strconv.FormatUint(uint64(pid), 10)
		}
	}
	return &p
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
