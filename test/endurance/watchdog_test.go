package endurance

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"weft/test/tracer"
)

// TestWatchdog loads a server until weft is beyond a limit that it was given: its probes come off while the load goes on, without a
// failed request, it says so, and when the load is gone it traces again, each request.
func TestWatchdog(t *testing.T) {
	for name, limit := range map[string][]string{
		"processors": {"--watchdog-cpu", "0.01", "--watchdog-operation", "0s", "--watchdog-window", "1s"},
		// No operation is that quick.
		"operation": {"--watchdog-cpu", "0", "--watchdog-operation", "20ns", "--watchdog-window", "4s"},
	} {
		t.Run(name, func(t *testing.T) {
			m := world.fleet.Members["nginx"]
			health := freePort(t)
			w := start(t, tracer.Options{Discard: true, Args: append(limit, "--watchdog-pause", "4s",
				"--health-listen", health, "--control", control(t))}, m)
			rounds := 0
			for deadline := time.Now().Add(40 * time.Second); !strings.Contains(w.Log(), "its probes are off"); rounds++ {
				if time.Now().After(deadline) {
					t.Fatal("under load for 40 s the probes are on")
				}
				ask(t, m, 1500, 16)
			}
			if status, text := ready(t, health); status != http.StatusServiceUnavailable || !strings.Contains(text, "the probes are off: weft took ") {
				t.Errorf("/readyz says %d %s", status, text)
			}
			for deadline := time.Now().Add(30 * time.Second); !strings.Contains(w.Log(), "the probes are on again"); time.Sleep(20 * time.Millisecond) {
				if time.Now().After(deadline) {
					t.Fatal("without load for 30 s the probes are off")
				}
			}
			group := tracer.Group{Kind: tracer.Server, Service: m.Service, Port: m.Port}
			time.Sleep(500 * time.Millisecond) // what waits is written
			before := w.Tally(group)
			if before == 0 || before > uint64(1500*rounds) {
				t.Errorf("%d requests were told of %d", before, 1500*rounds)
			}
			ask(t, m, 10, 1)
			if err := w.Stop(); err != nil {
				t.Fatal(err)
			}
			if n := w.Tally(group) - before; n != 10 {
				t.Errorf("%d of 10 requests were told after the pause", n)
			}
			if n := strings.Count(w.Log(), "its probes are off"); n != 1 || w.Counts.Rests != 1 {
				t.Errorf("weft said %d times that its probes are off, and counted %d", n, w.Counts.Rests)
			}
			if n := w.Counts.Kernel["operations"]; n < before {
				t.Errorf("%d operations are counted, with %d requests", n, before)
			}
		})
	}
}

func ready(t *testing.T, address string) (int, string) {
	t.Helper()
	r, err := http.Get("http://" + address + "/readyz")
	if err != nil {
		t.Fatal(err)
	}
	defer r.Body.Close()
	text, err := io.ReadAll(r.Body)
	if err != nil {
		t.Fatal(err)
	}
	return r.StatusCode, string(text)
}

func freePort(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(fmt.Errorf("find a free port: %w", err))
	}
	defer l.Close()
	return net.JoinHostPort("127.0.0.1", strconv.Itoa(l.Addr().(*net.TCPAddr).Port))
}
