package main

import (
	"context"
	"fmt"
	"log/slog"
	"net/netip"
	"strconv"

	"weft/agent"
	"weft/agent/config"
	"weft/agent/conntrack"
	"weft/agent/pod"
	"weft/correlate/event"
	"weft/correlate/span"
)

// peers names the other end of a span's connection where weft has not seen it: by its address, or by the one behind the node's
// address translation. It belongs to the data path.
type peers struct {
	pods     names // nil: none are known
	services names
	nat      translation // nil: can't be asked
	flows    map[tuple]*event.Peer
	second   int64 // of the spans, in which asked counts
	asked    int
	counts   peerCounts
}

// names knows who has an address.
type names interface {
	At(netip.Addr) *event.Peer
}

// translation knows who is behind an address.
type translation interface {
	Peer(local, peer netip.AddrPort) (netip.AddrPort, error)
}

// A tuple is one connection.
type tuple struct {
	local, peer netip.AddrPort
	name        uint64
}

// peerCounts is the account of connections of which the translation was asked.
type peerCounts struct {
	Asked, Translated, LeftOut uint64
}

const (
	flowsMax = 1 << 13 // answers that are remembered
	askMax   = 500     // questions a second; each takes some 30 µs of the data path
)

// openPeers finds out what can be known of other ends. It needs the capabilities of the start.
func openPeers(ctx context.Context, c *config.Config, pods *pod.Watch, log *slog.Logger) (*peers, error) {
	p := &peers{flows: map[tuple]*event.Peer{}}
	if pods != nil {
		services, err := pod.OpenServices(ctx, podOptions(c, log))
		if err != nil {
			return nil, err
		}
		p.pods, p.services = pods, services
	}
	if c.NATNamespace == "" {
		return p, nil
	}
	table, err := conntrack.Open(c.NATNamespace)
	if err != nil {
		log.Info("addresses of connections are told as the programs see them, not what is behind the node's address translation", "reason", err)
		return p, nil
	}
	p.nat = table
	return p, nil
}

// surveyTranslation tells whether it can be asked who is behind a translated address.
func surveyTranslation(c *config.Config) agent.Finding {
	const what = "address translation"
	if c.NATNamespace == "" {
		return agent.Finding{What: what, OK: true, Detail: "not asked for: nat.namespace is empty"}
	}
	table, err := conntrack.Open(c.NATNamespace)
	if err != nil {
		return agent.Finding{What: what, OK: false, Detail: fmt.Sprintf("who is behind an address that this node translates is not told: %v", err)}
	}
	table.Close()
	return agent.Finding{What: what, OK: true, Detail: "the kernel tells who is behind an address that this node translates"}
}

// name completes what a span tells of the other end.
func (p *peers) name(s *span.Span) {
	if !s.Peer.IsValid() || s.Peer.Addr().IsLoopback() {
		return
	}
	peer := s.Peer.Addr().Unmap()
	if s.Kind == span.Client && p.services != nil {
		s.Front = p.services.At(peer)
	}
	if s.Remote == nil && p.pods != nil {
		s.Remote = p.pods.At(peer)
	}
	if s.Remote == nil && p.nat != nil && s.Conn != 0 {
		s.Remote = p.behind(tuple{s.Local, s.Peer, s.Conn}, s.End)
	}
}

// behind names who is behind a translated address; nil: nothing is translated. now is Unix time, ns.
func (p *peers) behind(of tuple, now int64) *event.Peer {
	if known, ok := p.flows[of]; ok {
		return known
	}
	if second := now / 1e9; second != p.second {
		p.second, p.asked = second, 0
	}
	if p.asked++; p.asked > askMax {
		p.counts.LeftOut++
		return nil
	}
	p.counts.Asked++
	peer := p.resolve(of)
	if len(p.flows) >= flowsMax {
		clear(p.flows)
	}
	p.flows[of] = peer
	return peer
}

func (p *peers) resolve(of tuple) *event.Peer {
	real, err := p.nat.Peer(of.local, of.peer)
	if err != nil || real == netip.AddrPortFrom(of.peer.Addr().Unmap(), of.peer.Port()) {
		return nil // not tracked any more, or not translated
	}
	p.counts.Translated++
	peer := &event.Peer{Attributes: []event.Attribute{
		{Key: event.KeyPeerAddress, Value: real.Addr().String()},
		{Key: event.KeyPeerPort, Value: strconv.Itoa(int(real.Port()))},
		{Key: event.KeyPeerEvidence, Value: event.PeerTranslated},
	}}
	if p.pods != nil {
		if known := p.pods.At(real.Addr()); known != nil {
			peer.Attributes = append(peer.Attributes, known.Attributes...) // of a key that is there twice the first one counts
		}
	}
	return peer
}
