package node

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/cilium/ebpf"

	"weft/test/collector"
	"weft/test/tracer"
)

// TestStorm starts a thousand processes a second for three seconds, or as many as the machine can, each of which sends one request and
// ends. Both ends of each request are told, or counted; who asked is known although it is gone.
func TestStorm(t *testing.T) {
	const processes, rate = 3000, 1000
	connect(t, 1)
	newContainer(1, space(1), "OTEL_SERVICE_NAME=shop").start(t)
	short := filepath.Join(t.TempDir(), "short")
	command(t, "gcc", "-O2", "-static", "-Wall", "-o", short, "short/short.c")
	c := receive(t)
	spill := filepath.Join(t.TempDir(), "spill")
	w, err := tracer.Start(world.weft, tracer.Options{
		Output: "otlp", Args: []string{"--exe", "app", "--exe", "short", "--control", filepath.Join(t.TempDir(), "control"), "--spill-dir", spill},
		Env: []string{"OTEL_EXPORTER_OTLP_ENDPOINT=" + c.URL, "OTEL_METRICS_EXPORTER=none", "OTEL_LOGS_EXPORTER=none", "WEFT_TLS=off"},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(w.Kill)
	var well int
	var took float64
	if _, err := fmt.Sscan(inSpace(t, space(0), short, address(1), "8080", fmt.Sprint(processes), fmt.Sprint(rate), "t-storm"), &well, &took); err != nil {
		t.Fatal(err)
	}
	t.Logf("%d processes in %.2f s, %.0f a second", well, took, float64(well)/took)
	await(t, "their spans", func() bool { return different(c) >= 2*well })
	e := stop(t, w)
	var lost uint64
	for _, n := range w.Counts.Lost {
		lost += n
	}
	if well != processes || e.Exported != e.Put || e.Put+lost != 2*processes || lost > 0 {
		t.Errorf("%d requests were answered: %+v, lost %v", well, e, w.Counts.Lost)
	}
	asked := 0
	for _, s := range c.Spans() {
		if s.Service == "short" && s.Resource["process.executable.name"] == "short" && collector.Values(s.Attributes)["url.full"] != nil {
			asked++
		}
	}
	if asked != processes {
		t.Errorf("%d of %d requests are told as of the program that sent them", asked, processes)
	}
}

// TestKilledAtRandomMoments kills weft again and again, also while it starts, as kill -9 does. No request is hurt, the kernel takes
// back all that weft has put into it, and the weft after that tells everything.
func TestKilledAtRandomMoments(t *testing.T) {
	containers := chain(t)
	url := "http://" + address(1) + ":8080"
	before := programs()
	ctx, cancel := context.WithCancel(t.Context())
	sent, answered := 0, 0
	done := make(chan struct{})
	go func() {
		defer close(done)
		for ctx.Err() == nil {
			answered += len(send(t, url, 20, "t-hurt"))
			sent += 20
		}
	}()
	spill := filepath.Join(t.TempDir(), "spill")
	for range 8 {
		w := exec.Command(world.weft, "run", "--exe", "app", "--output", "otlp", "--spill-dir", spill, "--control", filepath.Join(t.TempDir(), "control"))
		w.Env = []string{"OTEL_EXPORTER_OTLP_ENDPOINT=http://127.0.0.1:1", "OTEL_METRICS_EXPORTER=none", "OTEL_LOGS_EXPORTER=none", "WEFT_TLS=off"}
		if err := w.Start(); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Duration(rand.N(2000)) * time.Millisecond)
		_ = w.Process.Kill()
		_ = w.Wait()
	}
	cancel()
	<-done
	if answered != sent || sent == 0 {
		t.Errorf("%d of %d requests were answered", answered, sent)
	}
	await(t, "the kernel to take the programs back", func() bool { return programs() <= before })
	c := receive(t)
	w := toCollector(t, c.URL, spill)
	served := send(t, url, 20, "t-well")
	await(t, "the disk to be empty, and the last spans", func() bool {
		groups := byToken(arrived(c))
		for _, token := range served {
			if len(groups[token]) < spansEach {
				return false
			}
		}
		return files(t, spill) == 0
	})
	e := stop(t, w)
	if e.Put != uint64(spansEach*len(served)) || e.Exported+e.SpillCorrupt != e.Put+e.Recovered || different(c) != int(e.Exported) {
		t.Errorf("%d spans arrived: %+v", different(c), e)
	}
	groups := byToken(arrived(c))
	for _, token := range served {
		if !whole(t, token, groups[token], containers) {
			break
		}
	}
}

// programs counts those that are in the kernel, whoever has put them there.
func programs() (n int) {
	for id, err := ebpf.ProgramGetNextID(0); err == nil; id, err = ebpf.ProgramGetNextID(id) {
		n++
	}
	return n
}
