package bpf

import (
	"errors"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/btf"
)

// noPreallocation is BPF_F_NO_PREALLOC of linux/bpf.h.
const noPreallocation = 1

// preallocated is how many entries a map has whose memory is taken at once; others stay as they are.
var preallocated = map[string]uint32{"processes": 32768, "sessions": 8192, "tls_sockets": 8192}

// preallocate has the kernel take the memory of all entries at once where it can't take that of one while a program on a probe runs: it says
// that this is unsafe. From Linux 6.1 on it can, by an allocator of its own.
func preallocate(spec *ebpf.CollectionSpec) error {
	kernel, err := btf.LoadKernelSpec()
	if err != nil {
		return err
	}
	var allocator *btf.Struct
	err = kernel.TypeByName("bpf_mem_alloc", &allocator)
	if err == nil || !errors.Is(err, btf.ErrNotFound) {
		return err
	}
	takeAtOnce(spec.Maps)
	return nil
}

func takeAtOnce(maps map[string]*ebpf.MapSpec) {
	for name, m := range maps {
		if m.Type != ebpf.Hash || m.Flags&noPreallocation == 0 {
			continue
		}
		m.Flags &^= noPreallocation
		if n := preallocated[name]; n != 0 {
			m.MaxEntries = min(m.MaxEntries, n)
		}
	}
}
