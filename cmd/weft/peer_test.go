package main

import (
	"net/netip"
	"testing"

	"weft/agent/conntrack"
	"weft/correlate/event"
	"weft/correlate/span"
)

type nameTable map[netip.Addr]*event.Peer

func (t nameTable) At(a netip.Addr) *event.Peer { return t[a] }

type natTable struct {
	behind map[netip.AddrPort]netip.AddrPort
	asked  int
}

func (t *natTable) Peer(_, peer netip.AddrPort) (netip.AddrPort, error) {
	t.asked++
	if real, ok := t.behind[peer]; ok {
		return real, nil
	}
	return peer, conntrack.ErrUnknown
}

func called(name string) *event.Peer {
	return &event.Peer{Attributes: []event.Attribute{{Key: "peer.service", Value: name}, {Key: event.KeyPeerEvidence, Value: event.PeerAddress}}}
}

func toldOf(s *span.Span) map[string]string {
	m := map[string]string{}
	for _, a := range s.ConnectionAttributes(nil) {
		m[a.Key] = a.Text()
	}
	return m
}

func newPeers() (*peers, *natTable) {
	nat := &natTable{behind: map[netip.AddrPort]netip.AddrPort{
		netip.MustParseAddrPort("10.96.0.1:80"):    netip.MustParseAddrPort("10.0.0.1:8080"),
		netip.MustParseAddrPort("10.96.0.2:80"):    netip.MustParseAddrPort("10.9.0.9:8080"),
		netip.MustParseAddrPort("192.0.2.7:40000"): netip.MustParseAddrPort("10.0.0.1:5555"),
	}}
	service := &event.Peer{Attributes: []event.Attribute{{Key: event.KeyPeerService, Value: "s"}, {Key: event.KeyPeerEvidence, Value: event.PeerAddress}}}
	return &peers{
		pods: nameTable{netip.MustParseAddr("10.0.0.1"): called("cart")}, services: nameTable{netip.MustParseAddr("10.96.0.1"): service},
		nat: nat, flows: map[tuple]*event.Peer{},
	}, nat
}

func spanTo(kind span.Kind, peer string, conn uint64) *span.Span {
	return &span.Span{Kind: kind, Local: netip.MustParseAddrPort("10.0.0.3:1"), Peer: netip.MustParseAddrPort(peer), Conn: conn}
}

func TestPeersAreNamed(t *testing.T) {
	p, nat := newPeers()
	for _, c := range []struct {
		kind                                     span.Kind
		peer, service, front, behind, by, reason string
	}{
		{span.Client, "10.0.0.1:8080", "cart", "", "", "address", "a pod of this node"},
		{span.Client, "[::ffff:10.0.0.1]:8080", "cart", "", "", "address", "the same from a socket of both families"},
		{span.Client, "10.96.0.1:80", "cart", "s", "10.0.0.1", "translation", "a Service with a pod of this node behind it"},
		{span.Client, "10.96.0.2:80", "", "", "10.9.0.9", "translation", "an address that nobody names"},
		{span.Server, "192.0.2.7:40000", "cart", "", "10.0.0.1", "translation", "a client behind the node's address"},
		{span.Client, "203.0.113.1:443", "", "", "", "", "not translated"},
	} {
		s := spanTo(c.kind, c.peer, 1)
		p.name(s)
		got := toldOf(s)
		if got["peer.service"] != c.service || got[event.KeyPeerService] != c.front || got[event.KeyPeerAddress] != c.behind || got[event.KeyPeerEvidence] != c.by {
			t.Errorf("%s (%s): %v", c.peer, c.reason, got)
		}
	}
	seen := spanTo(span.Client, "10.96.0.1:80", 1)
	seen.Remote = &event.Peer{Attributes: []event.Attribute{{Key: "peer.service", Value: "seen"}, {Key: event.KeyPeerEvidence, Value: event.PeerSeen}}}
	p.name(seen)
	if got := toldOf(seen); got["peer.service"] != "seen" || got[event.KeyPeerService] != "s" || got[event.KeyPeerEvidence] != event.PeerSeen {
		t.Errorf("a process that was seen: %v", got)
	}
	before := nat.asked
	p.name(spanTo(span.Client, "127.0.0.1:80", 1))
	p.name(&span.Span{Kind: span.Client, Unix: true})
	if nat.asked != before {
		t.Error("it was asked for what has no translation")
	}
}

// TestTranslationIsAskedOnce holds that each connection is asked for once, that two between the same ends are two, and the bounds.
func TestTranslationIsAskedOnce(t *testing.T) {
	p, nat := newPeers()
	for range 10 {
		p.name(spanTo(span.Client, "10.96.0.2:80", 1))
		p.name(spanTo(span.Client, "10.96.0.2:80", 2))
	}
	if nat.asked != 2 || p.counts != (peerCounts{Asked: 2, Translated: 2}) {
		t.Errorf("asked %d times, %+v", nat.asked, p.counts)
	}
	for i := range uint64(3 * flowsMax) {
		s := spanTo(span.Client, "10.96.0.2:80", i+10)
		s.End = int64(i) * 1e9 / (2 * askMax) // twice as many as may be asked
		p.name(s)
	}
	if len(p.flows) > flowsMax || p.counts.LeftOut != 3*flowsMax/2 && p.counts.LeftOut < flowsMax {
		t.Errorf("%d are remembered, %+v", len(p.flows), p.counts)
	}
	if p.counts.Asked+p.counts.LeftOut != 3*flowsMax+2 {
		t.Errorf("not all are counted: %+v", p.counts)
	}
}
