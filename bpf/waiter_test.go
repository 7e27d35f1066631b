package bpf

import (
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
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

func fetch(client *http.Client, url string) error {
	reply, err := client.Get(url)
	if err != nil {
		return err
	}
	defer reply.Body.Close()
	_, err = io.Copy(io.Discard, reply.Body)
	return err
}
