package fleet

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"time"
)

// Job is one request.
type Job struct {
	Method  string            `json:"method"`
	URL     string            `json:"url"`
	Body    int64             `json:"body"` // bytes, for POST
	Chunked bool              `json:"chunked"`
	Headers map[string]string `json:"headers"`
	Pause   time.Duration     `json:"pause"` // before the next job of the same connection; Go only
}

// Result is what the client saw of the job of the same index. Start is before the first byte was sent and End after
// the last was read, in Unix nanoseconds; curl gives those of its whole run.
type Result struct {
	I      int    `json:"i"`
	Start  int64  `json:"start"`
	End    int64  `json:"end"`
	Status int    `json:"status"`
	Size   int64  `json:"size"`
	Error  string `json:"error"`
}

// Client is a real HTTP client: a program that does jobs and tells what it saw.
type Client struct {
	Name    string
	Service string // the service.name that its spans must carry
	argv    func(cache string) []string
}

// Clients is every client that does jobs. A program of them is called with a file of jobs, one JSON object a line,
// the number of connections, and 1 or 0 for keep-alive; it prints one Result a line. Job i is done by connection
// i modulo connections.
var Clients = map[string]Client{
	"go": {"go", "goclient", func(cache string) []string { return []string{filepath.Join(cache, "bin", "goclient")} }},
	"requests": {"requests", "client", func(string) []string {
		return []string{"/usr/bin/python3", filepath.Join(source(), "app", "python", "client.py")}
	}},
	"node": {"node", "client", func(cache string) []string { return []string{"node", filepath.Join(cache, "node", "client.js")} }},
	"curl": {"curl", "curl", nil},
}

// Run does the jobs and gives the results in their order. A job that met an error says so in its result.
func (c Client) Run(cache string, jobs []Job, connections int, keepAlive bool) ([]Result, error) {
	results, err := c.RunUntil(nil, cache, jobs, connections, keepAlive)
	if err == nil && len(results) != len(jobs) {
		return nil, fmt.Errorf("client %s gave %d results for %d jobs", c.Name, len(results), len(jobs))
	}
	return results, err
}

// RunUntil does jobs until all are done or stop is closed, and gives the results of those that were. Only the Go
// client can be stopped.
func (c Client) RunUntil(stop <-chan struct{}, cache string, jobs []Job, connections int, keepAlive bool) ([]Result, error) {
	dir, err := os.MkdirTemp("", "weft-jobs")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	if c.argv == nil {
		return curl{dir, jobs}.run(connections, keepAlive)
	}
	path := filepath.Join(dir, "jobs")
	if err := writeJobs(path, jobs); err != nil {
		return nil, err
	}
	flag := "0"
	if keepAlive {
		flag = "1"
	}
	argv := append(c.argv(cache), path, strconv.Itoa(connections), flag)
	out, err := output(exec.Command(argv[0], argv[1:]...), stop)
	if err != nil {
		return nil, fmt.Errorf("run client %s: %w", c.Name, err)
	}
	results := make([]Result, 0, len(jobs))
	for d := json.NewDecoder(bytes.NewReader(out)); ; {
		var r Result
		if err := d.Decode(&r); err == io.EOF {
			return results, nil
		} else if err != nil {
			return nil, fmt.Errorf("read results of client %s: %w", c.Name, err)
		}
		results = append(results, r)
	}
}

// output runs a program to its end, interrupts it when stop is closed, and gives what it printed.
func output(cmd *exec.Cmd, stop <-chan struct{}) ([]byte, error) {
	var out, messages bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &messages
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	ended := make(chan struct{})
	defer close(ended)
	go func() {
		select {
		case <-stop:
			cmd.Process.Signal(os.Interrupt)
		case <-ended:
		}
	}()
	if err := cmd.Wait(); err != nil {
		return nil, fmt.Errorf("%w: %s", err, messages.Bytes())
	}
	return out.Bytes(), nil
}

func writeJobs(path string, jobs []Job) error {
	file, err := os.Create(path)
	if err != nil {
		return err
	}
	defer file.Close()
	out := bufio.NewWriter(file)
	for _, j := range jobs {
		if err := json.NewEncoder(out).Encode(j); err != nil {
			return err
		}
	}
	return out.Flush()
}
