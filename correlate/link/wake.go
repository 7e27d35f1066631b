package link

import (
	"weft/correlate/event"
	"weft/correlate/flow"
	"weft/correlate/span"
)

// wake: a thread that works for another one's request has made the call. When the reply is there, the thread that has read it, or one
// that this has handed it to, wakes the thread of the request, which waits for the result on a word of its own; or the thread was started
// for the request, and ends with its calls. It is known then; the call is kept back until then.
type wake struct{}

func (wake) kind() span.Evidence { return span.Wake }

func (wake) candidates(*Linker, *Process, *flow.Exchange) ([]*flow.Exchange, float64) {
	return nil, 0
}

// wakes is what the threads of a process have done for each other, and how far that was seen to tell the truth.
type wakes struct {
	hands         map[uint32]*helper // by thread; nil: nothing was told of any
	ways          [waysMax]tally
	words         map[uint32]tally    // by the lower bits of the address of a word: of the wakes on it
	locks         tally               // wakes that have brought a result, against those by threads that have none, for they serve requests
	brought       brought             // what threads did that were handed a reply
	places        map[uint32]*resting // where threads rest, see rest.go
	spare         []*helper
	awaited, told uint32 // calls that were kept back, and proofs
}

// way is how a thread shows for which request a call was made. Each has to prove itself: by calls that were made while the request was
// under way. Chance is as good at finding a request that came after the call.
type way uint8

const (
	made    way = 0 // the thread that has made the call wakes the one that waits
	handed  way = 1 // or one does that was woken by the thread which has read the reply
	timed   way = 2 // more than these: the one that is woken waits for a limited time, as it also does for locks
	young   way = 4 // more than these: it waits on a word of which little is known
	begun   way = 8 // it has started the thread that makes the call, which ends before the request is answered
	waysMax way = 9
)

// A proof waits for whether the helper wakes another request's thread as well.
type pendingWake struct {
	p      *Process
	helper *helper
	reply  *flow.Exchange
	at     uint64
}

const (
	wokenMax    = 4096
	wakeLeast   = 20
	youngLeast  = 250 // of wakes on words of which little is known: the lock that all wait for is one of these, too, for a while
	wakeOdds    = 250
	futexesMax  = 1 << 14
	wordKnown   = 2  // wakes on a word, until it is known
	wordOdds    = 20 // a thread waits on one word for results and on others for locks, so that few of these are in between
	lockOdds    = 20 // with fewer results to a wake by a thread that has none: it may always be a lock that is handed on
	broughtOdds = 1000
	wakeDoubts  = 8   // proofs against a way that it may have until it is given up
	wakeTries   = 256 // calls that are kept back before it is asked how often that was worth while
	wakeShare   = 16  // it has to be for one of so many
	wakeSure    = 0.99
	wakeSettles = uint64(20 * 1e6)  // ns that a helper may take to wake another thread for the same reply
	wakeAge     = uint64(250 * 1e6) // ns that may lie between the reply and the wake
)

func (w *wakes) trust(by way) float64 {
	t := w.ways[by]
	least := uint32(wakeLeast)
	if by&young != 0 {
		least = youngLeast
	}
	if t.right < least || t.wrong*wakeOdds > t.right {
		return 0
	}
	if by != begun && w.locks.wrong*lockOdds > w.locks.right && (by&handed == 0 || !w.brought.alone()) {
		return 0
	}
	return min(float64(t.right)/float64(t.right+t.wrong+1), wakeSure)
}

// await tells whether it is worth while to keep a call back, and counts it.
func (w *wakes) await() bool {
	if w.awaited >= wakeTries && w.told*wakeShare < w.awaited {
		return false
	}
	for by := range waysMax {
		if w.mayHold(by) {
			if w.awaited++; w.awaited >= tallyFull {
				w.awaited, w.told = w.awaited/2, w.told/2
			}
			return true
		}
	}
	return false
}

// mayHold tells that the way was not seen to be wrong often.
func (w *wakes) mayHold(by way) bool { return w.ways[by].wrong < wakeDoubts || w.trust(by) > 0 }

// threadDoes takes what a thread has done to another one.
func (l *Linker) threadDoes(ev *event.Event) {
	p := l.processes.byPID[ev.PID]
	if p == nil || p.isGo() || p.ended {
		return
	}
	w := &p.wakes
	switch ev.Thread.Deed {
	case event.Starts:
		l.threadStarts(p, ev.TID, ev.Thread.Other)
	case event.Ends:
		if h := w.hands[ev.TID]; h != nil {
			l.helperEnds(p, h)
			w.forget(ev.TID, h)
		}
	case event.Connects:
		l.connects(p, ev)
	case event.Unused:
		l.unused(p, ev)
	case event.Turns:
		l.turnsAway(p, ev)
	case event.Asks:
		l.asks(p, ev)
	case event.Wakes:
		if x := p.worksFor(ev.Thread.Other); x != nil {
			l.wakesWaiter(p, ev, x)
		} else if p.threads[ev.Thread.Other] == nil {
			l.wakesHelper(p, ev)
		}
	}
}

