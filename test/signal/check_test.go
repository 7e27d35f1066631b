package signal

import (
	"bufio"
	"bytes"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"
)

// check runs `weft check` on live traffic: while it looks, the requests are sent.
func check(t *testing.T, traffic func(weft *os.Process), args ...string) (out string, code int) {
	t.Helper()
	c := exec.Command(world.weft, append(append([]string{"check", "--for", "4s"}, ours()...), args...)...)
	var stdout bytes.Buffer
	c.Stdout = &stdout
	messages, err := c.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	late := time.AfterFunc(time.Minute, func() { c.Process.Kill() })
	defer late.Stop()
	for lines := bufio.NewScanner(messages); lines.Scan(); {
		if strings.HasPrefix(lines.Text(), "weft: ready") {
			traffic(c.Process)
		}
	}
	c.Wait()
	return stdout.String(), c.ProcessState.ExitCode()
}

// TestCheck holds the exit codes of a gate in front of real services.
func TestCheck(t *testing.T) {
	for _, c := range []struct {
		name    string
		traffic func(weft *os.Process)
		args    []string
		code    int
		says    []string
	}{
		{"healthy", func(*os.Process) { send(t, carries, 450) }, []string{"--for", "10s"}, 0, []string{"450 of 450", "healthy: contexts go on"}},
		{"broken", func(*os.Process) { send(t, drops, 60) }, nil, 1, []string{"shop drops traceparent toward bank on POST /charge: 60 of 60", "| POST /pay HTTP/1.1"}},
		{"broken, but not this service", func(*os.Process) { send(t, drops, 60) }, []string{"--service", "bank"}, 3, []string{"not enough data"}},
		{"broken, and allowed to be", func(*os.Process) { send(t, drops, 20); send(t, carries, 100) }, []string{"--min-rate", "0.01", "--service", "sh*"}, 0, []string{"0 of 20", "healthy: contexts go on"}},
		{"nothing to see", func(*os.Process) {}, nil, 3, []string{"not enough data"}},
		{"interrupted", func(weft *os.Process) { send(t, carries, 60); weft.Signal(os.Interrupt) }, []string{"--min-rate", "0.5"}, 2, nil},
		{"for a build server", func(*os.Process) { send(t, drops, 60) }, []string{"--format", "junit"}, 1, []string{`<failure type="broken"`}},
	} {
		t.Run(c.name, func(t *testing.T) {
			out, code := check(t, c.traffic, c.args...)
			if code != c.code {
				t.Errorf("exit %d, want %d", code, c.code)
			}
			for _, want := range c.says {
				if !strings.Contains(out, want) {
					t.Errorf("no %q", want)
				}
			}
			if t.Failed() {
				t.Log(out)
			}
		})
	}
	if err := exec.Command(world.weft, "check", "--for", "soon").Run(); err == nil || err.(*exec.ExitError).ExitCode() != 2 {
		t.Errorf("a time that is none gives %v", err)
	}
}
