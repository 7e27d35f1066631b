package main

import (
	"log/slog"

	"weft/agent"
	"weft/agent/config"
	"weft/agent/process"
	"weft/bpf"
)

// openAgent wires the agent to the facts about processes and to the rules of the configuration.
func openAgent(c *config.Config, log *slog.Logger) (*agent.Agent, error) {
	w := newWitness(process.New(process.Options{}))
	o := agent.Options{
		RingSize: uint64(c.RingSize), Choice: newChoice(c.Rules(), c.TraceExclude, w.facts),
		Hook: hookOf(c), Processes: w, Handover: c.GoHandover != config.HandoverOff, Log: log,
	}
	if o.Choice.Decide == nil { // nobody asks a witness
		o.Processes = w.Table
	}
	return agent.Open(o)
}

// hookOf gives the hook that the configuration asks for; empty for the best one.
func hookOf(c *config.Config) bpf.Hook {
	if c.Hook == config.HookAuto {
		return ""
	}
	return bpf.Hook(c.Hook)
}
