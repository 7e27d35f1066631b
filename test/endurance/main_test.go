// Package endurance loads weft, and the machine that it runs on, with more than either can bear, and for long.
package endurance

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"testing"

	"weft/test/fleet"
	"weft/test/tracer"
)

// world is what all tests share.
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
	if world.fleet, err = fleet.Start(world.cache, "nginx", "go"); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer world.fleet.Stop()
	return m.Run()
}

// start runs weft for some servers alone, so that the load of others on the machine is not in the way.
func start(t *testing.T, o tracer.Options, members ...*fleet.Member) *tracer.Tracer {
	t.Helper()
	for _, m := range members {
		o.Args = append(o.Args[:len(o.Args):len(o.Args)], "--port", strconv.Itoa(m.Port))
	}
	w, err := tracer.Start(weft(), o)
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

// control is where a weft answers.
func control(t *testing.T) string { return filepath.Join(t.TempDir(), "control") }

// weft is the program under test.
func weft() string { return filepath.Join(world.cache, "bin", "weft") }

// ask sends n requests over some connections, each of which has to be answered.
func ask(t *testing.T, m *fleet.Member, n, connections int) {
	t.Helper()
	jobs := make([]fleet.Job, n)
	for i := range jobs {
		jobs[i] = fleet.Job{Method: "GET", URL: m.URL(fmt.Sprintf("/hello/t-%d", i))}
	}
	results, err := fleet.Clients["go"].Run(world.cache, jobs, connections, true)
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range results {
		if r.Error != "" || r.Status != 200 {
			t.Fatalf("the client got %+v", r)
		}
	}
}
