package node

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// A driver is the client of many containers, in the router's network.
type driver struct {
	in   io.WriteCloser
	cmd  *exec.Cmd
	done chan struct{}

	mu               sync.Mutex
	births           []birth
	answered, failed int
}

// A birth is the first answer of a process: where, when the process began, and when the answer was known here; Unix time, ns.
type birth struct {
	url            string
	born, answered int64
}

func startDriver(t testing.TB) *driver {
	t.Helper()
	d := &driver{cmd: exec.Command("ip", "netns", "exec", router, world.app, "drive", fmt.Sprint(crowdRate), fmt.Sprint(crowdCopies)), done: make(chan struct{})}
	d.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	var err error
	if d.in, err = d.cmd.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	out, err := d.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := d.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = d.cmd.Process.Kill(); <-d.done; _ = d.cmd.Wait() })
	go func() {
		defer close(d.done)
		for lines := bufio.NewScanner(out); lines.Scan(); {
			d.take(lines.Text())
		}
	}()
	return d
}

func (d *driver) take(line string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	var one birth
	if n, _ := fmt.Sscanf(line, "first %s %d", &one.url, &one.born); n == 2 {
		one.answered = time.Now().UnixNano()
		d.births = append(d.births, one)
		return
	}
	_, _ = fmt.Sscanf(line, "done %d %d", &d.answered, &d.failed)
}

func (d *driver) say(t testing.TB, line string) {
	t.Helper()
	if _, err := fmt.Fprintln(d.in, line); err != nil {
		t.Fatal(err)
	}
}

// answering gives the processes that have answered, in that order.
func (d *driver) answering() []birth {
	d.mu.Lock()
	defer d.mu.Unlock()
	return append([]birth(nil), d.births...)
}

// end ends the requests, and gives how many were answered well and how many were not.
func (d *driver) end(t testing.TB) (answered, failed int) {
	t.Helper()
	_ = d.in.Close()
	select {
	case <-d.done:
	case <-time.After(30 * time.Second):
		t.Fatal("the client does not end")
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.answered, d.failed
}

// spent gives the processor time of a process.
func spent(t testing.TB, pid int) time.Duration {
	t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		t.Fatal(err)
	}
	fields := strings.Fields(string(text[strings.LastIndexByte(string(text), ')')+1:]))
	user, _ := strconv.Atoi(fields[11])
	system, _ := strconv.Atoi(fields[12])
	return time.Duration(user+system) * time.Second / 100
}

// memory gives a row of a process's status, in bytes.
func memory(t testing.TB, pid int, row string) int {
	t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		t.Fatal(err)
	}
	_, after, _ := strings.Cut(string(text), row)
	kib, err := strconv.Atoi(strings.Fields(after)[0])
	if err != nil {
		t.Fatal(err)
	}
	return kib << 10
}

// maps gives the memory of the maps in the kernel that a process holds, in bytes, socket-local storage left out.
func maps(t testing.TB, pid int) (sum int) {
	t.Helper()
	files, err := filepath.Glob(fmt.Sprintf("/proc/%d/fdinfo/*", pid))
	if err != nil || len(files) == 0 {
		t.Fatalf("open files of %d: %v", pid, err)
	}
	seen := map[string]bool{}
	for _, f := range files {
		text, _ := os.ReadFile(f)
		_, id, isMap := strings.Cut(string(text), "map_id:")
		_, size, hasSize := strings.Cut(string(text), "memlock:")
		if !isMap || !hasSize || seen[strings.Fields(id)[0]] {
			continue
		}
		seen[strings.Fields(id)[0]] = true
		bytes, err := strconv.Atoi(strings.Fields(size)[0])
		if err != nil {
			t.Fatal(err)
		}
		sum += bytes
	}
	return sum
}
