package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

// load is a number of trees, of which so many are under way at any time.
type load struct {
	scenario
	port, middle, last int
	trees, inFlight    int
	first              uint32 // number of the first tree
	begun              *atomic.Int64
}

// loadMax bounds a load; what is left of it then is left out.
const loadMax = time.Minute

func (l load) run() error {
	transport := &http.Transport{MaxIdleConnsPerHost: l.inFlight, DisableCompression: true}
	defer transport.CloseIdleConnections()
	client := &http.Client{Transport: transport}
	until := time.Now().Add(loadMax)
	var wg sync.WaitGroup
	errs := make([]error, l.inFlight)
	for worker := range l.inFlight {
		wg.Go(func() {
			for i := worker; i < l.trees && errs[worker] == nil && time.Now().Before(until); i += l.inFlight {
				errs[worker] = l.one(client, l.first+uint32(i))
			}
		})
	}
	wg.Wait()
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

// pad fills what is looked at of a head.
var pad = strings.Repeat("p", 4<<10)

func (l load) one(client *http.Client, number uint32) error {
	t := &tree{random: rand.New(rand.NewPCG(uint64(number), 1)), shape: l.shape, number: number, middle: l.middle, last: l.last}
	t.traced = l.shape.headers && t.random.IntN(2) == 0
	depth := 0
	if l.proxy {
		depth = 2
	}
	path, program := t.request(0, depth)
	word := path[len(path)-wordSize:]
	if l.alike {
		path = routes[number%3] + "all"
	}
	patience := time.Minute
	cancels := l.shape.cancel && t.random.IntN(8) == 0
	if cancels {
		patience = time.Duration(1+t.random.IntN(20)) * time.Millisecond
	}
	ctx, done := context.WithTimeout(context.Background(), patience)
	defer done()
	pause := time.Duration(0)
	if l.shape.slow && t.random.IntN(8) == 0 {
		pause, program = time.Millisecond, "r 1000000\n"+program
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, fmt.Sprintf("http://127.0.0.1:%d%s", l.port, path), strings.NewReader(program))
	if err != nil {
		return err
	}
	if t.traced {
		r.Header.Set("Traceparent", fmt.Sprintf("00-%016x%016x-%016x-01", t.random.Uint64(), t.random.Uint64(), t.random.Uint64()|1))
	}
	if l.alike {
		r.Header.Set("X-Pad", pad)
		r.Header.Set("X-Word", "/"+word)
	}
	l.begun.Add(1)
	reply, err := client.Do(r)
	for ; l.shape.restart && errors.Is(err, syscall.ECONNREFUSED); reply, err = client.Do(r) {
		time.Sleep(20 * time.Millisecond) // nothing was sent yet
	}
	if err != nil {
		return unless(cancels || l.shape.restart, err)
	}
	defer reply.Body.Close()
	if err := drain(reply.Body, pause); err != nil {
		return unless(cancels || l.shape.restart, err)
	}
	if reply.StatusCode != http.StatusOK && !l.shape.restart {
		return fmt.Errorf("%s: status %d", path, reply.StatusCode)
	}
	return nil
}

// drain reads a reply to its end.
func drain(r io.Reader, pause time.Duration) error {
	for {
		time.Sleep(pause)
		if _, err := io.CopyN(io.Discard, r, 1<<16); err == io.EOF {
			return nil
		} else if err != nil {
			return err
		}
	}
}

func unless(expected bool, err error) error {
	if expected {
		return nil
	}
	return err
}

// touch makes a request that has no name and from which nothing follows.
func touch(port int) error {
	reply, err := http.Post(fmt.Sprintf("http://127.0.0.1:%d/", port), "text/plain", http.NoBody)
	if err != nil {
		return err
	}
	return reply.Body.Close()
}
