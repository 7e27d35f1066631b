package bpf

import (
	"strings"

	"github.com/cilium/ebpf"
)

// Probes is how programs are put on functions of executables and libraries.
type Probes string

// The ways. A program that was loaded for one can't be put on by the other.
const (
	Multi  Probes = "multi"  // one link for all places in a file at which a program is put: uprobe.multi, Linux 6.6 and later
	Single Probes = "single" // a perf event and a link for each place
)

// Choose readies the programs of the specification that are put on functions.
func (p Probes) Choose(spec *ebpf.CollectionSpec) {
	for _, program := range spec.Programs {
		if strings.HasPrefix(program.SectionName, "uprobe") && p == Multi {
			program.AttachType = ebpf.AttachTraceUprobeMulti
		}
	}
}
