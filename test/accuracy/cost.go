package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/cilium/ebpf"
	"golang.org/x/sys/unix"
)

// probes are the kernel side's programs on functions of others that are run only for links.
var probes = []string{"go_round_trip", "asyncio_task_init", "greenlet_init", "python_item_put", "uvloop_stream_write", "node_turns"}

// cost is what the kernel has spent on a recording: by program, its runs and nanoseconds.
type cost map[string]struct{ Runs, Nanoseconds uint64 }

func (c cost) nanoseconds() (sum uint64) {
	for _, p := range c {
		sum += p.Nanoseconds
	}
	return sum
}

// spentBy reads what the kernel counts of the programs that a process holds, as long as it counts.
func spentBy(pid int) (cost, error) {
	folder := fmt.Sprintf("/proc/%d/fdinfo", pid)
	entries, err := os.ReadDir(folder)
	if err != nil {
		return nil, fmt.Errorf("read the files of weft: %w", err)
	}
	c, seen := cost{}, map[uint32]bool{}
	for _, e := range entries {
		text, err := os.ReadFile(filepath.Join(folder, e.Name()))
		if err != nil {
			continue // closed meanwhile
		}
		id, runs, spent, found := uint32(0), uint64(0), uint64(0), 0
		for line := range strings.Lines(string(text)) {
			// Each line holds one of them, or none. A link names its program, too, but has no counts.
			for format, to := range map[string]any{"prog_id:\t%d": &id, "run_cnt:\t%d": &runs, "run_time_ns:\t%d": &spent} {
				n, _ := fmt.Sscanf(line, format, to)
				found += n
			}
		}
		if found < 3 || seen[id] {
			continue
		}
		seen[id] = true
		name, err := nameOf(id)
		if err != nil {
			return nil, err
		}
		sum := c[name]
		sum.Runs, sum.Nanoseconds = sum.Runs+runs, sum.Nanoseconds+spent
		c[name] = sum
	}
	return c, nil
}

func nameOf(id uint32) (string, error) {
	p, err := ebpf.NewProgramFromID(ebpf.ProgramID(id))
	if err != nil {
		return "", fmt.Errorf("open program %d: %w", id, err)
	}
	defer p.Close()
	info, err := p.Info()
	if err != nil {
		return "", fmt.Errorf("ask for program %d: %w", id, err)
	}
	return info.Name, nil
}

// costPath is where the cost of a recording is kept.
func costPath(recording string) string { return strings.TrimSuffix(recording, ".weft") + ".cost.json" }

func writeCost(recording string, c cost) error {
	text, err := json.Marshal(c)
	if err != nil {
		return err
	}
	return os.WriteFile(costPath(recording), text, 0o644)
}

// readCost gives nil for a recording without one.
func readCost(recording string) (cost, error) {
	text, err := os.ReadFile(costPath(recording))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var c cost
	return c, json.Unmarshal(text, &c)
}

// processorTime gives the processor time of this process in user space, ns.
func processorTime() int64 {
	var u unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_SELF, &u); err != nil {
		return 0
	}
	return u.Utime.Nano()
}

// costRow tells what links have cost: in the kernel by what was measured when it was recorded, in user space by its replay.
func costRow(recording string, s scenario, inFlight, calls int, user int64) (string, error) {
	c, err := readCost(recording)
	if err != nil || calls == 0 {
		return "", err
	}
	per := func(ns uint64) string { return fmt.Sprintf("%.2f", float64(ns)/float64(calls)/1e3) }
	kernel, hits, each := "", "", ""
	if c != nil {
		runs, spent := uint64(0), uint64(0)
		for _, name := range probes {
			runs, spent = runs+c[name].Runs, spent+c[name].Nanoseconds
		}
		kernel, hits, each = per(c.nanoseconds()-spent), fmt.Sprintf("%.2f", float64(runs)/float64(calls)), per(spent)
	}
	return fmt.Sprintf("| %s | %d | %s | %s | %s | %s |\n", s.name, inFlight, kernel, hits, each, per(uint64(max(user, 0)))), nil
}
