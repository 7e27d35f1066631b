package otlp

import (
	"context"
	"fmt"
	"sync/atomic"
	"time"

	coltracepb "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"

	"weft/export/queue"
	"weft/export/spill"
)

// backlog is the messages on disk. While the collector is away the live ones go there at once, and the oldest is tried again and
// again; as soon as it is taken, live ones go straight to the collector, and the backlog follows beside them.
type backlog struct {
	store *spill.Store
	away  atomic.Bool   // the last attempt found no collector that takes messages
	until atomic.Int64  // Unix time, ns, until which the collector wants to be left alone
	more  chan struct{} // gets a token when a message has come to the disk
	told  atomic.Bool   // that the disk fails
}

// Pauses of the backlog: between attempts to reach a collector that is away it is that of upload.
const (
	backlogIdle  = time.Second           // until it looks whether something is too old
	backlogYield = 20 * time.Millisecond // while live messages wait, at most yields times in a row
	yields       = 5
)

func (e *Exporter) openBacklog() error {
	store, found, lost, err := spill.Open(*e.options.Spill)
	if err != nil {
		return fmt.Errorf("open the waiting spans: %w", err)
	}
	e.backlog = &backlog{store: store, more: make(chan struct{}, 1)}
	e.outbox.settleSpilled(queue.Counts{Recovered: found, Spilled: found})
	e.lose(lost)
	if found > 0 {
		e.options.Logger.Info("spans of an earlier run wait on disk", "spans", found, "unreadable", lost.Corrupt, "expired", lost.Expired)
	}
	e.running.Go(e.drain)
	e.running.Go(e.relieve)
	return nil
}

// spilled turns what a store gave up into counts: these spans were on disk.
func spilled(l spill.Lost) queue.Counts {
	return queue.Counts{
		Spilled:   -(l.Full + l.Expired + l.Corrupt),
		SpillFull: l.Full, SpillExpired: l.Expired, SpillCorrupt: l.Corrupt,
	}
}

func (e *Exporter) lose(l spill.Lost) {
	if l != (spill.Lost{}) {
		e.outbox.settleSpilled(spilled(l))
	}
}

// sendOrSpill sends a message, or lets it wait on disk.
func (e *Exporter) sendOrSpill(m *message) queue.Counts {
	b := e.backlog
	if b.away.Load() && b.store.Len() > 0 {
		return e.spill(m)
	}
	again, after, err := e.attempt(m.finish())
	if again {
		e.isAway(err, after)
		return e.spill(m)
	}
	return e.outcome(uint64(m.count), err)
}

// attempt uploads once.
func (e *Exporter) attempt(message []*tracepb.ResourceSpans) (again bool, after time.Duration, err error) {
	ctx, cancel := context.WithTimeout(e.context, e.options.Timeout)
	defer cancel()
	var a answer
	err = e.client.UploadTraces(context.WithValue(ctx, answerKey{}, &a), message)
	again, after = worthAgain(err, &a)
	return again, after, err
}

func (e *Exporter) isAway(err error, after time.Duration) {
	b := e.backlog
	b.until.Store(time.Now().Add(after).UnixNano())
	if b.away.Swap(true) || e.context.Err() != nil {
		return
	}
	e.options.Logger.Warn("the collector does not accept spans; they wait on disk until it does", "error", err)
}

func (e *Exporter) isBack() {
	if e.backlog.away.Swap(false) {
		e.options.Logger.Info("the collector accepts spans again")
	}
}

// spill puts a message on disk, and says what became of its spans and of those that it drove out.
func (e *Exporter) spill(m *message) queue.Counts {
	raw, err := proto.Marshal(&coltracepb.ExportTraceServiceRequest{ResourceSpans: m.finish()})
	if err != nil { // of bytes that were all valid once
		return queue.Counts{ExportFailed: uint64(m.count)}
	}
	lost, err := e.backlog.store.Put(raw, m.count)
	if err != nil && !e.backlog.told.Swap(true) {
		e.options.Logger.Warn("spans can't wait on disk; they are counted as spill_failed", "error", err)
	}
	c := spilled(lost)
	if c.SpillFailed = lost.Failed; lost.Failed == 0 {
		c.Spilled += uint64(m.count)
		nudge(e.backlog.more)
	}
	return c
}

// relieve moves messages to the disk that come faster than a collector takes them.
func (e *Exporter) relieve() {
	for {
		select {
		case <-e.outbox.crowded:
			for m := e.outbox.takeCrowded(); m != nil; m = e.outbox.takeCrowded() {
				e.outbox.settle(m, e.spill(m))
			}
		case <-e.outbox.closed:
			return
		}
	}
}

// drain sends what waits on disk, the oldest first, until the outbox is closed.
func (e *Exporter) drain() {
	b, pause := e.backlog, firstPause
	for e.yield() {
		batch, lost := b.store.Next()
		e.lose(lost)
		if batch == nil {
			e.rest(backlogIdle, b.more)
			continue
		}
		again, after, err := e.attempt(split(batch.Bytes))
		if again {
			b.store.Return()
			e.isAway(err, after)
			e.rest(max(pause, after), nil)
			pause = min(2*pause, lastPause)
			continue
		}
		pause = firstPause
		n := uint64(batch.Spans)
		c := e.outcome(n, err)
		if c.Shutdown > 0 {
			return // it stays for the next run
		}
		e.isBack()
		b.store.Done(batch)
		c.Spilled = -n
		e.outbox.settleSpilled(c)
	}
}

// yield lets live messages go first, for a while; false: the outbox is closed.
func (e *Exporter) yield() bool {
	for range yields {
		if e.backlog.away.Load() || e.outbox.idle() || !e.rest(backlogYield, nil) {
			break
		}
	}
	if left := time.Until(time.Unix(0, e.backlog.until.Load())); left > 0 {
		e.rest(left, nil)
	}
	select {
	case <-e.outbox.closed:
		return false
	default:
		return true
	}
}

// rest waits for a time, or until woken; false: the outbox is closed.
func (e *Exporter) rest(d time.Duration, wake <-chan struct{}) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-wake:
	case <-e.outbox.closed:
		return false
	}
	return true
}

// split gives the parts of a marshalled message to the SDK's client: as unknown fields, from where protobuf copies them out unchanged.
func split(raw []byte) (list []*tracepb.ResourceSpans) {
	for len(raw) > 0 {
		number, kind, n := protowire.ConsumeTag(raw)
		if n < 0 || number != fieldResourceSpans || kind != protowire.BytesType {
			return list // it was checked when it was read: these bytes are what was written
		}
		part, m := protowire.ConsumeBytes(raw[n:])
		if m < 0 {
			return list
		}
		r := &tracepb.ResourceSpans{}
		r.ProtoReflect().SetUnknown(part)
		list, raw = append(list, r), raw[n+m:]
	}
	return list
}
