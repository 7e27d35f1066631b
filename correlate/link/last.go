package link

import (
	"time"

	"weft/correlate/flow"
)

// lastMax bounds the requests that a process keeps after their end, lastAge how long ago that may be, in boot time.
const (
	lastMax = 256
	lastAge = uint64(10 * time.Second)
)

// last are the requests that the goroutines or tasks of a process have finished last, held.
type last struct {
	byGoroutine map[uint64]*flow.Exchange
	order       []uint64 // of the goroutines, a ring
	next        int
}

// keepLast notes that a goroutine has finished a request.
func (l *Linker) keepLast(p *Process, x *flow.Exchange) {
	id := x.Goroutine
	if id == 0 && p.tasks.starts() {
		id = x.Start // the name of the task that was started for it
	}
	if id == 0 || p.ended {
		return
	}
	t := &p.last
	if t.byGoroutine == nil {
		t.byGoroutine = make(map[uint64]*flow.Exchange)
	}
	old, known := t.byGoroutine[id]
	t.byGoroutine[id] = x.Hold()
	if known {
		l.release(old)
		return
	}
	if len(t.order) < lastMax {
		t.order = append(t.order, id)
		return
	}
	if old := t.byGoroutine[t.order[t.next]]; old != nil {
		delete(t.byGoroutine, t.order[t.next])
		l.release(old)
	}
	t.order[t.next] = id
	t.next = (t.next + 1) % lastMax
}

// lastOn gives the request that a goroutine has finished last, if that is not long ago.
func (p *Process) lastOn(goroutine, now uint64) *flow.Exchange {
	x := p.last.byGoroutine[goroutine]
	if x == nil || x.End+lastAge < now {
		return nil
	}
	return x
}

// dropLast gives back what a process that has ended kept.
func (l *Linker) dropLast(p *Process) {
	for _, x := range p.last.byGoroutine {
		l.release(x)
	}
	p.last = last{}
}
