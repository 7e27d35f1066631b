package main

import (
	"os"
	"slices"
	"testing"

	"weft/agent"
	"weft/agent/config"
)

// TestChoice asks the rules about this very process.
func TestChoice(t *testing.T) {
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	me := uint32(os.Getpid())
	mine := config.Rule{Exe: config.Glob(exe)}
	others := config.Rule{Exe: "no-such-program"}
	port := config.Rule{Port: 8080}
	for _, c := range []struct {
		name             string
		include, exclude []config.Rule
		want             agent.Verdict
		onlyPorts        bool
	}{
		{name: "included", include: []config.Rule{others, mine}, want: agent.Traced},
		{name: "not included", include: []config.Rule{others}, want: agent.Other},
		{name: "excluded", include: []config.Rule{mine}, exclude: []config.Rule{{PID: me}}, want: agent.Excluded},
		{name: "nothing included, others excluded", exclude: []config.Rule{others}, want: agent.Traced},
		{name: "port", include: []config.Rule{port}, want: agent.Other, onlyPorts: true},
		{name: "port or process", include: []config.Rule{port, mine}, want: agent.Traced},
		{name: "port, but excluded", include: []config.Rule{port}, exclude: []config.Rule{mine}, want: agent.Excluded, onlyPorts: true},
	} {
		t.Run(c.name, func(t *testing.T) {
			choice := newChoice(c.include, c.exclude)
			if got := choice.Decide(me); got != c.want {
				t.Errorf("verdict %d, want %d", got, c.want)
			}
			if choice.OnlyPorts != c.onlyPorts {
				t.Errorf("only ports %v, want %v", choice.OnlyPorts, c.onlyPorts)
			}
			if slices.Contains(c.include, port) != slices.Contains(choice.IncludePorts, 8080) {
				t.Errorf("ports %v", choice.IncludePorts)
			}
		})
	}
	if newChoice(nil, nil).Decide != nil {
		t.Error("without rules nothing has to be decided")
	}
}
