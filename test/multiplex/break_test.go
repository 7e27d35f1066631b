package multiplex

import (
	"strconv"
	"strings"
	"testing"
	"time"

	"weft/test/tracer"
)

// TestForgetful: a service of gRPC that does not pass the metadata on is found, and one that does is not accused.
func TestForgetful(t *testing.T) {
	const n, idle = 200, 3 * time.Second
	p := prepare(t)
	last := serve(t, p.command("go", "grpc-server"))
	for _, forgets := range []bool{true, false} {
		for _, streams := range []int{1, 16} {
			t.Run(name(forgets)+"/"+strconv.Itoa(streams), func(t *testing.T) {
				c := p.command("go", "grpc-server")
				c.Env = append(c.Env, "NEXT="+last, "OTEL_SERVICE_NAME=middle")
				if forgets {
					c.Env = append(c.Env, "FORGET=1")
				}
				middle := serve(t, c)
				w := p.trace(t, last, middle)
				// Handlers of Go do not run on the goroutine that reads, so a call is judged by what all requests under way have in common;
				// for that the process must be known not to make such calls while it is idle.
				time.Sleep(idle)
				l := &load{name: "client"}
				l.run(t, p.command("go", "grpc-client", middle, strconv.Itoa(n), strconv.Itoa(streams)))
				time.Sleep(300 * time.Millisecond)
				check(t, w.Stop())
				verdicts := map[string]int{}
				for _, s := range w.Spans() {
					if s.Kind == tracer.Client && s.PID() == c.Process.Pid {
						verdicts[s.Attr.Text("weft.propagation.verdict")]++
					}
				}
				right, wrong := "propagated", "dropped"
				if forgets {
					right, wrong = wrong, right
				}
				t.Logf("verdicts on %d calls: %v", n, verdicts)
				if verdicts[wrong] > 0 || verdicts["restarted"] > 0 {
					t.Errorf("wrong verdicts: %v", verdicts)
				}
				if verdicts[right] < n*9/10 {
					t.Errorf("%d of %d calls are found to be %s", verdicts[right], n, right)
				}
			})
		}
	}
}

func name(forgets bool) string { return strings.Fields("passes forgets")[bit(forgets)] }

func bit(b bool) int {
	if b {
		return 1
	}
	return 0
}
