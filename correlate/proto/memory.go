package proto

import (
	"bytes"
	"hash/maphash"
)

// Memory reads heads and remembers the last ones: where both ends of a connection are on one node, each head comes twice, and
// many come again and again. What it gives is what its parser gives.
type Memory struct {
	parser Parser
	seed   maphash.Seed // places heads only; no result depends on it
	slots  [memorySlots]memory
	other  memory // what is not remembered
}

// memory is one head and what was read from it. The message's slices alias its bytes.
type memory struct {
	from    Side
	head    []byte // empty: nothing is remembered
	message Message
}

const (
	memorySlots = 1 << 7
	memoryMax   = 2 << 10 // bytes of a head that is remembered
	memoryLook  = 256     // of these the place is made
)

// NewMemory makes an empty memory in front of a parser.
func NewMemory(p Parser) *Memory { return &Memory{parser: p, seed: maphash.MakeSeed()} }

// Next is that of Parser. The slices of m stay valid until the next call; m may be changed.
func (y *Memory) Next(from Side, buf []byte, m *Message) (n int, err error) {
	if len(buf) > memoryMax {
		n, err = y.parser.Next(from, buf, &y.other.message)
		*m = y.other.message
		return n, err
	}
	place := maphash.Bytes(y.seed, buf[:min(len(buf), memoryLook)]) + uint64(len(buf))
	slot := &y.slots[place%memorySlots]
	if len(slot.head) == 0 || slot.from != from || !bytes.HasPrefix(buf, slot.head) {
		slot.from, slot.head = from, append(slot.head[:0], buf...)
		n, err = y.parser.Next(from, slot.head, &slot.message)
		slot.head = slot.head[:n]
	}
	*m = slot.message
	return len(slot.head), err
}

// Cut is that of Parser.
func (y *Memory) Cut(from Side, buf []byte, m *Message) error {
	err := y.parser.Cut(from, buf, &y.other.message)
	*m = y.other.message
	return err
}
