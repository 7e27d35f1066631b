// Command service serves POST on PORT with fasthttp, and does the program in the body, as plan.go tells, with fasthttp's client.
package main

import (
	"bytes"
	"fmt"
	"log"
	"os"
	"time"

	"github.com/valyala/fasthttp"
)

var client = &fasthttp.Client{MaxConnsPerHost: 512}

func main() {
	log.Fatal(fasthttp.ListenAndServe("127.0.0.1:"+os.Getenv("PORT"), func(c *fasthttp.RequestCtx) {
		if err := do(c.PostBody()); err != nil {
			c.Error(err.Error(), fasthttp.StatusBadGateway)
			return
		}
		c.SetBodyString("ok\n")
	}))
}

// do does the steps of a program. The calls that go on at the same time have a goroutine each, but for the last.
func do(program []byte) error {
	var pending []chan error
	for len(program) > 0 {
		end := bytes.IndexByte(program, '\n')
		line := string(program[:end])
		program = program[end+1:]
		if line[0] == 'w' {
			if err := wait(pending); err != nil {
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
			if err := wait(pending); err != nil {
				return err
			}
			pending = nil
		}
		url, body := fmt.Sprintf("http://127.0.0.1:%d%s", port, path), program[:size]
		program = program[size:]
		if last := len(program) == 0 || program[0] != 'p'; last {
			if err := post(url, body); err != nil {
				return err
			}
			continue
		}
		done := make(chan error, 1)
		go func() { done <- post(url, body) }()
		pending = append(pending, done)
	}
	return wait(pending)
}

func wait(pending []chan error) error {
	for _, done := range pending {
		if err := <-done; err != nil {
			return err
		}
	}
	return nil
}

func post(url string, body []byte) error {
	request, reply := fasthttp.AcquireRequest(), fasthttp.AcquireResponse()
	defer fasthttp.ReleaseRequest(request)
	defer fasthttp.ReleaseResponse(reply)
	request.SetRequestURI(url)
	request.Header.SetMethod(fasthttp.MethodPost)
	request.SetBodyRaw(body)
	if err := client.Do(request, reply); err != nil {
		return err
	}
	if reply.StatusCode() != fasthttp.StatusOK {
		return fmt.Errorf("%s: status %d", url, reply.StatusCode())
	}
	return nil
}
