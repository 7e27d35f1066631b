package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"slices"

	"weft/agent"
	"weft/agent/config"
	"weft/agent/pod"
	"weft/agent/process"
	"weft/bpf"
)

// openAgent wires the agent to the facts about processes and to the rules of the configuration.
func openAgent(ctx context.Context, c *config.Config, log *slog.Logger) (*agent.Agent, error) {
	pods, err := openPods(ctx, c, log)
	if err != nil {
		return nil, err
	}
	w := newWitness(process.New(process.Options{Pods: pods}))
	o := agent.Options{
		RingSize: uint64(c.RingSize), Choice: newChoice(c.Rules(), c.TraceExclude, w.facts),
		Hook: hookOf(c), Processes: w, Renamed: w.Renamed, Handover: c.GoHandover != config.HandoverOff, TLS: c.TLS == config.On, Log: log,
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

// openPods starts the watch of this node's pods; nil: there is none to be had, or none is wanted.
func openPods(ctx context.Context, c *config.Config, log *slog.Logger) (process.Pods, error) {
	if c.KubernetesWatch == config.Off {
		return nil, nil
	}
	node := c.KubernetesNode
	if node == "" {
		node, _ = os.Hostname() // without a name no pod is found, and the cgroups still tell their uids
	}
	w, err := pod.Open(ctx, pod.Options{
		Kubeconfig: c.KubernetesConfig, Node: node, Cluster: c.KubernetesCluster, LabelNames: c.KubernetesLabelNames == config.On,
		Labels: anyOf(c.KubernetesLabels), Annotations: anyOf(c.KubernetesAnnotations), Log: log,
	})
	switch {
	case err == nil:
		return w, nil
	case c.KubernetesWatch == config.On:
		return nil, fmt.Errorf("%w: set kubernetes.config, or kubernetes.watch to off", err)
	case !errors.Is(err, pod.ErrOutside):
		log.Warn("processes are not named by their pods", "reason", err)
	}
	return nil, nil
}

func anyOf(patterns []config.Glob) func(string) bool {
	return func(text string) bool {
		return slices.ContainsFunc(patterns, func(g config.Glob) bool { return g.Match(text) })
	}
}