// worksFor gives the one request that a thread has read and not answered.
func (p *Process) worksFor(tid uint32) *flow.Exchange {
	g := p.threads[tid]
	if g == nil || g.size != 1 || !works(g.first) {
		return nil
	}
	return g.first
}

// wakesWaiter: the thread that has read request x is woken.
func (l *Linker) wakesWaiter(p *Process, ev *event.Event, x *flow.Exchange) {
	if p.carried {
		return
	}
	if p.threads[ev.TID] != nil {
		p.wakes.locks.add(false)
		return
	}
	h := p.wakes.hands[ev.TID]
	if h == nil || h.reply == nil || ev.Time < l.lossy || ev.Time > h.read+wakeAge {
		return
	}
	call, by := h.reply, made
	if h.handed {
		by = handed
	} else if call.TID != ev.TID {
		return // it reads for all; who goes on with the reply is woken next
	}
	if ev.Thread.Address&1 != 0 {
		by += timed
	}
	word := uint32(ev.Thread.Address >> 3) // a condition of glibc has two next to each other
	if !p.wakes.knows(word) {
		by += young
	}
	switch {
	case x.Start > call.Start:
		p.wakes.ways[by].add(false)
		p.wakes.learn(word, false)
	case h.told == nil:
		h.told, h.way, h.word = x.Hold(), by, word
		if len(l.woken) >= wokenMax {
			l.settleWoken(^uint64(0))
		}
		l.woken = append(l.woken, pendingWake{p, h, call.Hold(), ev.Time})
	case h.told != x:
		h.two = true
	}
}

// knows tells that threads wait on a word for results: wakes on it were right.
func (w *wakes) knows(word uint32) bool {
	t := w.words[word]
	return t.right >= wordKnown && t.wrong*wordOdds <= t.right
}

func (w *wakes) learn(word uint32, right bool) {
	if w.words == nil || len(w.words) >= futexesMax {
		w.words = make(map[uint32]tally)
	}
	t := w.words[word]
	t.add(right)
	w.words[word] = t
}

// proveWake takes what a thread has shown: the call was made for x.
func (l *Linker) proveWake(p *Process, call, x *flow.Exchange, by way) {
	c, w := &call.Cause, &p.wakes
	w.told++
	if h := w.hands[call.TID]; by != begun && h != nil && h.begun != nil && h.begun != x {
		l.stays(h)
	}
	if c.Parent != nil && span.Evidence(c.Evidence) == span.Header {
		w.ways[by].add(c.Parent == x)
		return
	}
	if w.trust(by) >= threshold {
		l.provesBirthBy(p, call, x)
	}
	if c.Beside > 1 {
		w.ways[by].add(true)
		if by != begun {
			w.locks.add(true)
		}
	}
	old := by &^ young
	switch sure := w.trust(by); {
	case sure >= threshold:
		l.tell(call, x, span.Wake, sure)
	case w.mayHold(old):
		l.promise(p, call, x, woken+rule(old))
	}
	if len(p.early) == 0 || max(w.trust(old), w.trust(by)) < threshold {
		return
	}
	l.redeem(p, woken+rule(old), func(call *flow.Exchange) float64 {
		sure := w.trust(old)
		if old != begun && !w.knows(call.Cause.WaitPlace) {
			sure = w.trust(old | young)
		}
		if sure < threshold {
			return later
		}
		return sure
	})
}

// awaitWake keeps a call back, if what the threads do next may tell what it is for.
func (l *Linker) awaitWake(p *Process, x *flow.Exchange) {
	w := &p.wakes
	if w.hands == nil || x.Goroutine != 0 {
		return
	}
	h := w.of(l, x.TID)
	l.goesOn(p, h, nil, x.Start)
	if h.begun != nil {
		if len(h.calls) == chainMax || !works(h.begun) {
			l.stays(h)
		} else {
			h.calls = append(h.calls, x.Hold())
		}
	}
	h.rest.calls(l, x)
	c := &x.Cause
	if c.Parent != nil || c.Open || p.open == 0 || x.Start < l.lossy || hasHeader(x) {
		return
	}
	if w.await() {
		c.Open = true
		l.opened++
	}
}

// wakeTouched notes which thread has read the beginning of a reply.
func (l *Linker) wakeTouched(p *Process, x *flow.Exchange, t flow.Touch) {
	if x.Server || t.Sent || x.Cause.Answered || p.wakes.hands == nil || x.Goroutine != 0 {
		return
	}
	l.firstReply(p, x)
	l.restReplies(p, x)
	l.goesOn(p, p.wakes.of(l, t.TID), x, t.Time)
}

// readsRequest ends what a thread did before.
func (l *Linker) readsRequest(p *Process, x *flow.Exchange) {
	if h := p.wakes.hands[x.TID]; h != nil {
		l.goesOn(p, h, nil, x.Start)
		l.stays(h)
		l.drops(&h.rest)
	}
}
