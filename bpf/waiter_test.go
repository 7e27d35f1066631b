package bpf

import (
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"runtime"
	"testing"
	"time"
	"unsafe"
)

// startHandover is load, with the probe on net/http's pooled connections of this very program.
func startHandover(t *testing.T) *capture {
	t.Helper()
	k := load(t, everything())
	o := k.traceSelf(t)
	put(t, self, k.objects.GoRoundTrip, 0, o.RoundTrip)
	return k
}

// waiters gives what was told of who waits since the last time.
func (k *capture) waiters() (told []WeftWaitersRecord) {
	k.t.Helper()
	k.reader.SetDeadline(time.Unix(1, 0))
	for {
		err := k.reader.ReadInto(&k.record)
		if errors.Is(err, os.ErrDeadlineExceeded) {
			return told
		}
		check(k.t, err)
		r := (*WeftWaitersRecord)(unsafe.Pointer(&k.record.RawSample[0]))
		if r.Head.Kind == uint8(WeftRecordKindRECORD_WAITERS) {
			told = append(told, *r)
		}
	}
}

type errand struct{ done chan error }

// TestWaiter: a worker takes calls from a channel, and the one that waits for it is told from the first call on, though the connection was
// opened before anybody looked at it.
func TestWaiter(t *testing.T) {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		time.Sleep(50 * time.Millisecond) // meanwhile all have come to wait
	}))
	defer s.Close()
	client := s.Client()
	errands := make(chan errand)
	defer close(errands)
	go func() {
		for e := range errands {
			e.done <- fetch(client, s.URL)
		}
	}()
	run := func() {
		e := errand{make(chan error)}
		errands <- e
		check(t, <-e.done)
	}
	run()
	k := startHandover(t)
	k.attach()
	for _, name := range []string{"first", "second"} {
		run()
		told := k.waiters()
		if len(told) != 1 || told[0].Count < 1 || told[0].Waiters[0].Goroutine != goroutine() {
			t.Errorf("of the %s call it is told that these wait: %+v; goroutine %d does", name, told, goroutine())
		}
	}
}

// TestReady: a goroutine that has given a worker a job, and has still to wait for the result when the reply begins, is told with the place
// at which the channel is found when it waits. One that was made ready by the worker, too, but whose job is another one, is not.
func TestReady(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1)) // no other thread takes it away
	s := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	defer s.Close()
	client, mine := s.Client(), goroutine()
	check(t, fetch(client, s.URL))
	k := startHandover(t)
	k.attach()
	one, jobs := errand{make(chan error)}, make(chan errand)
	go takeOne(jobs, client, s.URL)
	jobs <- one
	check(t, <-one.done)
	waits := k.waiters()
	if len(waits) != 1 || waits[0].Ready != 0 || !places(waits[0])[waits[0].Waiters[0].Place] || waits[0].Waiters[0].Goroutine != mine {
		t.Fatalf("it is told that these wait: %+v; goroutine %d does", waits, mine)
	}
	usual := waits[0].Waiters[0].Place
	k.untilReady("a job", usual, func() errand {
		e := errand{make(chan error)}
		go takeOne(jobs, client, s.URL)
		jobs <- e
		return e
	})
	pointers := make(chan *errand)
	k.untilReady("a pointer to a job", 0, func() errand {
		e := &errand{make(chan error)}
		go takePointer(pointers, client, s.URL)
		pointers <- e
		return *e
	})
	k.wantNone(usual, client, s.URL)
}

// wantNone checks that one that waits for room for its job, and was made ready when the worker took the job before it, is not told by the
// channel for the result of that.
func (k *capture) wantNone(usual uint64, client *http.Client, url string) {
	k.t.Helper()
	full, next := make(chan errand, 1), make(chan errand)
	defer close(next)
	go func() {
		for e := range next {
			full <- e
		}
	}()
	for range 50 {
		e := errand{make(chan error)}
		full <- e
		next <- errand{make(chan error)}
		time.Sleep(time.Millisecond) // until it waits for room
		go takeOne(full, client, url)
		time.Sleep(20 * time.Millisecond)
		check(k.t, <-e.done)
		<-full
		switch told := k.waiters(); {
		case len(told) != 1 || told[0].Ready == 0:
		case places(told[0])[usual]:
			k.t.Errorf("of a job it is told that the one who has given the next one has the channel for the result: %+v", told)
			fallthrough
		default:
			return
		}
	}
	k.t.Error("nobody was made ready by a worker")
}

// untilReady gives jobs until a goroutine was made ready by the worker and had not waited when the reply came: this one. Before that another
// thread of the machine can have had the processor. place: where the channel has to be found; 0: anywhere.
func (k *capture) untilReady(name string, place uint64, give func() errand) WeftWaitersRecord {
	k.t.Helper()
	mine := goroutine()
	var told []WeftWaitersRecord
	for range 50 {
		e := give()
		time.Sleep(20 * time.Millisecond) // as if it had no turn to wait
		check(k.t, <-e.done)
		told = k.waiters()
		if len(told) == 1 && told[0].Ready == 1 && told[0].Waiters[0].Goroutine == mine && (place == 0 || places(told[0])[place]) {
			return told[0]
		}
	}
	k.t.Fatalf("of %s it is told that these are about to wait: %+v; goroutine %d is, by the channel at %d", name, told, mine, place)
	return WeftWaitersRecord{}
}

func places(r WeftWaitersRecord) map[uint64]bool {
	all := map[uint64]bool{}
	for _, w := range r.Waiters[:min(int(r.Count), len(r.Waiters))] {
		all[w.Place] = true
	}
	return all
}

func takeOne(jobs chan errand, client *http.Client, url string) {
	time.Sleep(5 * time.Millisecond)
	e := <-jobs
	e.done <- fetch(client, url)
}

func takePointer(jobs chan *errand, client *http.Client, url string) {
	time.Sleep(5 * time.Millisecond)
	e := <-jobs
	e.done <- fetch(client, url)
}

func fetch(client *http.Client, url string) error {
	reply, err := client.Get(url)
	if err != nil {
		return err
	}
	defer reply.Body.Close()
	_, err = io.Copy(io.Discard, reply.Body)
	return err
}
