package otlp

import (
	"hash/maphash"

	"weft/correlate/span"
)

// The same requests on the same connections come again and again. What the encoder has made of the parts of a span that
// repeat is kept, and found by the facts that they were made of.

const (
	partSlots = 1 << 10 // of each kind; a power of two
	partMax   = 1 << 10 // bytes of a part that is worth a place
)

// parts remembers encoded parts. A part makes room for another one that needs its place.
type parts struct {
	seed  maphash.Seed // places parts only; no result depends on it
	asked [partSlots]askedPart
	ends  [partSlots]endsPart
}

type askedPart struct {
	facts span.Asked
	bytes []byte // empty: a free slot
}

type endsPart struct {
	facts span.Ends
	bytes []byte
}

// ofAsked gives the slot for what a request asks for, and whether it holds just that.
func (p *parts) ofAsked(s *span.Span) (slot *askedPart, found bool) {
	facts := s.Asked()
	at := maphash.String(p.seed, facts.Path) + uint64(len(facts.Host))*31 + uint64(facts.HostPort)*7 + uint64(facts.Kind) + uint64(len(facts.UserAgent))*127
	slot = &p.asked[at%partSlots]
	if len(slot.bytes) > 0 && slot.facts == facts {
		return slot, true
	}
	slot.facts, slot.bytes = facts, slot.bytes[:0]
	return slot, false
}

// ofEnds gives the slot for a connection, and whether it holds just that.
func (p *parts) ofEnds(s *span.Span) (slot *endsPart, found bool) {
	facts := s.Ends()
	at := uint(facts.Local.Port())*31 + uint(facts.Peer.Port())*17 + uint(facts.Kind)
	slot = &p.ends[at%partSlots]
	if len(slot.bytes) > 0 && slot.facts == facts {
		return slot, true
	}
	slot.facts, slot.bytes = facts, slot.bytes[:0]
	return slot, false
}
