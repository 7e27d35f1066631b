package otlp

import (
	"sync"

	"weft/correlate/span"
	"weft/export/queue"
)

// outbox owns the spans between Put and their upload, and the account of what became of each. A span is encoded when it is put:
// it is at hand then, and a message takes fewer and nearer bytes than the spans that it is made of. Put never waits for a
// collector; what has no room is counted.
type outbox struct {
	mu      sync.Mutex
	encoder *encoder
	limit   int // spans that may wait
	batch   int // spans of a whole message
	waiting int
	open    *message   // takes the next span
	whole   []*message // oldest first
	free    []*message
	ended   bool
	counts  queue.Counts
	ready   chan struct{} // gets a token with a whole message; its receiver takes until there is none
	crowded chan struct{} // gets a token when half of the room is taken
	closed  chan struct{}
}

// freeMessages is how many messages are kept for use: one to fill while each sender has one.
const freeMessages = senders + 1

func newOutbox(limit, batch int, e *encoder) *outbox {
	return &outbox{
		encoder: e, limit: limit, batch: min(batch, limit), open: newMessage(),
		ready: make(chan struct{}, 1), crowded: make(chan struct{}, 1), closed: make(chan struct{}),
	}
}

// put keeps nothing of s.
func (o *outbox) put(s *span.Span) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.counts.Put++
	switch {
	case o.ended:
		o.counts.Shutdown++
		return
	case o.waiting == o.limit:
		o.counts.QueueFull++
		return
	}
	o.encoder.add(o.open, s)
	o.waiting++
	if o.open.count < o.batch && o.open.size < messageBytes {
		return
	}
	o.seal()
	nudge(o.ready)
	if o.isCrowded() {
		nudge(o.crowded)
	}
}

// nudge leaves a token unless one is there.
func nudge(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// isCrowded tells that spans come faster than they go.
func (o *outbox) isCrowded() bool { return o.waiting > o.limit/2 }

// takeCrowded gives the oldest whole message while the outbox is crowded, nil otherwise.
func (o *outbox) takeCrowded() *message {
	o.mu.Lock()
	crowded := o.isCrowded()
	o.mu.Unlock()
	if !crowded {
		return nil
	}
	return o.take(false)
}

// idle tells that no whole message waits.
func (o *outbox) idle() bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	return len(o.whole) == 0
}

// seal ends the open message and begins the next one.
func (o *outbox) seal() {
	o.whole = append(o.whole, o.open)
	if n := len(o.free); n > 0 {
		o.open, o.free = o.free[n-1], o.free[:n-1]
	} else {
		o.open = newMessage()
	}
	o.open.begin()
}

// take gives the oldest message, one that is not whole only if it is to be partial; nil: there is none.
func (o *outbox) take(partial bool) *message {
	o.mu.Lock()
	defer o.mu.Unlock()
	if len(o.whole) == 0 && partial && o.open.count > 0 {
		o.seal()
	}
	if len(o.whole) == 0 {
		return nil
	}
	m := o.whole[0]
	o.whole = append(o.whole[:0], o.whole[1:]...)
	o.waiting -= m.count
	return m
}

// settle counts the end of the spans of a message, each in one field of c, and takes the message back.
func (o *outbox) settle(m *message, c queue.Counts) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.count(c)
	if len(o.free) < freeMessages {
		o.free = append(o.free, m)
	}
}

// count adds what became of some spans. The fields of c may be negative, as differences of unsigned numbers: a span that leaves the
// disk is one less there.
func (o *outbox) count(c queue.Counts) {
	o.counts.Recovered += c.Recovered
	o.counts.Spilled += c.Spilled
	o.counts.Exported += c.Exported
	o.counts.Rejected += c.Rejected
	o.counts.ExportFailed += c.ExportFailed
	o.counts.Shutdown += c.Shutdown
	o.counts.SpillFull += c.SpillFull
	o.counts.SpillExpired += c.SpillExpired
	o.counts.SpillCorrupt += c.SpillCorrupt
	o.counts.SpillFailed += c.SpillFailed
}

// settleSpilled counts what became of spans on disk.
func (o *outbox) settleSpilled(c queue.Counts) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.count(c)
}

// close ends the outbox: what waits can still be taken, nothing more comes in. It may be called more than once.
func (o *outbox) close() {
	o.mu.Lock()
	defer o.mu.Unlock()
	if !o.ended {
		o.ended = true
		close(o.closed)
	}
}

// account gives a consistent snapshot.
func (o *outbox) account() queue.Counts {
	o.mu.Lock()
	defer o.mu.Unlock()
	c := o.counts
	c.Waiting = c.Put + c.Recovered - c.Spilled - c.Exported - c.Dropped()
	return c
}
