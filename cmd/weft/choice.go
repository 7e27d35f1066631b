package main

import (
	"bytes"
	"cmp"
	"fmt"
	"os"
	"slices"
	"strings"
	"sync/atomic"

	"weft/agent"
	"weft/agent/config"
	"weft/agent/container"
	"weft/agent/pod"
	"weft/agent/process"
	"weft/correlate/event"
)

// newChoice parts the rules into those on processes and those on ports. known gives the facts that the former ask for.
// pods may be nil.
func newChoice(include, exclude []config.Rule, known func(pid uint32) facts, pods podFacts) agent.Choice {
	var c agent.Choice
	var including, excluding []config.Rule
	including, c.IncludePorts = part(include)
	excluding, c.ExcludePorts = part(exclude)
	c.OnlyPorts = len(c.IncludePorts) > 0 && len(including) == 0
	if len(including)+len(excluding)+len(c.IncludePorts) == 0 {
		return c
	}
	c.Decide = func(pid uint32) agent.Verdict {
		f := known(pid)
		switch {
		case f.match(excluding, pid, pods):
			return agent.Excluded
		case len(including) == 0 && !c.OnlyPorts, f.match(including, pid, pods):
			return agent.Traced
		}
		return agent.Other
	}
	return c
}

// part tells rules on processes from those that are a port alone; config allows no rule that is both.
func part(rules []config.Rule) (processes []config.Rule, ports []uint16) {
	for _, r := range rules {
		if r.Port != 0 {
			ports = append(ports, r.Port)
		} else {
			processes = append(processes, r)
		}
	}
	return processes, ports
}

// facts are what rules ask for of a process.
type facts struct {
	exe, command, cgroup string
	place                container.Place
	env                  []string // only if a rule asks for it
}

func (f *facts) match(rules []config.Rule, pid uint32, pods podFacts) bool {
	if len(rules) == 0 {
		return false
	}
	s := config.Subject{PID: pid, Exe: f.exe, Command: f.command, Cgroup: f.cgroup, Env: f.env}
	if pods != nil && f.place.Pod != "" {
		p := pods.Facts(f.place)
		s.Namespace, s.Pod, s.Image, s.Owners, s.Labels = p.Namespace, p.Pod, p.Image, p.Owners, p.Labels
	}
	return slices.ContainsFunc(rules, func(r config.Rule) bool { return r.Match(&s) })
}

// podFacts knows what rules ask for of pods.
type podFacts interface {
	Facts(container.Place) pod.Facts
}

// readFacts reads them from /proc; a process that is gone has none. unified tells whether the cgroup is the one that the kernel
// gives an id to.
func readFacts(pid uint32) (f facts, unified bool) {
	dir := fmt.Sprintf("/proc/%d/", pid)
	f.exe, _ = os.Readlink(dir + "exe")
	if b, err := os.ReadFile(dir + "cmdline"); err == nil {
		f.command = joined(b)
	}
	if b, err := os.ReadFile(dir + "cgroup"); err == nil {
		f.cgroup, unified = cgroupPath(string(b))
		f.place = container.Of(b)
	}
	return f, unified
}

// readEnv gives the variables that a process was started with.
func readEnv(pid uint32) []string {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/environ", pid))
	if err != nil {
		return nil
	}
	return variables(b)
}

// variables parts NUL-separated variables; the last is left out if it was cut.
func variables(env []byte) (list []string) {
	for v := range bytes.Lines(bytes.ReplaceAll(bytes.ReplaceAll(env, []byte{'\n'}, []byte{' '}), []byte{0}, []byte{'\n'})) {
		if text, whole := bytes.CutSuffix(v, []byte{'\n'}); whole {
			list = append(list, string(text))
		}
	}
	return list
}

func joined(args []byte) string {
	return strings.TrimRight(string(bytes.ReplaceAll(args, []byte{0}, []byte{' '})), " ")
}

