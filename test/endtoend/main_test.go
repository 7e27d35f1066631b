// Package endtoend traces real servers and clients with weft and compares what it tells with what the clients know.
//
// Every request carries a token of its own in its path, so that the spans of each can be counted: exactly one for each
// end of each connection that it crossed, with the right facts, and none that no request explains.
package endtoend

import (
	"fmt"
	"os"
	"path/filepath"
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

// startWeft starts the agent as `weft run` with arguments, and ends it with the test.
func startWeft(t *testing.T, o tracer.Options) *tracer.Tracer {
	t.Helper()
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

// stopWeft interrupts the agent and gives all its spans.
func stopWeft(t *testing.T, w *tracer.Tracer) []*tracer.Span {
	t.Helper()
	if err := w.Stop(); err != nil {
		t.Fatal(err)
	}
	return w.Spans()
}
