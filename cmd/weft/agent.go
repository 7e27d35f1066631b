package main

import (
	"fmt"
	"log/slog"
	"os"
	"strings"

	"weft/agent"
	"weft/agent/config"
	"weft/agent/process"
)

// openAgent wires the agent to the facts about processes and to the rules of the configuration.
func openAgent(c *config.Config, log *slog.Logger) (*agent.Agent, error) {
	return agent.Open(agent.Options{
		RingSize:  uint64(c.RingSize),
		Choice:    newChoice(c.Rules(), c.TraceExclude),
		Processes: process.New(process.Options{}),
		Handover:  c.GoHandover != config.HandoverOff,
		Log:       log,
	})
}

// newChoice parts the rules into those on processes and those on ports.
func newChoice(include, exclude []config.Rule) agent.Choice {
	var c agent.Choice
	var including, excluding []config.Rule
	including, c.IncludePorts = part(include)
	excluding, c.ExcludePorts = part(exclude)
	c.OnlyPorts = len(c.IncludePorts) > 0 && len(including) == 0
	if len(including)+len(excluding)+len(c.IncludePorts) == 0 {
		return c
	}
	c.Decide = func(pid uint32) agent.Verdict {
		exe, command, cgroup := facts(pid)
		switch {
		case matches(excluding, pid, exe, command, cgroup):
			return agent.Excluded
		case len(including) == 0 && !c.OnlyPorts, matches(including, pid, exe, command, cgroup):
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

func matches(rules []config.Rule, pid uint32, exe, command, cgroup string) bool {
	for _, r := range rules {
		if r.MatchProcess(pid, exe, command, cgroup) {
			return true
		}
	}
	return false
}

// facts reads what rules ask for; a process that is gone has none.
func facts(pid uint32) (exe, command, cgroup string) {
	dir := fmt.Sprintf("/proc/%d/", pid)
	exe, _ = os.Readlink(dir + "exe")
	if b, err := os.ReadFile(dir + "cmdline"); err == nil {
		command = strings.TrimRight(strings.ReplaceAll(string(b), "\x00", " "), " ")
	}
	if b, err := os.ReadFile(dir + "cgroup"); err == nil {
		for _, line := range strings.Split(string(b), "\n") {
			if parts := strings.SplitN(line, ":", 3); len(parts) == 3 && len(parts[2]) > len(cgroup) {
				cgroup = parts[2]
			}
		}
	}
	return exe, command, cgroup
}
