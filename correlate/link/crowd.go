package link

import (
	"math"
	"net/netip"

	"weft/correlate/flow"
	"weft/correlate/span"
	"weft/correlate/tracecontext"
)

// work is what a process does while it serves no request: calls that nobody's request has caused. Times are boot time, ns.
type work struct {
	since      uint64 // of the last change between idle and busy
	idle, busy uint64
	alone      map[destination]uint32 // calls while idle
	served     map[destination]uint32 // calls while busy
	obscure    map[destination]uint32 // of these, judged by what the requests under way have in common
}

// destination is where a call goes. Its method keeps apart what goes one way for different reasons: an exporter posts its spans to
// the gateway through which the service gets its data.
type destination struct {
	peer   netip.AddrPort
	method string
}

func destinationOf(x *flow.Exchange) destination { return destination{x.Conn.Peer, x.Method} }

// peersMax bounds the destinations whose calls are counted, for each process; crowdMax the requests that are looked at for one call.
const (
	peersMax = 128
	crowdMax = 128
)

// doubt is how large the share of calls that no request has caused may be, for a call to be judged by what all requests
// under way have in common.
const doubt = 0.02

// unseen is the upper 95 % bound of a Poisson rate of which nothing was seen: the rule of three. Of what was seen the bound is
// further up, by the quantile times the deviation.
const (
	unseen   = 3
	quantile = 1.645
)

func (w *work) turn(now uint64, busy bool) {
	if now < w.since {
		return
	}
	if busy {
		w.idle += now - w.since
	} else {
		w.busy += now - w.since
	}
	w.since = now
}

// calls counts a call and gives an upper bound for the share of calls that go there, made while requests are under way, that
// none of them has caused: how often the process calls it while idle, for the time that it was busy.
func (w *work) calls(d destination, now uint64, busy bool) (background float64) {
	if w.alone == nil {
		w.alone, w.served = make(map[destination]uint32), make(map[destination]uint32)
	}
	to := w.alone
	if busy {
		to = w.served
	}
	if _, known := to[d]; !known && len(to) >= peersMax {
		return 1
	}
	to[d]++
	if !busy {
		return 1
	}
	return w.share(d, now)
}

// share gives that bound without counting a call.
func (w *work) share(d destination, now uint64) float64 {
	if w.idle == 0 || w.served[d] == 0 {
		return 1
	}
	busyTime := w.busy + now - min(now, w.since)
	alone := float64(w.alone[d])
	expected := (alone + unseen + quantile*math.Sqrt(alone)) / float64(w.idle) * float64(busyTime)
	return min(1, expected/float64(w.served[d]))
}

// own gives an upper bound for how likely a call is one of the process's own account, if it cannot be told whose it is: those have no
// carrier that names a request, so all of the background is among the calls like this one.
func (w *work) own(d destination, background float64) float64 {
	if w.obscure == nil {
		w.obscure = make(map[destination]uint32)
	}
	w.obscure[d]++
	return min(1, background*float64(w.served[d])/float64(w.obscure[d]))
}

// findCrowd looks at a call of which no single request is known to be the cause. Where one of those under way must be, and
// all of them brought a context, what became of it can be told all the same.
func (l *Linker) findCrowd(p *Process, x *flow.Exchange, d *decision) {
	c := &x.Cause
	background := l.background(p, x)
	among := d.among
	if len(among) > 1 {
		c.Alternates = len(among)
	}
	for _, y := range among {
		// It is unclear which request, but clear that its carrier was passed on unchanged.
		c.Passed = c.Passed || passes(x, y)
	}
	c.CrowdSure = strong
	if !d.descent {
		among, c.CrowdSure = p.requests, 1-background
	}
	if x.Start < l.lossy {
		return // not all of them are known
	}
	if len(among) == 0 || len(among) > crowdMax || !d.descent && (background > doubt || p.bare > 0) {
		return
	}
	for _, y := range among {
		if y.Carriers.Best() == nil {
			return
		}
		if same, narrow := sameTrace(x, y); same && narrow {
			// Half of the id names the request.
			c.Parent, c.Evidence, c.Confidence, c.Confirmed = y.Hold(), uint8(span.Header), strong, true
			return
		}
		c.CrowdMixed = c.CrowdMixed || y.Route != among[0].Route || y.Method != among[0].Method
	}
	if !d.descent {
		c.CrowdSure = 1 - p.work.own(destinationOf(x), background)
	}
	c.Crowd, c.CrowdSize = among[0].Hold(), len(among)
}

// confirm tells whether a call that only its carrier links counts for a rate: one without a carrier would have been judged too.
func (l *Linker) confirm(p *Process, x *flow.Exchange) bool {
	return x.Start >= l.lossy && l.background(p, x) <= doubt && p.bare == 0
}

func sameTrace(x, y *flow.Exchange) (same, narrow bool) {
	a, b := x.Carriers.Best(), y.Carriers.Best()
	if a == nil || b == nil {
		return false, false
	}
	return tracecontext.SameTrace(b.Context, a.Context)
}
