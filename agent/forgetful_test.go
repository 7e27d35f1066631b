package agent

import (
	"testing"

	"github.com/cilium/ebpf"

	"weft/bpf"
)

// TestFitMaps: maps that forget are as large as the machine, never smaller than its CPUs need, and as good as none for what is off.
func TestFitMaps(t *testing.T) {
	all := &Options{Handover: true, Tasks: true, TLS: true}
	for _, test := range []struct {
		name   string
		memory uint64
		cpus   int
		o      *Options
		want   map[string]uint32
	}{
		{"usual", 16 << 30, 2, all, map[string]uint32{"goroutines": 32768, "own": 1024, "processes": 65536, "threads": 16384}},
		{"sold as usual", 15 << 30, 2, all, map[string]uint32{"goroutines": 32768}},
		{"half as much again", 24 << 30, 2, all, map[string]uint32{"goroutines": 32768}},
		{"small", 1 << 30, 2, all, map[string]uint32{"goroutines": 4096, "own": 1024, "processes": 65536, "given": 1024}},
		{"tiny", 1 << 28, 1, all, map[string]uint32{"goroutines": 4096}},
		{"large", 1 << 40, 128, all, map[string]uint32{"goroutines": 131072, "own": 32768, "streams": 65536}},
		{"small with many CPUs", 1 << 30, 64, all, map[string]uint32{"goroutines": 16384}},
		{"nothing on", 16 << 30, 2, &Options{}, map[string]uint32{"goroutines": 32768, "given": 1, "workers": 1, "tasks": 1, "written": 1, "threads": 1, "own": 1024}},
	} {
		spec, err := bpf.LoadWeft()
		if err != nil {
			t.Fatal(err)
		}
		for name := range ofCapability {
			if spec.Maps[name] == nil || spec.Maps[name].Type != ebpf.LRUHash {
				t.Fatalf("no map %s forgets", name)
			}
		}
		fitMaps(spec.Maps, test.o, test.memory, test.cpus)
		for name, want := range test.want {
			if got := spec.Maps[name].MaxEntries; got != want {
				t.Errorf("%s: %s has room for %d, want %d", test.name, name, got, want)
			}
		}
	}
}

// TestForgetfulNames: every map that forgets counts what is put into it.
func TestForgetfulNames(t *testing.T) {
	spec, err := bpf.ByAddress.Spec() // it has all that the other build has, too
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for name, m := range spec.Maps {
		if m.Type != ebpf.LRUHash {
			continue
		}
		n++
		if _, ok := forgetful[name]; !ok {
			t.Errorf("what is put into %s is not counted", name)
		}
	}
	if n != int(bpf.WeftForgetfulFORGETFULS) {
		t.Errorf("%d maps forget, %d are counted", n, bpf.WeftForgetfulFORGETFULS)
	}
}

func TestForgets(t *testing.T) {
	for used, want := range map[uint32]bool{0: false, 949: false, 950: true, 1000: true} {
		if f := (Forgetful{Used: used, Max: 1000}); f.Forgets() != want {
			t.Errorf("%d of 1000: %v", used, !want)
		}
	}
	if f := (Forgetful{Used: 1, Max: 1}); f.Forgets() {
		t.Error("a map of what is off")
	}
}
