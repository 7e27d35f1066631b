// Package flow owns connections: it puts the events of a socket together to messages, and requests and replies together
// to exchanges.
package flow

import (
	"weft/correlate/event"
	"weft/correlate/proto"
	"weft/correlate/tracecontext"
)

// HeadMax is how much of a request's head is kept with its exchange, as evidence, in bytes.
const HeadMax = 4 << 10

// Task is what runs in a thread that works on many things: a task of an event loop or a greenlet, by its root and the branch below
// it, see bpf/task.h. The zero value is none, or not known.
type Task struct{ Branch, Root uint64 }

// Fault is why an exchange did not end as its protocol says.
type Fault uint8

// The faults of an exchange.
const (
	NoFault     Fault = iota
	Reset             // the connection was reset before the reply was whole
	Closed            // the connection was closed before the reply was whole
	Truncated         // the connection ended before the announced length
	Cancelled         // HTTP/2: one end has cancelled the stream
	StreamReset       // HTTP/2: one end has given the stream up for another reason
	Refused           // HTTP/2: the server has not worked on the stream
)

// Exchange is one request and its reply as one end of the connection saw them. Times are boot time, ns.
//
// It is made by flow when the head of the request is whole and given out twice: when it starts and when it has ended.
// What stands under Cause is written by link.
type Exchange struct {
	Conn   *Conn
	Server bool // this end received the request
	PID    uint32
	TID    uint32

	Goroutine, ParentGoroutine uint64 // 0: not Go, or not known
	Task                       Task   // in which the head was read or sent

	Offset    uint64 // stream offset of the request's first byte
	Wire      uint64 // of a TLS session: 1 + offset on the socket of the record that it begins; 0: not known
	Start     uint64 // first byte of the request
	FirstByte uint64 // first byte of the final reply; 0: none came
	End       uint64 // last byte of the reply, or the end of the connection

	Method, Target, Host, UserAgent string
	Route                           string           // of a server, as far as it is known at the start: set by the observer
	Carriers                        tracecontext.Set // of the request, valid as long as the exchange is held
	Head                            []byte           // of the request, as far as HeadMax; valid as long as the exchange is held
	Words                           []uint64         // of link: what only this request's head has
	Nominated                       bool             // its Connection field names a carrier: the next hop must take it off
	Major                           uint8            // 2: HTTP/2; 0: HTTP/1.Minor
	Minor                           uint8
	Stream                          uint32 // of HTTP/2
	Secure                          bool   // of HTTP/2: the scheme is https
	Partial                         bool   // of HTTP/2: fields of the request are not known, for weft came too late to see them
	RPC                             proto.RPC
	HasRPCStatus                    bool
	RPCStatus                       uint32
	Timeout                         uint64 // ns, that the caller gives; 0: none
	RequestMessages, ReplyMessages  uint32 // with RPC; of WebSocket: from the client and from the server
	Status                          uint16
	RequestBody, ReplyBody          uint64
	Events                          bool              // the reply's body are server-sent events
	Pieces                          uint32            // with Events: chunks or frames of DATA that the body came in; 0: not known
	Headers                         []event.Attribute // allowed headers of both heads, with their attribute names

	Fault       Fault
	HeadCut     bool
	Upgraded    bool
	Lost        bool // events inside the exchange were lost: End may be late, sizes may be unknown
	RTT         uint32
	Retransmits uint32 // during the exchange

	Cause Cause

	framing  proto.Framing // of the reply
	replyEnd uint64        // stream offset behind the reply's body, with framing Length
	replying bool          // the head of the final reply was seen
	ended    bool
	whole    bool   // of HTTP/2: the end of the request was told
	waits    uint64 // since when the rest is waited for of a stream that is over for one end, 0: it is not
	asked    bool   // the request was seen; false for a reply that overtook it
	before   uint32
	holders  int // users besides flow
	released bool
}

// Neighbors are those before and behind an exchange in a list of link.
type Neighbors struct {
	Previous, Next *Exchange
	In             bool
}

// Vote is what one kind of evidence has said of a call.
type Vote struct {
	Kind  uint8 // span.Evidence
	Found uint16
	Sure  float32 // of one of them, if it is the only one
}

