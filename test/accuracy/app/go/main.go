// Command service is the Go service of the accuracy harness: `service MODE`. It serves POST on PORT and does the program in
// the body, as plan.go tells. MODE says which goroutine makes the calls, as send.go tells.
//
// It is built with an old Go, too, and so asks for nothing newer.
package main

import (
	"bytes"
	"context"
	"fmt"
	"hash/fnv"
	"io"
	"log"
	"math/rand"
	"net/http"
	"os"
	"strings"
	"time"
)

var client = &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 512, DisableCompression: true}}

func main() {
	mode := os.Args[1]
	send, ok := senders[mode]
	if !ok {
		log.Fatalf("no mode %q", mode)
	}
	work := send.do
	if mode == "queue" {
		work = later(work)
	}
	log.Fatal(http.ListenAndServe("127.0.0.1:"+os.Getenv("PORT"), http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		program, err := io.ReadAll(r.Body)
		if mode == "flaky" {
			fail(w, r.URL.Path)
		}
		size, program := sizeOf(program)
		if err == nil {
			err = work(program, r.Header.Get("Traceparent"))
		}
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadGateway)
			return
		}
		w.Write(bytes.Repeat([]byte("ok\n"), size/3))
	})))
}

// fail does not serve half of the requests: it breaks the connection, or says that it is not there.
func fail(w http.ResponseWriter, path string) {
	h := fnv.New32a()
	io.WriteString(h, path)
	switch h.Sum32() % 4 {
	case 0:
		panic(http.ErrAbortHandler)
	case 1:
		w.WriteHeader(http.StatusServiceUnavailable)
	}
}

// sizeOf reads how long the reply is to be.
func sizeOf(program []byte) (size int, rest []byte) {
	if !bytes.HasPrefix(program, []byte("r ")) {
		return 3, program
	}
	end := bytes.IndexByte(program, '\n')
	fmt.Sscanf(string(program[:end]), "r %d", &size)
	return size, program[end+1:]
}

type call struct {
	port    int
	path    string
	program []byte
	context string // trace context
	hasty   bool   // it is given up soon, and made again
}

// do does the steps of a program. What goes on with the trace context of the request is a child of it.
func (send sender) do(program []byte, parent string) error {
	var pending []call
	for len(program) > 0 {
		end := bytes.IndexByte(program, '\n')
		line := string(program[:end])
		program = program[end+1:]
		if line[0] == 'w' {
			if err := send(pending); err != nil {
				return err
			}
			pending = nil
			var ms int
			fmt.Sscanf(line, "w %d", &ms)
			time.Sleep(time.Duration(ms) * time.Millisecond)
			continue
		}
		var word, flags string
		var size int
		var c call
		fmt.Sscan(line, &word, &c.port, &c.path, &size, &flags)
		c.program, program = program[:size], program[size:]
		c.hasty = strings.Contains(flags, "t")
		if strings.Contains(flags, "h") && parent != "" {
			c.context = fmt.Sprintf("%s-%016x-01", parent[:35], rand.Uint64()|1)
		}
		if word == "c" {
			if err := send(pending); err != nil {
				return err
			}
			pending = nil
		}
		pending = append(pending, c)
	}
	return send(pending)
}

func (c call) post() error {
	if c.hasty {
		ctx, done := context.WithTimeout(context.Background(), 20*time.Millisecond)
		err := c.within(ctx)
		done()
		if ctx.Err() == nil {
			return err
		}
	}
	return c.within(context.Background())
}

func (c call) within(ctx context.Context) error {
	url := fmt.Sprintf("http://127.0.0.1:%d%s", c.port, c.path)
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, url, bytes.NewReader(c.program))
	if err != nil {
		return err
	}
	if c.context != "" {
		r.Header.Set("Traceparent", c.context)
	}
	reply, err := client.Do(r)
	if err != nil {
		return err
	}
	defer reply.Body.Close()
	_, err = io.Copy(io.Discard, reply.Body)
	if err == nil && reply.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s: status %d", url, reply.StatusCode)
	}
	return err
}
