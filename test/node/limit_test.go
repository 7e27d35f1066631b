package node

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"weft/test/collector"
	"weft/test/tracer"
)

// accounted sends requests through the chain in two runs of weft, both under a limit: without a collector, and with one. Each span that was
// made is on disk, at the collector or counted, and weft has outlived it.
func accounted(t *testing.T, prefix []string, n int) (made, lost uint64) {
	t.Helper()
	spill := filepath.Join(t.TempDir(), "spill")
	url := "http://" + address(1) + ":8080"
	w := limited(t, "http://127.0.0.1:1", spill, prefix)
	sent := len(send(t, url, n, "t-away"))
	first := stop(t, w)
	c := receive(t)
	w = limited(t, c.URL, spill, prefix)
	sent += len(send(t, url, n, "t-back"))
	await(t, "the disk to be empty", func() bool { return files(t, spill) == 0 })
	second := stop(t, w)
	if sent != 2*n {
		t.Errorf("%d of %d requests were answered", sent, 2*n)
	}
	if second.Recovered != first.Spilled || uint64(different(c)) != second.Exported {
		t.Errorf("%d spans arrived: %+v, before %+v", different(c), second, first)
	}
	made = first.Put + second.Put
	lost = first.Dropped() + second.Dropped()
	if made != second.Exported+lost {
		t.Errorf("%d spans, of which %d arrived and %d are counted as lost", made, second.Exported, lost)
	}
	return made, lost
}

func limited(t *testing.T, url, spill string, prefix []string) *tracer.Tracer {
	t.Helper()
	return startWeft(t, tracer.Options{
		Output: "otlp", Prefix: prefix, Args: []string{"--tls", "on", "--spill-dir", spill}, // with all that takes room
		Env: []string{"OTEL_EXPORTER_OTLP_ENDPOINT=" + url, "OTEL_METRICS_EXPORTER=none", "OTEL_LOGS_EXPORTER=none", "OTEL_BSP_MAX_EXPORT_BATCH_SIZE=128"},
	})
}

// TestFewFileDescriptors leaves weft room for its programs and little more: not each file of a spill, not each program that it would look
// into, not each connection can be opened.
func TestFewFileDescriptors(t *testing.T) {
	chain(t)
	made, lost := accounted(t, []string{"prlimit", "--nofile=128:128"}, 300)
	if made != 2*300*spansEach || lost > 0 {
		t.Errorf("%d spans were made, %d lost", made, lost)
	}
}

// TestLittleMemory has the kernel end weft if it takes more than the limit; Go is told of it, as in the manifests.
func TestLittleMemory(t *testing.T) {
	chain(t)
	const limit = 96 << 20
	group := limitMemory(t, limit)
	prefix := []string{"env", fmt.Sprint("GOMEMLIMIT=", limit), "sh", "-c", `echo $$ > "$0/cgroup.procs" && exec "$@"`, group}
	made, lost := accounted(t, prefix, 1000)
	if made != 2*1000*spansEach || lost > 0 {
		t.Errorf("%d spans were made, %d lost", made, lost)
	}
}

// limitMemory makes a cgroup, of either version, and gives its folder.
func limitMemory(t *testing.T, bytes int) string {
	t.Helper()
	file, group := "memory.limit_in_bytes", "/sys/fs/cgroup/memory/weft-test-memory"
	if _, err := os.Stat("/sys/fs/cgroup/cgroup.controllers"); err == nil {
		file, group = "memory.max", "/sys/fs/cgroup/weft-test-memory"
	}
	if err := os.MkdirAll(group, 0o755); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.Remove(group) })
	if err := os.WriteFile(filepath.Join(group, file), fmt.Append(nil, bytes), 0o600); err != nil {
		t.Fatal(err)
	}
	return group
}

// TestThousandShortProcesses runs a thousand processes as fast as this machine can, each of which sends one request and ends.
func TestThousandShortProcesses(t *testing.T) {
	chain(t)
	c := receive(t)
	w := limited(t, c.URL, filepath.Join(t.TempDir(), "spill"), nil)
	start := time.Now()
	sent := len(burst(t, "http://"+address(1)+":8080", 1000, "t-burst"))
	t.Logf("%d processes in %v", sent, time.Since(start))
	await(t, "their spans", func() bool { return different(c) >= sent*spansEach })
	e := stop(t, w)
	if sent != 1000 || e.Put != uint64(sent*spansEach) || e.Exported != e.Put {
		t.Errorf("%d requests were answered: %+v, lost %v", sent, e, w.Counts.Lost)
	}
	asked := map[string]bool{}
	for _, s := range c.Spans() {
		if full, _ := collector.Values(s.Attributes)["url.full"].(string); full != "" && s.ParentSpanId == nil {
			asked[full] = true
		}
	}
	if len(asked) != sent {
		t.Errorf("%d processes are told as those that asked", len(asked))
	}
}
