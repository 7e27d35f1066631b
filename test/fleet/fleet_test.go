package fleet

import (
	"fmt"
	"slices"
	"testing"
)

// TestFleet shows that every member serves its routes to every client, without the agent: what the end-to-end
// tests stand on.
func TestFleet(t *testing.T) {
	cache, err := Install()
	if err != nil {
		t.Fatal(err)
	}
	f, err := Start(cache)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Stop()
	target := f.Members["go"].URL("/hello/t")
	for _, m := range f.All() {
		if m.Unix {
			continue
		}
		for name, client := range Clients {
			t.Run(m.Name+"/"+name, func(t *testing.T) {
				jobs, want := routes(m, target)
				for _, keepAlive := range []bool{true, false} {
					check(t, client, cache, jobs, want, keepAlive)
				}
			})
		}
	}
}

func routes(m *Member, target string) (jobs []Job, want []Result) {
	add := func(j Job, status int, size int64) {
		jobs, want = append(jobs, j), append(want, Result{Status: status, Size: size})
	}
	add(Job{Method: "GET", URL: m.URL("/hello/t")}, 200, 6)
	add(Job{Method: "HEAD", URL: m.URL("/hello/t")}, 200, 0)
	for _, n := range []int{0, 1, 1000, 65536, 1 << 20} {
		add(Job{Method: "GET", URL: m.URL(fmt.Sprintf("/bytes/%d/t", n))}, 200, int64(n))
		add(Job{Method: "GET", URL: m.URL(fmt.Sprintf("/chunked/%d/t", n))}, 200, int64(n))
	}
	for _, code := range []int{204, 404, 503} {
		add(Job{Method: "GET", URL: m.URL(fmt.Sprintf("/status/%d/t", code))}, code, -1)
	}
	if m.Offer == Static {
		return jobs, want
	}
	for _, n := range []int64{0, 1, 1000, 1 << 20} {
		size := int64(len(fmt.Sprint(n)))
		add(Job{Method: "POST", URL: m.URL("/echo-size/t"), Body: n}, 200, size)
		add(Job{Method: "POST", URL: m.URL("/echo-size/t"), Body: n, Chunked: true}, 200, size)
	}
	add(Job{Method: "GET", URL: m.URL("/sleep/1/t")}, 200, 6)
	add(Job{Method: "GET", URL: m.URL("/call/t?trace=new&url=" + target)}, 200, 6)
	return jobs, want
}

func check(t *testing.T, c Client, cache string, jobs []Job, want []Result, keepAlive bool) {
	results, err := c.Run(cache, jobs, 4, keepAlive)
	if err != nil {
		t.Fatal(err)
	}
	for i, r := range results {
		if r.Error != "" || r.Status != want[i].Status || want[i].Size >= 0 && r.Size != want[i].Size {
			t.Errorf("%s %s (%d bytes, chunked %v): got %+v, want %+v", jobs[i].Method, jobs[i].URL, jobs[i].Body, jobs[i].Chunked, r, want[i])
		}
	}
	if !slices.IsSortedFunc(results, func(a, b Result) int { return a.I - b.I }) {
		t.Error("results out of order")
	}
}
