// Package queue owns the spans between the data path and a sink, and the account of what became of each.
package queue

import (
	"sync"

	"weft/correlate/span"
)

// Counts says what became of the spans that were put. Put and Recovered are the sum of all other fields, in every snapshot.
type Counts struct {
	Put          uint64
	Recovered    uint64 // found on disk at the start: an earlier run had put them there
	Waiting      uint64 // in the queue or on their way
	Spilled      uint64 // waiting on disk
	Exported     uint64 // accepted by the receiver
	QueueFull    uint64 // dropped: the receiver was slower than the spans came
	Rejected     uint64 // dropped: the receiver took the message but refused these spans
	ExportFailed uint64 // dropped: the receiver could not be reached or refused the message
	Shutdown     uint64 // dropped: put after the end, or not sent before the end's deadline
	SpillFull    uint64 // dropped: the oldest on disk, when there was no room for younger ones
	SpillExpired uint64 // dropped: they waited too long on disk
	SpillCorrupt uint64 // dropped: their file on disk was damaged, or not written to its end
	SpillFailed  uint64 // dropped: the disk did not take them
}

// Dropped sums the spans that were lost.
func (c Counts) Dropped() uint64 {
	return c.QueueFull + c.Rejected + c.ExportFailed + c.Shutdown + c.SpillFull + c.SpillExpired + c.SpillCorrupt + c.SpillFailed
}

// Queue is a bounded queue of spans. Put never blocks; what has no room is released and counted. A span that was
// taken is the taker's to Release and to Settle.
type Queue struct {
	mu      sync.Mutex
	ring    []*span.Span
	head, n int
	batch   int
	ended   bool
	counts  Counts

	abandoned bool

	ready   chan struct{}
	closed  chan struct{}
	release func(*span.Span)
}

// New makes a queue for limit spans that reports Ready from batch spans on. release gets every span back, from any
// goroutine; nil leaves spans to the garbage collector.
func New(limit, batch int, release func(*span.Span)) *Queue {
	if release == nil {
		release = func(*span.Span) {}
	}
	return &Queue{
		ring: make([]*span.Span, limit), batch: min(batch, limit),
		ready: make(chan struct{}, 1), closed: make(chan struct{}), release: release,
	}
}

// Put takes s over.
func (q *Queue) Put(s *span.Span) {
	q.mu.Lock()
	q.counts.Put++
	switch {
	case q.ended:
		q.counts.Shutdown++
	case q.n == len(q.ring):
		q.counts.QueueFull++
	default:
		q.ring[(q.head+q.n)%len(q.ring)] = s
		q.n++
		s = nil
	}
	wake := s == nil && q.n%q.batch == 0
	q.mu.Unlock()
	if s != nil {
		q.release(s)
	}
	if wake {
		select {
		case q.ready <- struct{}{}:
		default:
		}
	}
}

// Ready gives a token when a whole batch waits. Its receiver takes until less than a batch is left.
func (q *Queue) Ready() <-chan struct{} { return q.ready }

// Closed is closed by Close.
func (q *Queue) Closed() <-chan struct{} { return q.closed }

// Take appends up to a batch of spans to dst, oldest first, or none if fewer than least wait.
func (q *Queue) Take(dst []*span.Span, least int) []*span.Span {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.n < least {
		return dst
	}
	for range min(q.n, q.batch) {
		dst = append(dst, q.ring[q.head])
		q.ring[q.head] = nil
		q.head = (q.head + 1) % len(q.ring)
		q.n--
	}
	return dst
}

// Batch is the number of spans that Take gives at most.
func (q *Queue) Batch() int { return q.batch }

// Release gives a taken span back to its maker.
func (q *Queue) Release(s *span.Span) { q.release(s) }

// Settle counts the end of taken spans: every taken span is counted in one field of c, once.
func (q *Queue) Settle(c Counts) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.abandoned {
		return
	}
	q.counts.Exported += c.Exported
	q.counts.Rejected += c.Rejected
	q.counts.ExportFailed += c.ExportFailed
	q.counts.Shutdown += c.Shutdown
}

// Abandon ends the account while a taker hangs: what is not settled is lost by the shutdown, what the taker still
// settles is void, and the spans that it holds are not released.
func (q *Queue) Abandon() {
	q.Close()
	q.mu.Lock()
	defer q.mu.Unlock()
	q.abandoned = true
	q.counts.Shutdown = q.counts.Put - q.counts.Exported - (q.counts.Dropped() - q.counts.Shutdown)
}

// Close ends the queue: what waits can still be taken, nothing more comes in. It may be called more than once.
func (q *Queue) Close() {
	q.mu.Lock()
	defer q.mu.Unlock()
	if !q.ended {
		q.ended = true
		close(q.closed)
	}
}

// Counts gives a consistent snapshot.
func (q *Queue) Counts() Counts {
	q.mu.Lock()
	defer q.mu.Unlock()
	c := q.counts
	c.Waiting = c.Put - c.Exported - c.Dropped()
	return c
}
