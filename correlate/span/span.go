// Package span owns the span as weft knows it, before any exporter: identity, times, and the facts from which
// its attributes are made.
package span

import (
	"encoding/hex"
	"net/netip"

	"weft/correlate/event"
)

// TraceID and ID are the identities of W3C Trace Context; all zero means absent.
type (
	TraceID [16]byte
	ID      [8]byte
)

// String gives lower-case hexadecimal.
func (t TraceID) String() string { return hex.EncodeToString(t[:]) }

// String gives lower-case hexadecimal.
func (i ID) String() string { return hex.EncodeToString(i[:]) }

// IsValid tells whether the id is present.
func (t TraceID) IsValid() bool { return t != TraceID{} }

// IsValid tells whether the id is present.
func (i ID) IsValid() bool { return i != ID{} }

// Kind is the span kind; the numbers are those of OTLP.
type Kind uint8

// The kinds that weft makes.
const (
	Server Kind = 2
	Client Kind = 3
)

// Evidence says what decided a parent.
type Evidence uint8

// The kinds of evidence, strongest first.
const (
	NoEvidence Evidence = iota // a root
	Wire                       // both ends of the connection were seen
	Header                     // a carrier in the payload names the parent
	Goroutine                  // same goroutine or an ancestor
	Handover                   // the goroutine handed the request to the connection that carried it
	Waiter                     // the goroutine that waits for the one which handed it over
	Birth                      // the thread of the request has allocated what the one that makes the call holds
	Wake                       // the thread that it has started for the call, or that the one which has the reply wakes
	Task                       // the task of an event loop that serves the request, or one that it has started
	Thread                     // same thread
	Turn                       // the thread of an event loop had read it, or the reply to a call for it, just before
	Payload                    // both heads hold what no other one does, or one is the other passed on
	Order                      // order and time among all requests under way
)

var evidenceNames = [...]string{"none", "wire", "header", "goroutine", "handover", "waiter", "birth", "wake", "task", "thread", "turn", "payload", "order"}

// String gives the value of the attribute weft.parent.evidence.
func (e Evidence) String() string { return evidenceNames[e] }

// Resource is the process that a span belongs to, shared by all its spans and never changed.
type Resource struct {
	Service    string
	Attributes []event.Attribute
	Peer       *event.Peer // what is told of it where it is the other end; nil: nothing
}

// NewResource makes that of a process.
func NewResource(facts *event.Process) *Resource {
	return &Resource{
		Service: facts.Service, Attributes: facts.Attributes, Peer: event.NewPeer(facts.Attributes, UnknownService, event.PeerSeen),
	}
}

// Fault is why an exchange did not end as HTTP says; empty for one that did.
type Fault string

// The faults of an exchange.
const (
	NoFault   Fault = ""
	Reset     Fault = "connection_reset"  // the connection was reset before the response was whole
	Closed    Fault = "connection_closed" // the connection was closed before the response was whole
	Truncated Fault = "truncated_body"    // the close came before the announced length
	Cancelled Fault = "cancelled"         // HTTP/2: one end has cancelled the stream
	Aborted   Fault = "stream_reset"      // HTTP/2: one end has given the stream up for another reason
	Refused   Fault = "stream_refused"    // HTTP/2: the server has not worked on the stream
)

// Span is one side of one exchange. It is flat, so that a pool of spans needs no garbage collection; the
// strings stay valid as long as the span is held.
type Span struct {
	TraceID    TraceID
	SpanID     ID
	ParentID   ID // zero for a root
	TraceState string
	Sampled    bool // the sampler's decision or the decision that a remote parent carried
	// ParentRemote is set when the parent was named by a header and is not a span of this node.
	ParentRemote bool
	// ParentSampled is the sampled flag that the head of the trace carried; meaningful with HasRemote.
	ParentSampled bool
	HasRemote     bool // the trace began outside weft's sight: a header named its first parent

	Kind        Kind
	Start, End  int64 // Unix time, ns: first byte of the request, last byte of the response
	FirstByte   int64 // Unix time, ns, of the first byte of the response; 0 if there was none
	Resource    *Resource
	PID, TID    uint32
	Goroutine   uint64
	Evidence    Evidence
	Confidence  float64  // of the parent, 0 to 1
	Alternates  int      // candidates among which nothing could decide; the span is then a root
	Repaired    bool     // the trace goes on here although the carrier was lost or names another one
	WireTraceID TraceID  // with Repaired: the trace that the carrier names; zero for none
	Verdict     string   // of correlate/propagation, on a client span; empty: not judged
	Notes       []string // further verdicts
	Break       bool     // the verdict is a fault
	Code        string   // of the fault, F1 to F19; with Break
	Carrier     string   // that the fault is about, by its main field: "traceparent"; with Break
	Rule        string   // of the carrier's grammar that is broken; empty: none
	Fault       Fault
	Method      string // as received, any token
	Route       string // low-cardinality template of Path; empty for a client or when unknown
	Path        string // absolute path without query
	Query       string // as configured: empty, redacted or whole; without '?'
	HasQuery    bool
	Scheme      string
	Host        string // of the Host header or the absolute form, without port
	HostPort    uint16 // 0: not named
	UserAgent   string
	Major       uint8 // 2: HTTP/2; 0: HTTP/1.Minor
	Minor       uint8
	Status      uint16            // 0: no response
	RequestBody uint64            // bytes
	ReplyBody   uint64            // bytes
	Headers     []event.Attribute // allowed headers, as http.request.header.<key> or http.response.header.<key>

	RPC                            RPC
	HasRPCStatus                   bool
	RPCStatus                      uint32 // the number of gRPC
	Timeout                        uint64 // ns, that the caller gives a call; 0: none
	RequestMessages, ReplyMessages uint32
	Pieces                         uint32 // of server-sent events: chunks or frames of DATA; 0: none, or not known

	TLS         bool
	TLSVersion  string // empty: not known, like the next two
	TLSProtocol string // by ALPN
	ServerName  string // that the client of a TLS session has named
	HandshakeNS uint64 // of TLS; 0: not known

	Local, Peer netip.AddrPort
	Conn        uint64      // tells the connection from others between the same ends; 0: not known
	Remote      *event.Peer // the process or pod at the other end; nil: not known
	Front       *event.Peer // the Service whose address was asked; nil: none that is known
	Unix        bool
	FastCGI     bool // what would be HTTP is carried by FastCGI
	ConnectNS   uint64
	RTT         uint32 // microseconds, smoothed, at the end
	Retransmits uint32 // during the exchange
	Upgraded    bool   // the connection changed its protocol
	HeadCut     bool   // a head was longer than what is read
	Partial     bool   // fields of a head of HTTP/2 were written before weft came, and are not known
	Loss        bool   // events inside the exchange were lost; End may be late
}
