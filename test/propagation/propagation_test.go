package propagation

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"weft/correlate/propagation"
	"weft/test/tracer"
)

// share are the programs that `make test` runs; PROPAGATION=all
// runs all of them, at 64 connections too.
var share = []string{"nginx", "go-proxy", "go-otel", "go-retry", "flask", "php-fpm", "node-stale", "node-otel"}

func TestPrograms(t *testing.T) {
	all := os.Getenv("PROPAGATION") == "all"
	connections := []int{1, 16}
	if all {
		connections = []int{1, 16, 64}
	}
	var parts []string
	for _, p := range programs {
		if p.part != "" && !slices.Contains(parts, p.part) && (all || slices.Contains(share, p.name)) {
			parts = append(parts, p.part)
		}
	}
	cache := install(t, append(parts, "go"))
	for _, p := range programs {
		if !all && !slices.Contains(share, p.name) {
			continue
		}
		t.Run(p.name, func(t *testing.T) {
			place := place{cache: cache}
			place.upstream = start(t, place, goService("terminal"), "OTEL_SERVICE_NAME=terminal")
			address := start(t, place, p.command, append([]string{"OTEL_SERVICE_NAME=" + p.name, "DD_SERVICE=" + p.name,
				"DD_TRACE_AGENT_URL=http://" + place.upstream, "OTEL_EXPORTER_OTLP_ENDPOINT=http://" + place.upstream,
				"OTEL_EXPORTER_OTLP_PROTOCOL=http/protobuf"}, p.env...)...)
			for _, f := range p.cases {
				for _, c := range connections {
					if c == 1 || !f.serial {
						t.Run(fmt.Sprintf("%s/%d", strings.Trim(f.path, "/"), c), func(t *testing.T) { judge(t, cache, p, f, address, c) })
					}
				}
			}
		})
	}
}

// requestsEach is how many requests a case sends: enough for a rate of all to be above 0.99 for sure.
const requestsEach = 480

// uncountedMax is the share in percent of requests whose calls may stay unjudged, or out of the rate: those that come before weft has
// seen enough of the program to know that its calls are made for requests.
const uncountedMax = 2

// judge sends a case's requests under a fresh weft and compares its report.
func judge(t *testing.T, cache string, p program, f flow, address string, connections int) {
	if connections > 1 {
		requestsOf(t, address, f, connections, connections) // what a program does only the first time takes long
	}
	r := report(t, cache, func() {
		if f.first != "" {
			requestsOf(t, address, flow{path: f.first, carry: f.carry}, 1, 1)
		}
		requestsOf(t, address, f, requestsEach, connections)
	})
	if !compare(t, r, p, f) {
		for _, e := range r.Edges {
			one, _ := json.Marshal(e)
			t.Logf("%s", one)
		}
		one, _ := json.Marshal(r.Totals)
		t.Logf("%s", one)
	}
}

// report gives what a fresh weft says of what happens while load runs.
func report(t *testing.T, cache string, load func()) (r propagation.Report) {
	t.Helper()
	control := filepath.Join(t.TempDir(), "control")
	w, err := tracer.Start(filepath.Join(cache, "bin", "weft"), tracer.Options{Output: "none", Args: []string{"--control", control}})
	if err != nil {
		t.Fatal(err)
	}
	defer w.Kill()
	time.Sleep(time.Second) // what a program does on its own account is part of the evidence
	load()
	time.Sleep(time.Second)
	text, err := exec.Command(filepath.Join(cache, "bin", "weft"), "report", "--format", "json", "--control", control).Output()
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(text, &r); err != nil {
		t.Fatal(err)
	}
	return r
}

// compare holds the edges of the program against what its row says.
func compare(t *testing.T, r propagation.Report, p program, f flow) bool {
	t.Helper()
	n, k := uint64(0), uint64(0)
	findings := map[string]uint64{}
	where := map[string]bool{}
	for _, e := range r.Edges {
		if e.Service != p.name {
			continue
		}
		n += e.Rate.N
		k += e.Rate.K
		for _, found := range e.Findings {
			findings[found.Verdict] += found.Count
			where[found.Where] = true
		}
	}
	pairs := uint64(max(f.pairs, 1))
	wantN, wantK := pairs*requestsEach, uint64(f.goOn)*requestsEach
	uncounted := wantN - min(n, wantN)
	if n > wantN || k > wantK || wantK-k > uncounted || uncounted*100 > requestsEach*uncountedMax {
		t.Errorf("%d of %d go on, want %d of %d", k, n, wantK, wantN)
	}
	for _, v := range f.findings {
		if found := findings[v]; found > requestsEach || (requestsEach-found)*100 > requestsEach*uncountedMax {
			t.Errorf("%s: %d, want %d", v, found, requestsEach)
		}
		delete(findings, v)
	}
	for v, count := range findings {
		t.Errorf("%s: %d, want none", v, count)
	}
	if f.where != "" && !where[f.where] {
		t.Errorf("it is not said that it is %s, but %v", f.where, where)
	}
	return !t.Failed()
}
