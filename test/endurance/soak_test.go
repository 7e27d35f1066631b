package endurance

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/cilium/ebpf"

	"weft/test/tracer"
)

// shortSoak is how long TestSoak takes without DURATION.
const shortSoak = 15 * time.Second

// sample is what weft holds at a moment.
type sample struct {
	at     float64 // seconds
	values [measures]float64
}

const (
	memory = iota
	files
	routines
	entries
	measures
)

// bounds are how much more than in its first half a measure may be at the end: a share of it and a constant. A run is short beside what
// the heap takes to find its size, so memory has the most room.
var bounds = [measures]struct {
	name            string
	share, constant float64
}{
	memory:   {"resident memory, MiB", 0.15, 6},
	files:    {"file descriptors", 0.02, 6},
	routines: {"goroutines", 0.05, 6},
	entries:  {"entries of hash maps", 0.10, 64},
}

// TestSoak loads weft with what comes and goes, connections and processes, and holds that it does not grow. DURATION says for how long,
// and PLOT into which file the lines are drawn.
func TestSoak(t *testing.T) {
	length := shortSoak
	if text := os.Getenv("DURATION"); text != "" {
		var err error
		if length, err = time.ParseDuration(text); err != nil {
			t.Fatal(err)
		}
	}
	place := control(t)
	w := start(t, tracer.Options{Output: "none", Args: []string{"--control", place}})
	ctx, stop := context.WithTimeout(t.Context(), length)
	defer stop()
	churned := churn(ctx)
	var samples []sample
	every := max(length/300, 250*time.Millisecond)
	for began := time.Now(); ctx.Err() == nil; time.Sleep(every) {
		s, err := measure(w.PID(), place)
		if err != nil {
			t.Fatal(err)
		}
		s.at = time.Since(began).Seconds()
		samples = append(samples, s)
	}
	if err := churned(t); err != nil {
		t.Error(err)
	}
	if err := w.Stop(); err != nil {
		t.Fatal(err)
	}
	if w.Counts.Spans["server"] == 0 {
		t.Errorf("weft has traced nothing: %+v", *w.Counts)
	}
	for i, b := range bounds {
		early, late := middle(samples, i, 0.25, 0.5), middle(samples, i, 0.85, 1)
		t.Logf("%s: %.1f, at the end %.1f", b.name, early, late)
		if late > early*(1+b.share)+b.constant {
			t.Errorf("%s: %.1f in the first half, %.1f at the end", b.name, early, late)
		}
	}
	if path := os.Getenv("PLOT"); path != "" {
		if err := plot(path, samples, w.Counts.Spans["server"]+w.Counts.Spans["client"]); err != nil {
			t.Error(err)
		}
	}
}

// middle is the median of a measure over a part of the run.
func middle(samples []sample, measure int, from, to float64) float64 {
	var values []float64
	end := samples[len(samples)-1].at
	for _, s := range samples {
		if s.at >= from*end && s.at <= to*end {
			values = append(values, s.values[measure])
		}
	}
	slices.Sort(values)
	return values[len(values)/2]
}

// churn keeps connections and processes coming and going until the context ends; what it gives waits for that, and gives what failed.
func churn(ctx context.Context) func(*testing.T) error {
	var all sync.WaitGroup
	var mu sync.Mutex
	var faults []error
	counts := [2]int{}
	repeat := func(which int, every time.Duration, act func() error) {
		all.Go(func() {
			for tick := time.NewTicker(every); ; {
				select {
				case <-ctx.Done():
					tick.Stop()
					return
				case <-tick.C:
				}
				err := act()
				mu.Lock()
				counts[which]++
				if err != nil && len(faults) < 3 {
					faults = append(faults, err)
				}
				mu.Unlock()
			}
		})
	}
	for _, name := range []string{"nginx", "go"} {
		m := world.fleet.Members[name]
		kept, once := &http.Client{}, &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
		for i, client := range []*http.Client{kept, once} {
			repeat(0, 5*time.Millisecond, func() error { _, err := answerOf(client, m, i); return err })
		}
	}
	url := world.fleet.Members["nginx"].URL("/hello/t-0")
	repeat(1, 100*time.Millisecond, func() error { return exec.Command("curl", "-sf", "-o", "/dev/null", url).Run() })
	repeat(1, 50*time.Millisecond, func() error { return exec.Command("/bin/true").Run() })
	return func(t *testing.T) error {
		all.Wait()
		t.Logf("%d requests, %d processes", counts[0], counts[1])
		return errors.Join(faults...)
	}
}

// measure reads what a weft holds.
func measure(pid int, place string) (s sample, err error) {
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/statm", pid))
	if err != nil {
		return s, err
	}
	pages, err := strconv.Atoi(strings.Fields(string(status))[1])
	if err != nil {
		return s, err
	}
	s.values[memory] = float64(pages*os.Getpagesize()) / (1 << 20)
	infos, err := filepath.Glob(fmt.Sprintf("/proc/%d/fdinfo/*", pid))
	if err != nil {
		return s, err
	}
	s.values[files] = float64(len(infos))
	s.values[entries] = float64(entriesOf(infos))
	n, err := goroutinesOf(place)
	s.values[routines] = float64(n)
	return s, err
}

// entriesOf counts the entries of the hash maps that are open there and from which weft has to remove what is over. Those from which the
// kernel lets the oldest fall out fill up to their bound, and stay there.
func entriesOf(infos []string) (n int) {
	for _, info := range infos {
		text, _ := os.ReadFile(info) // it may be closed by now
		_, tail, ok := strings.Cut(string(text), "map_id:")
		if !ok {
			continue
		}
		id, err := strconv.Atoi(strings.Fields(tail)[0])
		if err != nil {
			continue
		}
		m, err := ebpf.NewMapFromID(ebpf.MapID(id))
		if err != nil {
			continue
		}
		if m.Type() == ebpf.Hash {
			var next []byte
			key := make([]byte, m.KeySize())
			for err = m.NextKey(nil, &next); err == nil && n < 1<<20; err = m.NextKey(key, &next) {
				copy(key, next)
				n++
			}
		}
		m.Close()
	}
	return n
}

func goroutinesOf(place string) (int, error) {
	conn, err := net.DialTimeout("unix", place, 5*time.Second)
	if err != nil {
		return 0, err
	}
	defer conn.Close()
	if _, err := fmt.Fprintln(conn, "account"); err != nil {
		return 0, err
	}
	var a struct {
		Goroutines int `json:"goroutines"`
	}
	err = json.NewDecoder(conn).Decode(&a)
	return a.Goroutines, err
}
