package link

import "weft/correlate/flow"

// A client can end before its server has read the request: it has waited for too long, or the connection was closed under it. What it has
// left word of is kept for a while, so that the server's span is still its child.

// gone is a call that has ended and whose other end was not seen yet.
type gone struct {
	call *flow.Exchange // held
	name wireName
}

const (
	goneMax = 512
	goneAge = uint64(10e9) // ns
)

// leavesWord keeps the word of a call that has ended, if its other end may still come.
func (l *Linker) leavesWord(x *flow.Exchange) {
	name := nameOf(x)
	if l.wires[name] != x {
		return
	}
	gaveUp := x.FirstByte == 0 || x.Fault != flow.NoFault
	if near := x.Conn.Family == familyUnix || x.Conn.Peer.Addr().IsLoopback(); !near && !(gaveUp && l.mayBeLocal(x)) {
		delete(l.wires, name)
		return
	}
	l.gone = append(l.gone, gone{x.Hold(), name})
	if len(l.gone) > goneMax {
		l.forgetGone(len(l.gone) - goneMax)
	}
}

// expireGone forgets what has ended long before.
func (l *Linker) expireGone(now uint64) {
	n := 0
	for n < len(l.gone) && l.gone[n].call.End+goneAge < now {
		n++
	}
	l.forgetGone(n)
}

// forgetGone drops the first of them.
func (l *Linker) forgetGone(n int) {
	for _, g := range l.gone[:n] {
		if l.wires[g.name] == g.call {
			delete(l.wires, g.name)
		}
		l.release(g.call)
	}
	kept := copy(l.gone, l.gone[n:])
	clear(l.gone[kept:])
	l.gone = l.gone[:kept]
}
