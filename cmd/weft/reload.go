package main

import (
	"context"
	"log/slog"
	"os"
	"slices"
	"strings"
	"syscall"
	"time"

	"weft/agent"
	"weft/agent/config"
)

// reloadEvery is how often the file and the pods are looked at; a ConfigMap takes up to a minute to reach a node.
const reloadEvery = time.Second

// reloader applies new rules of the configuration file, and asks the rules on pods again when a pod becomes known.
type reloader struct {
	args     []string
	current  *config.Config // as it applies
	choose   func(*config.Config) agent.Choice
	rechoose func(agent.Choice)
	rehouse  func(*house)  // applies what is told of requests; nil: there is nobody to tell
	version  func() uint64 // of the pods; nil: none are watched
	log      *slog.Logger
}

// run ends with ctx.
func (r *reloader) run(ctx context.Context) {
	file, pods := stamp(r.current.File), uint64(0)
	ticker := time.NewTicker(reloadEvery)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		if now := stamp(r.current.File); now != file && now != (fileStamp{}) {
			file = now
			r.reload(os.Environ())
		}
		if r.version == nil || !asksPods(r.current) {
			continue
		}
		if now := r.version(); now != pods {
			pods = now
			r.rechoose(r.choose(r.current))
			r.tell(r.current)
		}
	}
}

// A fileStamp changes when the contents of a file may have, also when a link on the way to it is turned, as those of ConfigMaps are.
type fileStamp struct {
	inode   uint64
	size    int64
	changed int64
}

func stamp(file string) fileStamp {
	var s syscall.Stat_t
	if file == "" || syscall.Stat(file, &s) != nil {
		return fileStamp{}
	}
	return fileStamp{s.Ino, s.Size, s.Mtim.Nano()}
}

func asksPods(c *config.Config) bool {
	treats := func(t config.Treatment) bool { return t.AsksPod() }
	return slices.ContainsFunc(c.TraceRules, treats) || slices.ContainsFunc(slices.Concat(c.Rules(), c.TraceExclude), config.Rule.AsksPod)
}

// reload reads the file again. A file with a fault changes nothing.
func (r *reloader) reload(environ []string) {
	c, _, err := config.Load(r.args, environ)
	if err != nil {
		r.log.Warn("the configuration has changed and can't be used; the old one applies", "reason", err)
		return
	}
	if len(c.IDKey) == 0 {
		c.IDKey = r.current.IDKey // drawn at the start
	}
	was, is := r.choose(r.current), r.choose(&c)
	changed := config.Changed(r.current, &c)
	later := slices.DeleteFunc(slices.Clone(changed), func(key string) bool { return slices.Contains(liveKeys, key) })
	if !slices.Equal(was.IncludePorts, is.IncludePorts) || !slices.Equal(was.ExcludePorts, is.ExcludePorts) || was.OnlyPorts != is.OnlyPorts {
		later = append(later, "rules on ports")
	}
	if len(later) > 0 {
		r.log.Warn("the configuration has changed; some of it applies after a restart", "keys", strings.Join(later, ", "))
	}
	if len(later) < len(changed) {
		r.log.Info("the configuration has changed: its rules apply now", "keys", strings.Join(changed, ", "))
		r.rechoose(is)
		r.tell(&c)
	}
	r.current = &c
}

// tell applies what is told of requests. The settings were held against their bounds when they were read, so that an error is none of
// theirs.
func (r *reloader) tell(c *config.Config) {
	if r.rehouse == nil {
		return
	}
	h, err := newHouse(c, true)
	if err != nil {
		r.log.Warn("what is told of requests stays as it was", "reason", err)
		return
	}
	r.rehouse(h)
}

// liveKeys are the settings that apply without a restart.
var liveKeys = []string{
	"exe", "command", "pid", "cgroup", "port", "trace.include", "trace.exclude", "trace.rules", "headers.request", "headers.response", "query",
}
