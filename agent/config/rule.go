package config

import (
	"slices"
	"strconv"
	"strings"
)

// Rule chooses processes, by all its conditions that are set, or connections, by a port alone.
type Rule struct {
	Exe       Glob
	Command   Glob
	PID       uint32
	Cgroup    Glob
	Namespace Glob // of the pod
	Pod       Glob
	Owner     Glob // a workload that the pod belongs to
	Image     Glob // of the container, without tag and digest
	Label     Glob // of the pod: KEY=VALUE
	Env       Glob // a variable of the process: NAME=VALUE
	Port      uint16
}

// Subject is what rules are held against: what is known of a process. What is not known matches no pattern but *.
type Subject struct {
	PID                   uint32
	Exe, Command, Cgroup  string
	Namespace, Pod, Image string
	Owners                []string
	Labels                []string // KEY=VALUE
	Env                   []string // NAME=VALUE
}

// IsZero tells that no condition is set.
func (r Rule) IsZero() bool { return r == Rule{} }

// AsksPod tells whether a condition is about the pod, which may become known later than the process.
func (r Rule) AsksPod() bool {
	return r.Namespace != "" || r.Pod != "" || r.Owner != "" || r.Image != "" || r.Label != ""
}

// Match tells whether the conditions on the process hold; the one on the port, which only a connection can answer, is left to the
// caller.
func (r Rule) Match(s *Subject) bool {
	return (r.PID == 0 || r.PID == s.PID) &&
		(r.Exe == "" || r.Exe.MatchFile(s.Exe)) &&
		r.Command.allows(s.Command) && r.Cgroup.allows(s.Cgroup) &&
		r.Namespace.allows(s.Namespace) && r.Pod.allows(s.Pod) && r.Image.allows(s.Image) &&
		r.Owner.allows(s.Owners...) && r.Label.allows(s.Labels...) && r.Env.allows(s.Env...)
}

// allows tells whether one of the texts matches; an empty pattern allows everything.
func (g Glob) allows(texts ...string) bool { return g == "" || slices.ContainsFunc(texts, g.Match) }

// patterns are the conditions that are patterns, by name, in the order of String.
func (r *Rule) patterns() []struct {
	name string
	at   *Glob
} {
	return []struct {
		name string
		at   *Glob
	}{
		{"exe", &r.Exe}, {"command", &r.Command}, {"cgroup", &r.Cgroup}, {"namespace", &r.Namespace}, {"pod", &r.Pod},
		{"owner", &r.Owner}, {"image", &r.Image}, {"label", &r.Label}, {"env", &r.Env},
	}
}

// String gives the text from which the rule can be read again.
func (r Rule) String() string {
	var conditions []string
	for _, p := range r.patterns() {
		if *p.at != "" {
			conditions = append(conditions, p.name+"="+escape(string(*p.at), '&'))
		}
	}
	if r.PID != 0 {
		conditions = append(conditions, "pid="+strconv.FormatUint(uint64(r.PID), 10))
	}
	if r.Port != 0 {
		conditions = append(conditions, "port="+strconv.FormatUint(uint64(r.Port), 10))
	}
	return strings.Join(conditions, "&")
}

func parseRule(text string) (Rule, error) {
	var r Rule
	for _, condition := range split(text, '&') {
		name, value, _ := strings.Cut(condition, "=")
		if err := r.set(strings.TrimSpace(name), value); err != nil {
			return Rule{}, err
		}
	}
	return r, nil
}

func (r *Rule) set(name, value string) (err error) {
	if value == "" {
		return errSyntax
	}
	switch name {
	case "pid":
		r.PID, err = parseNumber[uint32](value)
		return err
	case "port":
		r.Port, err = parseNumber[uint16](value)
		return err
	}
	for _, p := range r.patterns() {
		if p.name == name {
			*p.at = Glob(value)
			return nil
		}
	}
	return errSyntax
}
