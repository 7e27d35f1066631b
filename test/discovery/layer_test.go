package discovery

import (
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"weft/test/fleet"
	"weft/test/tracer"
)

// TestSharedLayer: of two containers of one image the kernel runs the same file, though each has a file system of its own; what they ask is read
// once.
func TestSharedLayer(t *testing.T) {
	cache, err := fleet.InstallAgent()
	check(t, err)
	dir := t.TempDir()
	check(t, syscall.Mount("tmpfs", dir, "tmpfs", 0, "")) // what is below may be an overlay itself
	t.Cleanup(func() { check(t, syscall.Unmount(dir, 0)) })
	layer := filepath.Join(dir, "layer")
	check(t, os.Mkdir(layer, 0o755))
	build(t, filepath.Join(layer, "app"))
	var asked atomic.Int64
	s := httptest.NewTLSServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { asked.Add(1) }))
	t.Cleanup(s.Close)
	server := s.Listener.Addr().String()
	w := trace(t, cache, server)
	pids := map[int]bool{}
	var running []*exec.Cmd
	for i := range 2 {
		c := exec.Command(filepath.Join(mountOver(t, dir, layer, i), "app"), server)
		start(t, c, 2*time.Second)
		pids[c.Process.Pid] = true
		running = append(running, c)
	}
	for _, c := range running {
		check(t, c.Wait())
	}
	time.Sleep(500 * time.Millisecond)
	check(t, w.Stop())
	seen, of := map[string]int{}, map[int]int{}
	for _, span := range w.Spans() {
		if span.Kind == tracer.Client && pids[span.PID()] {
			seen[strconv.Itoa(span.PID())+span.Path()]++
			of[span.PID()]++
		}
	}
	t.Logf("%d requests, of which were read by process: %v", asked.Load(), of)
	for request, n := range seen {
		if n != 1 {
			t.Fatalf("a request is read %d times: %s", n, request)
		}
	}
	if len(of) != 2 || int64(len(seen)) < asked.Load()/2 || int64(len(seen)) > asked.Load() {
		t.Errorf("%d of %d requests were read, by process: %v", len(seen), asked.Load(), of)
	}
	for why, n := range w.Counts.Lost {
		if n != 0 {
			t.Errorf("%d lost: %s", n, why)
		}
	}
	for why, n := range w.Counts.Parser {
		if n != 0 {
			t.Errorf("%d malformed: %s", n, why)
		}
	}
}

// mountOver mounts a layer as the file system of a container, until the test ends.
func mountOver(t *testing.T, dir, layer string, i int) string {
	t.Helper()
	part := func(kind string) string {
		name := filepath.Join(dir, kind+strconv.Itoa(i))
		check(t, os.Mkdir(name, 0o755))
		return name
	}
	at := part("root")
	check(t, syscall.Mount("overlay", at, "overlay", 0, "lowerdir="+layer+",upperdir="+part("upper")+",workdir="+part("work")))
	t.Cleanup(func() { check(t, syscall.Unmount(at, 0)) })
	return at
}
