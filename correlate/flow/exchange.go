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

// Fault is why an exchange did not end as its protocol says.
type Fault uint8

// The faults of an exchange.
const (
	NoFault   Fault = iota
	Reset           // the connection was reset before the reply was whole
	Closed          // the connection was closed before the reply was whole
	Truncated       // the connection ended before the announced length
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

	Offset    uint64 // stream offset of the request's first byte
	Start     uint64 // first byte of the request
	FirstByte uint64 // first byte of the final reply; 0: none came
	End       uint64 // last byte of the reply, or the end of the connection

	Method, Target, Host, UserAgent string
	Route                           string           // of a server, as far as it is known at the start: set by the observer
	Carriers                        tracecontext.Set // of the request, valid as long as the exchange is held
	Head                            []byte           // of the request, as far as HeadMax; valid as long as the exchange is held
	Nominated                       bool             // its Connection field names a carrier: the next hop must take it off
	Minor                           uint8
	Status                          uint16
	RequestBody, ReplyBody          uint64
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
	asked    bool // the request was seen; false for a reply that overtook it
	before   uint32
	holders  int // users besides flow
	released bool
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
	HasRemote     bool
	RemoteSampled bool
	Passed        bool // the carrier is the one that came in, unchanged
	Waiting       bool

	Peer       any   // of link, of a client: the process at the other end, if that was seen
	Linked     uint8 // what decided Parent, and how sure that is: a trace that is not put together over a break forgets it
	LinkedSure float64
	Confirmed  bool      // evidence other than the carrier names Parent
	Misled     bool      // weak evidence names another request than the carrier does
	Crowd      *Exchange // without Parent: one of CrowdSize requests of which one is the cause; held
	CrowdSize  int
	CrowdSure  float64  // how sure it is that one of them is
	CrowdMixed bool     // they are not all of one route
	Repaired   bool     // the trace is that of Parent or Partner, not the one that the carrier names
	WireTrace  [16]byte // with Repaired: what the carrier names
	Place      int      // among the requests that the process has open
	Judged     any      // of propagation: what was found of the calls that this request has caused
}

// Ended tells whether the exchange is over.
func (x *Exchange) Ended() bool { return x.ended }

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
	*x = Exchange{Headers: x.Headers[:0], Head: x.Head[:0], Carriers: carriers}
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
