package link

import (
	"net/netip"

	"weft/correlate/flow"
	"weft/correlate/span"
)

// turns are what the threads of a process have read. A thread of an event loop runs what a read has woken to its end before it
// reads again; so what it sends in between was caused by what it has read last: the head of a request, or the reply to a call,
// with which the request that the call belongs to goes on. Timers, other protocols and queues break that; whether a process
// works so is learned, see steps.
type turns struct {
	byThread map[uint32]*turn
	spare    []*turn
	pools    map[netip.AddrPort]*pool
	steps    steps
	stores   stores
	told     bool   // turns of which no request or reply tells are told
	refused  uint64 // boot time at which a connection could not be opened last
}

// turn is what a thread has read last.
type turn struct {
	owner    *flow.Exchange // the request that it belongs to; held; nil: not known
	chain    flow.Chain     // the steps that say so
	via      *flow.Exchange // the call whose reply it is, when the owner is not known; held
	conn     *flow.Conn     // it was read from
	from     stepKey        // to is not set
	store    uint64         // or from that socket, whose messages are not told
	at       uint64         // boot time
	answered bool           // a reply was sent in it, while via is set
}

// pool is how many connections to one peer have a call under way.
type pool struct{ busy, most int }

const (
	threadsMax = 4096 // of a process
	poolsMax   = 256
)

// follows tells whether turns mean anything for the exchange: the process makes calls, and not with a thread for each request.
func follows(p *Process, x *flow.Exchange) bool {
	h := &p.habits
	return h.mixed+h.others > 0 && h.calls && x.Goroutine == 0 && !p.isGo() && !p.ended
}

// works tells that a request is under way and not answered yet: what is answered causes nothing.
func works(x *flow.Exchange) bool { return x.FirstByte == 0 && !x.Ended() && !x.Lost }

// reads begins a turn.
func (l *Linker) reads(p *Process, tid uint32, t turn) {
	if p.turns.byThread == nil {
		p.turns.byThread = make(map[uint32]*turn)
	}
	o := p.turns.byThread[tid]
	if o == nil {
		if len(p.turns.byThread) >= threadsMax {
			l.dropTurns(p)
		}
		o = p.turns.turn()
		p.turns.byThread[tid] = o
	}
	if t.at == o.at && t.conn == o.conn && t.conn.Multiplexes() {
		// One operation has read several streams: what is sent now can be for any of them.
		t.owner, t.via, t.chain = nil, nil, flow.Chain{}
	}
	if t.owner != nil {
		t.owner.Hold()
	}
	if t.via != nil {
		t.via.Hold()
	}
	l.over(o)
	*o = t
}

// over ends a turn.
func (l *Linker) over(o *turn) {
	if o.owner != nil {
		l.release(o.owner)
	}
	if o.via != nil {
		l.release(o.via)
	}
	*o = turn{}
}

// dropTurns forgets what the threads have read, not what was learned.
func (l *Linker) dropTurns(p *Process) {
	l.dropCrew(&p.crew)
	l.dropLines(p)
	l.dropEarly(p)
	l.dropStores(p)
	for _, o := range p.turns.byThread {
		l.over(o)
		p.turns.spare = append(p.turns.spare, o)
	}
	clear(p.turns.byThread)
}

func (s *turns) turn() *turn {
	if n := len(s.spare); n > 0 {
		o := s.spare[n-1]
		s.spare = s.spare[:n-1]
		return o
	}
	return &turn{}
}

// Touched follows the turns of event loops.
func (l *Linker) Touched(x *flow.Exchange, t flow.Touch) {
	if t.Upgraded {
		l.leave(x)
		return
	}
	p, c := owner(x), &x.Cause
	if x.Server && t.Sent && t.Task.Root != 0 {
		p.carried = p.carried || t.Task.Root == x.Task.Root && t.TID != x.TID
		l.answersInTask(p, x, t)
	}
	if !x.Server {
		p.habits.asks(x, false)
	}
	if !x.Server && !t.Sent && t.Time == x.FirstByte {
		l.hears(p, x, t.Task)
	}
	if !x.Server && !t.Sent && x.Goroutine != 0 {
		l.tellWaiter(p, x)
	}
	l.wakeTouched(p, x, t)
	l.lineTouched(p, x, t)
	l.crewTouched(p, x, t)
	if !x.Server && !t.Sent {
		l.turnsTo(p, t.TID, t.Time, x, c.Parent)
	}
	switch {
	case !follows(p, x):
	case x.Server && t.Sent:
		l.answers(p, x, t.TID)
	case x.Server:
		l.begins(p, x, t.TID)
	case t.Sent:
	default:
		next := turn{owner: c.Parent, conn: x.Conn, at: t.Time, from: stepKey{from: x.Conn.Peer}}
		if certain := classOf(&c.Chain) != plain && span.Evidence(c.Evidence) != span.Turn; c.Parent == nil || c.Parent == c.Guess && !certain {
			next.owner, next.chain = c.Guess, c.Chain
		}
		if p.turns.told && x.Start < p.turns.stores.since && c.Parent == nil {
			next.owner, next.chain = nil, flow.Chain{} // of a time when not all turns were told
		}
		if next.owner == nil || classOf(&next.chain) != plain {
			next.via = x // as long as it is not known whether that is believed
		}
		l.reads(p, t.TID, next)
	}
}

