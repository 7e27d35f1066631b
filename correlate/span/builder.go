package span

import (
	"hash/maphash"
	"strconv"
	"strings"

	"weft/correlate/flow"
	"weft/correlate/route"
)

// Query says what becomes of the query of a URL.
type Query uint8

// What becomes of the query of a URL.
const (
	RedactQuery Query = iota // keys stay, values become REDACTED
	DropQuery
	KeepQuery
)

// Builder makes spans from exchanges.
type Builder struct {
	Routes *route.Table
	Query  Query
	shown  redactions
}

// redactions remembers what queries look like without their values: they come again and again.
type redactions struct {
	seed  maphash.Seed // places texts only; no result depends on it
	slots []redaction
}

type redaction struct{ query, shown string }

const (
	redactionSlots = 1 << 10
	redactionMax   = 256 // bytes of a query that is worth a place
)

func (r *redactions) of(query string) string {
	if len(query) > redactionMax {
		return route.Redact(query)
	}
	if r.slots == nil {
		r.seed, r.slots = maphash.MakeSeed(), make([]redaction, redactionSlots)
	}
	slot := &r.slots[maphash.String(r.seed, query)%redactionSlots]
	if slot.query != query {
		slot.query, slot.shown = query, route.Redact(query)
	}
	return slot.shown
}

// Fill makes s the span of x. wall turns boot time into Unix time; s keeps nothing of x.
func (b *Builder) Fill(s *Span, x *flow.Exchange, resource *Resource, wall func(uint64) int64) {
	headers, notes := s.Headers[:0], s.Notes[:0]
	*s = Span{
		Kind: Client, Resource: resource, PID: x.PID, TID: x.TID, Goroutine: x.Goroutine,
		Start: wall(x.Start), End: wall(x.End),
		Method: x.Method, UserAgent: x.UserAgent, Major: x.Major, Minor: x.Minor, Status: x.Status,
		RequestBody: x.RequestBody, ReplyBody: x.ReplyBody, Headers: append(headers, x.Headers...), Notes: notes,
		Local: x.Conn.Local, Peer: x.Conn.Peer, Unix: x.Conn.Family == familyUnix, FastCGI: x.Conn.FastCGI(), ConnectNS: x.Conn.ConnectNS,
		RTT: x.RTT, Retransmits: x.Retransmits, Upgraded: x.Upgraded, HeadCut: x.HeadCut && !x.Partial, Loss: x.Lost,
		Fault: faults[x.Fault],
	}
	if !s.Unix {
		s.Conn = x.Conn.NameLocal<<32 | x.Conn.NamePeer&0xffffffff // sequence numbers
	}
	if tls := x.Conn.TLS; tls != nil {
		s.TLS, s.TLSVersion, s.TLSProtocol = true, tls.Version, tls.Protocol
		s.ServerName, s.HandshakeNS = tls.ServerName, tls.Handshake
		if x.Major == 2 {
			s.TLSProtocol = "h2" // there is no other way to it: RFC 9113 section 3.2
		}
	}
	if x.Major == 2 {
		fillStream(s, x)
	}
	s.RequestMessages, s.ReplyMessages, s.Pieces = x.RequestMessages, x.ReplyMessages, x.Pieces
	if x.FirstByte != 0 {
		s.FirstByte = wall(x.FirstByte)
	}
	b.fillTarget(s, x)
	if x.Server {
		s.Kind = Server
		if s.Route = x.Route; s.Route == "" {
			s.Route = b.Routes.Infer(resource.Service, s.Path)
		}
	}
	fillCause(s, x)
}

// Route gives the route of a request that has just started; empty while its service is not known.
func (b *Builder) Route(x *flow.Exchange, resource *Resource) string {
	if resource.Service == "" || resource.Service == UnknownService {
		return ""
	}
	path, _, _, _, _ := route.Path(x.Target)
	return b.Routes.Infer(resource.Service, path)
}

// UnknownService is the name of a service of which nothing is known.
const UnknownService = "unknown_service"

const familyUnix = 1

var faults = [...]Fault{flow.NoFault: NoFault, flow.Reset: Reset, flow.Closed: Closed, flow.Truncated: Truncated,
	flow.Cancelled: Cancelled, flow.StreamReset: Aborted, flow.Refused: Refused}

// fillStream takes over what only HTTP/2 says.
func fillStream(s *Span, x *flow.Exchange) {
	s.Partial, s.RPC = x.Partial, RPC(x.RPC)
	s.HasRPCStatus, s.RPCStatus, s.Timeout = x.HasRPCStatus, x.RPCStatus, x.Timeout
}

func (b *Builder) fillTarget(s *Span, x *flow.Exchange) {
	path, query, hasQuery, scheme, authority := route.Path(x.Target)
	s.Path, s.Scheme, s.HasQuery = path, scheme, hasQuery
	if x.Secure {
		s.Scheme = "https"
	}
	switch {
	case b.Query == KeepQuery:
		s.Query = query
	case b.Query == RedactQuery && query != "":
		s.Query = b.shown.of(query)
	}
	if authority == "" {
		authority = x.Host
	}
	s.Host, s.HostPort = splitAuthority(authority)
}

// splitAuthority parts host and port: RFC 3986 section 3.2. Brackets of an IPv6 address are taken off.
func splitAuthority(authority string) (host string, port uint16) {
	host = authority
	colon := strings.LastIndexByte(authority, ':')
	if colon >= 0 && strings.IndexByte(authority[colon:], ']') < 0 && strings.Count(authority, ":") >= 1 {
		n, err := strconv.ParseUint(authority[colon+1:], 10, 16)
		if err == nil {
			host, port = authority[:colon], uint16(n)
		}
	}
	return strings.Trim(host, "[]"), port
}

func fillCause(s *Span, x *flow.Exchange) {
	c := &x.Cause
	s.TraceID, s.SpanID, s.ParentID = c.TraceID, c.SpanID, c.ParentID
	s.TraceState = c.TraceState
	s.HasRemote, s.ParentSampled = c.HasRemote, c.RemoteSampled
	s.ParentRemote = x.Server && Evidence(c.Evidence) == Header
	s.Evidence, s.Confidence, s.Alternates = Evidence(c.Evidence), c.Confidence, c.Alternates
	s.Repaired, s.WireTraceID = c.Repaired, c.WireTrace
}
