// Command service is the Go service of the accuracy harness: `service MODE`. It serves POST on PORT and does the program in
// the body, as plan.go tells. MODE says which goroutine makes the calls: same, fresh, or nested: one
// that was started by one that was started for the call.
package main

import (
	"bytes"
	"fmt"
	"io"
	"log"
	"net/http"
	"os"
	"sync"
	"time"
)

var client = &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 512, DisableCompression: true}}

func main() {
	log.Fatal(http.ListenAndServe("127.0.0.1:"+os.Getenv("PORT"), http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		program, err := io.ReadAll(r.Body)
		if err == nil {
			err = do(os.Args[1], program)
		}
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadGateway)
			return
		}
		io.WriteString(w, "ok\n")
	})))
}

type call struct {
	url     string
	program []byte
}

// do does the steps of a program.
func do(mode string, program []byte) error {
	var pending []call
	for len(program) > 0 {
		end := bytes.IndexByte(program, '\n')
		line := string(program[:end])
		program = program[end+1:]
		if line[0] == 'w' {
			if err := send(mode, pending); err != nil {
				return err
			}
			pending = nil
			var ms int
			fmt.Sscanf(line, "w %d", &ms)
			time.Sleep(time.Duration(ms) * time.Millisecond)
			continue
		}
		var word, path string
		var port, size int
		fmt.Sscan(line, &word, &port, &path, &size)
		if word == "c" {
			if err := send(mode, pending); err != nil {
				return err
			}
			pending = nil
		}
		pending = append(pending, call{fmt.Sprintf("http://127.0.0.1:%d%s", port, path), program[:size]})
		program = program[size:]
	}
	return send(mode, pending)
}

// send makes calls that go on at the same time.
func send(mode string, calls []call) error {
	if mode == "same" {
		for _, c := range calls {
			if err := c.post(); err != nil {
				return err
			}
		}
		return nil
	}
	errs := make(chan error, len(calls))
	var wg sync.WaitGroup
	for _, c := range calls {
		wg.Go(func() {
			if mode != "nested" {
				errs <- c.post()
				return
			}
			done := make(chan error)
			go func() { done <- c.post() }()
			errs <- <-done
		})
	}
	wg.Wait()
	close(errs)
	for err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

func (c call) post() error {
	reply, err := client.Post(c.url, "text/plain", bytes.NewReader(c.program))
	if err != nil {
		return err
	}
	defer reply.Body.Close()
	_, err = io.Copy(io.Discard, reply.Body)
	if err == nil && reply.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s: status %d", c.url, reply.StatusCode)
	}
	return err
}
