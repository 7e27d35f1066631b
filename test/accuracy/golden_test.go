package main

import (
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"weft/correlate/event"
)

// TestGolden replays recordings of real services: no link may be wrong, and so many have to be there.
func TestGolden(t *testing.T) {
	paths, err := filepath.Glob("testdata/*.weft")
	if err != nil || len(paths) == 0 {
		t.Fatal("no recordings", err)
	}
	size := int64(0)
	for _, path := range paths {
		name := filepath.Base(path)
		i := slices.IndexFunc(scenarios, func(s scenario) bool { return name[:strings.LastIndexByte(name, '-')] == s.name })
		if i < 0 {
			t.Fatalf("%s is of no scenario", path)
		}
		info, err := os.Stat(path)
		if err != nil {
			t.Fatal(err)
		}
		size += info.Size()
		t.Run(name, func(t *testing.T) { golden(t, path, scenarios[i]) })
	}
	if size > 1200<<10 {
		t.Errorf("the recordings have %d bytes", size)
	}
}

func golden(t *testing.T, path string, s scenario) {
	all, err := replay(path)
	if err != nil {
		t.Fatal(err)
	}
	got := judge(all, s.proxy)
	if got.calls == 0 || got.precision() < 0.999 || got.recall() < s.floor {
		t.Errorf("precision %.4f, recall %.4f, want 0.999 and %v; %d calls, by %s", got.precision(), got.recall(), s.floor, got.calls, got.by())
	}
	for i, c := range got.reliability {
		if float64(c.right) < c.said-0.001*float64(c.links)-1 {
			t.Errorf("links that said %v: %d, of which %d are right; they said %.1f", bounds[i], c.links, c.right, c.said)
		}
	}
	err = each(path, func(ev *event.Event) error {
		if ev.Conn.Cgroup != 0 {
			t.Error("cgroup of a socket")
		}
		if ev.Process == nil {
			return nil
		}
		for _, a := range ev.Process.Attributes {
			if !slices.Contains(told, a.Key) {
				t.Errorf("%s of process %d", a.Key, ev.PID)
			}
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
}

// TestNames: every name is another word, and is read back from it.
func TestNames(t *testing.T) {
	words := map[string]bool{}
	for tree := range uint32(500) {
		for node := range uint8(20) {
			n := name{tree, node + 1, node / 2}
			got, ok := nameIn("/a/" + n.word())
			if !ok || got != n {
				t.Fatalf("%v is read as %v", n, got)
			}
			words[n.word()] = true
		}
	}
	if len(words) != 500*20 {
		t.Errorf("%d words for %d names", len(words), 500*20)
	}
}

// TestFlags: what is made again has no calls of its own, and only what came with a trace context hands one on.
func TestFlags(t *testing.T) {
	seen := map[string]int{}
	for number := range uint32(500) {
		tr := &tree{random: rand.New(rand.NewPCG(uint64(number), 1)), shape: mixes, number: number, traced: number%2 == 0}
		_, program := tr.request(0, 0)
		for rest := program; rest != ""; {
			line, after, _ := strings.Cut(rest, "\n")
			words := strings.Fields(line)
			rest = after
			if len(words) < 5 {
				continue
			}
			size, err := strconv.Atoi(words[3])
			if err != nil {
				t.Fatal(err)
			}
			seen[words[4]]++
			if strings.Contains(words[4], "t") && strings.ContainsAny(rest[:size], "cp") {
				t.Errorf("%q is made again with %q", line, rest[:size])
			}
			if strings.Contains(words[4], "h") && !tr.traced {
				t.Errorf("%q hands on what its request has not", line)
			}
		}
	}
	for _, flags := range []string{"h", "t", "ht"} {
		if seen[flags] == 0 {
			t.Errorf("no call has the flags %q", flags)
		}
	}
}

// TestReferences: each finds the obvious.
func TestReferences(t *testing.T) {
	all := []exchange{
		{server: true, pid: 1, tid: 1, start: 0, end: 100, name: name{1, 1, 0}, id: [8]byte{1}},
		{pid: 1, tid: 1, start: 10, end: 20, port: 80, name: name{1, 2, 1}, id: [8]byte{2}},
		{server: true, pid: 1, tid: 2, start: 200, end: 300, name: name{2, 1, 0}, id: [8]byte{3}},
		{pid: 1, tid: 2, start: 210, end: 220, port: 80, name: name{2, 2, 1}, id: [8]byte{4}},
	}
	for _, r := range references {
		if s := judgeReference(all, false, r); s.right != 2 || s.wrong != 0 {
			t.Errorf("%s: %d right and %d wrong of %d", r.name, s.right, s.wrong, s.calls)
		}
	}
}

// TestLeastCost compares the assignment with trying all.
func TestLeastCost(t *testing.T) {
	cost := [][]float64{{4, 1, 3}, {2, 0, 5}, {3, 2, 2}}
	if got := leastCost(cost); !slices.Equal(got, []int{1, 0, 2}) {
		t.Errorf("%v", got)
	}
}
