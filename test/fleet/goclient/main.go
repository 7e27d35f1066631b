// Command goclient is the Go net/http client of the fleet: `goclient JOBS CONNECTIONS KEEPALIVE`. See fleet.Client.
// An interrupt ends it when the jobs that have begun are done.
package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log"
	"net/http"
	"os"
	"os/signal"
	"strconv"
	"sync"
	"time"
)

type job struct {
	Method  string            `json:"method"`
	URL     string            `json:"url"`
	Body    int64             `json:"body"`
	Chunked bool              `json:"chunked"`
	Headers map[string]string `json:"headers"`
	Pause   time.Duration     `json:"pause"`
}

func main() {
	jobs, err := read(os.Args[1])
	if err != nil {
		log.Fatal(err)
	}
	connections, err := strconv.Atoi(os.Args[2])
	if err != nil {
		log.Fatal(err)
	}
	transport := &http.Transport{
		MaxIdleConnsPerHost: connections, MaxConnsPerHost: connections,
		DisableKeepAlives: os.Args[3] == "0", DisableCompression: true,
	}
	run(&http.Client{Transport: transport}, jobs, connections)
}

func read(path string) ([]job, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	var jobs []job
	for d := json.NewDecoder(bufio.NewReader(file)); ; {
		var j job
		if err := d.Decode(&j); err == io.EOF {
			return jobs, nil
		} else if err != nil {
			return nil, err
		}
		jobs = append(jobs, j)
	}
}

// run does job i on worker i modulo connections, and prints what each met.
func run(client *http.Client, jobs []job, connections int) {
	lines := make([]string, len(jobs))
	interrupted, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	var workers sync.WaitGroup
	for w := range connections {
		workers.Go(func() {
			for i := w; i < len(jobs) && interrupted.Err() == nil; i += connections {
				lines[i] = do(client, i, jobs[i])
				time.Sleep(jobs[i].Pause)
			}
		})
	}
	workers.Wait()
	out := bufio.NewWriter(os.Stdout)
	for _, line := range lines {
		out.WriteString(line)
	}
	out.Flush()
}

func do(client *http.Client, i int, j job) string {
	start := time.Now().UnixNano()
	status, size, err := exchange(client, j)
	message := ""
	if err != nil {
		message = err.Error()
	}
	return fmt.Sprintf(`{"i":%d,"start":%d,"end":%d,"status":%d,"size":%d,"error":%q}`+"\n",
		i, start, time.Now().UnixNano(), status, size, message)
}

func exchange(client *http.Client, j job) (status int, size int64, err error) {
	var body io.Reader
	if j.Method == "POST" {
		body = io.LimitReader(filler{}, j.Body)
	}
	request, err := http.NewRequest(j.Method, j.URL, body)
	if err != nil {
		return 0, 0, err
	}
	if j.Method == "POST" && !j.Chunked {
		request.ContentLength = j.Body
		if j.Body == 0 {
			request.Body = http.NoBody
		}
	}
	for key, value := range j.Headers {
		request.Header.Set(key, value)
	}
	reply, err := client.Do(request)
	if err != nil {
		return 0, 0, err
	}
	defer reply.Body.Close()
	size, err = io.Copy(io.Discard, reply.Body)
	return reply.StatusCode, size, err
}

// filler is an endless body.
type filler struct{}

func (filler) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = 'y'
	}
	return len(p), nil
}
