package link

import (
	"math"

	"weft/correlate/event"
	"weft/correlate/flow"
	"weft/correlate/span"
)

// birth: the thread that makes the call holds on its stack what the thread of the request has allocated since it has read the head, as the
// kernel side has found for threads of Java: the job that it was given. The stack also holds what is over, and what many share, so a
// place on it has to prove itself: the requests that it names are under way until the replies to the calls are there, while others are
// answered.
type birth struct{}

func (birth) kind() span.Evidence { return span.Birth }

func (birth) candidates(l *Linker, p *Process, x *flow.Exchange) ([]*flow.Exchange, float64) {
	if c, ok := l.held[x.Conn.Socket]; ok {
		return l.heldBy(p, x, &c)
	}
	told, ok := l.births[x.Conn.Socket]
	if !ok || x.Stream != 0 {
		return nil, 0
	}
	at, sure := p.births.decide(&told)
	if at < 0 {
		return nil, 0
	}
	found := p.bornFor(told.Of[at])
	if found == nil {
		return nil, 0
	}
	l.same = append(l.same[:0], found)
	return l.same, sure
}

// births is what the stacks of a process's threads have shown.
type births struct {
	places  map[uint32]*spot // by place and how deep the stack is, and by place alone
	calls   map[*flow.Exchange]bornCall
	held    []heldBirth
	givenUp map[uint32]uint64 // by thread: the beginning of the request that was given up last
	closed  uint64            // requests that are over
	awaited uint32            // calls that were kept back
	proven  bool              // a place is believed
}

// bornCall is a call under way.
type bornCall struct {
	told   event.Waiters
	closed uint64 // as it was when it began
	newest uint64 // when the request began that was read last of those under way
}

// heldBirth is a call that is kept back, with the requests that it may be part of.
type heldBirth struct {
	call *flow.Exchange
	of   [event.WaitersMax]*flow.Exchange
	told event.Waiters
}

// spot is one place: whether the requests that it names can be right. What many share names one request again and again, so that only
// those proofs count that are of another one than the proof before.
type spot struct {
	tally
	proof float64 // the logarithm of how unlikely it is that chance was as good
	older uint32  // of the right ones, those of requests that were not read last: these are answered last, whichever made the call
	last  event.Waiter
}

const (
	birthsMax   = 1 << 13
	birthLeast  = 16
	birthProof  = 12
	birthOlder  = 4   // of requests that were not read last
	birthOdds   = 250 // times as many right ones as wrong ones
	birthPart   = 2   // with what was seen at other depths of the stack
	birthHope   = 4   // so many times more has to speak for one thread than for any other
	birthTries  = 512 // calls that are kept back while no place is believed
	birthSure   = 0.99
	birthPlaces = 1 << 12
	placesTold  = 6
	placeBits   = 8
)

// placesOf calls visit for each place that is told in one word.
func placesOf(told uint64, visit func(deep, place uint32)) {
	depth := uint32(told>>(placesTold*placeBits)) << placeBits
	for n := 0; n < placesTold; n++ {
		place := uint32(told>>(n*placeBits)) & (1<<placeBits - 1)
		if place == 0 {
			return
		}
		visit(depth|place, place)
	}
}

func (s *spot) proven() bool {
	return s != nil && s.right >= birthLeast && s.proof >= birthProof && s.older >= birthOlder && !s.refuted()
}

func (s *spot) refuted() bool { return s != nil && s.wrong*birthOdds > s.right }

// weight is what speaks for some places.
type weight struct {
	sure, alone float64 // how sure they are, and if no other ones are told; 0: not
	hope        float64 // the most that one has shown; below 0: all were wrong
}

