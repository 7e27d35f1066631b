package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"os"
	"os/exec"
	"slices"
	"strings"
	"syscall"
	"time"
)

// agent is a running weft that exports to the receiver.
type agent struct {
	cmd     *exec.Cmd
	took    time.Duration // from the start of the process until it was ready
	toReady float64       // CPU used until then, seconds
	log     *bufio.Reader
}

// account is what weft says about itself when it ends.
type account struct {
	Spans, Lost, Kernel, Other map[string]uint64
	Export                     struct{ Put, Exported uint64 }
	Unsampled                  uint64

	CPU float64 `json:"-"` // used from ready to the end, seconds
}

// losses sums everything counted as missing: exchanges and, after them, spans.
func (a *account) losses() (n uint64) {
	for _, one := range a.Lost {
		n += one
	}
	return n + a.Export.Put - a.Export.Exported
}

// addReasons adds what losses sums to sums by reason.
func (a *account) addReasons(sums map[string]uint64) {
	for reason, n := range a.Lost {
		sums[reason] += n
	}
	sums["export"] += a.Export.Put - a.Export.Exported
}

// words gives a total and, in brackets, the reasons that are not 0.
func words(total uint64, reasons map[string]uint64) string {
	var parts []string
	for _, reason := range slices.Sorted(maps.Keys(reasons)) {
		if n := reasons[reason]; n > 0 {
			parts = append(parts, fmt.Sprintf("%s %d", reason, n))
		}
	}
	if len(parts) == 0 {
		return fmt.Sprint(total)
	}
	return fmt.Sprintf("%d (%s)", total, strings.Join(parts, ", "))
}

// startAgent starts weft and waits until it is attached.
func startAgent(b *bench, args ...string) (*agent, error) {
	a := &agent{cmd: exec.Command(b.weft, args...)}
	a.cmd.Env = append(os.Environ(), "OTEL_EXPORTER_OTLP_ENDPOINT="+b.receiver.endpoint, "WEFT_CONTROL="+b.dir+"/weft.sock")
	a.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	// A pipe of our own: that of exec.Cmd is closed by Wait before it is read to its end.
	messages, end, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	a.cmd.Stderr = end
	start := time.Now()
	err = a.cmd.Start()
	end.Close()
	if err != nil {
		return nil, fmt.Errorf("start weft: %w", err)
	}
	a.log = bufio.NewReader(messages)
	var said strings.Builder
	for {
		line, err := a.log.ReadString('\n')
		if err != nil {
			a.cmd.Wait()
			return nil, fmt.Errorf("weft ended before it was ready: %s", said.String())
		}
		if line == "weft: ready\n" {
			break
		}
		said.WriteString(line)
	}
	a.took = time.Since(start)
	a.toReady = cpuOf(a.pid())
	return a, nil
}

func (a *agent) pid() int { return a.cmd.Process.Pid }

// stop interrupts weft and reads its account.
func (a *agent) stop() (*account, error) {
	a.cmd.Process.Signal(os.Interrupt)
	said, _ := io.ReadAll(a.log)
	if err := a.cmd.Wait(); err != nil {
		return nil, fmt.Errorf("weft ended with %w: %s", err, said)
	}
	account, err := readAccount(string(said))
	if err != nil {
		return nil, err
	}
	account.CPU = usedCPU(a.cmd.ProcessState) - a.toReady
	return account, nil
}

func readAccount(said string) (*account, error) {
	for line := range strings.Lines(said) {
		if !strings.HasPrefix(line, `{"msg":"counts"`) {
			continue
		}
		a := &account{}
		return a, json.Unmarshal([]byte(line), a)
	}
	return nil, fmt.Errorf("weft gave no account; it says: %s", said)
}
