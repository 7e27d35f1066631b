package main

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"time"

	"github.com/cilium/ebpf"
	"golang.org/x/sys/unix"
)

// treesOf is how many requests the load has, by how many of them are under way.
var treesOf = map[int]int{1: 150, 8: 600, 16: 800, 64: 1000, 256: 1500}

// source is the folder of this package's sources.
func source() string {
	_, file, _, _ := runtime.Caller(0)
	return filepath.Dir(file)
}

func recordAll(o options) error {
	if err := os.MkdirAll(o.dir, 0o755); err != nil {
		return err
	}
	for _, s := range scenarios {
		if !o.chooses(s) {
			continue
		}
		began := time.Now()
		if err := record(o, s); err != nil {
			return fmt.Errorf("%s: %w", s.name, err)
		}
		fmt.Fprintf(os.Stderr, "%s recorded in %v\n", s.name, time.Since(began).Round(time.Second))
	}
	return nil
}

// rest is how long things are in motion when the load has its answers.
func (l load) rest() time.Duration {
	if l.late {
		return 2 * time.Second
	}
	return 100 * time.Millisecond
}

// record runs a scenario: two services of its kind, or a proxy, and the terminal service that they call.
func record(o options, s scenario) error {
	last, err := freePort()
	if err != nil {
		return err
	}
	p := place{cache: o.cache, app: filepath.Join(source(), "app"), port: last}
	terminal, err := start(p, goService("same"))
	if err != nil {
		return err
	}
	defer terminal.stop()
	l := load{scenario: s, last: last}
	var pids []string
	ports := make([]int, 0, 2)
	for len(ports) < 2 && (!s.proxy || len(ports) == 0) {
		if p.port, err = freePort(); err != nil {
			return err
		}
		p.last = last
		service, err := start(p, s.command)
		if err != nil {
			return err
		}
		defer service.stop()
		ports = append(ports, p.port)
		time.Sleep(300 * time.Millisecond) // workers start
		pids = append(pids, service.members()...)
	}
	l.port, l.middle = ports[0], ports[len(ports)-1]
	for _, n := range o.inFlight {
		l.inFlight, l.trees = n, treesOf[n]
		if o.trees > 0 {
			l.trees = o.trees
		}
		if err := recordOne(o, s, l, pids); err != nil {
			return fmt.Errorf("%d in flight: %w", n, err)
		}
		l.first += 2 * uint32(l.trees)
	}
	return nil
}

// recordOne records the events of some processes while the load is on.
func recordOne(o options, s scenario, l load, pids []string) error {
	// Before weft is there the pools of connections get the size that the load needs.
	before := l
	before.first, before.trees = l.first+uint32(l.trees), min(l.trees, 3*l.inFlight)
	if err := before.run(); err != nil {
		return err
	}
	time.Sleep(before.rest())
	argv := []string{"record", "-o", o.path(s, l.inFlight)}
	for _, pid := range pids {
		argv = append(argv, "--pid", pid)
	}
	weft := exec.Command(o.weft, argv...)
	weft.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	messages, err := weft.StderrPipe()
	if err != nil {
		return err
	}
	if err := weft.Start(); err != nil {
		return fmt.Errorf("start %s: %w", o.weft, err)
	}
	lines := bufio.NewScanner(messages)
	said := ""
	for lines.Scan() && !strings.HasPrefix(lines.Text(), "weft: ready") {
		said += lines.Text() + "\n"
	}
	// The probes on Go programs follow when weft has seen a first request.
	if err := errors.Join(touch(l.port), touch(l.middle)); err != nil {
		return err
	}
	time.Sleep(500 * time.Millisecond)
	counting, err := ebpf.EnableStats(uint32(unix.BPF_STATS_RUN_TIME))
	if err != nil {
		return fmt.Errorf("count the kernel's time: %w", err)
	}
	loaded := l.run()
	time.Sleep(l.rest())
	spent, err := spentBy(weft.Process.Pid)
	if err := errors.Join(err, counting.Close(), writeCost(o.path(s, l.inFlight), spent)); err != nil {
		return err
	}
	if err := weft.Process.Signal(os.Interrupt); err != nil {
		return fmt.Errorf("interrupt weft: %w; it says: %s", err, said)
	}
	for lines.Scan() {
		said += lines.Text() + "\n"
	}
	if err := weft.Wait(); err != nil {
		return fmt.Errorf("weft: %w; it says: %s", err, said)
	}
	return loaded
}
