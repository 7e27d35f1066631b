package bpf

import (
	"os"
	"testing"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/features"
	"github.com/cilium/ebpf/link"
)

// probesHere is the way that the environment names with WEFT_PROBES, or the best one that this kernel has.
func probesHere() Probes {
	if name := os.Getenv("WEFT_PROBES"); name != "" {
		return Probes(name)
	}
	if features.HaveBPFLinkUprobeMulti() != nil {
		return Single
	}
	return Multi
}

// put puts a program at places of a file, until the test ends.
func put(t testing.TB, path string, p *ebpf.Program, cookie uint64, at ...uint64) {
	t.Helper()
	file, err := link.OpenExecutable(path)
	check(t, err)
	if probesHere() == Multi {
		cookies := make([]uint64, len(at))
		for i := range cookies {
			cookies[i] = cookie
		}
		l, err := file.UprobeMulti(nil, p, &link.UprobeMultiOptions{Addresses: at, Cookies: cookies})
		check(t, err)
		t.Cleanup(func() { l.Close() })
		return
	}
	for _, at := range at {
		l, err := file.Uprobe("", p, &link.UprobeOptions{Address: at, Cookie: cookie})
		check(t, err)
		t.Cleanup(func() { l.Close() })
	}
}
