package link

import (
	"math/bits"
	"net/netip"

	"weft/correlate/flow"
)

// steps is what a process has shown of how its requests go on: from what a thread reads to what it sends. Each reply that it
// sends is a proof, for it says which request the thread has come to, and with that whether the steps that are thought to have
// led there are right.
type steps struct {
	numbers map[stepKey]uint8
	tallies []tally // by number; 0 is for those that found no place
	levels  [classes]levels
	broken  [classes]bool // what was promised by the levels was given up
	lates   lates
	stays   tally // requests on a connection, by whether the thread has read them that has read the one before
}

// levels are of the process, by how many requests were under way: the logarithm.
type levels [9]tally

// class tells apart what has proofs of its own: plain chains, those with a connection that was opened, those with a connection whose messages
// are not told, and those with both.
type class uint8

const (
	plain   class = 0
	opens   class = 1
	asks    class = 2
	classes       = 4
)

func classOf(c *flow.Chain) (of class) {
	if c.Opens {
		of |= opens
	}
	if c.Asks {
		of |= asks
	}
	return of
}

// stepKey names a step: what was read, and whom the call goes to.
type stepKey struct {
	place    string         // of the request that was read: the beginning of its path
	from, to netip.AddrPort // of the reply that was read, and of the call
	class    class
}

// tally counts how often something was seen to be right and wrong.
type tally struct{ right, wrong uint32 }

// stepsMax bounds the steps that are told apart.
const stepsMax = 250

// Weights of what was seen. Proofs from times with fewer requests under way say little of times with more.
const (
	odds      = 250     // one wrong step outweighs so many right ones
	manyfold  = 8       // so many times more proofs where several threads read: they may take over each other's work
	steadily  = 40      // right ones of a process in which no step is wrong
	proven    = 1       // right ones of a step in such a process
	singly    = 64      // right ones of a step in any other process
	tallyFull = 1 << 11 // then it is halved, so that what a process does now counts
)

// reads notes which thread has read a request.
func (s *steps) reads(x *flow.Exchange) {
	if x.Goroutine != 0 {
		return
	}
	if r := x.Conn.Reader; r != 0 {
		s.stays.add(r == x.TID)
	}
	x.Conn.Reader = x.TID
}

func (t *tally) add(right bool) {
	if right {
		t.right++
	} else {
		t.wrong++
	}
	if t.right+t.wrong >= tallyFull {
		t.right, t.wrong = t.right/2, t.wrong/2
	}
}

func (t tally) holds() bool { return uint64(t.wrong)*odds <= uint64(t.right) }

// level is the class of a number of requests under way.
func level(open int) int { return min(bits.Len(uint(open)), len(steps{}.levels)-1) }

// learn takes a proof. With one request under way it is none.
func (s *steps) learn(c *flow.Chain, right bool, open int) {
	if open < 2 {
		return
	}
	if !right || c.N > 0 || c.Asks {
		s.levels[classOf(c)][level(open)].add(right)
	}
	for _, n := range c.Steps[min(c.From, c.N):c.N] { // those before have proofs of their own
		s.tallies[n].add(right)
	}
}

// holds tells whether what was seen of such chains does not speak against them.
func (s *steps) holds(of class, all tally) bool {
	if of&opens != 0 {
		return uint64(all.wrong)*openOdds <= uint64(all.right)
	}
	return all.holds()
}

// sum adds up what was seen, and how often it was right with about as many requests under way.
func (s *levels) sum(open int) (all tally, near uint32) {
	for i, t := range s {
		all.right, all.wrong = all.right+t.right, all.wrong+t.wrong
		if i >= level(open)-1 {
			near += t.right
		}
	}
	return all, near
}

// state sums up what was seen. enough: of times with about as many requests under way, for as many threads as read.
func (s *steps) state(of class, open, threads int) (all tally, enough bool) {
	all, near := s.levels[of].sum(open)
	least := uint32(steadily)
	if threads > 1 {
		least *= manyfold
	}
	for other := opens; of == plain && other < classes && near < least && all.holds(); other++ {
		// Chains of the other classes have steps as any other: if they are right, so are those.
		if more, nearer := s.levels[other].sum(open); s.holds(other, more) {
			all.right, all.wrong, near = all.right+more.right, all.wrong+more.wrong, near+nearer
		}
	}
	return all, near >= least && (threads < 2 || s.stays.holds())
}

