package bpf

import (
	"testing"

	"github.com/cilium/ebpf"
)

// TestTakeAtOnce: no map of either build takes the memory of an entry while a program runs, and what it takes at once is little.
func TestTakeAtOnce(t *testing.T) {
	for _, build := range []Build{InSocket, ByAddress} {
		spec, err := build.Spec()
		check(t, err)
		takeAtOnce(spec.Maps)
		for name, m := range spec.Maps {
			if m.Type == ebpf.Hash && m.Flags&noPreallocation != 0 {
				t.Errorf("%s: %s takes memory while programs run", build, name)
			}
			if size := m.MaxEntries * (m.KeySize + m.ValueSize); m.Type == ebpf.Hash && size > 16<<20 {
				t.Errorf("%s: %s takes %d bytes at once", build, name, size)
			}
		}
	}
}

// TestProbesOfPrograms: how probes are put on programs is no matter of those that are put on the kernel.
func TestProbesOfPrograms(t *testing.T) {
	spec, err := ByAddress.Spec()
	check(t, err)
	Multi.Choose(spec)
	for name, want := range map[string]ebpf.AttachType{
		"ssl_ends": ebpf.AttachTraceUprobeMulti, "tcp_sendmsg_begins": ebpf.AttachNone, "send_returns": ebpf.AttachNone,
	} {
		if got := spec.Programs[name].AttachType; got != want {
			t.Errorf("%s is put on as %v, want %v", name, got, want)
		}
	}
}
