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
	looksMost = 64
)

// Await looks at words among which the kernel side has met a waker that it does not know. The task that it leads to, by the same way each time,
// has read a request; serves tells that of a task, by number. True if it has learned something.
func (p *Program) Await(m *memory.Memory, awaited []uint64, serves func(number uint64) bool) bool {
	for i := 0; i+1 < len(awaited); i++ {
		table := awaited[i]
		if p.Waker == 0 || table == p.Waker || !p.isWaker(m, table) {
			continue
		}
		return len(p.Relays) < relaysMax && !p.isRelay(table) && p.votesFor(table, p.sets(m, p.Waker, awaited[i+1], serves))
	}
	return false
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
	if len(ways) == 0 {
		return false
	}
	v := p.relays[table]
	if v == nil || v.looks == looksMost {
		if v == nil && len(p.relays) >= tablesMax {
			clear(p.relays)
		}
		v = &ballot{times: make(map[Relay]int)}
		p.relays[table] = v
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

// ballot is how often each way was seen, in how many looks.
type ballot struct {
	times map[Relay]int
	looks int
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
