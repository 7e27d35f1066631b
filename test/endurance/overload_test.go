package endurance

import (
	"encoding/json"
	"fmt"
	"net/url"
	"os/exec"
	"testing"
	"time"

	"weft/correlate/propagation"
	"weft/test/fleet"
	"weft/test/tracer"
)

// TestOverload gives weft nothing of the processors but what a load leaves that takes them all, and a ring that is full at once. Each
// request is told or counted, to the last one, and the rate of the calls whose trace goes on is that of all of them, although most
// were not seen: two of three pass their context on.
func TestOverload(t *testing.T) {
	const calls, connections = 12000, 48
	front, back := world.fleet.Members["go"], world.fleet.Members["nginx"]
	place := control(t)
	w := start(t, tracer.Options{
		Prefix: []string{"chrt", "--idle", "0"}, Discard: true, Args: []string{"--ring-size", "128KiB", "--control", place},
	}, front, back)
	jobs := make([]fleet.Job, calls)
	for i := range jobs {
		to := back.URL(fmt.Sprintf("/hello/t-%d", i))
		jobs[i] = fleet.Job{
			Method: "GET", URL: front.URL(fmt.Sprintf("/call/t-%d?trace=%s&url=%s", i, []string{"", "new", "new"}[i%3], url.QueryEscape(to))),
			Headers: map[string]string{"traceparent": fmt.Sprintf("00-%032x-%016x-01", i+1, i+1)},
		}
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
	time.Sleep(2 * time.Second) // what is on the ring is read, and what waits for its other end is given out
	rate := rateOf(t, place, front.Service)
	if err := w.Stop(); err != nil {
		t.Fatal(err)
	}
	verifyEnds(t, w, calls, front, back)
	left := w.Counts.Lost["left_out_server"] + w.Counts.Lost["left_out_client"]
	t.Logf("%d pairs, %d of which go on, from %.3f to %.3f; lost: %v", rate.N, rate.K, rate.Lower, rate.Upper, w.Counts.Lost)
	if left == 0 {
		t.Error("the ring was not half full: nothing was left out")
	}
	// The interval holds the truth in 19 of 20 runs. Half as wide again on either side it would in all but one of ten thousand.
	const truth = 2.0 / 3
	if wide := (rate.Upper - rate.Lower) / 2; rate.N < 30 || truth < rate.Lower-wide || truth > rate.Upper+wide {
		t.Errorf("two of three go on, the report has %+v", rate)
	}
}

// verifyEnds holds what was told and counted against the four ends of each call.
func verifyEnds(t *testing.T, w *tracer.Tracer, calls int, front, back *fleet.Member) {
	t.Helper()
	var spans, lost uint64
	for _, g := range []tracer.Group{
		{Kind: tracer.Client, Service: "goclient", Port: front.Port}, {Kind: tracer.Server, Service: front.Service, Port: front.Port},
		{Kind: tracer.Client, Service: front.Service, Port: back.Port}, {Kind: tracer.Server, Service: back.Service, Port: back.Port},
	} {
		n := w.Tally(g)
		if n > uint64(calls) {
			t.Errorf("%d calls, and %d spans of %+v", calls, n, g)
		}
		spans += n
	}
	for _, n := range w.Counts.Lost {
		lost += n
	}
	if lost += w.Counts.Export.Dropped(); spans+lost != 4*uint64(calls) {
		t.Errorf("%d calls have %d ends, but %d spans and %d losses make %d: %+v", calls, 4*calls, spans, lost, spans+lost, *w.Counts)
	}
}

// rateOf asks weft for the rate of a service's calls.
func rateOf(t *testing.T, place, service string) (rate propagation.Rate) {
	t.Helper()
	text, err := exec.Command(weft(), "report", "--format", "json", "--control", place).Output()
	if err != nil {
		t.Fatal(err)
	}
	var r propagation.Report
	if err := json.Unmarshal(text, &r); err != nil {
		t.Fatal(err)
	}
	for _, e := range r.Edges {
		if e.Service == service && e.Rate.N > rate.N {
			rate = e.Rate
		}
	}
	return rate
}
