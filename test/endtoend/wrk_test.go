package endtoend

import (
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"testing"
	"time"

	"weft/test/tracer"
)

// whole tells that the long matrix is to be run: every client and wrk at 128 connections, too.
func whole() bool { return os.Getenv("MATRIX") == "all" }

// TestWrkEverywhere loads every server with wrk: each reply that it has read is told at both ends, and no more than it can have asked
// for. When wrk ends it leaves at most one request for each connection without its reply. It is faster than weft can write JSON: what the
// queue has no room for is counted, on a fast machine twice as much as what is told.
func TestWrkEverywhere(t *testing.T) {
	connections := []int{16}
	if whole() {
		connections = []int{1, 16, 128}
	}
	w := start(t, tracer.Options{Args: ours(t), Discard: true})
	completed, most := map[string]uint64{}, map[string]uint64{}
	for _, m := range world.fleet.All() {
		if m.Unix {
			continue
		}
		for _, n := range connections {
			read := wrk(t, m.URL("/hello/wrk"), n, time.Second)
			completed[m.Name] += read
			most[m.Name] += read + uint64(n)
			most[m.Backend] += read + uint64(n) // to which a proxy passes them on
		}
	}
	stopWeft(t, w)
	lost := losses(w.Counts)
	for name, read := range completed {
		m := world.fleet.Members[name]
		for end, g := range map[string]tracer.Group{
			"server": {Kind: tracer.Server, Service: m.Service, Port: m.Port},
			"client": {Kind: tracer.Client, Service: "wrk", Port: m.Port},
		} {
			if spans := w.Tally(g); spans+lost < read || spans > most[name] {
				t.Errorf("%s: wrk has read %d replies and asked %d times at most; %d %s spans, and %d losses in all", name, read, most[name], spans, end, lost)
			}
		}
	}
	if told := w.Counts.Export.Exported; lost > 10*told {
		t.Errorf("%d losses beside %d spans: %+v", lost, told, *w.Counts)
	}
}

// wrk runs wrk for some time and gives the number of requests whose reply it has read.
func wrk(t *testing.T, url string, connections int, d time.Duration) uint64 {
	t.Helper()
	threads := min(2, connections)
	out, err := exec.Command("wrk", fmt.Sprint("-t", threads), fmt.Sprint("-c", connections), "-d"+d.String(), url).CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	found := wrkRequests.FindSubmatch(out)
	if found == nil {
		t.Fatalf("wrk said %s", out)
	}
	n, err := strconv.ParseUint(string(found[1]), 10, 64)
	if err != nil || n == 0 {
		t.Fatalf("wrk made %s requests, %v", found[1], err)
	}
	return n
}
