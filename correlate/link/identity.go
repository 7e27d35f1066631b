package link

import (
	"encoding/binary"

	"github.com/dchest/siphash"

	"weft/correlate/flow"
	"weft/correlate/span"
	"weft/correlate/tracecontext"
)

// sides keep the ids of the two spans of one exchange, and of its trace, apart.
const (
	sideClient = 1
	sideServer = 2
	sideTrace  = 3
)

// depthMax bounds how far up a trace is followed; a deeper one starts anew there.
const depthMax = 64

// resolve gives the exchange its trace id, span id and parent, once and for all, and before that those of the exchanges
// above it. It gives false for one whose identity is not known: the trace is too deep, or its events go round in a circle.
func (l *Linker) resolve(x *flow.Exchange, depth int) bool {
	c := &x.Cause
	switch {
	case c.Resolved:
		return c.TraceID != [16]byte{}
	case depth > depthMax:
		return false
	}
	c.Resolved = true
	if x.Server {
		l.resolveServer(x, depth)
	} else {
		l.resolveClient(x, depth)
	}
	return true
}

// resolveServer: the client span that was seen at the other end is the parent, and its trace goes on, whatever became of the
// carrier on the way; without it the carrier decides.
func (l *Linker) resolveServer(x *flow.Exchange, depth int) {
	c := &x.Cause
	client := c.Partner
	if client != nil && !l.resolve(client, depth+1) {
		client = nil
	}
	c.SpanID = l.hashID(x, sideServer)
	switch {
	case hasHeader(x):
		l.adopt(x)
		if c.ParentID = c.HeadParent; c.ParentID != [8]byte{} {
			c.Evidence, c.Confidence = uint8(span.Header), 1
		}
	case client == nil:
		c.TraceID = l.hashTrace(x)
		return
	}
	if client == nil {
		return
	}
	cut := !hasHeader(x) && client.Cause.HasRemote || hasHeader(x) && client.Cause.TraceID != c.TraceID
	if cut && l.options.NoRepair {
		if !hasHeader(x) {
			c.TraceID = l.hashTrace(x)
		}
		return
	}
	c.ParentID = client.Cause.SpanID
	l.inherit(x, client)
	l.mend(x, cut)
	c.Evidence, c.Confidence = uint8(span.Wire), 1
}

// mend notes that the trace goes on over a break.
func (l *Linker) mend(x *flow.Exchange, cut bool) {
	x.Cause.Repaired = cut
	if cut {
		x.Cause.WireTrace = x.Cause.HeadTrace
	}
}

// adopt takes the trace that the carrier names.
func (l *Linker) adopt(x *flow.Exchange) {
	c := &x.Cause
	c.TraceID = c.HeadTrace
	c.HasRemote = c.HeadDecision != tracecontext.Deferred
	c.RemoteSampled = c.HeadDecision == tracecontext.Accepted || c.HeadDecision == tracecontext.Debug
}

// resolveClient: the trace of the request that it is part of goes on, whatever the carrier says. The id that the carrier names
// is the id of this span, unless the carrier is only passed on.
func (l *Linker) resolveClient(x *flow.Exchange, depth int) {
	c := &x.Cause
	l.undoubt(x)
	parent := c.Parent
	if parent != nil && !l.resolve(parent, depth+1) {
		parent = nil
	}
	switch {
	case hasHeader(x):
		l.adopt(x)
	case parent != nil:
		c.TraceID = parent.Cause.TraceID
	default:
		c.TraceID = l.hashTrace(x)
	}
	if same := parent != nil && parent.Cause.TraceID == c.TraceID; same || parent != nil && !l.options.NoRepair {
		c.ParentID = parent.Cause.SpanID
		l.inherit(x, parent)
		l.mend(x, !same)
	} else {
		// Another trace than that of the request which it is part of: no parent in this one.
		c.Evidence, c.Confidence = uint8(span.NoEvidence), 0
	}
	c.SpanID = l.hashID(x, sideClient)
	if c.HeadParent != [8]byte{} && !c.Passed && l.used.first(c.HeadTrace, c.HeadParent) {
		c.SpanID = c.HeadParent
	}
}

// inherit takes over what the head of the trace has decided.
func (l *Linker) inherit(x, from *flow.Exchange) {
	x.Cause.TraceID = from.Cause.TraceID
	x.Cause.HasRemote, x.Cause.RemoteSampled = from.Cause.HasRemote, from.Cause.RemoteSampled
	if x.Cause.TraceState == "" {
		x.Cause.TraceState = from.Cause.TraceState
	}
}

// hash128 makes an id from the name of the request on its connection. The key makes it impossible to guess; both ends,
// and every agent with the same key, get the same.
func (l *Linker) hash128(x *flow.Exchange, side byte) (a, b uint64) {
	n := nameOf(x)
	if !isNamed(x) {
		n.client, n.server, n.offset = x.Conn.Socket, x.Start, x.Offset
	}
	var text [25]byte
	binary.LittleEndian.PutUint64(text[0:], n.client)
	binary.LittleEndian.PutUint64(text[8:], n.server)
	binary.LittleEndian.PutUint64(text[16:], n.offset)
	text[24] = side
	k0 := binary.LittleEndian.Uint64(l.options.Key[0:])
	k1 := binary.LittleEndian.Uint64(l.options.Key[8:])
	return siphash.Hash128(k0, k1, text[:])
}

func (l *Linker) hashID(x *flow.Exchange, side byte) (id [8]byte) {
	a, _ := l.hash128(x, side)
	binary.BigEndian.PutUint64(id[:], a|1) // never zero
	return id
}

func (l *Linker) hashTrace(x *flow.Exchange) (id [16]byte) {
	a, b := l.hash128(x, sideTrace)
	binary.BigEndian.PutUint64(id[:8], a|1)
	binary.BigEndian.PutUint64(id[8:], b)
	return id
}

// usedIDs remembers the last ids that were taken from carriers: a retry that sends the same carrier again is another span.
type usedIDs struct {
	seen map[usedID]struct{}
	ring []usedID
	next int
}

type usedID struct {
	trace [16]byte
	span  [8]byte
}

const usedMax = 1 << 13

func newUsedIDs() usedIDs {
	return usedIDs{seen: make(map[usedID]struct{}, usedMax), ring: make([]usedID, usedMax)}
}

// first tells whether the id is used for the first time, and notes it.
func (u *usedIDs) first(trace [16]byte, id [8]byte) bool {
	k := usedID{trace, id}
	if _, ok := u.seen[k]; ok {
		return false
	}
	delete(u.seen, u.ring[u.next])
	u.ring[u.next] = k
	u.seen[k] = struct{}{}
	u.next = (u.next + 1) % len(u.ring)
	return true
}
