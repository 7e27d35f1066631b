package main

import (
	"log/slog"

	"weft/agent"
	"weft/agent/config"
	"weft/agent/process"
)

// openAgent wires the agent to the facts about processes and to the rules of the configuration.
func openAgent(c *config.Config, log *slog.Logger) (*agent.Agent, error) {
	w := newWitness(process.New(process.Options{}))
	o := agent.Options{
		RingSize: uint64(c.RingSize), Choice: newChoice(c.Rules(), c.TraceExclude, w.facts),
		Processes: w, Handover: c.GoHandover != config.HandoverOff,
		Tasks: c.PythonTasks != config.TasksOff, Log: log,
	}
	if o.Choice.Decide == nil { // nobody asks a witness
		o.Processes = w.Table
	}
	return agent.Open(o)
}
