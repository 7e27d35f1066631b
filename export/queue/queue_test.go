package queue

import (
	"sync"
	"testing"

	"weft/correlate/span"
)

func TestOrderAndBound(t *testing.T) {
	var released []int
	q := New(5, 2, func(s *span.Span) { released = append(released, int(s.Status)) })
	next := uint16(0)
	put := func(n int) {
		for range n {
			next++
			q.Put(&span.Span{Status: next})
		}
	}
	put(4)
	want := uint16(0)
	take := func(least, n int) {
		t.Helper()
		got := q.Take(nil, least)
		if len(got) != n {
			t.Fatalf("took %d, want %d", len(got), n)
		}
		for _, s := range got {
			want++
			if s.Status != want {
				t.Fatalf("took %d, want %d", s.Status, want)
			}
		}
	}
	take(1, 2)
	put(4) // 5..8, the last has no room
	if len(released) != 1 || released[0] != 8 {
		t.Fatalf("released %v", released)
	}
	take(2, 2)
	take(2, 2)
	take(2, 0)
	take(1, 1)
	take(1, 0)
	q.Settle(Counts{Exported: 4, Rejected: 1, ExportFailed: 2})
	q.Close()
	q.Close()
	put(1)
	if got, want := q.Counts(), (Counts{Put: 9, Exported: 4, QueueFull: 1, Rejected: 1, ExportFailed: 2, Shutdown: 1}); got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
}

func TestReadyComesWithAWholeBatch(t *testing.T) {
	q := New(8, 3, nil)
	for i := range 3 {
		select {
		case <-q.Ready():
			t.Fatalf("ready after %d", i)
		default:
		}
		q.Put(&span.Span{})
	}
	<-q.Ready()
	q.Close()
	<-q.Closed()
	if n := len(q.Take(nil, 1)); n != 3 {
		t.Errorf("%d left after Close", n)
	}
}

// TestEverySpanIsCountedOnce holds the account exact under concurrent makers, takers and an early Close.
func TestEverySpanIsCountedOnce(t *testing.T) {
	const makers, each = 4, 20_000
	var mu sync.Mutex
	released := 0
	q := New(64, 16, func(*span.Span) { mu.Lock(); released++; mu.Unlock() })
	var done, taking sync.WaitGroup
	for range 2 {
		taking.Go(func() {
			for open := true; open; {
				select {
				case <-q.Ready():
				case <-q.Closed():
					open = false
				}
				for taken := q.Take(nil, 1); len(taken) > 0; taken = q.Take(nil, 1) {
					for _, s := range taken {
						q.Release(s)
					}
					q.Settle(Counts{Exported: uint64(len(taken))})
				}
			}
		})
	}
	for m := range makers {
		done.Go(func() {
			for i := range each {
				q.Put(&span.Span{})
				if m == 0 && i == each/2 {
					q.Close()
				}
				if c := q.Counts(); c.Put != c.Waiting+c.Exported+c.Dropped() || c.Waiting > 64+2*16 {
					t.Errorf("inconsistent %+v", c)
					return
				}
			}
		})
	}
	done.Wait()
	taking.Wait()
	c := q.Counts()
	if c.Put != makers*each || c.Waiting != 0 || c.Shutdown == 0 || released != makers*each {
		t.Errorf("%+v, %d released", c, released)
	}
}

func TestAbandon(t *testing.T) {
	q := New(8, 2, nil)
	for range 5 {
		q.Put(&span.Span{})
	}
	q.Take(nil, 1)
	q.Settle(Counts{Exported: 1, Shutdown: 1})
	q.Abandon()
	q.Settle(Counts{Exported: 3})
	q.Put(&span.Span{})
	if got, want := q.Counts(), (Counts{Put: 6, Exported: 1, Shutdown: 5}); got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
}

func BenchmarkPut(b *testing.B) {
	q := New(1024, 512, nil)
	s := &span.Span{}
	taken := make([]*span.Span, 0, 512)
	b.ReportAllocs()
	for b.Loop() {
		q.Put(s)
		select {
		case <-q.Ready():
			taken = q.Take(taken[:0], 1)
		default:
		}
	}
}
