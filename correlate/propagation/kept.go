package propagation

import (
	"bytes"
	"time"

	"weft/correlate/flow"
)

// keptMax is how many of the last links can be shown with their heads. Each is kept for keptFor at least: of a busy node they are a
// sample that costs nothing.
const (
	keptMax = 1 << 8
	keptFor = uint64(time.Second)
)

// kept holds copies of the requests of the last links: the exchanges themselves are used again.
type kept struct {
	ring []keptLink
	next int
}

// keptLink is a request and what it is linked with: for an outgoing one the incoming one that caused it, for an incoming one the same
// request seen from the other end.
type keptLink struct{ own, other copied }

// copied is a request that is over, as far as it is shown.
type copied struct {
	x    flow.Exchange
	conn flow.Conn
}

func (c *copied) take(x *flow.Exchange) {
	head := append(c.x.Head[:0], x.Head...)
	c.conn.Conn = x.Conn.Conn
	c.x = flow.Exchange{
		Conn: &c.conn, Server: x.Server, Start: x.Start, End: x.End, PID: x.PID, TID: x.TID, Goroutine: x.Goroutine,
		HeadCut: x.HeadCut, Head: head,
	}
	c.x.Cause.TraceID, c.x.Cause.SpanID = x.Cause.TraceID, x.Cause.SpanID
}

// add keeps a link in place of the oldest, if that has been kept for long enough.
func (k *kept) add(x, other *flow.Exchange) {
	if other == nil {
		return
	}
	if k.ring == nil {
		k.ring = make([]keptLink, keptMax)
	}
	l := &k.ring[k.next]
	if old := l.own.x.End; old != 0 && x.End < old+keptFor {
		return
	}
	l.own.take(x)
	l.other.take(other)
	k.next = (k.next + 1) % keptMax
}

// showHeads puts the requests of a link into its explanation, if they are kept.
func (t *Table) showHeads(id [8]byte, e *Explanation) {
	for i := range t.kept.ring {
		l := &t.kept.ring[i]
		if l.own.x.Cause.SpanID != id {
			continue
		}
		own, other := t.recall(&l.own.x), t.recall(&l.other.x)
		if l.own.x.Server {
			own, other = other, own
		}
		e.Out, e.In = own, &other
		return
	}
}

// recall tells of a copied request; its carriers are read again.
func (t *Table) recall(x *flow.Exchange) Message {
	x.Carriers.Reset()
	_, rest, _ := bytes.Cut(x.Head, []byte("\n"))
	for len(rest) > 0 {
		var line []byte
		line, rest, _ = bytes.Cut(rest, []byte("\n"))
		if name, value, found := bytes.Cut(line, []byte(":")); found {
			t.carriers.Field(&x.Carriers, name, bytes.TrimSpace(value))
		}
	}
	t.carriers.Settle(&x.Carriers, !x.HeadCut && len(x.Head) < flow.HeadMax)
	return t.message(x)
}
