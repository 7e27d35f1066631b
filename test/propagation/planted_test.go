package propagation

import (
	"math/rand/v2"
	"net/http"
	"testing"

	"weft/correlate/propagation"
)

// TestPlanted has one request of a hundred lose its context, at random places among many side by side: weft finds as many, and no
// more. Where none loses it nothing is broken.
func TestPlanted(t *testing.T) {
	const requests, connections, lost = 20_000, 64, 200
	cache := install(t, []string{"go"})
	place := place{cache: cache}
	place.upstream = start(t, place, goService("terminal"), "OTEL_SERVICE_NAME=terminal")
	address := start(t, place, goService("planted"), "OTEL_SERVICE_NAME=planted")
	planted := map[int]bool{}
	for random := rand.New(rand.NewPCG(1, 2)); len(planted) < lost; {
		planted[random.IntN(requests)] = true
	}
	for name, where := range map[string]map[int]bool{"some": planted, "none": nil} {
		t.Run(name, func(t *testing.T) {
			r := report(t, cache, func() {
				requestsOf(t, address, flow{path: "/call", carry: func(h http.Header, k int) {
					plain(h, k)
					if where[k] {
						h.Set("X-Plant", "1")
					}
				}}, requests, connections)
			})
			for _, e := range r.Edges {
				if e.Service != "planted" {
					continue
				}
				dropped := uint64(0)
				for _, f := range e.Findings {
					dropped += f.Count
					if f.Verdict != "dropped" {
						t.Errorf("%d are %s", f.Count, f.Verdict)
					}
				}
				share := 1 - float64(len(where))/requests
				if dropped != uint64(len(where)) || e.Rate.N != requests || e.Rate.Lower > share || e.Rate.Upper < share {
					t.Errorf("%d of %d dropped, rate %v to %v; want %d of %d", dropped, e.Rate.N, e.Rate.Lower, e.Rate.Upper, len(where), requests)
				}
				if where == nil && e.Health != propagation.Healthy {
					t.Errorf("nothing is lost, and it is called %s", e.Health)
				}
				return
			}
			t.Errorf("the service is not in the report: %+v", r.Totals)
		})
	}
}