// Cause is what link finds out about an exchange: its identity and its parent.
type Cause struct {
	TraceID       [16]byte
	SpanID        [8]byte
	ParentID      [8]byte
	Evidence      uint8 // span.Evidence
	Confidence    float64
	Alternates    int
	Process       any       // of link: who makes the exchange
	Parent        *Exchange // the exchange that this one is part of; held
	Partner       *Exchange // the same exchange seen from the other end; held
	TraceState    string
	HeadTrace     [16]byte // of the request's own carrier; zero: none or invalid
	HeadParent    [8]byte
	HeadDecision  tracecontext.Decision
	Resolved      bool
	Left          bool // it is not under way any more, for link, although it has not ended
	HasRemote     bool
	RemoteSampled bool
	Passed        bool // the carrier is the one that came in, unchanged
	Waiting       bool
	Awaited       bool // a call that has ended waits for Partner

	Guess     *Exchange // what the turn of its thread says it is part of, sure or not; held
	Chain     Chain     // the steps by which that is known
	Sole      *Exchange // the only request that was under way when the call's connection began to be opened, by the thread that has read it; held
	Via       *Exchange // the call whose reply began the turn in which this one was sent, when nobody knows of which request; held
	Opened    uint64    // boot time at which the call's connection began to be opened; 0: not known, or long before
	Open      bool      // what comes may still tell what it is part of
	Doubted   bool      // records are missing: whether Parent was under way is still to be seen
	Queued    *Exchange // what its thread had read first of what it had not passed on; held
	Beside    int       // requests that the process had under way when a call was sent
	WaitPlace uint32    // of a call: the word on which the thread had waited that was woken with its reply, see link
	RestPlace uint32    // of a call: where its thread had rested before it was woken for it, see link
	Unwritten bool      // of a call: left open until the next one on its connection, see link
	Contained bool      // of a call: the request that contains it may tell, see link
	Kept      bool      // it is left open for that alone
	Promised  bool      // and for longer than until its end
	Heard     bool      // of a call: left open until it is known for which task its reply is read
	Answered  bool      // its reply has begun
	Asks      bool      // a call whose reply has not begun: it is counted with its thread
	Spot      int       // among the requests with the same target that were not passed on yet, from 1; 0: it is not there
	Passes    bool      // it is Parent, passed on
	Served    bool      // of a request: a call was sent for it
	Calls     int       // of a request: that were sent for it and have not ended, see link
	KeptBack  bool      // of a request: calls of it that have ended are told later than others, see link
	Asker     *Exchange // of a call: the request that it is counted with; held
	Handled   bool      // of HTTP/2: Goroutine is not the one that has read the request, but the one that works on it

	Peer       any   // of link, of a client: the process at the other end, if that was seen
	Linked     uint8 // what decided Parent, and how sure that is: a trace that is not put together over a break forgets it
	LinkedSure float64
	Confirmed  bool      // evidence other than the carrier names Parent
	Misled     bool      // weak evidence names another request than the carrier does
	Crowd      *Exchange // without a Parent that is proven: one of CrowdSize requests of which one is the cause; held
	CrowdSize  int
	CrowdSure  float64      // how sure it is that one of them is
	CrowdMixed bool         // they are not all of one route
	Repaired   bool         // the trace is that of Parent or Partner, not the one that the carrier names
	WireTrace  [16]byte     // with Repaired: what the carrier names
	Place      int          // among the requests that the process has open
	Lists      [2]Neighbors // of link
	Votes      [11]Vote     // strongest first; those without Kind are none
	Judged     any          // of propagation: what was found of the calls that this request has caused
}

// Chain is the steps of a request from its head up to a call, each by its number in the process. The last ones count.
type Chain struct {
	Steps [8]uint8
	N     uint8
	Opens bool  // one of the calls was the first on a connection that was opened for it
	Asks  bool  // it goes on with what was read from a connection whose messages are not told
	From  uint8 // with Opens or Asks: the place of the step behind that
}

// Add appends a step; of a chain that is full the first one goes.
func (c *Chain) Add(step uint8) {
	if int(c.N) == len(c.Steps) {
		copy(c.Steps[:], c.Steps[1:])
		c.N--
		c.From = max(c.From, 1) - 1
	}
	c.Steps[c.N] = step
	c.N++
}

// Ended tells whether the exchange is over.
func (x *Exchange) Ended() bool { return x.ended }

// callFaults are the statuses of gRPC that are no answer, by bit.
const callFaults = 1<<1 | 1<<2 | 1<<4 | 1<<12 | 1<<13 | 1<<14 | 1<<15

// Failed tells whether the request was not answered, or only with an error of the server.
func (x *Exchange) Failed() bool {
	return x.Fault != NoFault || x.Status >= 500 || x.HasRPCStatus && callFaults>>min(x.RPCStatus, 31)&1 != 0
}

// Hold keeps the exchange from being used again until Release.
func (x *Exchange) Hold() *Exchange {
	x.holders++
	return x
}

// Release ends a Hold.
func (t *Table) Release(x *Exchange) {
	x.holders--
	t.reuse(x)
}

func (t *Table) reuse(x *Exchange) {
	if x.holders > 0 || !x.released {
		return
	}
	t.counts.Live--
	if t.options.Poison {
		*x = Exchange{Method: "released", released: true}
		return
	}
	x.clear()
	t.free = append(t.free, x)
}

// clear empties the exchange but for the room that it has.
func (x *Exchange) clear() {
	carriers := x.Carriers
	carriers.Reset()
	*x = Exchange{Headers: x.Headers[:0], Head: x.Head[:0], Words: x.Words[:0], Carriers: carriers}
}

func (t *Table) exchange() *Exchange {
	t.counts.Live++
	if n := len(t.free); n > 0 {
		x := t.free[n-1]
		t.free = t.free[:n-1]
		return x
	}
	return &Exchange{}
}

// done gives up flow's own use of the exchange.
func (t *Table) done(x *Exchange) {
	x.released = true
	t.reuse(x)
}
