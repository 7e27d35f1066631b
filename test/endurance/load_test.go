package endurance

import (
	"fmt"
	"io"
	"net/http"
	"os"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"weft/test/fleet"
	"weft/test/tracer"
)

// pace is how long each connection rests between two requests.
const pace = 2 * time.Millisecond

// TestLoading puts weft's programs on and takes them off again and again while servers are under load: not one response is another
// than before. ENDURANCE=all does so 100 times.
func TestLoading(t *testing.T) {
	times := 3
	if os.Getenv("ENDURANCE") == "all" {
		times = 100
	}
	var stop atomic.Bool
	var asked atomic.Int64
	var askers sync.WaitGroup
	for _, name := range []string{"nginx", "go"} {
		m := world.fleet.Members[name]
		for i := range 4 {
			want, err := answerOf(http.DefaultClient, m, i)
			if err != nil {
				t.Fatal(err)
			}
			askers.Go(func() {
				client := &http.Client{Transport: &http.Transport{DisableKeepAlives: i%2 == 1}}
				for !stop.Load() {
					got, err := answerOf(client, m, i)
					if err != nil || got != want {
						t.Errorf("%s answers %q (%v), before it was %q", m.Name, got, err, want)
						return
					}
					asked.Add(1)
					time.Sleep(pace) // the kernel takes programs off a machine that does nothing else but this very slowly
				}
			})
		}
	}
	for i := range times {
		before := asked.Load()
		w := start(t, tracer.Options{Output: "none", Args: []string{"--control", control(t)}}, world.fleet.Members["nginx"], world.fleet.Members["go"])
		if err := w.Stop(); err != nil {
			t.Fatal(err)
		}
		if w.Counts.Kernel["operations"] == 0 || asked.Load() == before {
			t.Errorf("load %d: %d operations were seen, %d requests were answered", i, w.Counts.Kernel["operations"], asked.Load()-before)
		}
	}
	stop.Store(true)
	askers.Wait()
	t.Logf("%d times loaded, %d requests", times, asked.Load())
}

// answerOf gives all of a response but what depends on the time and on the requests before.
func answerOf(client *http.Client, m *fleet.Member, i int) (string, error) {
	r, err := client.Get(m.URL(fmt.Sprintf("/hello/t-%d", i)))
	if err != nil {
		return "", err
	}
	defer r.Body.Close()
	body, err := io.ReadAll(r.Body)
	r.Header.Del("Date")
	r.Header.Del("Connection") // nginx ends a connection after a thousand requests
	return fmt.Sprint(r.Status, r.Header, string(body)), err
}