// weigh looks at what was seen of some places at this depth of the stack. A depth that is new may be that of another build of the same
// methods, with other things in the same places: what was seen at other depths makes up for part of the proof, and not against others.
func (b *births) weigh(told uint64) (w weight) {
	w.hope = -1
	placesOf(told, func(deep, place uint32) {
		here, anywhere := b.places[deep], b.places[place]
		if here.refuted() || here == nil && anywhere.refuted() {
			return
		}
		w.hope = max(w.hope, 0)
		if here == nil {
			return
		}
		w.hope = max(w.hope, here.proof)
		if here.proven() {
			w.sure = max(w.sure, min(here.sure(), birthSure))
		} else if here.proof >= birthPart && anywhere.proven() {
			w.alone = max(w.alone, min(anywhere.sure(), birthSure))
		}
	})
	return w
}

// decide gives the one thread for which enough speaks, and against which nothing does; below 0: there is none.
func (b *births) decide(told *event.Waiters) (at int, sure float64) {
	at = -1
	var best weight
	best.hope = -1
	next := -1.0
	for i, one := range told.Of[:min(told.Count, event.WaitersMax)] {
		switch w := b.weigh(one.Place); {
		case w.hope > best.hope:
			at, best, next = i, w, best.hope
		case w.hope > next:
			next = w.hope
		}
	}
	if next < 0 {
		best.sure = max(best.sure, best.alone)
	}
	if at < 0 || best.sure < threshold || next >= 0 && best.hope < birthHope*(next+1) {
		return -1, 0
	}
	return at, best.sure
}

// bornFor gives the request that a thread works on, if it is the one that it had read last when the call was made.
func (p *Process) bornFor(one event.Waiter) *flow.Exchange {
	x := p.worksFor(uint32(one.Goroutine))
	if x == nil || x.Start != one.Parent {
		return nil
	}
	return x
}

// newest gives when the request began that was read last of those under way, as far as they are looked at.
func (p *Process) newest() (at uint64) {
	for _, x := range p.requests[:min(len(p.requests), containMax)] {
		at = max(at, x.Start)
	}
	return at
}

// keepBirths keeps who has allocated what the thread of a call holds, until the call is fed.
func (l *Linker) keepBirths(ev *event.Event) {
	if len(l.births) >= handoversMax {
		clear(l.births)
	}
	l.births[ev.Socket] = ev.Waiters
}

// awaitBirth keeps what was told of a call until its reply, and keeps the call back if that may tell what it is part of.
func (l *Linker) awaitBirth(p *Process, x *flow.Exchange) {
	told, ok := l.births[x.Conn.Socket]
	if !ok {
		return
	}
	delete(l.births, x.Conn.Socket)
	if x.Stream != 0 || x.Start < l.lossy {
		return
	}
	b := &p.births
	at, _ := b.decide(&told)
	l.looked(p, at >= 0)
	if b.calls == nil || len(b.calls) >= birthsMax {
		b.calls = make(map[*flow.Exchange]bornCall)
	}
	b.calls[x] = bornCall{told, b.closed, p.newest()}
	c := &x.Cause
	if c.Parent != nil && span.Evidence(c.Evidence) == span.Header {
		l.provesBirthBy(p, x, c.Parent)
	}
	if c.Parent == nil && !hasHeader(x) && (b.proven || b.awaited < birthTries) {
		l.holdBirth(p, x, &told)
	}
}

// holdBirth keeps a call back with the requests that it may be part of.
func (l *Linker) holdBirth(p *Process, x *flow.Exchange, told *event.Waiters) {
	b := &p.births
	h := heldBirth{call: x, told: *told}
	any := false
	for i, one := range told.Of[:min(told.Count, event.WaitersMax)] {
		if b.weigh(one.Place).hope < 0 {
			continue
		}
		if y := p.bornFor(one); y != nil {
			h.of[i], any = y.Hold(), true
		}
	}
	if !any {
		return
	}
	if len(b.held) == earlyMax {
		l.letBirthsGo(p, earlyMax/2)
	}
	x.Hold()
	b.held = append(b.held, h)
	b.awaited++
	if c := &x.Cause; !c.Open {
		c.Open = true
		l.opened++
	}
}

