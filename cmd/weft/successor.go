package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"weft/correlate/span"
	"weft/export/queue"
	"weft/export/spill"
)

// heldMax bounds the spans that a successor keeps: the flush of the weft before it takes up to flushTime.
const heldMax = 1 << 15

// A successor is the output of a weft that has found another one at work on its folder for waiting spans, as when the pod of the next
// version is started before that of the last one ends. Both see everything: what ends up to a moment that the other one names is
// told by that one, the rest by this one, as soon as the folder is free. It belongs to the data path.
type successor struct {
	sink  // nil: the other one is there
	heir  *spill.Heir
	open  func() (sink, error)
	log   *slog.Logger
	until int64        // Unix time, ns: the other one tells what ends up to it; 0: not known yet
	held  []*span.Span // the latest ones, oldest first from first on
	first int
	other uint64 // spans that the other one tells
	lost  uint64 // there was no room for them
	told  bool   // that the output can't be opened
}

func succeed(dir string, open func() (sink, error), log *slog.Logger) (sink, error) {
	heir, err := spill.Await(dir)
	if err != nil {
		return nil, fmt.Errorf("wait for another weft to end: %w", err)
	}
	log.Info("another weft is at work on the folder for waiting spans; this one tells what ends after that one", "spill.dir", dir)
	return &successor{heir: heir, open: open, log: log}, nil
}

// Put gives a span on, keeps it, or leaves it to the other one.
func (s *successor) Put(x *span.Span) {
	switch {
	case s.until != 0 && x.End <= s.until:
		s.other++
		releaseSpan(x)
	case s.sink != nil:
		s.sink.Put(x)
	case len(s.held) < heldMax:
		s.held = append(s.held, x)
	default:
		oldest := s.held[s.first]
		s.held[s.first] = x
		s.first = (s.first + 1) % heldMax
		if s.until == 0 {
			s.other++ // the other one is not about to end
		} else {
			s.lost++
		}
		releaseSpan(oldest)
	}
}

// tick looks whether the other one has ended.
func (s *successor) tick() {
	if s.sink != nil {
		return
	}
	if s.until == 0 {
		s.until = s.heir.Until()
	}
	if !s.heir.Free() {
		return
	}
	out, err := s.open()
	if errors.Is(err, spill.ErrTaken) {
		return
	}
	if err != nil {
		if !s.told {
			s.log.Error("the output can't be opened; it is tried again", "reason", err)
		}
		s.told = true
		return
	}
	if s.until == 0 { // it was told between the two looks, or the other one was killed
		if s.until = s.heir.Until(); s.until == 0 {
			s.until = time.Now().UnixNano()
		}
	}
	s.sink = out
	s.heir.Close()
	for i := range s.held {
		s.Put(s.held[(s.first+i)%len(s.held)])
	}
	s.held, s.first = nil, 0
	s.log.Info("the other weft has ended; this one tells from there on")
}

// Counts is the account of what this one has to tell.
func (s *successor) Counts() queue.Counts {
	c := queue.Counts{Put: uint64(len(s.held)), Waiting: uint64(len(s.held))}
	if s.sink != nil {
		c = s.sink.Counts()
	}
	c.Put += s.lost
	c.QueueFull += s.lost
	return c
}

// Close leaves all to the other one if that is still there.
func (s *successor) Close(ctx context.Context) error {
	s.tick()
	if s.sink != nil {
		return s.sink.Close(ctx)
	}
	s.other += uint64(len(s.held))
	s.held = nil
	s.heir.Close()
	return nil
}

// tick is called by the data path, many times a second.
func (g *gate) tick() {
	s, ok := g.sink.(*successor)
	if ok {
		s.tick()
	}
	g.tells.Store(!ok || s.sink != nil)
}

// elsewhere is how many spans another weft tells, before this one or after it.
func (g *gate) elsewhere() uint64 {
	if s, ok := g.sink.(*successor); ok {
		return g.left + s.other
	}
	return g.left
}

// bequeathed gives a context that ends with ctx, after a weft that waits for this one to end was told from when on it has to tell.
func (g *gate) bequeathed(ctx context.Context, dir string, log *slog.Logger) context.Context {
	running, stop := context.WithCancel(context.WithoutCancel(ctx))
	context.AfterFunc(ctx, func() {
		defer stop()
		if dir == "" || !g.tells.Load() || !spill.HasHeir(dir) {
			return
		}
		now := time.Now().UnixNano()
		g.until.Store(now)
		if err := spill.Bequeath(dir, now); err != nil {
			g.until.Store(0)
			log.Warn("the weft that waits for this one to end tells only what ends after it", "reason", err)
		}
	})
	return running
}
