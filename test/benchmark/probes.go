package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

const (
	secureCopies = 4                      // files of a Go program that speaks TLS, each of which gets its own probes
	secureRounds = 3                      // in each way
	secureSpeaks = 20 * time.Millisecond  // the pause between two requests of one
	killAfter    = 30 * time.Millisecond  // in the middle of taking probes off
	probesRest   = 500 * time.Millisecond // without a new descriptor all probes are on
)

// writeProbes measures what it takes to put probes on, and to take them off, in each way.
func writeProbes(b *bench) error {
	b.title("Probes")
	b.text("%d copies of a Go program that speaks TLS with itself, beside the TLS libraries of this machine. New program: from its start until the last of its probes is on. "+
		"Killed: from the signal until the process is gone, 30 ms after it was told to end, and how many probes the kernel says that it leaked by that.\n", secureCopies)
	var rows [][]string
	for _, way := range []string{"multi", "single"} {
		var m probing
		for range secureRounds {
			if err := b.measureProbes(way, &m); err != nil {
				return fmt.Errorf("%s: %w", way, err)
			}
		}
		rows = append(rows, []string{
			way, m.descriptors.text(0), m.ready.text(0), m.newcomer.text(0), m.end.text(0), m.killed.text(0), m.leaked.text(0),
		})
	}
	b.table([]string{"probes", "descriptors of weft", "ready ms", "new program ms", "end ms", "killed ms", "leaked"}, rows)
	return nil
}

// probing is what was measured in one way.
type probing struct{ descriptors, ready, newcomer, end, killed, leaked spread }

func (b *bench) measureProbes(way string, m *probing) error {
	var others []*exec.Cmd
	defer func() {
		for _, c := range others {
			c.Process.Kill()
			c.Wait()
		}
	}()
	for i := range secureCopies {
		c, err := b.startSecure(i)
		if err != nil {
			return err
		}
		others = append(others, c)
	}
	a, err := startAgent(b, "run", "--output", "none", "--probes", way)
	if err != nil {
		return err
	}
	m.ready = append(m.ready, milliseconds(a.took))
	before := descriptorsOf(a.pid())
	begun := time.Now()
	c, err := b.startSecure(secureCopies)
	if err != nil {
		return err
	}
	others = append(others, c)
	on, err := lastRise(a.pid(), before)
	if err != nil {
		return err
	}
	m.newcomer = append(m.newcomer, milliseconds(on.Sub(begun)))
	m.descriptors = append(m.descriptors, float64(descriptorsOf(a.pid())))
	begun = time.Now()
	if _, err := a.stop(); err != nil {
		return err
	}
	m.end = append(m.end, milliseconds(time.Since(begun)))
	return b.killAgent(way, m)
}

// killAgent tells a weft to end, and kills it soon after that.
func (b *bench) killAgent(way string, m *probing) error {
	a, err := startAgent(b, "run", "--output", "none", "--probes", way)
	if err != nil {
		return err
	}
	log, err := kernelLog()
	if err != nil {
		return err
	}
	defer unix.Close(log)
	a.cmd.Process.Signal(os.Interrupt)
	time.Sleep(killAfter)
	begun := time.Now()
	a.cmd.Process.Kill()
	a.cmd.Wait()
	m.killed = append(m.killed, milliseconds(time.Since(begun)))
	leaked, err := leaks(log)
	if err != nil {
		return err
	}
	m.leaked = append(m.leaked, float64(leaked))
	return nil
}

func milliseconds(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }

// startSecure starts a copy of this program that speaks TLS with itself.
func (b *bench) startSecure(n int) (*exec.Cmd, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	path := filepath.Join(b.dir, fmt.Sprint("secure", n))
	if out, err := exec.Command("cp", self, path).CombinedOutput(); err != nil {
		return nil, fmt.Errorf("copy this program: %w: %s", err, out)
	}
	c := exec.Command(path, "secure")
	c.Stderr = os.Stderr
	c.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := c.Start(); err != nil {
		return nil, fmt.Errorf("start a program that speaks TLS: %w", err)
	}
	return c, nil
}

// speakSecurely is the role of such a copy.
func speakSecurely([]string) error {
	s := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "ok") }))
	for client := s.Client(); ; time.Sleep(secureSpeaks) {
		reply, err := client.Get(s.URL)
		if err != nil {
			return err
		}
		io.Copy(io.Discard, reply.Body)
		reply.Body.Close()
	}
}

func descriptorsOf(pid int) int {
	entries, _ := os.ReadDir(fmt.Sprintf("/proc/%d/fd", pid))
	return len(entries)
}

// lastRise waits until a process has more descriptors than before, and gets no more, and tells when it got the last.
func lastRise(pid, before int) (time.Time, error) {
	last := time.Now()
	for most := before; most == before || time.Since(last) < probesRest; time.Sleep(time.Millisecond) {
		if n := descriptorsOf(pid); n > most {
			most, last = n, time.Now()
		}
		if time.Since(last) > time.Minute {
			return time.Time{}, errors.New("weft has put no probe on a new program within a minute")
		}
	}
	return last, nil
}

// kernelLog opens the kernel's log at its end.
func kernelLog() (fd int, err error) {
	if fd, err = unix.Open("/dev/kmsg", unix.O_RDONLY|unix.O_NONBLOCK|unix.O_CLOEXEC, 0); err != nil {
		return -1, fmt.Errorf("open the kernel's log: %w", err)
	}
	if _, err = unix.Seek(fd, 0, io.SeekEnd); err != nil {
		return -1, fmt.Errorf("find the end of the kernel's log: %w", err)
	}
	return fd, nil
}

// leaks counts the probes of which the kernel has said since then that it could not take them off: at least, for its log may overrun.
func leaks(log int) (count int, err error) {
	for record := make([]byte, 8192); ; {
		n, err := unix.Read(log, record)
		switch {
		case errors.Is(err, unix.EAGAIN):
			return count, nil
		case errors.Is(err, unix.EPIPE): // overrun: what is left follows
		case err != nil:
			return 0, fmt.Errorf("read the kernel's log: %w", err)
		case bytes.Contains(record[:n], []byte("leaking uprobe")):
			count++
		}
	}
}
