package main

import (
	"fmt"
	"slices"
	"time"

	"github.com/cilium/ebpf"
	"golang.org/x/sys/unix"
)

// program is what the kernel tells of one of weft's programs.
type program struct {
	name string
	runs uint64
	time time.Duration
}

func writeKernel(b *bench) error {
	b.title("Where the kernel's time goes")
	b.text("One run with the kernel's BPF statistics on, which add some 20 to 50 ns to each hit. Times are per request.\n")
	var rows [][]string
	for _, v := range b.chosen(len(variants)) {
		programs, requests, err := b.profileKernel(v)
		if err != nil {
			return fmt.Errorf("%s: %w", v.name, err)
		}
		var all program
		for _, p := range programs {
			all.runs += p.runs
			all.time += p.time
			rows = append(rows, programRow(v.name, p, requests))
		}
		all.name = "**all**"
		rows = append(rows, programRow(v.name, all, requests))
	}
	b.table([]string{"workload", "program", "hits/request", "ns/hit", "ns/request"}, rows)
	return nil
}

func programRow(workload string, p program, requests float64) []string {
	return []string{
		workload, p.name, fmt.Sprintf("%.2f", float64(p.runs)/requests), fmt.Sprintf("%.0f", float64(p.time)/float64(p.runs)),
		fmt.Sprintf("%.0f", float64(p.time)/requests),
	}
}

// profileKernel gives the programs that ran at least once in a hundred requests.
func (b *bench) profileKernel(v variant) (programs []program, requests float64, err error) {
	t, err := v.start(b)
	if err != nil {
		return nil, 0, err
	}
	defer t.stop()
	a, err := startAgent(b, append([]string{"run", "--output", "otlp"}, v.args...)...)
	if err != nil {
		return nil, 0, err
	}
	defer a.stop()
	if _, err = b.runWrk(t.url, warm); err != nil {
		return nil, 0, err
	}
	stats, err := ebpf.EnableStats(uint32(unix.BPF_STATS_RUN_TIME))
	if err != nil {
		return nil, 0, fmt.Errorf("turn BPF statistics on: %w", err)
	}
	defer stats.Close()
	// The counters of a program are never set back, so those of this weft start at 0.
	l, err := b.runWrk(t.url, b.run)
	if err != nil {
		return nil, 0, err
	}
	for id, err := ebpf.ProgramGetNextID(0); err == nil; id, err = ebpf.ProgramGetNextID(id) {
		if p, ok := statsOf(id); ok && float64(p.runs) > l.Requests/100 && holds(a.pid(), "prog_id", uint32(id)) {
			programs = append(programs, p)
		}
	}
	slices.SortFunc(programs, func(a, b program) int { return int(b.time - a.time) })
	return programs, l.Requests, nil
}

func statsOf(id ebpf.ProgramID) (program, bool) {
	p, err := ebpf.NewProgramFromID(id)
	if err != nil {
		return program{}, false
	}
	defer p.Close()
	info, err := p.Info()
	if err != nil {
		return program{}, false
	}
	stats, err := p.Stats()
	if err != nil {
		return program{}, false
	}
	return program{name: info.Name, runs: stats.RunCount, time: stats.Runtime}, true
}
