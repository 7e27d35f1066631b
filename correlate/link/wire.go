package link

import (
	"weft/correlate/event"
	"weft/correlate/flow"
)

// wireName names one request on a connection; both ends compute the same. Of AF_UNIX the client's inode is enough, and all
// there is when it sends before the server has accepted: the server's socket has no inode until then.
type wireName struct {
	client, server, offset uint64
	unix                   bool
}

// Placed looks for the other end again: what names the request was not known when it started.
func (l *Linker) Placed(x *flow.Exchange) { l.join(x) }

// isNamed tells whether the other end of the connection would give the request the same name.
func isNamed(x *flow.Exchange) bool {
	return (x.Conn.NameLocal != 0 || x.Conn.NamePeer != 0) && (x.Conn.TLS == nil || x.Wire != 0 || x.Stream != 0)
}

func nameOf(x *flow.Exchange) wireName {
	n := wireName{client: x.Conn.NameLocal, server: x.Conn.NamePeer, offset: x.Offset, unix: x.Conn.Family == familyUnix}
	switch {
	case x.Conn.TLS == nil:
	case x.Stream != 0: // of HTTP/2: the number of the stream is name enough
		n.offset = 1<<63 | uint64(x.Stream)
	default:
		n.offset = x.Wire - 1
	}
	if x.Server {
		n.client, n.server = n.server, n.client
	}
	if n.unix {
		n.server = 0
	}
	return n
}

// join looks for the other end of the exchange, and leaves word if it is not there yet.
//
// Both ends must have seen the same request line: a check that costs nothing, against names that are not what they seem.
func (l *Linker) join(x *flow.Exchange) {
	if !isNamed(x) {
		return // the record that names the connection was lost, or where a TLS session has the request is not known
	}
	name := nameOf(x)
	older := name.unix && x.Conn.Origin == event.Found
	if older {
		return // the offsets of both ends do not start together
	}
	other := l.wires[name]
	if other == nil || other.Server == x.Server {
		l.wires[name] = x
		return
	}
	if other.Method != x.Method || other.Target != x.Target {
		return
	}
	delete(l.wires, name)
	server, client := x, other
	if !x.Server {
		server, client = other, x
	}
	if !client.Cause.Resolved {
		client.Cause.Peer = server.Cause.Process
		client.Start = min(client.Start, server.Start)
	}
	if server.Cause.Resolved {
		return // it was part of another trace already
	}
	server.Cause.Partner = client.Hold()
	if server.Cause.Awaited {
		server.Cause.Awaited = false
		l.stopEarly(server.Start)
	}
	if server.Cause.Waiting && !l.undecided(server) {
		l.stopWaiting(server)
	}
}

// isEarly tells whether a call has ended before the client of the request that it is part of was told of, which can have lost the CPU on its way
// out of the kernel. What the call is told to be a part of would be settled without it. The call waits until that client joins.
func (l *Linker) isEarly(call *flow.Exchange) bool {
	x := call
	for range depthMax {
		if x.Cause.Resolved {
			return false
		}
		if x.Server {
			if x.Cause.Partner == nil {
				x.Cause.Awaited = l.mayBeLocal(x) && l.processes.now < x.Start+uint64(l.options.Hold)
				return x.Cause.Awaited
			}
			x = x.Cause.Partner
		} else if x = x.Cause.Parent; x == nil {
			return false
		}
	}
	return false
}

// stopEarly gives out the calls that wait for a client that has joined, in the order in which they ended, which was after since: a verdict on
// one looks at those before it, and at what its request does later.
func (l *Linker) stopEarly(since uint64) {
	first := len(l.waiting)
	for first > 0 && l.waiting[first-1].End >= since {
		first--
	}
	for _, x := range l.waiting[first:] {
		if !x.Server && x.Cause.Waiting && !l.undecided(x) && !l.isEarly(x) {
			l.stopWaiting(x)
		}
	}
}

// unjoin takes back the word that was left.
func (l *Linker) unjoin(x *flow.Exchange) {
	name := nameOf(x)
	if l.wires[name] == x {
		delete(l.wires, name)
	}
}

// bound takes the times of a reply from the client where they are earlier. The kernel tells of an operation when it has ended; what
// was sent can have been received by then, long before when the sender lost the CPU in between. What was received had been
// sent, so the other end's time is the better one. join does the same for the start of a request.
func bound(server *flow.Exchange) {
	client := server.Cause.Partner
	whole := client != nil && client.End != 0 && client.Fault == flow.NoFault && server.Fault == flow.NoFault
	if !whole || client.FirstByte == 0 || server.FirstByte == 0 {
		return
	}
	server.FirstByte = max(server.Start, min(server.FirstByte, client.FirstByte))
	server.End = max(server.FirstByte, min(server.End, client.End))
}
