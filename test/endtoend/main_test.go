// Package endtoend traces real servers and clients with weft and compares what it tells with what the clients know.
//
// Every request carries a token of its own in its path, so that the spans of each can be counted: exactly one for each
// end of each connection that it crossed, with the right facts, and none that no request explains.
package endtoend

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"

	"weft/test/fleet"
	"weft/test/tracer"
)

// world is what all tests share: the servers are started once.
var world struct {
	cache string
	fleet *fleet.Fleet
}

func TestMain(m *testing.M) { os.Exit(run(m)) }

func run(m *testing.M) int {
	var err error
	if world.cache, err = fleet.Install(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	if world.fleet, err = fleet.Start(world.cache); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer world.fleet.Stop()
	return m.Run()
}

// startWeft starts the agent as `weft run` with arguments, and ends it with the test. It traces the fleet only, so that
// the load of others on the machine is not in the way of what must be exact.
func startWeft(t *testing.T, args ...string) *tracer.Tracer {
	t.Helper()
	return start(t, tracer.Options{Args: append(ours(t), args...)})
}

// startWeftForAll starts the agent as a person does, who wants to see everything.
func startWeftForAll(t *testing.T) *tracer.Tracer {
	t.Helper()
	return start(t, tracer.Options{})
}

func start(t *testing.T, o tracer.Options) *tracer.Tracer {
	t.Helper()
	o.Args = append(o.Args, "--control", filepath.Join(t.TempDir(), "control"))
	w, err := tracer.Start(filepath.Join(world.cache, "bin", "weft"), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		w.Kill()
		if t.Failed() {
			t.Log(w.Log())
		}
	})
	return w
}

// ours gives the rules that choose the fleet: its ports, and the processes that talk over AF_UNIX.
func ours(t *testing.T) (args []string) {
	t.Helper()
	groups := map[int]bool{}
	for _, m := range world.fleet.All() {
		if m.Unix {
			groups[m.PID] = true
		} else {
			args = append(args, "--port", strconv.Itoa(m.Port))
		}
		if back := world.fleet.Members[m.Backend]; back != nil && back.Unix {
			groups[m.PID] = true
		}
	}
	return append(args, processes(t, groups)...)
}

// processes gives the rules that choose the processes of some process groups.
func processes(t *testing.T, groups map[int]bool) (args []string) {
	t.Helper()
	entries, err := os.ReadDir("/proc")
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		pid, err := strconv.Atoi(e.Name())
		if err != nil {
			continue
		}
		if group, err := syscall.Getpgid(pid); err == nil && groups[group] {
			args = append(args, "--pid", e.Name())
		}
	}
	return args
}

// stopWeft interrupts the agent and gives all its spans.
func stopWeft(t *testing.T, w *tracer.Tracer) []*tracer.Span {
	t.Helper()
	if err := w.Stop(); err != nil {
		t.Fatal(err)
	}
	return w.Spans()
}
