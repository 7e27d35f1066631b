// Package node runs weft on this machine as a node: beside containers with namespaces and addresses of their own, with just the
// capabilities that it names, and with a collector that goes away.
package node

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"weft/test/tracer"
)

// world is what all tests share: the programs, built once.
var world struct{ weft, app string }

func TestMain(m *testing.M) { os.Exit(run(m)) }

func run(m *testing.M) int {
	dir, err := os.MkdirTemp("", "weft-node")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	// Other users must be able to execute them.
	if err := os.Chmod(dir, 0o755); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	world.weft, world.app = filepath.Join(dir, "weft"), filepath.Join(dir, "app")
	for program, from := range map[string]string{world.weft: "weft/cmd/weft", world.app: "weft/test/node/app"} {
		build := exec.Command("go", "build", "-trimpath", "-o", program, from) // as the image is built
		build.Env = append(os.Environ(), "CGO_ENABLED=0")
		if out, err := build.CombinedOutput(); err != nil {
			fmt.Fprintf(os.Stderr, "build %s: %v\n%s", from, err, out)
			return 1
		}
	}
	return m.Run()
}

// startWeft runs weft on the apps alone. They speak in clear text, so that TLS is left alone unless a test says otherwise: a program of Go
// has dozens of probes for it, and the kernel takes up to a tenth of a second for each to take it off.
func startWeft(t testing.TB, o tracer.Options) *tracer.Tracer {
	t.Helper()
	o.Args = append(o.Args, "--exe", "app", "--control", filepath.Join(t.TempDir(), "control"))
	o.Env = append([]string{"WEFT_TLS=off"}, o.Env...)
	w, err := tracer.Start(world.weft, o)
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

// send has a client in the namespace 0 send n requests, and gives the tokens of those that were answered well.
func send(t *testing.T, url string, n int, token string) (served []string) {
	t.Helper()
	for i, status := range strings.Fields(inSpace(t, space(0), "env", "OTEL_SERVICE_NAME=client", world.app, url, fmt.Sprint(n), token)) {
		if status == "200" {
			served = append(served, fmt.Sprintf("%s-%d", token, i))
		}
	}
	return served
}

// burst is send with a process for each request.
func burst(t *testing.T, url string, n int, token string) (served []string) {
	t.Helper()
	for i, status := range strings.Fields(inSpace(t, space(0), "env", "OTEL_SERVICE_NAME=client", world.app, "each", url, fmt.Sprint(n), token)) {
		if status == "200" {
			served = append(served, fmt.Sprintf("%s-%d", token, i))
		}
	}
	return served
}

// byToken groups spans by the token at the end of their path.
func byToken(spans []*tracer.Span) map[string][]*tracer.Span {
	groups := map[string][]*tracer.Span{}
	for _, s := range spans {
		groups[s.Token()] = append(groups[s.Token()], s)
	}
	return groups
}
