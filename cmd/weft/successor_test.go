package main

import (
	"context"
	"fmt"
	"log/slog"
	"testing"
	"time"

	"weft/correlate/span"
	"weft/export/queue"
	"weft/export/sampler"
	"weft/export/spill"
)

// ended is an output that remembers the ends of spans.
type ended struct {
	store *spill.Store
	ends  []int64
}

func (o *ended) Put(s *span.Span) { o.ends = append(o.ends, s.End) }
func (o *ended) Counts() queue.Counts {
	return queue.Counts{Put: uint64(len(o.ends)), Exported: uint64(len(o.ends))}
}
func (o *ended) Close(context.Context) error {
	o.store.Close()
	return nil
}

func openEnded(dir string) (*ended, error) {
	store, _, _, err := spill.Open(spill.Options{Dir: dir, Size: 1 << 20, Age: time.Hour})
	if err != nil {
		return nil, err
	}
	return &ended{store: store}, nil
}

// pair gives a weft at work on a folder, and the one that waits for it.
func pair(t *testing.T) (dir string, first *ended, next *gate, out *ended) {
	t.Helper()
	dir, out = t.TempDir(), &ended{}
	first, err := openEnded(dir)
	if err != nil {
		t.Fatal(err)
	}
	waiting, err := succeed(dir, func() (sink, error) {
		opened, err := openEnded(dir)
		if err != nil {
			return nil, err
		}
		out.store = opened.store
		return out, nil
	}, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	return dir, first, &gate{sink: waiting}, out
}

func end(at int64) *span.Span {
	s := takeSpan()
	s.End = at
	return s
}

// TestSuccessorGoesOnWhereTheOtherEnds parts spans at the moment that the first weft names: each is told by one of them.
func TestSuccessorGoesOnWhereTheOtherEnds(t *testing.T) {
	dir, first, next, out := pair(t)
	for at := range int64(10) {
		next.sink.Put(end(100 + at))
	}
	next.tick()
	if next.tells.Load() || len(out.ends) > 0 {
		t.Error("both tell")
	}
	if c := next.Counts(); c.Put != 10 || c.Waiting != 10 {
		t.Errorf("counts %+v", c)
	}
	if err := spill.Bequeath(dir, 104); err != nil {
		t.Fatal(err)
	}
	next.tick()
	next.sink.Put(end(103)) // late, as what the pipeline has held
	next.sink.Put(end(110))
	if len(out.ends) > 0 {
		t.Error("it tells before the other one has ended")
	}
	if err := first.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	next.tick()
	next.sink.Put(end(102))
	next.sink.Put(end(111))
	if got := fmt.Sprint(out.ends); got != "[105 106 107 108 109 110 111]" || !next.tells.Load() {
		t.Errorf("told: %s", got)
	}
	if next.elsewhere() != 7 {
		t.Errorf("%d spans are said to be the other one's", next.elsewhere())
	}
	if spill.HasHeir(dir) {
		t.Error("it waits for itself")
	}
}

// TestSuccessorOfAKilledOne is told nothing: it tells what ends from then on.
func TestSuccessorOfAKilledOne(t *testing.T) {
	_, first, next, out := pair(t)
	next.sink.Put(end(100))
	first.store.Close()
	next.tick()
	now := time.Now().UnixNano()
	next.sink.Put(end(now))
	if got := fmt.Sprint(out.ends); got != fmt.Sprint([]int64{now}) || next.elsewhere() != 1 {
		t.Errorf("told: %s, %d elsewhere", got, next.elsewhere())
	}
}

// TestSuccessorIsBounded keeps the latest spans. What is pushed out counts as lost from when on it was to be told.
func TestSuccessorIsBounded(t *testing.T) {
	dir, first, next, out := pair(t)
	for at := range int64(heldMax + 10) {
		next.sink.Put(end(1000 + at))
	}
	if c := next.Counts(); c.Put != heldMax || next.elsewhere() != 10 {
		t.Errorf("counts %+v, %d elsewhere", c, next.elsewhere())
	}
	if err := spill.Bequeath(dir, 1000+9); err != nil {
		t.Fatal(err)
	}
	next.tick()
	for at := range int64(5) {
		next.sink.Put(end(1000 + heldMax + 10 + at))
	}
	first.store.Close()
	next.tick()
	if len(out.ends) != heldMax || out.ends[0] != 1000+15 || out.ends[heldMax-1] != 1000+heldMax+14 {
		t.Errorf("%d spans from %d on", len(out.ends), out.ends[0])
	}
	if c := next.Counts(); c.Put != heldMax+5 || c.QueueFull != 5 || c.Exported != heldMax {
		t.Errorf("counts %+v", c)
	}
}

func all(t *testing.T) sampler.Sampler {
	t.Helper()
	s, err := sampler.New("always_on", "")
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// TestBequeathed leaves to an heir what ends after a weft was told to end, and tells all if there is none.
func TestBequeathed(t *testing.T) {
	for _, waits := range []bool{false, true} {
		dir := t.TempDir()
		out, err := openEnded(dir)
		if err != nil {
			t.Fatal(err)
		}
		g := &gate{sink: out, rooms: newRooms(&house{general: treatment{sampler: all(t)}})}
		g.tick()
		var heir *spill.Heir
		if waits {
			if heir, err = spill.Await(dir); err != nil {
				t.Fatal(err)
			}
		}
		ctx, cancel := context.WithCancel(t.Context())
		running := g.bequeathed(ctx, dir, slog.New(slog.DiscardHandler))
		before := time.Now().UnixNano()
		cancel()
		<-running.Done()
		g.Put(end(before))
		g.Put(end(time.Now().UnixNano()))
		want, left := 2, uint64(0)
		if waits {
			want, left = 1, 1
			if until := heir.Until(); until < before || until != g.until.Load() {
				t.Errorf("the heir is told %d, after %d", until, before)
			}
		}
		if len(out.ends) != want || g.elsewhere() != left {
			t.Errorf("with an heir %v: told %v, %d left", waits, out.ends, g.elsewhere())
		}
	}
}
