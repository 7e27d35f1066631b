package link

import (
	"weft/correlate/flow"
	"weft/correlate/span"
)

// habits are what a process has shown of how it works: whether the thread that reads a request also makes the calls for
// it, and whether it works on that one alone meanwhile. Only then is "the same thread" evidence.
type habits struct {
	own    uint64 // calls that are certainly, or by solitude, part of a request, made by the thread that has read it
	others uint64 // made by another thread; or by a thread that serves when no request was under way
	mixed  uint64 // requests that a thread took while it was still working on one of another connection
	free   uint64 // requests that a thread took while only other threads were working
	waited uint64 // requests that a thread took when the calls for one that was given up had ended
	calls  bool   // it makes calls while it serves
	serves map[uint32]struct{}
	asking map[uint32]uint32   // calls whose reply has not begun, by thread
	cut    map[uint32]struct{} // threads with such a call for a request that was given up
	behind map[uint32]struct{} // threads that have read a request which was given up, and none since
	ghosts ghosts
	kin    *kin // what it shares with others, never nil
}

// Weights of what was seen against what is expected of a process that is not known yet: nine calls of ten.
const (
	expected  = 9
	surprise  = 3   // one call by another thread counts as much as three by the same
	mixedRate = 50  // takes so many undisturbed requests to excuse a mixed one; a lost record can look like one
	servesMax = 512 // threads that are remembered
	endsFirst = 8   // times that a thread was seen to end with what was given up before it took another request: chance does it, too
)

// takes learns from a thread that takes a request.
func (p *Process) takes(x *flow.Exchange) {
	h := &p.habits
	if h.serves == nil {
		h.serves = make(map[uint32]struct{})
	}
	if _, known := h.serves[x.TID]; !known && len(h.serves) < servesMax {
		h.serves[x.TID] = struct{}{}
	}
	delete(h.behind, x.TID)
	if h.asking[x.TID] > 0 {
		h.mixed++ // it does not wait for its calls
		h.kin.mixed++
		return
	}
	if _, cut := h.cut[x.TID]; cut {
		h.waited++
		delete(h.cut, x.TID)
	}
	g := p.threads[x.TID]
	if g == nil {
		if p.open > 0 {
			h.free++
			h.kin.free++
			if h.own > 0 && !h.beside() && hasHeader(x) {
				p.crew.begin()
			}
		}
		return
	}
	seen := 0
	for m := g.first; m != nil && seen < lookMax; m = m.Cause.Lists[byWorker].Next {
		seen++
		if m.Conn != x.Conn && works(m) {
			h.mixed++
			h.kin.mixed++
			return
		}
	}
}

// asks counts the calls of a thread whose reply has not begun.
func (h *habits) asks(x *flow.Exchange, begins bool) {
	if begins == x.Cause.Asks {
		return
	}
	x.Cause.Asks = begins
	switch n := h.asking[x.TID]; {
	case !begins && n <= 1:
		delete(h.asking, x.TID)
	case !begins:
		h.asking[x.TID] = n - 1
	case h.asking == nil:
		h.asking = map[uint32]uint32{x.TID: 1}
	case n > 0 || len(h.asking) < servesMax:
		h.asking[x.TID] = n + 1
	default:
		x.Cause.Asks = false
	}
}

// givesUp notes a request that has ended without an answer. What serves it may go on, and make calls for it.
func (h *habits) givesUp(x *flow.Exchange) {
	h.ghosts.appears(x)
	if len(h.behind) < servesMax {
		if h.behind == nil {
			h.behind = make(map[uint32]struct{})
		}
		h.behind[x.TID] = struct{}{}
	}
	if h.asking[x.TID] > 0 && len(h.cut) < servesMax {
		if h.cut == nil {
			h.cut = make(map[uint32]struct{})
		}
		h.cut[x.TID] = struct{}{}
	}
}

// isBehind tells that a thread may be working on a request that is not under way any more.
func (h *habits) isBehind(tid uint32) bool {
	_, behind := h.behind[tid]
	return behind
}

// lingers tells that a thread may be working on a request that was given up, and on another one as well.
func (h *habits) lingers(now uint64) bool {
	return h.ghosts.walk(now) && h.free == 0 && h.waited < endsFirst
}

// calls learns from a call: parent is what it is part of, if a header tells; else solitude may tell.
func (p *Process) calls(x *flow.Exchange) {
	if x.Goroutine != 0 || p.isGo() {
		return
	}
	h := &p.habits
	h.calls = h.calls || p.open > 0
	switch parent := x.Cause.Parent; {
	case parent != nil && span.Evidence(x.Cause.Evidence) == span.Header:
		h.note(parent.TID == x.TID)
	case x.Cause.Sole != nil:
		h.note(x.Cause.Sole.TID == x.TID)
	case p.open == 1 && p.threads[x.TID] != nil:
		h.note(true)
	case h.isBehind(x.TID) || p.open > 1:
	case p.open == 1:
		h.note(false)
	default:
		if _, serves := h.serves[x.TID]; serves {
			h.note(false)
		}
	}
}

func (h *habits) note(own bool) {
	if own {
		h.own++
		h.kin.own++
	} else {
		h.others++
		h.kin.others++
	}
}

// trust says how sure a call is part of the only request that its thread works on.
func (h *habits) trust(now uint64) float64 {
	if h.mixes() || h.lingers(now) {
		return 0.5
	}
	own := float64(h.own + expected)
	return own / (own + 1 + float64(h.others*surprise))
}

// mixes tells that a thread works on several requests at a time: an event loop.
func (h *habits) mixes() bool { return h.mixed*mixedRate > h.free }

// beside tells that threads work side by side, each on what it has read: calls that were made in solitude tell nothing of that.
func (h *habits) beside() bool { return h.own > 0 && h.free >= mixedRate && !h.mixes() }

// alone tells that threads were seen to work side by side and none was seen to mix.
func (h *habits) alone() bool { return h.free > 0 && !h.mixes() }
