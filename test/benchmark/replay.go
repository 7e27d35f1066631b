package main

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

func writeReplay(b *bench) error {
	b.title("weft replay")
	b.text("The whole of correlate on one core (`GOMAXPROCS=1 taskset -c 0 weft replay FILE --output none`), reading and unpacking the file included. " +
		"An exchange is a request and its reply as one end saw them.\n")
	var rows [][]string
	for _, v := range b.chosen(2) {
		row, err := b.measureReplay(v)
		if err != nil {
			return fmt.Errorf("%s: %w", v.name, err)
		}
		rows = append(rows, row)
	}
	b.table([]string{"recording of", "file MiB", "exchanges", "events", "CPU s", "**exchanges/s of CPU**", "exchanges/s of time"}, rows)
	return nil
}

func (b *bench) measureReplay(v variant) ([]string, error) {
	path := filepath.Join(b.dir, "recording")
	if err := b.record(v, path); err != nil {
		return nil, err
	}
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	cpu, wall := spread{}, spread{}
	var exchanges, events float64
	for range 3 {
		cmd := exec.Command("taskset", "-c", "0", b.weft, "replay", "--output", "none", path)
		cmd.Env = append(os.Environ(), "GOMAXPROCS=1")
		var said bytes.Buffer
		cmd.Stderr = &said
		start := time.Now()
		if err := cmd.Run(); err != nil {
			return nil, fmt.Errorf("replay: %w: %s", err, said.String())
		}
		wall = append(wall, time.Since(start).Seconds())
		cpu = append(cpu, usedCPU(cmd.ProcessState))
		account, err := readAccount(said.String())
		if err != nil {
			return nil, err
		}
		exchanges, events = float64(account.Other["exchanges"]), float64(account.Other["events"])
	}
	return []string{
		v.name, fmt.Sprintf("%.1f", float64(info.Size())/(1<<20)), fmt.Sprintf("%.0f", exchanges), fmt.Sprintf("%.0f", events), cpu.text(2),
		fmt.Sprintf("**%.0f**", exchanges/cpu.median()), fmt.Sprintf("%.0f", exchanges/wall.median()),
	}, nil
}

// record writes what happens while a target is loaded.
func (b *bench) record(v variant, path string) error {
	t, err := v.start(b)
	if err != nil {
		return err
	}
	defer t.stop()
	a, err := startAgent(b, append([]string{"record", "-o", path}, v.args...)...)
	if err != nil {
		return err
	}
	_, err = b.runWrk(t.url, b.run)
	a.cmd.Process.Signal(os.Interrupt)
	if ended := a.cmd.Wait(); err == nil && ended != nil {
		err = fmt.Errorf("record: %w", ended)
	}
	return err
}

// writeGo shows what go test -bench has printed: one table, the packages as its first column.
func writeGo(b *bench) error {
	if b.goOutput == "" {
		return nil
	}
	if _, err := os.Stat(b.goOutput); err != nil {
		return err
	}
	b.title("Benchmarks of single packages")
	var rows [][]string
	of := ""
	for line := range lines(b.goOutput) {
		if name, ok := strings.CutPrefix(line, "pkg: "); ok {
			of = name
		}
		words := strings.Fields(line)
		if len(words) < 4 || !strings.HasPrefix(words[0], "Benchmark") {
			continue
		}
		var values []string
		for i := 2; i+1 < len(words); i += 2 {
			values = append(values, words[i]+" "+words[i+1])
		}
		rows = append(rows, []string{strings.TrimPrefix(of, "weft/"), strings.TrimPrefix(words[0], "Benchmark"), strings.Join(values, ", ")})
	}
	b.table([]string{"package", "benchmark", "result"}, rows)
	return nil
}
