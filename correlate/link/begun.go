package link

import (
	"weft/correlate/flow"
	"weft/correlate/span"
)

// A thread that the thread of a request has started, or one that was started by such a thread, may work for that request alone, and then
// it ends when it has done so. One that stays works for others, too.

// threadStarts notes for which request a thread is started.
func (l *Linker) threadStarts(p *Process, from, thread uint32) {
	x := p.worksFor(from)
	if h := p.wakes.hands[from]; x == nil && h != nil {
		x = h.begun
	}
	if x == nil || !works(x) {
		return
	}
	h := p.wakes.of(l, thread)
	l.stays(h)
	h.begun = x.Hold()
}

// firstReply: the reply to the first call of a thread is there. Where such threads were seen to end with what they have done, nobody waits
// for that.
func (l *Linker) firstReply(p *Process, call *flow.Exchange) {
	h := p.wakes.hands[call.TID]
	if h == nil || len(h.calls) == 0 || h.calls[0] != call || !works(h.begun) {
		return
	}
	if sure := p.wakes.trust(begun); sure >= threshold {
		l.tell(call, h.begun, span.Wake, sure)
	}
}

// helperEnds: a thread ends. If it was started for a request that is not answered yet, or was answered after the replies to all of the
// thread's calls, those are part of it.
func (l *Linker) helperEnds(p *Process, h *helper) {
	l.goesOn(p, h, nil, 0)
	l.drops(&h.rest)
	inside, before := h.begun != nil, h.begun != nil && works(h.begun)
	for _, call := range h.calls {
		inside = inside && call.FirstByte != 0 && !call.Lost && (works(h.begun) || call.FirstByte <= h.begun.FirstByte)
	}
	for _, call := range h.calls {
		if inside {
			if before && call.Cause.Beside == 1 {
				p.wakes.ways[begun].add(true)
			}
			l.proveWake(p, call, h.begun, begun)
		} else {
			p.wakes.ways[begun].add(false)
		}
	}
	l.stays(h)
}

// stays notes that a thread works for other requests than the one whose thread has started it.
func (l *Linker) stays(h *helper) {
	for i, call := range h.calls {
		l.release(call)
		h.calls[i] = nil
	}
	h.calls = h.calls[:0]
	if h.begun != nil {
		l.release(h.begun)
		h.begun = nil
	}
}
