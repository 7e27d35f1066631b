// Command service is the Go service of the accuracy harness: `service MODE`. It serves POST on PORT and does the program in
// the body, as plan.go tells. MODE says which goroutine makes the calls, as send.go tells.
//
// It is built with an old Go, too, and so asks for nothing newer.
package main

import (
	"bytes"
	"fmt"
	"io"
	"log"
	"net/http"
	"os"
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
		if err == nil {
			err = work(program)
		}
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadGateway)
			return
		}
		io.WriteString(w, "ok\n")
	})))
}

type call struct {
	port    int
	path    string
	program []byte
}

// do does the steps of a program.
func (send sender) do(program []byte) error {
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
		var word string
		var size int
		var c call
		fmt.Sscan(line, &word, &c.port, &c.path, &size)
		c.program, program = program[:size], program[size:]
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
	url := fmt.Sprintf("http://127.0.0.1:%d%s", c.port, c.path)
	reply, err := client.Post(url, "text/plain", bytes.NewReader(c.program))
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
