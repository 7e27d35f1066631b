package main

import (
	"errors"
	"fmt"
	"os/exec"
	"syscall"
	"time"
)

// processesOf are the numbers of resting processes at which weft is measured.
var processesOf = []int{10, 100, 1000, 10_000}

func writeProcesses(b *bench) error {
	b.title("Growth by processes")
	b.text("So many processes of one program rest while weft starts, and for ten seconds after that. CPU is what weft uses in these; nothing else runs.\n")
	var rows [][]string
	for _, n := range processesOf {
		row, err := b.measureProcesses(n)
		if err != nil {
			return fmt.Errorf("%d processes: %w", n, err)
		}
		rows = append(rows, row)
	}
	b.table([]string{"processes", "ready after ms", "CPU until then ms", "RSS MiB", "anonymous MiB", "maps MiB", "CPU at rest, ‰ of a core"}, rows)
	return nil
}

func (b *bench) measureProcesses(n int) (row []string, err error) {
	resting, err := startResting(n)
	defer func() {
		for _, c := range resting {
			c.Process.Kill()
			c.Wait()
		}
	}()
	if err != nil {
		return nil, err
	}
	a, err := startAgent(b, "run", "--output", "otlp")
	if err != nil {
		return nil, err
	}
	const rest = 10 * time.Second
	time.Sleep(3 * time.Second)
	before := cpuOf(a.pid())
	time.Sleep(rest)
	used, resident, maps := cpuOf(a.pid())-before, residenceOf(a.pid()), mapsOf(a.pid())
	took, toReady := a.took, a.toReady
	if _, err := a.stop(); err != nil {
		return nil, err
	}
	p := b.growth("By processes that rest", "processes")
	p.add("memory, MiB", float64(n), resident.total)
	p.add("CPU until ready, ms", float64(n), toReady*1000)
	p.add("CPU at rest, ‰ of a core", float64(n), used/rest.Seconds()*1000)
	return []string{
		fmt.Sprint(n), fmt.Sprint(took.Milliseconds()), fmt.Sprintf("%.0f", toReady*1000), fmt.Sprintf("%.1f", resident.total), fmt.Sprintf("%.1f", resident.private),
		fmt.Sprintf("%.1f", maps), fmt.Sprintf("%.1f", used/rest.Seconds()*1000),
	}, nil
}

// startResting starts processes that do nothing.
func startResting(n int) (all []*exec.Cmd, err error) {
	for range n {
		c := exec.Command("sleep", "3600")
		c.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
		if err := c.Start(); err != nil {
			return all, errors.Join(errors.New("start processes that rest"), err)
		}
		all = append(all, c)
	}
	return all, nil
}
