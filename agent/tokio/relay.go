package tokio

import "weft/agent/memory"

// Relay is a kind of waker that is not a task's own, as the kernel side takes it: of one of those that a task awaits together, in a set
// (tokio's JoinSet, FuturesUnordered of the crate futures). What it wakes has the address of the set, and that the waker of the task; offsets
// are in bytes.
type Relay struct {
	Table      uint64
	Set, Waker uint16
}

// What is looked at of what a waker wakes, and of what may be a set.
const (
	wokenSize = 512 // words
	setSize   = 32
	relaysMax = 4
	looksMost = 64   // in which a way is decided on, or all is forgotten
	idleMost  = 1024 // looks that have led nowhere
)

// Strange gives the place, among words among which the kernel side has met a waker that it does not know, of what may be that, if it is worth to be
// looked at; less than 0: none is.
func (p *Program) Strange(awaited []uint64) int {
	if p.Waker == 0 || len(p.Relays) == relaysMax {
		return -1
	}
	for i := 0; i+1 < len(awaited); i++ {
		if table := awaited[i]; table != p.Waker && p.constant(table) && !p.isRelay(table) {
			if v := p.relays[table]; v == nil || v.idle < idleMost {
				return i
			}
		}
	}
	return -1
}

// Await looks at such words. The task to which the waker leads, by the same way each time, has read a request; serves tells that of a task, by number.
// True if it has learned something.
func (p *Program) Await(m *memory.Memory, awaited []uint64, serves func(number uint64) bool) bool {
	i := p.Strange(awaited)
	if i < 0 {
		return false
	}
	var ways []Relay
	if p.isWaker(m, awaited[i]) {
		ways = p.sets(m, p.Waker, awaited[i+1], serves)
	}
	return p.votesFor(awaited[i], ways)
}

func (p *Program) isRelay(table uint64) bool {
	for _, r := range p.Relays {
		if r.Table == table {
			return true
		}
	}
	return false
}

// votesFor takes the way that nearly always leads to a task, where no other one often does. What is looked at may have been used for something else by
// then, so that a way is missed or seems to be there.
func (p *Program) votesFor(table uint64, ways []Relay) bool {
	v := p.relays[table]
	if v == nil {
		if len(p.relays) >= tablesMax {
			clear(p.relays)
		}
		v = &ballot{}
		p.relays[table] = v
	}
	if len(ways) == 0 {
		v.idle++
		return false
	}
	if v.looks%looksMost == 0 {
		v.looks, v.times = 0, make(map[Relay]int)
		v.idle += idleMost / 4
	}
	v.looks++
	for _, way := range ways {
		way.Table = table
		v.times[way]++
	}
	first, best, second := Relay{}, 0, 0
	for way, times := range v.times {
		if times > best {
			first, best, second = way, times, best
		} else {
			second = max(second, times)
		}
	}
	if best < lookLeast || best*4 < v.looks*3 || second*2 > best {
		return false
	}
	p.Relays = append(p.Relays, first)
	return true
}

// ballot is how often each way was seen, in how many looks. idle grows with what they have cost for nothing.
type ballot struct {
	times       map[Relay]int
	looks, idle int
}

// sets gives the ways from what is woken to the waker of a task that is wanted, over the address of something that has it.
func (p *Program) sets(m *memory.Memory, waker, woken uint64, wanted func(number uint64) bool) (all []Relay) {
	if woken&7 != 0 || woken < wordsLow || woken >= wordsHigh {
		return nil
	}
	met := make(map[uint64]bool)
	for i, at := range words(m, woken, 8*wokenSize) {
		if at&7 != 0 || at < wordsLow || at >= wordsHigh || met[at] || p.constant(at) {
			continue
		}
		met[at] = true
		set := words(m, at, 8*setSize)
		for k := 0; k+1 < len(set); k++ {
			if set[k] != waker {
				continue
			}
			if _, number, ok := p.task(m, set[k+1]); ok && wanted(number) {
				all = append(all, Relay{Set: uint16(8 * i), Waker: uint16(8 * k)})
			}
		}
	}
	return all
}
