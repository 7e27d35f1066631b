// Package choice owns which processes are traced: the rules that include and exclude, and what they say of one
// process.
//
// A process is traced if no rule includes anything or one including rule matches, and no excluding rule matches.
// A rule matches when all that it names does. Ports belong to connections, not to processes: rules with a port
// leave that part of the answer to the kernel side, see Set.Ports.
package choice

import (
	"errors"
	"fmt"
	"path"
	"regexp"
	"strings"
)

// A Rule names processes. What is left empty matches all. Globs are those of path.Match, where * does not cross a
// slash; a glob that starts with **/ matches at any depth.
type Rule struct {
	Exclude bool

	Exe     string // glob for the executable's path; without a slash it is for the base name
	Command string // glob for the whole command line, arguments joined by blanks; here * matches anything
	// CommandPattern is a regular expression (RE2) that is looked for in the command line.
	CommandPattern string
	Cgroup         string // glob for the path in the cgroup hierarchy; a folder holds all that is below it
	PID            uint32
	Port           uint16 // the local or the peer's port of a connection; no other key can stand beside it
}

// A rule is one with its patterns compiled.
type rule struct {
	exe     *regexp.Regexp
	base    bool // exe is for the base name
	command []*regexp.Regexp
	cgroup  *regexp.Regexp
	pid     uint32
}

// A Set is a compiled list of rules. It does not change and is safe for concurrent use.
type Set struct {
	include, exclude           []rule
	includePorts, excludePorts []uint16
}

// Limits on a configuration.
const (
	maxRules   = 1024
	maxPattern = 4096 // bytes
)

// Compile checks the rules. The error names the first one that cannot be, counted from 1, and its key.
func Compile(rules []Rule) (*Set, error) {
	if len(rules) > maxRules {
		return nil, fmt.Errorf("%d rules, at most %d are supported", len(rules), maxRules)
	}
	s := &Set{}
	for i, r := range rules {
		if err := s.add(r); err != nil {
			return nil, fmt.Errorf("rule %d: %w", i+1, err)
		}
	}
	return s, nil
}

func (s *Set) add(r Rule) error {
	ports, list := &s.includePorts, &s.include
	if r.Exclude {
		ports, list = &s.excludePorts, &s.exclude
	}
	port := r.Port
	r.Port, r.Exclude = 0, false
	switch empty := r == (Rule{}); {
	case port != 0 && !empty:
		return fmt.Errorf("port: %d cannot stand beside other keys: it chooses connections, they choose processes", port)
	case port != 0:
		*ports = append(*ports, port)
		return nil
	case empty:
		return errors.New("it names nothing")
	}
	compiled, err := compile(r)
	if err != nil {
		return err
	}
	*list = append(*list, compiled)
	return nil
}

func compile(r Rule) (out rule, err error) {
	out.pid = r.PID
	out.base = !strings.Contains(r.Exe, "/")
	if out.exe, err = glob(r.Exe, pathGlob); err != nil {
		return rule{}, fmt.Errorf("exe: %w", err)
	}
	command, err := glob(r.Command, textGlob)
	if err != nil {
		return rule{}, fmt.Errorf("command: %w", err)
	}
	if command != nil {
		out.command = append(out.command, command)
	}
	if r.CommandPattern != "" {
		if len(r.CommandPattern) > maxPattern {
			return rule{}, fmt.Errorf("command_pattern: longer than %d bytes", maxPattern)
		}
		pattern, err := regexp.Compile(r.CommandPattern)
		if err != nil {
			return rule{}, fmt.Errorf("command_pattern: %w", err)
		}
		out.command = append(out.command, pattern)
	}
	if out.cgroup, err = glob(strings.TrimSuffix(r.Cgroup, "/"), treeGlob); err != nil {
		return rule{}, fmt.Errorf("cgroup: %w", err)
	}
	return out, nil
}

// NeedsProcess tells whether any rule names processes. If not, every process is traced, and only ports choose.
func (s *Set) NeedsProcess() bool { return len(s.include)+len(s.exclude) > 0 }

// Ports gives the ports that rules name. A connection with an excluded port is not traced. With included ports, a
// connection is traced if one of its ports is among them or its process is included by a rule of its own.
func (s *Set) Ports() (include, exclude []uint16) { return s.includePorts, s.excludePorts }

// Process tells whether a process is traced. It is not decided when only its connections' ports can include it:
// then no rule names the process, but there are ports to include.
func (s *Set) Process(pid uint32, exe, cmdline, cgroup string) (traced, decided bool) {
	exe = strings.TrimSuffix(exe, " (deleted)")
	if matches(s.exclude, pid, exe, cmdline, cgroup) {
		return false, true
	}
	if matches(s.include, pid, exe, cmdline, cgroup) {
		return true, true
	}
	if len(s.includePorts) > 0 {
		return false, false
	}
	return len(s.include) == 0, true
}

func matches(rules []rule, pid uint32, exe, cmdline, cgroup string) bool {
	for i := range rules {
		if rules[i].matches(pid, exe, cmdline, cgroup) {
			return true
		}
	}
	return false
}

func (r *rule) matches(pid uint32, exe, cmdline, cgroup string) bool {
	if r.base {
		exe = path.Base(exe)
	}
	for _, c := range r.command {
		if !c.MatchString(cmdline) {
			return false
		}
	}
	return (r.pid == 0 || r.pid == pid) &&
		(r.exe == nil || r.exe.MatchString(exe)) &&
		(r.cgroup == nil || r.cgroup.MatchString(cgroup))
}
