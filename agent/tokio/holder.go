package tokio

import (
	"encoding/binary"

	"weft/agent/memory"
)

// What is looked at of a task that owns a connection, and of what it leads to.
const (
	futureMax  = 1 << 14 // bytes of a future in a box
	alignMax   = 1 << 8
	sharedSize = 64 // words of what sender and receiver share
	waiting    = 9  // the state of a channel on which the receiver waits, whose sender wants to know if it does no longer
	holdersMax = 8
	lookLeast  = 4 // looks that have found the sender at the same place
)

// Look looks at the memory of a task that has made a call: for the sender of a channel on which another task waits. What both share holds the
// waker of this task, that of the other one, and the state of the channel, side by side. True if it has learned something.
func (p *Program) Look(m *memory.Memory, at uint64) bool {
	table, _, ok := p.task(m, at)
	if !ok || len(p.Holders) == holdersMax {
		return false
	}
	number, trailer := m.Word(table+8*numberWord), m.Word(table+8*trailerWord)
	cell := words(m, at, trailer)
	before := len(p.Holders)
	p.lookIn(m, at, cell, Holder{Table: table})
	for i := int(number/8) + 1; i+1 < len(cell); i++ {
		if size := p.boxed(m, cell[i], cell[i+1]); size != 0 {
			p.lookIn(m, at, words(m, cell[i], size), Holder{Table: cell[i+1], Box: uint16(8 * i)})
		}
	}
	return len(p.Holders) > before
}

// boxed gives the size of a future in a box, of which there is the address and that of the table of its kind; 0: it is none.
func (p *Program) boxed(m *memory.Memory, at, table uint64) uint64 {
	if at&7 != 0 || at < wordsLow || at >= wordsHigh || !p.constant(table) {
		return 0
	}
	kind := words(m, table, 32)
	if len(kind) < 4 || kind[0] != 0 && !p.code.has(kind[0]) || !p.code.has(kind[3]) {
		return 0
	}
	size, align := kind[1], kind[2]
	if size < 8 || size > futureMax || align == 0 || align > alignMax || align&(align-1) != 0 {
		return 0
	}
	return size
}

func (p *Program) constant(at uint64) bool {
	for _, s := range p.data {
		if at&7 == 0 && s.has(at) {
			return true
		}
	}
	return false
}

// lookIn looks at the words of one future; h tells where it is.
func (p *Program) lookIn(m *memory.Memory, task uint64, future []uint64, h Holder) {
	kind := h.Table
	if taken(p.Holders, kind) {
		return
	}
	any := false
	for i, at := range future {
		if at&7 != 0 || at < wordsLow || at >= wordsHigh {
			continue
		}
		waker, found := p.channel(m, task, at)
		if waker == 0 || p.Waker != 0 && waker != p.Waker {
			continue
		}
		found.Table, found.Box, found.Sender = kind, h.Box, uint16(8*i)
		p.Waker = waker
		if p.kinds[kind] == nil {
			p.kinds[kind] = make(map[Holder]int)
		}
		p.kinds[kind][found]++
		any = true
	}
	if any {
		p.looks[kind]++
		p.decideHolder(kind)
	}
}

func taken(holders []Holder, kind uint64) bool {
	for _, h := range holders {
		if h.Table == kind {
			return true
		}
	}
	return false
}

// decideHolder takes the one place at which the sender always was. Where a second one has always led to it as well, a copy was left behind, and
// none is taken.
func (p *Program) decideHolder(kind uint64) {
	var always []Holder
	for h, times := range p.kinds[kind] {
		if times == p.looks[kind] {
			always = append(always, h)
		}
	}
	if p.looks[kind] >= lookLeast && len(always) == 1 {
		p.Holders = append(p.Holders, always[0])
	}
}

// channel tells whether what is at an address is shared by the sender of a channel that a task holds and a receiver in another one, which waits,
// and gives the table of wakers, 0 if not.
func (p *Program) channel(m *memory.Memory, task, at uint64) (waker uint64, h Holder) {
	w := words(m, at, 8*sharedSize)
	for own := 1; own+1 < len(w); own++ {
		if w[own+1] != task || !p.isWaker(m, w[own]) {
			continue
		}
		for _, other := range [...]int{own - 2, own + 2} {
			if !p.isOther(m, w, own, other) {
				continue
			}
			state := stateBeside(w, min(own, other)-1, max(own, other)+2)
			if state < 0 || waker != 0 {
				return 0, Holder{}
			}
			waker, h = w[own], Holder{State: uint16(8 * state), Own: uint16(8 * own), Waiting: uint16(8 * other)}
		}
	}
	return waker, h
}

// isOther tells whether there is the waker of another task than the one whose waker is at own, or that of a set that such a task awaits.
func (p *Program) isOther(m *memory.Memory, w []uint64, own, other int) bool {
	if other < 0 || other+1 >= len(w) || w[other+1] == w[own+1] {
		return false
	}
	if _, _, ok := p.task(m, w[other+1]); ok || w[other] == w[own] {
		return ok && w[other] == w[own]
	}
	return p.isWaker(m, w[other]) && len(p.sets(m, w[own], w[other+1], func(uint64) bool { return true })) > 0
}

// stateBeside gives the one of two places at which there is the state of a channel on which somebody waits; less than 0: none, or both.
func stateBeside(w []uint64, before, behind int) int {
	is := func(k int) bool { return k >= 0 && k < len(w) && w[k] == waiting }
	switch {
	case is(before) == is(behind):
		return -1
	case is(before):
		return before
	}
	return behind
}

// isWaker tells whether there is a table of the four functions of a waker.
func (p *Program) isWaker(m *memory.Memory, at uint64) bool {
	if !p.constant(at) {
		return false
	}
	for _, f := range words(m, at, 32) {
		if !p.code.has(f) {
			return false
		}
	}
	return true
}

// words gives what is at an address, as far as it can be read.
func words(m *memory.Memory, at, size uint64) []uint64 {
	if size > taskMax {
		return nil
	}
	b := make([]byte, size)
	for !m.Read(b, at) {
		if b = b[:len(b)/2&^7]; len(b) < 64 {
			return nil
		}
	}
	out := make([]uint64, len(b)/8)
	for i := range out {
		out[i] = binary.LittleEndian.Uint64(b[8*i:])
	}
	return out
}
