package main

import (
	"fmt"
	"log"
	"path"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"
	"golang.org/x/sync/singleflight"
)

// sender makes calls that go on at the same time, and returns when all have been answered.
type sender func([]call) error

var senders = map[string]sender{
	"same":     same,
	"fresh":    func(calls []call) error { return each(calls, call.post) },
	"nested":   func(calls []call) error { return each(calls, nested) },
	"timer":    func(calls []call) error { return each(calls, timer) },
	"flight":   func(calls []call) error { return each(calls, shared) },
	"pool":     pooled(workers(16)),
	"queue":    same,
	"flaky":    same,
	"errgroup": group,
}

// same makes the calls one after the other, in the goroutine that asks for them.
func same(calls []call) error {
	for _, c := range calls {
		if err := c.post(); err != nil {
			return err
		}
	}
	return nil
}

// each makes each call in a goroutine of its own.
func each(calls []call, post func(call) error) error {
	errs := make(chan error, len(calls))
	for _, c := range calls {
		go func(c call) { errs <- post(c) }(c)
	}
	for range calls {
		if err := <-errs; err != nil {
			return err
		}
	}
	return nil
}

func group(calls []call) error {
	var g errgroup.Group
	for _, c := range calls {
		g.Go(c.post)
	}
	return g.Wait()
}

// nested makes the call in a goroutine that was started by one that was started for the call.
func nested(c call) error {
	done := make(chan error)
	go func() { done <- c.post() }()
	return <-done
}

// timer makes the call in the goroutine of a timer.
func timer(c call) error {
	done := make(chan error)
	time.AfterFunc(time.Millisecond, func() { done <- c.post() })
	return <-done
}

var flights singleflight.Group

// shared makes one call for all requests that want the same one at the same time.
func shared(c call) error {
	_, err, _ := flights.Do(fmt.Sprint(c.port, path.Dir(c.path)), func() (any, error) { return nil, c.post() })
	return err
}

type job struct {
	call
	done chan error
}

// workers gives a function that has one of so many goroutines make the call.
func workers(n int) func(call) error {
	jobs := make(chan job)
	var start sync.Once
	return func(c call) error {
		start.Do(func() {
			for i := 0; i < n; i++ {
				go func() {
					for j := range jobs {
						j.done <- j.post()
					}
				}()
			}
		})
		j := job{c, make(chan error)}
		jobs <- j
		return <-j.done
	}
}

// pooled makes each call in a goroutine of its own, which has a worker make it.
func pooled(post func(call) error) func([]call) error {
	return func(calls []call) error { return each(calls, post) }
}

// later gives a function that has one of 32 goroutines do the work when it has returned.
func later(work func([]byte, string) error) func([]byte, string) error {
	type job struct {
		program []byte
		parent  string
	}
	queue := make(chan job, 64)
	for i := 0; i < 32; i++ {
		go func() {
			for j := range queue {
				if err := work(j.program, j.parent); err != nil {
					log.Print(err)
				}
			}
		}()
	}
	return func(program []byte, parent string) error {
		queue <- job{program, parent}
		return nil
	}
}
