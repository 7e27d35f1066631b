package bpf

import (
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	"github.com/cilium/ebpf/link"
	"github.com/cilium/ebpf/rlimit"

	"weft/agent/library"
)

// BenchmarkProbe measures what a call of a function costs that has an empty program at its entry, or where it returns, too, put on in
// each way. The call alone is some ns.
func BenchmarkProbe(b *testing.B) {
	program := filepath.Join(b.TempDir(), "calls")
	if out, err := exec.Command("gcc", "-O2", "-o", program, "testdata/calls.c").CombinedOutput(); err != nil {
		b.Fatalf("%v: %s", err, out)
	}
	functions, err := library.Inspect(program)
	check(b, err)
	if err := rlimit.RemoveMemlock(); err != nil {
		b.Log(err)
	}
	file, err := link.OpenExecutable(program)
	check(b, err)
	for _, way := range []Probes{Single, Multi} {
		for _, returns := range []bool{false, true} {
			name := string(way) + "/entry"
			if returns {
				name += "-and-return"
			}
			b.Run(name, func(b *testing.B) {
				spec := &ebpf.CollectionSpec{Programs: map[string]*ebpf.ProgramSpec{"empty": {
					Name: "empty", Type: ebpf.Kprobe, License: "GPL", Instructions: asm.Instructions{asm.Mov.Imm(asm.R0, 0), asm.Return()},
				}}}
				way.Choose(spec)
				p, err := ebpf.NewProgram(spec.Programs["empty"])
				check(b, err)
				defer p.Close()
				for _, l := range way.putEmpty(b, file, p, functions["SSL_read"], returns) {
					defer l.Close()
				}
				out, err := exec.Command(program, strconv.Itoa(b.N)).Output()
				check(b, err)
				ns, err := strconv.ParseFloat(strings.TrimSpace(string(out)), 64)
				check(b, err)
				b.ReportMetric(ns, "ns/call")
				b.ReportMetric(0, "ns/op")
			})
		}
	}
}

// putEmpty puts a program at the entry of a function and, if that is wanted, where it returns.
func (p Probes) putEmpty(b *testing.B, file *link.Executable, empty *ebpf.Program, at uint64, returns bool) (links []link.Link) {
	b.Helper()
	add := func(l link.Link, err error) {
		check(b, err)
		links = append(links, l)
	}
	many, one := &link.UprobeMultiOptions{Addresses: []uint64{at}}, &link.UprobeOptions{Address: at}
	switch {
	case p == Multi && returns:
		add(file.UretprobeMulti(nil, empty, many))
	case returns:
		add(file.Uretprobe("", empty, one))
	}
	if p == Multi {
		add(file.UprobeMulti(nil, empty, many))
	} else {
		add(file.Uprobe("", empty, one))
	}
	return links
}
