package endtoend

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"testing"
	"time"

	"weft/test/fleet"
	"weft/test/tracer"
)

// starved runs weft only when nothing else wants the processor, with a ring so small that it must overflow.
var starved = tracer.Options{Prefix: []string{"chrt", "--idle", "0"}, Args: []string{"--ring-size", "256KiB"}, Discard: true}

// TestSaturation loads the machine to its limit with a client that knows how many requests it made, while weft gets
// what is left of the processor: what was served is told or counted as lost, to the last request.
func TestSaturation(t *testing.T) {
	const requests, connections = 60000, 64
	for _, name := range []string{"nginx", "go"} {
		t.Run(name, func(t *testing.T) {
			m := world.fleet.Members[name]
			o := starved
			o.Args = append(o.Args[:len(o.Args):len(o.Args)], "--port", strconv.Itoa(m.Port))
			w := start(t, o)
			jobs := make([]fleet.Job, requests)
			for i := range jobs {
				jobs[i] = fleet.Job{Method: "GET", URL: m.URL("/hello/" + newToken())}
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
			stopWeft(t, w)
			server := w.Tally(tracer.Group{Kind: tracer.Server, Service: m.Service, Port: m.Port})
			client := w.Tally(tracer.Group{Kind: tracer.Client, Service: "goclient", Port: m.Port})
			lost := losses(w.Counts)
			t.Logf("%d requests: %d server and %d client spans, %d lost: %v", requests, server, client, lost, w.Counts.Lost)
			if server+client+lost != 2*requests {
				t.Errorf("%d requests are %d ends, but %d server spans, %d client spans and %d losses make %d: %+v",
					requests, 2*requests, server, client, lost, server+client+lost, *w.Counts)
			}
			if server > requests || client > requests {
				t.Errorf("more spans than requests: %d and %d of %d", server, client, requests)
			}
			if server+client == 0 {
				t.Error("not one span came through")
			}
		})
	}
}

// losses is all that weft counts as missing, on its way in and on its way out.
func losses(c *tracer.Counts) (n uint64) {
	for _, lost := range c.Lost {
		n += lost
	}
	return n + c.Export.Dropped()
}

var wrkRequests = regexp.MustCompile(`(\d+) requests in`)

// TestWrk loads nginx with wrk, without and with hunger, and compares with nginx's own log of what it served. When wrk
// ends it leaves at most one request per connection without its reply, which nginx may have served or not.
func TestWrk(t *testing.T) {
	for name, o := range map[string]tracer.Options{"fed": {Discard: true}, "starved": starved} {
		t.Run(name, func(t *testing.T) {
			m := world.fleet.Members["nginx"]
			log := filepath.Join(m.Dir, "access.log")
			before := lines(t, log)
			o.Args = append(o.Args[:len(o.Args):len(o.Args)], "--port", strconv.Itoa(m.Port))
			w := start(t, o)
			completed := wrk(t, m.URL("/hello/wrk"), wrkConnections, 4*time.Second)
			time.Sleep(300 * time.Millisecond) // nginx finishes what wrk left open
			stopWeft(t, w)
			served := uint64(lines(t, log) - before)
			server := w.Tally(tracer.Group{Kind: tracer.Server, Service: m.Service, Port: m.Port})
			client := w.Tally(tracer.Group{Kind: tracer.Client, Service: "wrk", Port: m.Port})
			lost := losses(w.Counts)
			t.Logf("wrk %d, nginx %d: %d server and %d client spans, %d lost: %v", completed, served, server, client, lost, w.Counts.Lost)
			if completed > served || served > completed+wrkConnections {
				t.Errorf("wrk completed %d requests, nginx served %d", completed, served)
			}
			ends := server + client + lost
			if ends < served+completed || ends > 2*(completed+wrkConnections) {
				t.Errorf("nginx served %d of which wrk saw %d, but %d server spans, %d client spans and %d losses make %d: %+v",
					served, completed, server, client, lost, ends, *w.Counts)
			}
			if server > served || client > completed+wrkConnections || server+client == 0 {
				t.Errorf("nginx served %d of which wrk saw %d, and there are %d and %d spans", served, completed, server, client)
			}
			if lost == 0 && server != served {
				t.Errorf("nginx served %d, nothing is lost, and there are %d spans", served, server)
			}
		})
	}
}

const wrkConnections = 64

// lines counts the lines of a file.
func lines(t *testing.T, path string) int {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(fmt.Errorf("count log: %w", err))
	}
	return bytes.Count(text, []byte("\n"))
}
