package fleet

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"time"
)

// curl does jobs with files of its own in dir.
type curl struct {
	dir  string
	jobs []Job
}

// run does the jobs in one run of curl, or without keep-alive in a run for each: a server that closes a connection
// need not say so, and curl would use it again.
func (c curl) run(connections int, keepAlive bool) ([]Result, error) {
	results := make([]Result, len(c.jobs))
	if keepAlive {
		return results, c.batch("all", 0, len(c.jobs), connections, results)
	}
	errs := make([]error, connections)
	var workers sync.WaitGroup
	for w := range connections {
		workers.Go(func() {
			for i := w; i < len(c.jobs) && errs[w] == nil; i += connections {
				errs[w] = c.batch(strconv.Itoa(w), i, i+1, 1, results)
			}
		})
	}
	workers.Wait()
	for _, err := range errs {
		if err != nil {
			return nil, err
		}
	}
	return results, nil
}

// batch does jobs from up to but not including to, with one section of curl's configuration for each.
func (c curl) batch(name string, from, to, connections int, results []Result) error {
	text, err := c.config(from, to, connections)
	if err != nil {
		return err
	}
	path := filepath.Join(c.dir, name+".conf")
	if err := os.WriteFile(path, text, 0o644); err != nil {
		return err
	}
	start := time.Now().UnixNano()
	out, err := output(exec.Command("curl", "-q", "-K", path), nil)
	end := time.Now().UnixNano()
	if err != nil {
		return fmt.Errorf("run curl: %w", err)
	}
	lines := strings.Split(strings.TrimSpace(string(out)), "\n")
	if len(lines) != to-from {
		return fmt.Errorf("curl gave %d results for %d jobs", len(lines), to-from)
	}
	for _, line := range lines {
		r := Result{Start: start, End: end}
		if _, err := fmt.Sscan(line, &r.I, &r.Status, &r.Size); err != nil {
			return fmt.Errorf("read curl's %q: %w", line, err)
		}
		results[r.I] = r
	}
	return nil
}

func (c curl) config(from, to, connections int) ([]byte, error) {
	var conf bytes.Buffer
	if connections > 1 {
		fmt.Fprintf(&conf, "parallel\nparallel-immediate\nparallel-max = %d\n", connections)
	}
	conf.WriteString("no-progress-meter\n")
	for i := from; i < to; i++ {
		if i > from {
			conf.WriteString("next\n")
		}
		if err := c.section(&conf, i); err != nil {
			return nil, err
		}
	}
	return conf.Bytes(), nil
}

func (c curl) section(conf *bytes.Buffer, i int) error {
	j := c.jobs[i]
	fmt.Fprintf(conf, "url = %q\nnoproxy = \"*\"\noutput = \"/dev/null\"\n", j.URL)
	fmt.Fprintf(conf, "write-out = \"%d %%{http_code} %%{size_download}\\n\"\n", i)
	for key, value := range j.Headers {
		fmt.Fprintf(conf, "header = %q\n", key+": "+value)
	}
	switch j.Method {
	case "HEAD":
		conf.WriteString("head\n")
	case "POST":
		body := filepath.Join(c.dir, fmt.Sprint("body", i))
		if err := os.WriteFile(body, bytes.Repeat([]byte("y"), int(j.Body)), 0o644); err != nil {
			return err
		}
		fmt.Fprintf(conf, "data-binary = \"@%s\"\n", body)
		if j.Chunked {
			conf.WriteString("header = \"Transfer-Encoding: chunked\"\n")
		}
	}
	return nil
}
