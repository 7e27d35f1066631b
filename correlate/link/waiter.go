package link

import (
	"weft/correlate/event"
	"weft/correlate/flow"
	"weft/correlate/span"
)

// waiter: the goroutine that made the call is a worker, and the one that waits for its result, as the kernel side has found it by the
// channel between the two, serves the request or was started by the one that does. It is known when the reply begins; the call
// is kept back until then.
type waiter struct{}

func (waiter) kind() span.Evidence { return span.Waiter }

func (waiter) candidates(*Linker, *Process, *flow.Exchange) ([]*flow.Exchange, float64) {
	return nil, 0
}

// waits is what a process has shown of whether its requests wait for workers. A worker for which nobody waits may still have the
// address of an old channel on its stack, and that may be another request's by now: it takes a process in which most workers
// are waited for, and none was for the wrong request, and a place on the stack where the channel often is.
type waits struct {
	one, none, wrong uint32
	places           map[uint32]uint32   // of one, by where the channel was
	workers          map[uint64]struct{} // goroutines that made calls for others: who waits for one of them does not wait for a request
	waiters          map[uint64]started  // goroutines that have waited, with the request that it was for
}

const (
	waitsLeast = 8
	waitsOdds  = 9   // times as many workers that one goroutine waited for as those that none did
	waitsProof = 250 // times as many as those where a header named another request
	waitsSure  = 0.99
	placeShare = 20 // a place has at least one of so many
	placesMax  = 256
	waitersMax = 1 << 12
)

func (w *waits) trust() float64 {
	if w.one < waitsLeast || w.none*waitsOdds > w.one || w.wrong*waitsProof > w.one {
		return 0
	}
	return min(float64(w.one)/float64(w.one+1), waitsSure)
}

// often tells that channels on which requests wait were found in a place before.
func (w *waits) often(place uint32) bool {
	n := w.places[place]
	return n >= waitsLeast && n*placeShare >= w.one
}

// learn notes that one request alone waits, or none.
func (w *waits) learn(found bool, place uint32) {
	if !found {
		w.none++
	} else {
		w.one++
		if w.places == nil || len(w.places) >= placesMax {
			w.places = make(map[uint32]uint32)
		}
		w.places[place]++
	}
	if w.one+w.none < tallyFull {
		return
	}
	w.one, w.none, w.wrong = w.one/2, w.none/2, (w.wrong+1)/2
	for at, n := range w.places {
		w.places[at] = n / 2
	}
}

// mayHold tells that the process was not seen to work otherwise.
func (w *waits) mayHold() bool { return w.none < waitsLeast || w.trust() > 0 }

// works notes a goroutine that has made a call for another one.
func (w *waits) works(goroutine uint64) {
	if w.workers == nil || len(w.workers) >= waitersMax {
		w.workers = make(map[uint64]struct{})
	}
	w.workers[goroutine] = struct{}{}
}

// waitsFor tells whether a goroutine that was started by the one which serves a request can wait for a call of it. One that has waited for
// another request stays, and waits for anybody.
func (w *waits) waitsFor(goroutine uint64, x *flow.Exchange) bool {
	now := started{socket: x.Conn.Socket, start: x.Start}
	before, known := w.waiters[goroutine]
	switch {
	case !known:
		if w.waiters == nil || len(w.waiters) >= waitersMax {
			w.waiters = make(map[uint64]started)
		}
		w.waiters[goroutine] = now
		return true
	case before != now:
		w.waiters[goroutine] = started{} // of no request
		return false
	}
	return true
}

// awaitWaiter keeps a call back until the reply to it, if that may tell who waits for it. No hand-over of a stream of HTTP/2 is told.
func (l *Linker) awaitWaiter(p *Process, x *flow.Exchange) {
	c := &x.Cause
	given, ok := l.handovers[x.Conn.Socket]
	if !ok || c.Parent != nil || x.Stream != 0 {
		return
	}
	p.waits.works(given.goroutine)
	if p.open > 0 && x.Start >= l.lossy && p.waits.mayHold() {
		c.Open = true
		l.opened++
	}
}

// keepWaiters keeps who waits for the goroutine of a call, until the reply to it is fed.
func (l *Linker) keepWaiters(ev *event.Event) {
	if len(l.waiters) >= handoversMax {
		clear(l.waiters)
	}
	l.waiters[ev.Socket] = ev.Waiters
}

