package node

import (
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"weft/test/collector"
	"weft/test/tracer"
)

// spansEach is what one request through the chain makes: two for each of three connections.
const spansEach = 6

// toCollector starts weft with a collector, or with none at all for an empty URL, and with a folder for spans that wait.
func toCollector(t *testing.T, url, spill string, args ...string) *tracer.Tracer {
	t.Helper()
	if url == "" {
		url = "http://127.0.0.1:1" // nobody listens there
	}
	return startWeft(t, tracer.Options{
		Output: "otlp", Args: append(args, "--spill-dir", spill),
		Env: []string{"OTEL_EXPORTER_OTLP_ENDPOINT=" + url, "OTEL_METRICS_EXPORTER=none", "OTEL_LOGS_EXPORTER=none", "OTEL_BSP_MAX_EXPORT_BATCH_SIZE=128"},
	})
}

func receive(t testing.TB) *collector.Collector {
	t.Helper()
	c, err := collector.Start("http/protobuf")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

// different counts the spans of a collector by their ids.
func different(c *collector.Collector) int {
	ids := map[string]bool{}
	for _, s := range c.Spans() {
		ids[string(s.SpanId)] = true
	}
	return len(ids)
}

func stop(t testing.TB, w *tracer.Tracer) tracer.Export {
	t.Helper()
	if err := w.Stop(); err != nil {
		t.Fatal(err)
	}
	e := w.Counts.Export
	if e.Put+e.Recovered != e.Exported+e.Waiting+e.Spilled+e.Dropped() {
		t.Errorf("the account does not hold: %+v", e)
	}
	return e
}

// files gives how much waits in a folder.
func files(t *testing.T, dir string) int {
	t.Helper()
	found, err := filepath.Glob(filepath.Join(dir, "*.zst"))
	if err != nil {
		t.Fatal(err)
	}
	return len(found)
}

// TestCollectorAwayAcrossRestartAndKill loses nothing while the collector is away, weft is restarted, and weft is killed.
func TestCollectorAwayAcrossRestartAndKill(t *testing.T) {
	chain(t)
	url, spill := "http://"+address(1)+":8080", filepath.Join(t.TempDir(), "spill")
	w := toCollector(t, "", spill)
	sent := len(send(t, url, 200, "t-one"))
	if e := stop(t, w); e.Put != uint64(spansEach*sent) || e.Spilled != e.Put {
		t.Fatalf("of %d requests: %+v", sent, e)
	}
	w = toCollector(t, "", spill)
	more := len(send(t, url, 100, "t-two"))
	before := files(t, spill)
	await(t, "the last spans to be on disk", func() bool {
		time.Sleep(2500 * time.Millisecond) // more than the second that a span waits for others
		now := files(t, spill)
		settled := now == before && now > 0
		before = now
		return settled
	})
	w.Kill()
	c := receive(t)
	w = toCollector(t, c.URL, spill)
	last := len(send(t, url, 50, "t-three"))
	all := spansEach * (sent + more + last)
	await(t, "all spans to arrive", func() bool { return different(c) == all })
	e := stop(t, w)
	if e.Put != uint64(spansEach*last) || e.Recovered != uint64(spansEach*(sent+more)) || e.Exported != e.Put+e.Recovered {
		t.Errorf("%d, %d and %d requests: %+v", sent, more, last, e)
	}
	if n := different(c); n != all || files(t, spill) != 0 {
		t.Errorf("%d spans arrived of %d, %d files are left", n, all, files(t, spill))
	}
}

// TestDiskFullAndDamage has a disk that is smaller than the bound, and files that somebody has damaged.
func TestDiskFullAndDamage(t *testing.T) {
	chain(t)
	url, disk := "http://"+address(1)+":8080", t.TempDir()
	if err := syscall.Mount("weft", disk, "tmpfs", 0, "size=128k"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = syscall.Unmount(disk, syscall.MNT_DETACH) })
	spill := filepath.Join(disk, "spill")
	w := toCollector(t, "", spill)
	sent := len(send(t, url, 1000, "t-full"))
	first := stop(t, w)
	if first.Put != uint64(spansEach*sent) || first.SpillFull == 0 || first.Spilled == 0 || first.SpillFull+first.Spilled != first.Put {
		t.Errorf("of %d requests: %+v", sent, first)
	}
	found, _ := filepath.Glob(filepath.Join(spill, "*.zst"))
	for _, f := range found[:2] {
		if err := os.WriteFile(f, []byte("noise"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	c := receive(t)
	w = toCollector(t, c.URL, spill)
	await(t, "the spans that are left", func() bool { return files(t, spill) == 0 })
	e := stop(t, w)
	if e.Recovered != first.Spilled || e.SpillCorrupt == 0 || e.Exported+e.SpillCorrupt != e.Recovered || different(c) != int(e.Exported) {
		t.Errorf("%d arrived: %+v", different(c), e)
	}
}

// TestShortLivedProcesses has each request sent by a process of its own, which ends at once.
func TestShortLivedProcesses(t *testing.T) {
	containers := chain(t)
	w := startWeft(t, tracer.Options{})
	var served []string
	for i := range 50 {
		served = append(served, send(t, "http://"+address(1)+":8080", 1, fmt.Sprint("t-short", i))...)
	}
	complete(w, served)
	if err := w.Stop(); err != nil {
		t.Fatal(err)
	}
	groups := byToken(w.Spans())
	for _, token := range served {
		if !whole(t, token, groups[token], containers) {
			break
		}
	}
	if len(served) != 50 || w.Counts.Export.Put != uint64(spansEach*len(served)) {
		t.Errorf("%d requests were answered, counts %+v", len(served), w.Counts)
	}
}
