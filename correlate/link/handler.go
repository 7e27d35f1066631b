package link

import (
	"weft/correlate/event"
	"weft/correlate/flow"
)

// Servers of HTTP/2 in Go read all frames of a connection in one goroutine and work on each request in another. A stream event
// says which; from then on the request is that goroutine's, and what it calls is known as if it had read the request itself.

// handlers is what is known of how a process hands its requests to goroutines.
type handlers struct {
	readers map[uint64]uint64   // which goroutine reads the frames of the connection that another one serves, and has started it for
	passing map[uint64]struct{} // goroutines that read requests and pass them on: what descends from them works for any
	tells   bool                // it was told of a stream who has opened it
	hopes   int                 // calls that were kept back for that
}

// handlersMax bounds either.
const handlersMax = 1 << 12

// reads notes which goroutine has read a request of HTTP/2.
func (h *handlers) reads(x *flow.Exchange) {
	if x.Major != 2 || x.Goroutine == 0 || x.ParentGoroutine == 0 || h.readers[x.ParentGoroutine] == x.Goroutine {
		return
	}
	if h.readers == nil || len(h.readers) >= handlersMax {
		h.readers = make(map[uint64]uint64)
	}
	h.readers[x.ParentGoroutine] = x.Goroutine
}

// passes notes that a goroutine has passed a request on.
func (h *handlers) passes(goroutine uint64) {
	if _, known := h.passing[goroutine]; known {
		return
	}
	if h.passing == nil || len(h.passing) >= handlersMax {
		h.passing = make(map[uint64]struct{})
	}
	h.passing[goroutine] = struct{}{}
}

// passesOn tells whether a goroutine was seen to pass requests on.
func (p *Process) passesOn(goroutine uint64) bool {
	_, known := p.handlers.passing[goroutine]
	return known
}

// handlerBegins: a goroutine has begun to work on a request that was received.
func (l *Linker) handlerBegins(ev *event.Event) {
	p := l.processes.byPID[ev.PID]
	if p == nil {
		return
	}
	x := p.unhandled(ev)
	if x == nil {
		return
	}
	leave(p, p.goroutines, x.Goroutine, byWorker, x)
	p.handlers.passes(x.Goroutine)
	id := ev.Message.Work
	// One that works on one request after the other may be done with the last one before its reply has left.
	for g := p.goroutines[id]; g != nil; g = p.goroutines[id] {
		leave(p, p.goroutines, id, byWorker, g.first)
	}
	x.Goroutine, x.ParentGoroutine = id, ev.Message.Origin
	x.Cause.Handled = true
	join(p, p.goroutines, id, byWorker, x)
}

// unhandled gives the request of a stream, which was read by the goroutine that has started the handler, or by one that this one
// has started for it; or, where handlers are older than their requests, on the connection that is named.
func (p *Process) unhandled(ev *event.Event) *flow.Exchange {
	for _, reader := range [...]uint64{ev.Message.Origin, p.handlers.readers[ev.Message.Origin]} {
		if reader == 0 || p.goroutines[reader] == nil {
			continue
		}
		seen := 0
		for x := p.goroutines[reader].first; x != nil && seen < streamsMax; x = x.Cause.Lists[byWorker].Next {
			if x.Major == 2 && x.Stream == ev.Stream {
				return x
			}
			seen++
		}
	}
	if ev.Socket == 0 || len(p.requests) > streamsMax {
		return nil
	}
	for _, x := range p.requests {
		if x.Stream == ev.Stream && x.Major == 2 && streamOf(x).socket == ev.Socket {
			return x
		}
	}
	return nil
}

// streamsMax bounds the requests that are looked through for one stream: those that no goroutine has begun to work on.
const streamsMax = 1 << 10