// tellWaiter decides, when the reply to a call begins, whether it is part of the request that waits for it.
func (l *Linker) tellWaiter(p *Process, x *flow.Exchange) {
	c := &x.Cause
	told, ok := l.waiters[x.Conn.Socket]
	if !ok {
		if c.Open && p.isGo() && x.Stream == 0 && !c.Unwritten {
			l.settled(x)
		}
		return
	}
	delete(l.waiters, x.Conn.Socket)
	found, place, several := p.waited(&told)
	w := &p.waits
	if c.Parent != nil {
		if span.Evidence(c.Evidence) == span.Header && found != nil && found != c.Parent && (!told.Ready || w.often(place)) {
			w.wrong++
		}
		return
	}
	if found != nil && (found.Start > x.Start || !works(found)) {
		found, several = nil, true
	}
	if !several && !(told.Ready && found != nil) {
		w.learn(found != nil, place) // of one that is about to wait, other channels than that of the result are found, too
	}
	switch sure := w.trust(); {
	case found != nil && sure >= threshold && w.often(place):
		l.redeemWaited(p, sure)
		l.tell(x, found, span.Waiter, sure)
	case w.mayHold() && (found != nil || sure < threshold) && l.promiseWaited(p, x, &told):
		return
	}
	l.settled(x)
}

// promiseWaited keeps for later who waits for a worker, as long as it is not known at which place channels on which requests wait are found;
// false if nobody does.
func (l *Linker) promiseWaited(p *Process, call *flow.Exchange, told *event.Waiters) bool {
	if !call.Cause.Open || told.Count > event.WaitersMax {
		return false
	}
	all := l.guesses[:0]
	for _, one := range told.Of[:told.Count] {
		switch x, unsure := p.waitsOn(one); {
		case unsure:
			return false
		case x != nil:
			all = append(all, promise{parent: x, place: uint32(one.Place), void: x.Start > call.Start || !works(x)})
		}
	}
	for _, one := range all {
		l.promise(p, call, one.parent, waited)
		if e := p.lastEarly(); e != nil && e.call == call {
			e.place, e.void = one.place, one.void
		}
	}
	l.guesses = all[:0]
	return len(all) > 0
}

// redeemWaited makes the links of the time of learning: those to the one request that waited on a channel where such are often found.
func (l *Linker) redeemWaited(p *Process, sure float64) {
	kept := p.early[:0]
	for i := 0; i < len(p.early); {
		first, n := p.early[i], 1
		for i+n < len(p.early) && p.early[i+n].by == waited && p.early[i+n].call == first.call {
			n++
		}
		of := p.early[i : i+n]
		i += n
		found, several := p.waits.among(of)
		if first.by != waited || found == nil && first.call.Cause.Open {
			kept = append(kept, of...)
			continue
		}
		if found != nil && !several {
			l.tell(first.call, found, span.Waiter, sure)
		}
		for _, e := range of {
			l.release(e.call)
			l.release(e.parent)
		}
	}
	clear(p.early[len(kept):])
	p.early = kept
}

// among gives the one request that was found where such often are. several: more than one was, or one that can't be it; or another one
// where such were found at all, for of the beginning little is known.
func (w *waits) among(of []promise) (found *flow.Exchange, several bool) {
	for _, e := range of {
		if w.often(e.place) {
			several = several || e.void || found != nil && found != e.parent
			found = e.parent
		}
	}
	for _, e := range of {
		several = several || w.places[e.place] > 0 && e.parent != found
	}
	return found, several
}

// waited gives the request that those who wait for a worker work on, and where the channel was; several of them are none, unless one
// alone is where it often is.
func (p *Process) waited(told *event.Waiters) (found *flow.Exchange, place uint32, several bool) {
	if told.Count > event.WaitersMax {
		return nil, 0, true
	}
	usual := false
	for _, one := range told.Of[:told.Count] {
		x, unsure := p.waitsOn(one)
		at := uint32(one.Place)
		often := p.waits.often(at)
		switch {
		case unsure:
			return nil, 0, true
		case x == nil:
		case found == nil || often && !usual:
			found, place, usual, several = x, at, often, false
		case x != found && often == usual:
			several = true
		}
	}
	if several {
		return nil, 0, true
	}
	return found, place, false
}

// waitsOn gives the request that a goroutine works on, or the one that has started it.
func (p *Process) waitsOn(one event.Waiter) (x *flow.Exchange, unsure bool) {
	if _, worker := p.waits.workers[one.Goroutine]; worker {
		return nil, false
	}
	open := p.onGoroutine(one.Goroutine)
	child := open == nil
	if child {
		open = p.onGoroutine(one.Parent)
	}
	switch {
	case len(open) == 0:
		return nil, false
	case len(open) > 1 || child && p.lingers && p.lastOn(one.Parent, open[0].Start) != nil:
		return nil, true
	case child && !p.waits.waitsFor(one.Goroutine, open[0]):
		return nil, false
	}
	return open[0], false
}
