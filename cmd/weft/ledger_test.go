package main

import (
	"strings"
	"testing"

	"weft/bpf"
)

// TestCountNames holds the names of the kernel's counters complete and apart.
func TestCountNames(t *testing.T) {
	seen := map[string]int{}
	for i := range int(bpf.WeftCountCOUNTS) {
		name := countName(i)
		if name == "" || strings.HasSuffix(name, "_") {
			t.Errorf("counter %d has no name", i)
		}
		if before, twice := seen[name]; twice {
			t.Errorf("counters %d and %d are both called %s", before, i, name)
		}
		seen[name] = i
	}
}
