package span

import (
	"net/netip"

	"weft/correlate/event"
)

// The attributes of a span come in three parts. Two of them are the same for many spans, so that a writer can keep what it made
// of them: what the request asks for, and the connection. The parts together are what Attributes gives, in another order.

// Asked are the facts that the name and RequestAttributes are made of.
type Asked struct {
	Kind                               Kind
	Method, Route, Path, Query, Scheme string
	Host                               string
	HostPort                           uint16
	UserAgent                          string
	Local, Peer                        netip.AddrPort // without a Host
	RPC                                RPC
}

// Asked gives the facts in a form that can be compared.
func (s *Span) Asked() Asked {
	a := Asked{
		Kind: s.Kind, Method: s.Method, Route: s.Route, Path: s.Path, Query: s.Query, Scheme: s.Scheme,
		Host: s.Host, HostPort: s.HostPort, UserAgent: s.UserAgent, RPC: s.RPC,
	}
	if s.host() == "" {
		a.Local, a.Peer = s.Local, s.Peer
	}
	return a
}

// RequestAttributes appends what the request asks for, of whom.
func (s *Span) RequestAttributes(dst []Attribute) []Attribute {
	return s.appendServer(s.appendRequest(dst))
}

// Ends are the facts that ConnectionAttributes are made of.
type Ends struct {
	Local, Peer netip.AddrPort
	Kind        Kind
	Major       uint8
	Minor       uint8
	Unix        bool
	FastCGI     bool

	Remote, Front *event.Peer
}

// Ends gives the facts in a form that can be compared.
func (s *Span) Ends() Ends {
	return Ends{
		Local: s.Local, Peer: s.Peer, Kind: s.Kind, Major: s.Major, Minor: s.Minor, Unix: s.Unix, FastCGI: s.FastCGI, Remote: s.Remote, Front: s.Front,
	}
}

// ConnectionAttributes appends the ends of the connection and what it carries.
func (s *Span) ConnectionAttributes(dst []Attribute) []Attribute {
	return s.appendPeer(s.appendNetwork(s.appendClient(dst)))
}

// OwnAttributes appends what is the exchange's own: all that the other parts do not tell.
func (s *Span) OwnAttributes(dst []Attribute) []Attribute { return s.appendOwn(s.appendResponse(dst)) }
