package signal

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"weft/test/tracer"
)

// TestChoice runs programs that end as soon as they have their answer, and chooses among them: each of those that are chosen is
// told, though it is gone before anybody can look at it, and nothing else.
func TestChoice(t *testing.T) {
	const n = 30
	for _, c := range []struct {
		name    string
		args    []string
		clients int
		servers int
	}{
		{"command", []string{"--command", "* chosen ?*"}, n, 0},
		{"executable", []string{"--exe", filepath.Base(os.Args[0]), "--trace-exclude", "command=* other *"}, n, 2 * n},
		{"excluded", append(ours(), "--trace-exclude", "command=* other *"), n, 2 * n},
		{"nothing of that name", []string{"--exe", "no-such-program"}, 0, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			w, err := tracer.Start(world.weft, tracer.Options{Args: append(c.args, "--control", filepath.Join(t.TempDir(), "control"))})
			if err != nil {
				t.Fatal(err)
			}
			defer w.Kill()
			for i := range n {
				for _, name := range []string{"chosen", "other"} {
					one := exec.Command(os.Args[0], name, fmt.Sprint(i))
					one.Env = append(os.Environ(), role+"="+passer, "OTEL_SERVICE_NAME="+name, fmt.Sprint("UPSTREAM=127.0.0.1:", world.bank))
					if out, err := one.CombinedOutput(); err != nil {
						t.Fatalf("%v: %s", err, out)
					}
				}
			}
			w.Await(10*time.Second, func(list []*tracer.Span) bool {
				return len(of(list, "chosen", tracer.Client)) >= c.clients && len(of(list, "bank", tracer.Server)) >= c.servers
			})
			if err := w.Stop(); err != nil {
				t.Fatal(err)
			}
			spans := w.Spans()
			chosen, other, served := len(of(spans, "chosen", tracer.Client)), len(of(spans, "other", tracer.Client)), len(of(spans, "bank", tracer.Server))
			if chosen != c.clients || other != 0 || served != c.servers {
				t.Errorf("%d of %d chosen calls, %d others, %d of %d answers", chosen, c.clients, other, served, c.servers)
			}
		})
	}
}