// trust says how sure the steps of a chain are, 0 if they are not.
func (s *steps) trust(c *flow.Chain, open, threads int) float64 {
	of := classOf(c)
	all, enough := s.state(of, open, threads)
	if !enough {
		return 0
	}
	steady := s.holds(of, all)
	if of != plain && (!steady || !s.sound(open, threads)) {
		return 0
	}
	for _, n := range c.Steps[:c.N] {
		t := s.tallies[n]
		if n == 0 || t.right < proven || !t.holds() || !steady && t.right < singly {
			return 0
		}
		if !steady && t.right*(all.wrong+1) < all.right*(t.wrong+1) {
			all = t
		}
	}
	if !steady && c.N == 0 {
		return 0
	}
	return float64(all.right) / float64(all.right+all.wrong+1)
}

// mayHold tells that nothing speaks against chains of that kind.
func (s *steps) mayHold(c *flow.Chain) bool {
	all, _ := s.levels[classOf(c)].sum(0)
	return s.holds(classOf(c), all)
}

// untried tells that nothing is known yet of a step of a chain.
func (s *steps) untried(c *flow.Chain) bool {
	for _, n := range c.Steps[:c.N] {
		if n != 0 && s.tallies[n] == (tally{}) {
			return true
		}
	}
	return false
}

// sound tells that turns were not seen to be wrong.
func (s *steps) sound(open, threads int) bool {
	all, _ := s.state(plain, open, threads)
	return all.holds()
}

// lates are replies in the turn that the reply to a call has begun, several requests being under way. If the thread did not go on with the request
// of the call, the one that is answered would have come after the call as often as others have that are under way.
type lates struct {
	right, wrong uint32
	chance       float64 // how many would be wrong by chance
}

const (
	latesChance = 20   // expected by chance
	latesOdds   = 1000 // times as many right ones as wrong ones
	latesLooks  = 16   // requests that are looked at for what chance does
)

// learn takes a reply to x in the turn that the reply to a call has begun; under way are others. again: another reply was sent in the same turn.
func (t *lates) learn(call, x *flow.Exchange, underWay []*flow.Exchange, again bool) {
	if again || call.Start < x.Start {
		t.wrong++
	} else {
		t.right++
	}
	after := 0
	underWay = underWay[:min(len(underWay), latesLooks)]
	for _, other := range underWay {
		if other.Start > call.Start {
			after++
		}
	}
	t.chance += float64(after) / float64(max(len(underWay), 1))
	if t.right+t.wrong >= tallyFull {
		t.right, t.wrong, t.chance = t.right/2, t.wrong/2, t.chance/2
	}
}

func (t *lates) sure() float64 {
	if t.chance < latesChance || uint64(t.wrong)*latesOdds > uint64(t.right) {
		return 0
	}
	return float64(t.right) / float64(t.right+t.wrong+1)
}

// trustLate says how sure it is that a thread which answers a request goes on with it since it has read the reply to a call of it, 0 if it is
// not: by the steps, or by lates.
func (s *steps) trustLate(open, threads int) float64 {
	sure := s.trust(&flow.Chain{}, open, threads)
	if sure > 0 || threads > 1 || !s.sound(open, threads) {
		return sure
	}
	return s.lates.sure()
}

// forget gives up what was seen; the steps keep their numbers, for chains are under way.
func (s *steps) forget() {
	clear(s.tallies)
	s.levels, s.broken, s.lates = [classes]levels{}, [classes]bool{}, lates{}
}

// number gives the number of a step, 0 if there is no more room.
func (s *steps) number(k stepKey) uint8 {
	n, known := s.numbers[k]
	if known {
		return n
	}
	if s.numbers == nil {
		s.numbers, s.tallies = make(map[stepKey]uint8), make([]tally, 1)
	}
	if len(s.tallies) < stepsMax {
		n = uint8(len(s.tallies))
		s.tallies = append(s.tallies, tally{})
		s.numbers[k] = n
	}
	return n
}

// placeOf gives the first part of a path.
func placeOf(target string) string {
	const longest = 32
	for i := 1; i < len(target) && i < longest; i++ {
		if c := target[i]; c == '/' || c == '?' || c == ';' {
			return target[:i]
		}
	}
	return ""
}
