package main

import (
	"strings"
	"testing"

	"weft/bpf"
	"weft/correlate"
	"weft/correlate/route"
	"weft/export/metrics"
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

// TestKernelCountsAreMetrics holds that each counter of the kernel side has its metric.
func TestKernelCountsAreMetrics(t *testing.T) {
	for i := range int(bpf.WeftCountCOUNTS) {
		if name := countName(i); !metrics.IsKernel(name) {
			t.Errorf("%s is no metric", name)
		}
	}
	if !metrics.IsKernel("programs_missed") || !metrics.IsKernel("records_size") || metrics.IsKernel("other") {
		t.Error("what is a counter of the kernel side is not known")
	}
}

// TestDoctorTellsOfUnreadTLS holds that whoever misses spans of short-lived programs learns why, and nobody else.
func TestDoctorTellsOfUnreadTLS(t *testing.T) {
	a := account{Kernel: map[string]uint64{"tls_sockets": 9}}
	if text := a.lines(); strings.Contains(text, "!!") {
		t.Error(text)
	}
	a.Kernel["tls_sockets_unread"], a.Kernel["tls_sockets_late"] = 3, 2
	if text := a.lines(); !strings.Contains(text, "of 3 ends of connections under TLS are missing, and perhaps the first ones of 2:") {
		t.Error(text)
	}
}

// TestFullRouteTableIsCounted holds that whoever finds routes without names learns why.
func TestFullRouteTableIsCounted(t *testing.T) {
	var l ledger
	l.last.Store(&snapshot{counts: correlate.Counts{Routes: route.Counts{Overflows: 3}}})
	m, err := l.measures()
	if err != nil || m.Noted["paths_without_route"] != 3 {
		t.Errorf("error %v, %v", err, m.Noted)
	}
}
