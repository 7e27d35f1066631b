package main

import (
	"bytes"
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"weft/agent"
	"weft/agent/config"
)

// mounted is a folder as a kubelet mounts a ConfigMap: the file is a link through a folder that is replaced as a whole.
type mounted struct {
	t    *testing.T
	dir  string
	last int
}

func (m *mounted) write(content string) {
	m.t.Helper()
	m.last++
	data := filepath.Join(m.dir, strings.Repeat("v", m.last))
	next := filepath.Join(m.dir, "..next")
	for _, err := range []error{
		os.Mkdir(data, 0o755), os.WriteFile(filepath.Join(data, "weft.yaml"), []byte(content), 0o600), os.Symlink(data, next),
		os.Rename(next, filepath.Join(m.dir, "..data")),
	} {
		if err != nil {
			m.t.Fatal(err)
		}
	}
	if m.last == 1 {
		if err := os.Symlink("..data/weft.yaml", filepath.Join(m.dir, "weft.yaml")); err != nil {
			m.t.Fatal(err)
		}
	}
}

func TestReload(t *testing.T) {
	m := &mounted{t: t, dir: t.TempDir()}
	m.write("exe: [nginx]\n")
	args := []string{"--config", filepath.Join(m.dir, "weft.yaml"), "--query", "drop"}
	c, _, err := config.Load(args, nil)
	if err != nil {
		t.Fatal(err)
	}
	c.IDKey = make([]byte, 16) // as run draws one
	var log bytes.Buffer
	applied := make(chan agent.Choice, 10)
	var version uint64
	w := newWitness(nil)
	r := &reloader{
		args: args, current: &c, log: slog.New(slog.NewTextHandler(&log, nil)), rechoose: func(c agent.Choice) { applied <- c },
		choose: func(c *config.Config) agent.Choice { return newChoice(c.Rules(), c.TraceExclude, w.facts, nil) },
	}
	before := stamp(c.File)
	m.write("exe: [" + filepath.Base(os.Args[0]) + "]\nhold: 1s\n")
	if stamp(c.File) == before {
		t.Fatal("a replaced ConfigMap is not noticed")
	}
	r.reload(nil)
	me := uint32(os.Getpid())
	if len(applied) != 1 || (<-applied).Decide(me) != agent.Traced {
		t.Error("the new rule does not apply")
	}
	if text := log.String(); !strings.Contains(text, "after a restart\" keys=hold") || strings.Contains(text, "id.key") {
		t.Errorf("log %s", text)
	}
	m.write("exe: [nginx\n")
	r.reload(nil)
	if len(applied) != 0 || !strings.Contains(log.String(), "the old one applies") {
		t.Errorf("a file with a fault is used: %s", log.String())
	}
	log.Reset()
	m.write("port: [80]\n")
	r.reload(nil)
	if !strings.Contains(log.String(), "rules on ports") {
		t.Errorf("nobody is told that ports need a restart: %s", log.String())
	}
	for len(applied) > 0 {
		<-applied
	}
	// A pod that becomes known is decided on again, if a rule asks for pods, without a change of the file.
	r.version = func() uint64 { version++; return version }
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	done := make(chan struct{})
	r.current.TraceExclude = []config.Rule{{Namespace: "kube-system"}}
	go func() { r.run(ctx); close(done) }()
	select {
	case <-applied:
	case <-ctx.Done():
		t.Error("a pod that becomes known is not decided on again")
	}
	cancel()
	<-done
}
