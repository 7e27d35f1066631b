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
	serves map[uint32]struct{}
}

// Weights of what was seen against what is expected of a process that is not known yet: nine calls of ten.
const (
	expected  = 9
	surprise  = 3   // one call by another thread counts as much as three by the same
	mixedRate = 50  // takes so many undisturbed requests to excuse a mixed one; a lost record can look like one
	servesMax = 512 // threads that are remembered
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
	g := p.threads[x.TID]
	if g == nil {
		if p.open > 0 {
			h.free++
		}
		return
	}
	for _, m := range g.members {
		if m.Conn != x.Conn && m.FirstByte == 0 && !m.Lost {
			h.mixed++
			return
		}
	}
}

// calls learns from a call: parent is what it is part of, if a header tells; else solitude may tell.
func (p *Process) calls(x *flow.Exchange) {
	if x.Goroutine != 0 || p.isGo() {
		return
	}
	h := &p.habits
	switch parent := x.Cause.Parent; {
	case parent != nil && span.Evidence(x.Cause.Evidence) == span.Header:
		h.note(parent.TID == x.TID)
	case p.open == 1:
		h.note(p.threads[x.TID] != nil)
	case p.open == 0:
		if _, serves := h.serves[x.TID]; serves {
			h.note(false)
		}
	}
}

func (h *habits) note(own bool) {
	if own {
		h.own++
	} else {
		h.others++
	}
}

// trust says how sure a call is part of the only request that its thread works on.
func (h *habits) trust() float64 {
	if h.mixes() {
		return 0.5
	}
	own := float64(h.own + expected)
	return own / (own + 1 + float64(h.others*surprise))
}

// mixes tells that a thread works on several requests at a time: an event loop.
func (h *habits) mixes() bool { return h.mixed*mixedRate > h.free }

// alone tells that threads were seen to work side by side and none was seen to mix.
func (h *habits) alone() bool { return h.free > 0 && !h.mixes() }
