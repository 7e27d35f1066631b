package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"time"
)

// load is what wrk says of one run.
type load struct {
	Requests float64
	Micros   float64 // length of the run, us
	P50, P99 float64 // us
	Errors   float64

	cpu float64 // of wrk, seconds
}

func (l load) rate() float64 { return l.Requests / l.Micros * 1e6 }

// wrk gives its histogram only as text; its script interface gives numbers.
const wrkScript = `done = function(summary, latency)
  local e = summary.errors
  io.write(string.format('\n{"Requests":%d,"Micros":%d,"P50":%d,"P99":%d,"Errors":%d}\n', summary.requests, summary.duration,
    latency:percentile(50), latency:percentile(99), e.connect + e.read + e.write + e.status + e.timeout))
end
`

// runWrk loads a URL over 16 keep-alive connections from one thread.
func (b *bench) runWrk(url string, d time.Duration) (l load, err error) {
	script := filepath.Join(b.dir, "wrk.lua")
	if err := os.WriteFile(script, []byte(wrkScript), 0o644); err != nil {
		return l, err
	}
	cmd := exec.Command("wrk", "-t1", "-c16", fmt.Sprintf("-d%ds", int(d.Seconds())), "-s", script, url)
	out, err := cmd.Output()
	if err != nil {
		return l, fmt.Errorf("run wrk: %w: %s", err, out)
	}
	at := bytes.LastIndexByte(out, '{')
	if at < 0 {
		return l, fmt.Errorf("read the report of wrk: %s", out)
	}
	if err := json.Unmarshal(out[at:], &l); err != nil {
		return l, fmt.Errorf("read the report of wrk: %w", err)
	}
	if l.Errors > 0 || l.Requests == 0 {
		return l, fmt.Errorf("wrk saw %v errors in %v requests", l.Errors, l.Requests)
	}
	l.cpu = usedCPU(cmd.ProcessState)
	return l, nil
}
