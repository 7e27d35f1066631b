package link

import (
	"weft/correlate/event"
	"weft/correlate/flow"
	"weft/correlate/span"
)

// A thread that has done what it was started for can be kept for the next: it rests until the thread of a request, in place of starting one,
// wakes it. Ruby does so. It rests on a word of its own stack, which is at the same place in the stacks of all such threads, so that
// the lower bits of its address name the place. A worker that takes jobs from a queue is woken likewise, but takes any; that shows: some are
// woken in vain, for another one was quicker, and some wait for the request of another one, which does not wait for them.

// rest is for whom a thread was woken: until it makes its first call, and then until the reply to that.
type rest struct {
	request *flow.Exchange // held
	call    *flow.Exchange // held
	at      uint32         // place
}

// resting is a place where threads rest, with what they were woken for. Chance finds one that was not answered before the reply, too, so that it
// takes many; and of a lock or a queue the threads that wait do so anywhere.
type resting struct {
	tally
	thread  uint32 // that has rested there
	several bool   // others have, too
}

const (
	restBits   = 1<<12 - 1 // of an address: stacks begin at pages
	restLeast  = 128
	restOdds   = 1000
	restPlaces = 256 // that are remembered
	again      = waysMax
)

// trust says how sure it is that a thread makes its next call for the request whose thread has woken it there.
func (p *resting) trust() float64 {
	if p == nil || !p.several || p.right < restLeast || p.wrong*restOdds > p.right {
		return 0
	}
	return min(float64(p.right)/float64(p.right+p.wrong+1), wakeSure)
}

// placeAt gives the place of a word.
func (w *wakes) placeAt(at uint32) *resting {
	t := w.places[at]
	if t != nil {
		return t
	}
	if len(w.places) >= restPlaces {
		for old, t := range w.places {
			if t.right <= t.wrong {
				delete(w.places, old)
			}
		}
	}
	if w.places == nil || len(w.places) >= restPlaces {
		w.places = make(map[uint32]*resting)
	}
	t = &resting{}
	w.places[at] = t
	return t
}

// resumes: a thread that has read no request is woken. If it has rested, it works for the one whose thread has done so.
func (l *Linker) resumes(p *Process, h *helper, ev *event.Event) {
	at := uint32(ev.Thread.Address & restBits)
	t, r := p.wakes.placeAt(at), &h.rest
	if r.request != nil && r.at == at {
		if r.call == nil {
			t.add(false) // it was woken in vain
		}
		l.drops(r)
	}
	x := p.worksFor(ev.TID)
	if x == nil {
		t.add(false)
		return
	}
	if old := p.wakes.places[r.at]; r.call != nil || r.request != nil && old != nil && old.right > t.right {
		return // it does not rest, but waits for something else
	}
	l.drops(r)
	r.request, r.at = x.Hold(), at
	t.several = t.several || t.thread != 0 && t.thread != ev.Thread.Other
	t.thread = ev.Thread.Other
}

// calls notes the first call of a thread that was woken.
func (r *rest) calls(l *Linker, call *flow.Exchange) {
	if r.request == nil || r.call != nil || call.Start < r.request.Start {
		l.drops(r)
		return
	}
	r.call = call.Hold()
}

// restReplies: the reply to the first call of a thread that was woken is there. The request waits for it, if it was made for that.
func (l *Linker) restReplies(p *Process, call *flow.Exchange) {
	h := p.wakes.hands[call.TID]
	if h == nil || h.rest.call != call {
		return
	}
	w, x, at := &p.wakes, h.rest.request, h.rest.at
	t := w.placeAt(at)
	switch {
	case !works(x):
		t.add(false)
	case call.Cause.Beside > 1:
		t.add(true)
		fallthrough
	default:
		w.told++
		l.restTells(p, call, x, at, t)
	}
	l.drops(&h.rest)
}

func (l *Linker) restTells(p *Process, call, x *flow.Exchange, at uint32, t *resting) {
	if t.trust() < threshold {
		if t.wrong*restOdds <= restLeast {
			call.Cause.RestPlace = at
			l.promise(p, call, x, woken+rule(again))
		}
		return
	}
	l.tell(call, x, span.Wake, t.trust())
	if len(p.early) == 0 {
		return
	}
	l.redeem(p, woken+rule(again), func(call *flow.Exchange) float64 {
		if sure := p.wakes.places[call.Cause.RestPlace].trust(); sure >= threshold {
			return sure
		}
		return later
	})
}

// drops ends what a thread was woken for.
func (l *Linker) drops(r *rest) {
	if r.request != nil {
		l.release(r.request)
	}
	if r.call != nil {
		l.release(r.call)
	}
	*r = rest{}
}
