package propagation

import (
	"time"

	"weft/correlate/flow"
)

// wait is a call whose context did not go on, and that may have been made for several requests: a cache is filled once, and all
// who asked meanwhile wait for that. Such a call belongs to none of them.
type wait struct {
	target     uint64 // hash of that of the request that made the call
	start, end uint64
	unlinked   uint64 // calls of the service that nothing linked, up to then
	waiters    int
	users      int // its service and its call
}

const (
	waitersMin = 2                             // requests that have waited make a call shared
	waitTime   = uint64(time.Second / 4)       // how long a request can take to answer after what it waited for
	soonAfter  = uint64(50 * time.Millisecond) // it does so at once, as a rule
	openWaits  = 32                            // calls of a service that are remembered
	delayedMax = 1 << 14                       // calls that are held back
)

// waits holds back what could still turn out to be shared.
type waits struct {
	delayed []*cluster // in order of due, roughly
	calls   int        // in these
	free    []*wait
}

// expectWaiters remembers a call for the requests that end after it.
func (t *Table) expectWaiters(in, x *flow.Exchange, s *service) *wait {
	var w *wait
	if n := len(t.waits.free); n > 0 {
		w = t.waits.free[n-1]
		t.waits.free = t.waits.free[:n-1]
	} else {
		w = &wait{}
	}
	*w = wait{target: hash(in.Target), start: x.Start, end: x.End, unlinked: s.unlinked, users: 2}
	t.waits.leave(s.waits[s.nextWait])
	s.waits[s.nextWait] = w
	s.nextWait = (s.nextWait + 1) % openWaits
	return w
}

// leave gives a wait back that nobody uses any more; nil is none.
func (w *waits) leave(o *wait) {
	if o == nil {
		return
	}
	if o.users--; o.users == 0 && len(w.free) < freeMax {
		w.free = append(w.free, o)
	}
}

// freeMax bounds the waits that are kept for use.
const freeMax = 1 << 14

// ends looks whether a request that has made no call has waited for somebody else's.
func (w *waits) ends(services map[string]*service, in *flow.Exchange, name string) {
	if len(w.delayed) == 0 {
		return
	}
	s := services[name]
	if s == nil {
		return
	}
	target := hash(in.Target)
	for _, o := range s.waits {
		if o != nil && o.target == target && o.start < in.End && in.Start < o.end && o.end <= in.End &&
			in.End <= o.end+soonAfter && o.unlinked == s.unlinked {
			o.waiters++
		}
	}
}

// delay holds the calls of a request that has ended back. Those that are told until then are counted with them.
func (t *Table) delay(c *cluster, in *flow.Exchange) {
	c.of, c.traits, c.due = in, traitsOf(in), max(in.End, t.now)+waitTime
	if in.Cause.KeptBack {
		c.due += uint64(t.options.Hold)
	}
	for t.waits.calls+len(c.calls) > delayedMax {
		t.flushWaits(t.waits.delayed[0].due)
	}
	t.waits.delayed = append(t.waits.delayed, c)
	t.waits.calls += len(c.calls)
}

// flushWaits counts what was held back long enough.
func (t *Table) flushWaits(now uint64) {
	n := 0
	for n < len(t.waits.delayed) && t.waits.delayed[n].due <= now {
		c := t.waits.delayed[n]
		if c.of.Cause.Judged == any(c) {
			c.of.Cause.Judged = nil
		}
		t.waits.calls -= len(c.calls)
		t.finish(c)
		n++
	}
	if n > 0 {
		kept := copy(t.waits.delayed, t.waits.delayed[n:])
		clear(t.waits.delayed[kept:])
		t.waits.delayed = t.waits.delayed[:kept]
	}
}