// begins is the turn in which a request is read.
func (l *Linker) begins(p *Process, x *flow.Exchange, tid uint32) {
	l.reads(p, tid, turn{owner: x, conn: x.Conn, at: x.Start, from: stepKey{place: placeOf(x.Target)}})
}

// answers learns from a reply that a thread begins to send.
func (l *Linker) answers(p *Process, x *flow.Exchange, tid uint32) {
	o := p.turns.byThread[tid]
	if o == nil {
		return
	}
	if o.owner != nil {
		beside := p.open
		if o.owner != x && p.habits.ghosts.walk(x.Start) {
			beside++
		}
		p.turns.steps.learn(&o.chain, o.owner == x, beside)
		l.turnsLearned(p)
	}
	if o.via == nil {
		return
	}
	if p.open > 1 && x.Start >= l.lossy {
		p.turns.steps.lates.learn(o.via, x, p.requests, o.answered)
	}
	if o.answered {
		l.release(o.via)
		o.via = nil // a second reply in the same turn is of another request
		return
	}
	o.answered = true
	l.tellLate(p, o.via, x)
}

// turnsLearned makes or gives up the links of the time of learning, when that is over.
func (l *Linker) turnsLearned(p *Process) {
	if len(p.early) == 0 || p.crew.trust(p.open) > 0 {
		return
	}
	s, threads := &p.turns.steps, len(p.turns.byThread)
	var learned, due [classes]bool
	for of := range class(classes) {
		all, enough := s.state(of, p.open, threads)
		broken := !s.holds(of, all)
		learned[of], due[of] = enough, enough || broken && !s.broken[of]
		s.broken[of] = broken
	}
	if due == ([classes]bool{}) {
		return
	}
	l.redeem(p, turned, func(call *flow.Exchange) float64 {
		c := &call.Cause.Chain
		of := classOf(c)
		if !due[of] || learned[of] && s.untried(c) {
			return later
		}
		return s.trust(c, p.open, threads)
	})
}

// guess notes what the turn of its thread says of a call, or that in which its connection was opened.
func (l *Linker) guess(p *Process, x *flow.Exchange) {
	l.guessOpened(p, x)
	t := p.turns.byThread[x.TID]
	if t != nil && !opensConn(x) && !p.turns.queued(x, t) {
		p.guessIn(x, t, false)
	}
}

// guessIn takes a call for a part of the request of a turn.
func (p *Process) guessIn(x *flow.Exchange, t *turn, opens bool) {
	if !follows(p, x) || x.Lost {
		return
	}
	c := &x.Cause
	c.Chain.Opens = opens
	if t.via != nil {
		c.Via = t.via.Hold()
	}
	c.Chain.Asks = t.chain.Asks
	if t.owner == nil || !opens && !works(t.owner) {
		return
	}
	key := t.from
	c.Guess, c.Chain = t.owner.Hold(), t.chain
	if opens && !c.Chain.Opens {
		c.Chain.Opens, c.Chain.From = true, c.Chain.N
	}
	key.to, key.class = x.Conn.Peer, classOf(&c.Chain)
	c.Chain.Add(p.turns.steps.number(key))
}

// proves learns from a call whose cause is known by other evidence, and notes what it says of the process.
func (l *Linker) proves(p *Process, x *flow.Exchange) {
	c := &x.Cause
	kind := span.Evidence(c.Evidence)
	l.needs(p, p.open > 0 && (c.Parent == nil || kind >= span.Turn))
	if c.Parent == nil {
		return
	}
	c.Parent.Cause.Served = true
	l.passesOn(p, x, c.Parent)
	if c.Guess != nil && (kind == span.Header && c.Confirmed || kind == span.Payload) {
		p.turns.steps.learn(&c.Chain, c.Guess == c.Parent, p.open)
	}
}

// queued tells that the call may have waited for the connection, on which a reply has just come: none of the pool was idle.
func (s *turns) queued(x *flow.Exchange, t *turn) bool {
	o := s.pools[x.Conn.Peer]
	return t.conn == x.Conn && o != nil && o.busy >= o.most && o.most > 1
}

// uses counts the connections to a peer that have a call under way.
func (s *turns) uses(x *flow.Exchange, more int) {
	if len(s.byThread) == 0 {
		return
	}
	o := s.pools[x.Conn.Peer]
	if o == nil {
		if s.pools == nil || len(s.pools) >= poolsMax {
			s.pools = make(map[netip.AddrPort]*pool)
		}
		o = &pool{}
		s.pools[x.Conn.Peer] = o
	}
	o.busy = max(o.busy+more, 0)
	o.most = max(o.most, o.busy)
}

// inTurn: the thread has read the request, or the reply to a call for it, and nothing since, in a process whose turns were
// seen to hold.
type inTurn struct{}

func (inTurn) kind() span.Evidence { return span.Turn }

func (inTurn) candidates(l *Linker, p *Process, x *flow.Exchange) ([]*flow.Exchange, float64) {
	c := &x.Cause
	if c.Guess == nil || x.Start < l.lossy || p.crew.trust(p.open) > 0 {
		return nil, 0 // of a crew's work the turn says less than who answers
	}
	l.same = append(l.same[:0], c.Guess)
	return l.same, p.turns.steps.trust(&c.Chain, p.open, len(p.turns.byThread))
}
