package link

import (
	"weft/correlate/event"
	"weft/correlate/flow"
)

// helper is a thread that has made calls, has read replies, or was woken by one that has.
type helper struct {
	reply  *flow.Exchange // the call whose reply is behind what it does; held
	read   uint64         // when the reply was read
	handed bool           // another thread has read it
	told   *flow.Exchange // the request whose thread it has woken since; held
	way    way
	word   uint32           // on which that thread has waited
	two    bool             // it has woken those of several
	begun  *flow.Exchange   // the request whose thread has started it; held
	calls  []*flow.Exchange // that it has made since, held
	rest   rest
}

const helpersMax = 4096 // of a process

// of gives the state of a thread.
func (w *wakes) of(l *Linker, tid uint32) *helper {
	h := w.hands[tid]
	if h == nil {
		if w.hands == nil {
			w.hands = make(map[uint32]*helper)
		}
		if len(w.hands) >= helpersMax {
			l.dropHelpers(w)
		}
		if n := len(w.spare); n > 0 {
			h, w.spare = w.spare[n-1], w.spare[:n-1]
		} else {
			h = &helper{}
		}
		w.hands[tid] = h
	}
	return h
}

// forget gives the state of a thread back that holds nothing any more.
func (w *wakes) forget(tid uint32, h *helper) {
	delete(w.hands, tid)
	if len(w.spare) < spareMax {
		w.spare = append(w.spare, h)
	}
}

// wakesHelper: a thread that has read no request is woken. What it does next is for whom the other one works: if that has read a reply
// for others, for the call of that reply.
func (l *Linker) wakesHelper(p *Process, ev *event.Event) {
	from, now := ev.TID, ev.Time
	h, g := p.wakes.hands[from], p.wakes.of(l, ev.Thread.Other)
	l.goesOn(p, g, nil, now)
	l.resumes(p, g, ev)
	if h == nil || h.reply == nil || h.handed || h.reply.TID == from {
		return
	}
	g.reply, g.read, g.handed = h.reply.Hold(), h.read, true
	l.goesOn(p, h, nil, now)
}

// goesOn ends what a helper does: it has read the reply to another call, or does something of which it is not known why.
func (l *Linker) goesOn(p *Process, h *helper, reply *flow.Exchange, now uint64) {
	if h.handed && h.reply.Cause.Beside > 1 {
		p.wakes.brought.add(h)
	}
	if h.told != nil && !h.two {
		if h.reply.Cause.Beside > 1 {
			p.wakes.learn(h.word, true)
		}
		h.reply.Cause.WaitPlace = h.word
		l.proveWake(p, h.reply, h.told, h.way)
	}
	if h.reply != nil {
		l.release(h.reply)
	}
	if h.told != nil {
		l.release(h.told)
	}
	h.reply, h.told, h.two, h.handed, h.read = nil, nil, false, false, now
	if reply != nil {
		h.reply = reply.Hold()
	}
}

// brought is what threads that were handed a reply have done with it: they have woken the thread of one request, of none that works on one,
// or those of two. The second one is the one that waits for a lock, so it tells how often a wake is for that.
type brought struct{ none, one, two uint32 }

func (b *brought) add(h *helper) {
	switch {
	case h.told == nil:
		b.none++
	case h.two:
		b.two++
	default:
		b.one++
	}
	if b.none+b.one+b.two >= tallyFull {
		b.none, b.one, b.two = b.none/2, b.one/2, (b.two+1)/2
	}
}

// alone tells that hardly ever the only wake is one for a lock: for that it has to be that, and the one with the result missing.
func (b *brought) alone() bool {
	all := uint64(b.none + b.one + b.two)
	return all > 0 && uint64(b.none)*uint64(b.two)*broughtOdds <= all*all
}

// settleWoken ends the time in which helpers may wake others, as far as it is over.
func (l *Linker) settleWoken(now uint64) {
	n := 0
	for ; n < len(l.woken) && now > l.woken[n].at+wakeSettles; n++ {
		one := &l.woken[n]
		if one.helper.reply == one.reply && !one.p.ended {
			l.goesOn(one.p, one.helper, nil, one.at)
		}
		l.release(one.reply)
	}
	if n > 0 {
		kept := copy(l.woken, l.woken[n:])
		clear(l.woken[kept:])
		l.woken = l.woken[:kept]
	}
}

// dropHelpers forgets what the threads do, not what was learned.
func (l *Linker) dropHelpers(w *wakes) {
	for _, h := range w.hands {
		for _, x := range []*flow.Exchange{h.reply, h.told} {
			if x != nil {
				l.release(x)
			}
		}
		l.drops(&h.rest)
		*h = helper{begun: h.begun, calls: h.calls}
		l.stays(h)
		if len(w.spare) < spareMax {
			w.spare = append(w.spare, h)
		}
	}
	clear(w.hands)
}
