// Package discovery measures how soon weft reads what a program sends over TLS that it has not seen before.
package discovery

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"weft/test/fleet"
	"weft/test/tracer"
)

// lasts is for how long a program asks.
const lasts = 400 * time.Millisecond

// newcomers are programs and libraries of which weft has seen no process yet: each is a file of its own.
var newcomers = []struct {
	name  string
	start func(dir, app, server string) (*exec.Cmd, error)
}{
	{"go", func(dir, app, server string) (*exec.Cmd, error) {
		own := filepath.Join(dir, "app")
		return exec.Command(own, server), copyFile(app, own)
	}},
	{"openssl-loaded-late", func(dir, _, server string) (*exec.Cmd, error) {
		c := exec.Command("/usr/bin/python3", "testdata/late.py", server)
		c.Env = []string{"LD_LIBRARY_PATH=" + dir}
		return c, copyOpenSSL(dir)
	}},
	{"second-openssl-loaded-late", func(dir, _, server string) (*exec.Cmd, error) {
		c := exec.Command("/usr/bin/python3", "testdata/late.py", server)
		c.Env = []string{"SECOND=" + filepath.Join(dir, "libssl.so.3")}
		return c, copyOpenSSL(dir)
	}},
}

func copyOpenSSL(dir string) error {
	found, err := filepath.Glob("/usr/lib/*/libssl.so.3")
	if err != nil || len(found) == 0 {
		return fmt.Errorf("find libssl.so.3: %v %w", found, err)
	}
	return copyFile(found[0], filepath.Join(dir, "libssl.so.3"))
}

func copyFile(from, to string) error {
	b, err := os.ReadFile(from)
	if err != nil {
		return err
	}
	return os.WriteFile(to, b, 0o755) //nolint:gosec // a program
}

// BenchmarkDiscovery gives the time from the start of a program, or from the moment at which it asks for its TLS library, to the
// first of its requests that is read: the median and the longest.
func BenchmarkDiscovery(b *testing.B) {
	cache, err := fleet.InstallAgent()
	check(b, err)
	app := filepath.Join(b.TempDir(), "app")
	build(b, app)
	server := serve(b)
	for _, n := range newcomers {
		b.Run(n.name, func(b *testing.B) {
			w := trace(b, cache, server)
			started := map[int]bool{}
			for range b.N {
				c, err := n.start(b.TempDir(), app, server)
				check(b, err)
				start(b, c, lasts)
				started[c.Process.Pid] = true
				check(b, c.Wait())
			}
			time.Sleep(500 * time.Millisecond)
			check(b, w.Stop())
			report(b, w.Spans(), started)
		})
	}
}

// TestSecondLibrary: a process that is read already is read by another library as well, if it loads one later.
func TestSecondLibrary(t *testing.T) {
	cache, err := fleet.InstallAgent()
	check(t, err)
	server := serve(t)
	w := trace(t, cache, server)
	late := newcomers[len(newcomers)-1]
	c, err := late.start(t.TempDir(), "", server)
	check(t, err)
	start(t, c, 20*time.Second)
	pid := c.Process.Pid
	reads := func(spans []*tracer.Span) (first, second bool) {
		for _, s := range spans {
			if s.Kind == tracer.Client && s.PID() == pid {
				first, second = first || s.Path() == "/0", second || s.Path() != "/0"
			}
		}
		return first, second
	}
	w.Await(20*time.Second, func(spans []*tracer.Span) bool {
		_, second := reads(spans)
		return second
	})
	check(t, c.Process.Kill())
	_ = c.Wait()
	check(t, w.Stop())
	if first, second := reads(w.Spans()); !first || !second {
		t.Errorf("%s: by its first library is read: %v, by its second: %v\n%s", late.name, first, second, w.Log())
	}
}

// build builds the app, stripped.
func build(t testing.TB, to string) {
	t.Helper()
	if out, err := exec.Command("go", "build", "-ldflags", "-s -w", "-o", to, "./app").CombinedOutput(); err != nil {
		t.Fatalf("build the app: %v: %s", err, out)
	}
}

// serve starts a server with TLS until the test ends.
func serve(t testing.TB) (address string) {
	s := httptest.NewTLSServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	t.Cleanup(s.Close)
	return s.Listener.Addr().String()
}

// trace starts weft for the connections of a server.
func trace(t testing.TB, cache, server string) *tracer.Tracer {
	t.Helper()
	w, err := tracer.Start(filepath.Join(cache, "bin", "weft"), tracer.Options{
		Args: []string{"--control", filepath.Join(t.TempDir(), "control"), "--port", server[strings.LastIndexByte(server, ':')+1:]},
	})
	check(t, err)
	t.Cleanup(w.Kill)
	return w
}

// start starts a newcomer that asks for so long.
func start(t testing.TB, c *exec.Cmd, lasts time.Duration) {
	t.Helper()
	c.Env = append(c.Env, "TIME="+strconv.FormatInt(lasts.Milliseconds(), 10)+"ms", "START="+strconv.FormatInt(time.Now().UnixNano(), 10))
	c.Stderr = os.Stderr
	c.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	check(t, c.Start())
}

func check(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// report tells when the first request of each process was read.
func report(b *testing.B, spans []*tracer.Span, started map[int]bool) {
	b.Helper()
	first := map[int]float64{}
	for _, s := range spans {
		after, err := strconv.ParseFloat(strings.TrimPrefix(s.Path(), "/"), 64)
		if s.Kind != tracer.Client || !started[s.PID()] || err != nil || after == 0 {
			continue
		}
		if before, known := first[s.PID()]; !known || after < before {
			first[s.PID()] = after
		}
	}
	var all []float64
	for _, after := range first {
		all = append(all, after/1000)
	}
	slices.Sort(all)
	b.ReportMetric(float64(len(started)-len(all)), "unread")
	if len(all) > 0 {
		b.ReportMetric(all[len(all)/2], "median-ms")
		b.ReportMetric(all[len(all)-1], "longest-ms")
	}
	b.ReportMetric(0, "ns/op")
}
