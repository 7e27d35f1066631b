package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
)

// child is this program in one of its roles. It writes a line of JSON when it is ready and one for every line that it
// reads, and ends at the end of its input.
type child struct {
	cmd     *exec.Cmd
	in      io.WriteCloser
	answers *json.Decoder
}

// startRole starts a role under the name of a service and reads its first line into ready.
func startRole(service string, ready any, args ...string) (*child, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	c := &child{cmd: exec.Command(self, args...)}
	c.cmd.Env = append(os.Environ(), "OTEL_SERVICE_NAME="+service)
	c.cmd.Stderr = os.Stderr
	c.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if c.in, err = c.cmd.StdinPipe(); err != nil {
		return nil, err
	}
	out, err := c.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := c.cmd.Start(); err != nil {
		return nil, fmt.Errorf("start %s: %w", args[0], err)
	}
	c.answers = json.NewDecoder(out)
	if err := c.answers.Decode(ready); err != nil {
		c.stop()
		return nil, fmt.Errorf("start %s: %w", args[0], err)
	}
	return c, nil
}

// ask sends a line and reads the answer.
func (c *child) ask(answer any) error {
	if _, err := io.WriteString(c.in, "\n"); err != nil {
		return err
	}
	return c.answers.Decode(answer)
}

func (c *child) pid() int { return c.cmd.Process.Pid }

// stop ends the role and gives the CPU that it has used, in seconds.
func (c *child) stop() float64 {
	c.in.Close()
	c.cmd.Wait()
	return usedCPU(c.cmd.ProcessState)
}

func usedCPU(s *os.ProcessState) float64 { return (s.UserTime() + s.SystemTime()).Seconds() }

// obey is the other end of ask: it tells that the role is ready and answers until the input ends.
func obey(ready any, answer func() any) error {
	out := json.NewEncoder(os.Stdout)
	if err := out.Encode(ready); err != nil {
		return err
	}
	for in := bufio.NewScanner(os.Stdin); in.Scan(); {
		if err := out.Encode(answer()); err != nil {
			return err
		}
	}
	return nil
}

// cpuOf sums what the threads of processes have run, in seconds. Threads that have ended are missing: the programs that
// are measured end none.
func cpuOf(pids ...int) (seconds float64) {
	for _, pid := range pids {
		tasks, _ := os.ReadDir(fmt.Sprintf("/proc/%d/task", pid))
		for _, t := range tasks {
			b, _ := os.ReadFile(fmt.Sprintf("/proc/%d/task/%s/schedstat", pid, t.Name()))
			ran, _, _ := strings.Cut(string(b), " ")
			ns, _ := strconv.ParseFloat(ran, 64)
			seconds += ns / 1e9
		}
	}
	return seconds
}

// residence is the memory of a process as /proc/PID/status tells it, in MiB.
type residence struct{ total, peak, private, mapped float64 }

func residenceOf(pid int) (r residence) {
	fields := map[string]*float64{"VmRSS:": &r.total, "VmHWM:": &r.peak, "RssAnon:": &r.private, "RssFile:": &r.mapped}
	for line := range lines(fmt.Sprintf("/proc/%d/status", pid)) {
		words := strings.Fields(line)
		if len(words) < 2 || fields[words[0]] == nil {
			continue
		}
		kib, _ := strconv.ParseFloat(words[1], 64)
		*fields[words[0]] = kib / 1024
	}
	return r
}

// holds tells whether a process has an object of BPF open; key is prog_id or map_id.
func holds(pid int, key string, id uint32) bool {
	dir := fmt.Sprintf("/proc/%d/fdinfo/", pid)
	entries, _ := os.ReadDir(dir)
	wanted := fmt.Sprintf("%s:\t%d", key, id)
	for _, e := range entries {
		for line := range lines(dir + e.Name()) {
			if line == wanted {
				return true
			}
		}
	}
	return false
}
