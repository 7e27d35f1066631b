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
	"sync/atomic"
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

// recordAll records what is chosen; where one scenario fails, the others are recorded all the same.
func recordAll(o options) error {
	if err := os.MkdirAll(o.dir, 0o755); err != nil {
		return err
	}
	var errs []error
	for _, s := range scenarios {
		if !o.chooses(s) {
			continue
		}
		began := time.Now()
		if err := record(o, s); err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", s.name, err))
			continue
		}
		fmt.Fprintf(os.Stderr, "%s recorded in %v\n", s.name, time.Since(began).Round(time.Second))
	}
	return errors.Join(errs...)
}

// rest is how long things are in motion when the load has its answers.
func (l load) rest() time.Duration {
	if l.late {
		return 2 * time.Second
	}
	return 100 * time.Millisecond
}

// service is a service with what it was started from.
type service struct {
	*process
	place
}

// record runs a scenario: two services of its kind, or a proxy, and the terminal service that they call.
func record(o options, s scenario) error {
	p := place{cache: o.cache, app: filepath.Join(source(), "app")}
	var running []*service
	defer func() {
		for _, one := range running {
			one.stop()
		}
	}()
	run := func(command func(place) ([]string, error)) (port int, err error) {
		if p.port, err = freePort(); err != nil {
			return 0, err
		}
		one, err := start(p, command)
		if err != nil {
			return 0, err
		}
		running = append(running, &service{one, p})
		return p.port, nil
	}
	var err error
	if p.last, err = run(goService("same")); err != nil {
		return err
	}
	if p.flaky, err = run(goService("flaky")); err != nil {
		return err
	}
	l := load{scenario: s, last: p.last}
	if l.port, err = run(s.command); err != nil {
		return err
	}
	if l.middle = l.port; !s.proxy {
		if l.middle, err = run(s.command); err != nil {
			return err
		}
	}
	time.Sleep(500 * time.Millisecond) // workers start
	for _, n := range o.inFlight {
		l.inFlight, l.trees = n, treesOf[n]
		if o.trees > 0 {
			l.trees = o.trees
		}
		if err := recordOne(o, l, running[2:]); err != nil {
			return fmt.Errorf("%d in flight: %w", n, err)
		}
		l.first += 2 * uint32(l.trees)
	}
	return nil
}

// selection gives the flags that have weft record the services. Of one that is started again the process is not known.
func selection(l load, services []*service) (flags []string) {
	if l.shape.restart {
		return []string{"--port", fmt.Sprintf("%d,%d,%d", l.port, l.middle, l.last)}
	}
	for _, one := range services {
		for _, pid := range one.members() {
			flags = append(flags, "--pid", pid)
		}
	}
	return flags
}

// runOver runs the load, and starts a service again when half of it has begun.
func (l load) runOver(one *service) error {
	if !l.shape.restart {
		return l.run()
	}
	restarted, until := make(chan error), time.Now().Add(loadMax)
	go func() {
		for l.begun.Load() < int64(l.trees/2) && time.Now().Before(until) {
			time.Sleep(time.Millisecond)
		}
		one.stop()
		again, err := start(one.place, l.command)
		if err == nil {
			one.process = again
		}
		restarted <- err
	}()
	return errors.Join(l.run(), <-restarted)
}

// recordOne records the events of some processes while the load is on.
func recordOne(o options, l load, services []*service) error {
	// Before weft is there the pools of connections get the size that the load needs.
	before := l
	before.first, before.trees = l.first+uint32(l.trees), min(l.trees, 3*l.inFlight)
	before.begun, l.begun = new(atomic.Int64), new(atomic.Int64)
	if err := before.run(); err != nil {
		return err
	}
	time.Sleep(before.rest())
	if o.weft == "" {
		return l.runOver(services[0])
	}
	weft := exec.Command(o.weft, append([]string{"record", "-o", o.path(l.scenario, l.inFlight)}, selection(l, services)...)...)
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
	loaded := l.runOver(services[0])
	time.Sleep(l.rest())
	spent, err := spentBy(weft.Process.Pid)
	if err := errors.Join(err, counting.Close(), writeCost(o.path(l.scenario, l.inFlight), spent)); err != nil {
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
