package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"slices"
	"time"

	"weft/agent"
	"weft/agent/config"
	"weft/agent/pod"
	"weft/agent/process"
	"weft/agent/watchdog"
	"weft/bpf"
)

// openAgent wires the agent to the facts about processes and to the rules of the configuration. The reloader keeps the rules. watch
// and told, which decides what is told of a process, may be nil.
func openAgent(c *config.Config, watch *pod.Watch, told *rooms, log *slog.Logger) (*agent.Agent, *reloader, error) {
	if err := agent.ShareCgroups(); err != nil {
		log.Info("paths of cgroups may begin at weft's own one: rules on them may not match", "reason", err)
	}
	r := &reloader{current: c, log: log}
	facts := process.Options{HostName: c.KubernetesNode}
	var pods podFacts
	if watch != nil {
		facts.Pods, pods, r.version = watch, watch, watch.Version
	}
	w := newWitness(process.New(facts))
	r.choose = func(c *config.Config) agent.Choice {
		asks := func(r config.Rule) bool { return r.Env != "" }
		treats := func(t config.Treatment) bool { return asks(t.Rule) }
		w.asksEnv.Store(slices.ContainsFunc(slices.Concat(c.Rules(), c.TraceExclude), asks) || slices.ContainsFunc(c.TraceRules, treats))
		return newChoice(c.Rules(), c.TraceExclude, w.facts, pods)
	}
	if told != nil {
		w.forget, r.rehouse = told.forget, func(h *house) { told.pending.Store(h) }
		told.match = func(pid uint32, rule config.Rule) bool {
			f := w.facts(pid)
			return f.match([]config.Rule{rule}, pid, pods)
		}
	}
	o := agent.Options{
		RingSize: uint64(c.RingSize), Choice: r.choose(c),
		Hook: hookOf(c), Probes: probesOf(c), Processes: w, Renamed: w.Renamed, Handover: c.GoHandover != config.HandoverOff, TLS: c.TLS == config.On,
		Tasks: c.PythonTasks != config.TasksOff, Threads: c.JavaThreads != config.ThreadsOff, Timers: c.NodeTimers != config.TimersOff,
		Tokio: c.RustTasks != config.TasksOff, Log: log,
		Limits: watchdog.Limits{CPU: c.WatchdogCPU, Operation: c.WatchdogOperation, Window: c.WatchdogWindow, Pause: c.WatchdogPause},
	}
	if o.Choice.Decide == nil && c.File == "" && len(c.TraceRules) == 0 { // nobody asks a witness, now or later
		o.Processes = w.Table
	}
	a, err := agent.Open(o)
	if err != nil {
		return nil, nil, err
	}
	r.rechoose = a.Rechoose
	return a, r, nil
}

// hookOf gives the hook that the configuration asks for; empty for the best one.
func hookOf(c *config.Config) bpf.Hook {
	if c.Hook == config.HookAuto {
		return ""
	}
	return bpf.Hook(c.Hook)
}

// probesOf gives the way to put probes on that the configuration asks for; empty for the best one.
func probesOf(c *config.Config) bpf.Probes {
	if c.Probes == config.ProbesAuto {
		return ""
	}
	return bpf.Probes(c.Probes)
}

// openPods starts the watch of this node's pods; nil: there is none to be had, or none is wanted.
func openPods(ctx context.Context, c *config.Config, log *slog.Logger) (*pod.Watch, error) {
	if c.KubernetesWatch == config.Off {
		return nil, nil
	}
	w, err := pod.Open(ctx, podOptions(c, log))
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

func podOptions(c *config.Config, log *slog.Logger) pod.Options {
	node := c.KubernetesNode
	if node == "" {
		node, _ = os.Hostname() // without a name no pod is found, and the cgroups still tell their uids
	}
	return pod.Options{
		Kubeconfig: c.KubernetesConfig, Node: node, Cluster: c.KubernetesCluster, LabelNames: c.KubernetesLabelNames == config.On,
		Labels: anyOf(c.KubernetesLabels), Annotations: anyOf(c.KubernetesAnnotations), Log: log,
	}
}

// surveyPods tells whether the pods of this node can be named.
func surveyPods(ctx context.Context, c *config.Config) agent.Finding {
	const what = "pods"
	if c.KubernetesWatch == config.Off {
		return agent.Finding{What: what, OK: true, Detail: "not asked for: kubernetes.watch is off"}
	}
	ctx, cancel := context.WithTimeout(ctx, surveyTime)
	defer cancel()
	n, err := pod.Try(ctx, podOptions(c, slog.New(slog.DiscardHandler)))
	switch {
	case err == nil:
		return agent.Finding{What: what, OK: true, Detail: fmt.Sprintf("the API server names the %d pods of this node", n)}
	case errors.Is(err, pod.ErrOutside) && c.KubernetesWatch == config.Auto:
		return agent.Finding{What: what, OK: true, Detail: "weft runs in no pod: containers are named by their cgroups alone"}
	}
	return agent.Finding{What: what, OK: false, Detail: fmt.Sprintf("named by their cgroups alone: %v", err)}
}

// surveyTime is how long doctor waits for an API server.
const surveyTime = 5 * time.Second

func anyOf(patterns []config.Glob) func(string) bool {
	return func(text string) bool {
		return slices.ContainsFunc(patterns, func(g config.Glob) bool { return g.Match(text) })
	}
}
