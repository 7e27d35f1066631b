package watchdog

import (
	"math"
	"testing"
	"time"
)

var limits = Limits{CPU: 0.5, Operation: 50 * time.Microsecond, Window: 10 * time.Second, Pause: time.Minute}

// costs gives a histogram with n operations in each of some powers of two.
func costs(n map[int]uint64) []uint64 {
	c := make([]uint64, 24)
	for i, k := range n {
		c[i] = k
	}
	return c
}

func TestLook(t *testing.T) {
	for _, c := range []struct {
		name   string
		limits Limits
		end    Sample
		cost   Cost
		over   bool
	}{
		{"idle", limits, Sample{}, Cost{}, false},
		{"weft itself, at the limit", limits, Sample{Own: 10 * time.Second}, Cost{CPU: 0.5}, false},
		{"weft itself, above it", limits, Sample{Own: 11 * time.Second}, Cost{CPU: 0.55}, true},
		{"weft and its kernel side, which alone are below it", limits,
			Sample{Own: 6 * time.Second, Operations: 4 << 20, Costs: costs(map[int]uint64{10: 4 << 10})},
			Cost{CPU: 0.6221, Operation: 1536}, true},
		{"an operation", limits, Sample{Operations: 40 << 10, Costs: costs(map[int]uint64{16: 40})}, Cost{CPU: 0.2030, Operation: 99123}, true},
		{"a few that were interrupted", limits, Sample{Operations: 40 << 10, Costs: costs(map[int]uint64{9: 30, 22: 10})}, Cost{CPU: 0.001763, Operation: 861}, false},
		{"too few to say", limits, Sample{Operations: 7 << 8, Costs: costs(map[int]uint64{20: 7})}, Cost{}, false},
		{"no limits", Limits{Window: 1}, Sample{Own: time.Hour, Operations: 40 << 10, Costs: costs(map[int]uint64{23: 40})}, Cost{CPU: 205.98, Operation: 12687769}, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := New(c.limits, 2)
			// The machine and the process were not new at the start.
			w.Begin(Sample{At: time.Hour, Own: time.Minute, Operations: 99, Costs: costs(map[int]uint64{3: 9})})
			end := c.end
			end.At += time.Hour + 10*time.Second
			end.Own += time.Minute
			end.Operations += 99
			end.Costs = append([]uint64(nil), end.Costs...)
			if end.Costs == nil {
				end.Costs = make([]uint64, 24)
			}
			end.Costs[3] += 9
			got, over := w.Look(end)
			if over != c.over || got.Operation != c.cost.Operation || math.Abs(got.CPU-c.cost.CPU) > c.cost.CPU/1000 {
				t.Errorf("Look says %+v, over %v; want %+v, %v", got, over, c.cost, c.over)
			}
			if again, over := w.Look(end); over || again != (Cost{}) {
				t.Errorf("a window of no length shows %+v", again)
			}
		})
	}
}

func TestDue(t *testing.T) {
	w := New(limits, 2)
	w.Begin(Sample{At: time.Hour})
	if w.Due(time.Hour+10*time.Second-1) || !w.Due(time.Hour+10*time.Second) {
		t.Error("a window of 10 s is not over after 10 s, or before")
	}
	w = New(Limits{Window: time.Second}, 2)
	if w.Due(time.Hour) {
		t.Error("without limits a window ends")
	}
}

// TestRest: each pause that follows soon is twice as long, up to 64 times the first; after a calm time it is the first again.
func TestRest(t *testing.T) {
	w := New(limits, 2)
	at := time.Duration(0)
	for i, minutes := range []int{1, 2, 4, 8, 16, 32, 64, 64} {
		w.Begin(Sample{At: at})
		at += 10 * time.Second
		pause := w.Rest(at)
		if pause != time.Duration(minutes)*time.Minute {
			t.Fatalf("pause %d is %v, want %d minutes", i, pause, minutes)
		}
		at += pause
	}
	w.Begin(Sample{At: at})
	if pause := w.Rest(at + 128*time.Minute); pause != time.Minute {
		t.Errorf("the pause after a calm time is %v", pause)
	}
}