// letBirthsGo gives up the first ones of the calls that are kept back.
func (l *Linker) letBirthsGo(p *Process, n int) {
	b := &p.births
	for i := range b.held[:n] {
		l.dropBirth(&b.held[i])
	}
	kept := copy(b.held, b.held[n:])
	clear(b.held[kept:])
	b.held = b.held[:kept]
}

func (l *Linker) dropBirth(h *heldBirth) {
	for _, y := range h.of {
		if y != nil {
			l.release(y)
		}
	}
	l.release(h.call)
}

// redeemBirths makes links of calls that are kept back, where they can be made now.
func (l *Linker) redeemBirths(p *Process) {
	b := &p.births
	kept := b.held[:0]
	for _, h := range b.held {
		at, sure := b.decide(&h.told)
		if h.call.Cause.Open && at < 0 {
			kept = append(kept, h)
			continue
		}
		if at >= 0 && h.of[at] != nil {
			l.tell(h.call, h.of[at], span.Birth, sure)
		}
		l.dropBirth(&h)
	}
	clear(b.held[len(kept):])
	b.held = kept
}

// learnBirth takes what a call has shown of a thread that has allocated something: whether the request can be right, and the logarithm of
// how unlikely chance would be.
func (l *Linker) learnBirth(p *Process, one event.Waiter, right bool, proof float64, older bool) {
	b := &p.births
	if b.places == nil || len(b.places) >= birthPlaces {
		b.places = make(map[uint32]*spot)
	}
	changed := false
	placesOf(one.Place, func(deep, place uint32) {
		for _, key := range [...]uint32{deep, place} {
			s := b.places[key]
			if s == nil {
				s = &spot{}
				b.places[key] = s
			}
			if right && s.last.Goroutine == one.Goroutine && s.last.Parent == one.Parent {
				continue
			}
			was, lost := s.proven(), s.refuted()
			s.add(right)
			if s.last = one; right {
				s.proof += proof
			}
			if right && older && proof > 0 {
				s.older++
			}
			b.proven = b.proven || s.proven()
			changed = changed || was != s.proven() || lost != s.refuted()
		}
	})
	if changed {
		l.redeemBirths(p)
	}
}

// provesBirth: the reply to a call is there. Who has allocated the job waits for it.
func (l *Linker) provesBirth(p *Process, x *flow.Exchange) {
	b := &p.births
	call, ok := b.calls[x]
	if !ok {
		return
	}
	delete(b.calls, x)
	n := float64(x.Cause.Beside)
	if x.FirstByte == 0 || x.Lost || x.Start < l.lossy || n < 2 {
		return
	}
	left := max(n-float64(b.closed-call.closed), 1)
	for _, one := range call.told.Of[:min(call.told.Count, event.WaitersMax)] {
		if tid := uint32(one.Goroutine); b.givenUp[tid] != one.Parent {
			l.learnBirth(p, one, p.bornFor(one) != nil, math.Log(n/left), one.Parent != call.newest)
		}
	}
}

// provesBirthBy: other evidence says of a call that it is part of request y.
func (l *Linker) provesBirthBy(p *Process, x, y *flow.Exchange) {
	call, ok := p.births.calls[x]
	if !ok {
		return
	}
	n := math.Log(float64(max(p.open, 1)))
	for _, one := range call.told.Of[:min(call.told.Count, event.WaitersMax)] {
		l.learnBirth(p, one, uint32(one.Goroutine) == y.TID && one.Parent == y.Start, n, true)
	}
}

// closes notes a request that is over. One without an answer may go on with its calls.
func (b *births) closes(x *flow.Exchange) {
	b.closed++
	if x.FirstByte != 0 || b.places == nil {
		return
	}
	if b.givenUp == nil || len(b.givenUp) >= birthsMax {
		b.givenUp = make(map[uint32]uint64)
	}
	b.givenUp[x.TID] = x.Start
}
