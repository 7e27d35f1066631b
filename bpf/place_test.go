package bpf

import (
	"encoding/binary"
	"testing"

	"github.com/cilium/ebpf"
)

// TestOverlapped: while an operation is under way on the CPU, as where the kernel preempts programs, another one is told all the same; a
// third one is counted.
func TestOverlapped(t *testing.T) {
	k := start(t)
	take := func(areas ...uint32) {
		for _, area := range areas {
			size := k.objects.Places.ValueSize()
			value := make([]byte, size)
			binary.NativeEndian.PutUint32(value[size-8:], 1)
			var perCPU [][]byte
			for range ebpf.MustPossibleCPU() {
				perCPU = append(perCPU, value)
			}
			check(t, k.objects.Places.Put(area, perCPU))
		}
	}
	told := func() (exchanges, overlapped int) {
		k.forget()
		before := k.count(WeftCountCOUNT_OVERLAPPED)
		p := families["ipv4"](t)
		move(t, p.client, p.server, get, 1<<20)
		move(t, p.server, p.client, okReply, 1<<20)
		return len(k.exchanges(true)) + len(k.exchanges(false)), int(k.count(WeftCountCOUNT_OVERLAPPED) - before)
	}
	take(0, 1, 2, 3)
	if n, overlapped := told(); n != 2 || overlapped != 0 {
		t.Errorf("with one under way: %d exchanges, %d overlapped", n, overlapped)
	}
	take(4, 5, 6, 7)
	if n, overlapped := told(); n != 0 || overlapped < 4 { // other programs have some, too
		t.Errorf("with two under way: %d exchanges, %d overlapped", n, overlapped)
	}
	check(t, k.objects.Tallies.Put(uint32(0), make([]WeftTally, ebpf.MustPossibleCPU()))) // no test of its own ends with any
}