// cgroupPath gives the longest path in the contents of /proc/PID/cgroup, and whether it is that of the unified hierarchy.
func cgroupPath(text string) (path string, unified bool) {
	for line := range strings.Lines(text) {
		parts := strings.SplitN(strings.TrimSuffix(line, "\n"), ":", 3)
		if len(parts) == 3 && len(parts[2]) > len(path) {
			path, unified = parts[2], parts[0] == "0"
		}
	}
	return path, unified
}

// witness remembers what a process was when it executed its program: one that lives for some milliseconds is gone from /proc when
// it is decided on. It stands in front of the table of processes, which hears of each of them.
type witness struct {
	*process.Table
	seen    map[uint32]facts
	cgroups map[uint64]string   // by the kernel's id
	gone    [2]map[uint32]facts // of processes that have ended: their last spans are still to come
	forget  func(pid uint32)    // of what was decided on a process; may be nil
	asksEnv atomic.Bool         // a rule is about the environment, which is not read otherwise
}

// witnessMax bounds what is remembered: ends of processes are lost when the ring is full.
const witnessMax = 1 << 15

// goneMax is how many processes have to end before one that has ended is surely forgotten.
const goneMax = 1 << 12

func newWitness(t *process.Table) *witness {
	return &witness{
		Table: t, seen: map[uint32]facts{}, cgroups: map[uint64]string{}, gone: [2]map[uint32]facts{{}, {}}, forget: func(uint32) {},
	}
}

// Exec remembers the facts as /proc has them, else as the kernel copied them.
func (w *witness) Exec(e process.Execution) *event.Process {
	f, unified := readFacts(e.PID)
	f.exe = cmp.Or(f.exe, string(e.File))
	f.command = cmp.Or(f.command, joined(e.Args))
	if len(w.cgroups) >= witnessMax {
		clear(w.cgroups)
	}
	if unified {
		w.cgroups[e.Cgroup] = f.cgroup
	}
	f.cgroup = cmp.Or(f.cgroup, w.cgroups[e.Cgroup])
	f.place = cmp.Or(f.place, container.Parse(f.cgroup))
	if w.asksEnv.Load() {
		f.env = variables(e.Env)
	}
	w.put(e.PID, f)
	w.forget(e.PID)
	return w.Table.Exec(e)
}

// Fork remembers that the child is what its parent is.
func (w *witness) Fork(parent, child uint32) {
	delete(w.seen, child)
	w.forget(child)
	if f, ok := w.seen[parent]; ok {
		w.put(child, f)
	}
	w.Table.Fork(parent, child)
}

// Find remembers a process that is older than weft.
func (w *witness) Find(pid uint32) *event.Process {
	if _, ok := w.seen[pid]; !ok {
		f, _ := readFacts(pid)
		if w.asksEnv.Load() {
			f.env = readEnv(pid)
		}
		w.put(pid, f)
	}
	return w.Table.Find(pid)
}

// Exit forgets a process, after some others.
func (w *witness) Exit(pid uint32) {
	if f, ok := w.seen[pid]; ok {
		if len(w.gone[0]) >= goneMax {
			w.gone[0], w.gone[1] = map[uint32]facts{}, w.gone[0]
		}
		w.gone[0][pid] = f
	}
	delete(w.seen, pid)
	w.Table.Exit(pid)
}

func (w *witness) put(pid uint32, f facts) {
	if len(w.seen) >= witnessMax {
		clear(w.seen) // /proc still knows those that live
	}
	w.seen[pid] = f
}

// facts gives what a process is now, and what it was where that can't be read any more.
func (w *witness) facts(pid uint32) facts {
	now, _ := readFacts(pid)
	then, ok := w.seen[pid]
	for i := 0; !ok && i < len(w.gone); i++ {
		then, ok = w.gone[i][pid]
	}
	now.exe, now.command, now.cgroup = cmp.Or(now.exe, then.exe), cmp.Or(now.command, then.command), cmp.Or(now.cgroup, then.cgroup)
	now.place = cmp.Or(now.place, then.place)
	if now.env = then.env; now.env == nil && w.asksEnv.Load() {
		now.env = readEnv(pid)
	}
	return now
}
