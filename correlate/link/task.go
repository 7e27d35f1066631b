package link

import (
	"weft/correlate/flow"
	"weft/correlate/span"
)

// tasks are how the event loop of a process serves its requests. Where a task, or a greenlet, reads the request itself, it is known
// whose it is. Otherwise the replies show it: each tells for sure which request a task has come to. There are two ways. A server may start a task when it has read the head of a request (uvicorn): the kernel
// side gives the root the time of that head as its name. Or a task serves a connection, one request after the other (aiohttp,
// hypercorn): its root, or the branch of a common root, sends replies on one connection only.
type tasks struct {
	seen     bool                      // the process has an event loop whose tasks are told
	begun    map[uint64]*flow.Exchange // under way, by the time of their heads
	read     map[uint64]slot           // under way, by the branch or root that has read them
	onConn   map[uint64]slot           // under way, by socket
	serves   [2]map[uint64]uint64      // the socket on which a root or branch has replied
	hosts    [2]map[uint64]uint64      // the root that has replied first on a socket, likewise
	pairs    int                       // connections and roots that were new to each other
	roots    int                       // that serve a connection of their own
	branches int
	begins   tally            // replies in the root that their request's head has started, and in that of another one
	keeps    tally            // replies in the root or branch that had replied on their connection before, and in one of another connection
	jobs     tally            // calls in jobs while one request was under way, by whether they are named by that
	alone    tally            // the same of replies while no other request was under way
	hears    tally            // replies that are read for the task that has made the call, and for another one
	pending  []*flow.Exchange // calls that are kept back, a ring
	next     int              // place in pending
	awaiting int              // that are there
}

// slot is the request that is under way on a connection, or in a task; nil when there were several at a time.
type slot struct {
	x *flow.Exchange
	n int
}

func enters(slots map[uint64]slot, key uint64, x *flow.Exchange) {
	if n := slots[key].n; n > 0 {
		slots[key] = slot{n: n + 1}
		return
	}
	slots[key] = slot{x, 1}
}

func leaves(slots map[uint64]slot, key uint64) {
	if n := slots[key].n; n > 1 {
		slots[key] = slot{n: n - 1} // which one is worked on is not told
	} else {
		delete(slots, key)
	}
}

const (
	servesTasks = 1 << 13
	pendingMax  = 1 << 10
	shared      = ^uint64(0) // in serves: several connections
	enough      = 8          // proofs, with several requests under way and none wrong
	apart       = 3          // connections, each with a root of its own, where the proofs are of one request at a time
	reads       = 0.99       // how sure it is that what has read a request works for it, and what it has started since
)

// starts tells that the heads of requests start tasks. Few proofs are enough: the name of the task is that of the head to the nanosecond.
func (s *tasks) starts() bool { return s.begins.right >= enough/3 && s.begins.holds() }

// proven tells that what was seen is a rule.
func (t tally) proven() bool { return t.right >= enough && t.holds() }

func (t tally) sure() float64 { return float64(t.right) / float64(t.right+t.wrong+1) }

// sees notes that tasks are told, from the first one on.
func (s *tasks) sees(p *Process, t flow.Task) {
	if s.seen || t.Root == 0 {
		return
	}
	s.seen, s.pending = true, make([]*flow.Exchange, pendingMax)
	s.begun, s.onConn, s.read = make(map[uint64]*flow.Exchange), make(map[uint64]slot), make(map[uint64]slot)
	s.serves[0], s.hosts[0] = make(map[uint64]uint64), make(map[uint64]uint64)
	for _, x := range p.requests {
		s.opens(x)
	}
}

func (s *tasks) opens(x *flow.Exchange) {
	if !s.seen {
		return
	}
	if _, taken := s.begun[x.Start]; taken {
		s.begun[x.Start] = nil // pipelined: one read has brought several heads
	} else {
		s.begun[x.Start] = x
	}
	if x.Stream == 0 {
		enters(s.onConn, x.Conn.Socket, x)
	}
	if x.Task.Root != 0 {
		enters(s.read, x.Task.Branch, x)
	}
}

func (s *tasks) closes(x *flow.Exchange) {
	if !s.seen {
		return
	}
	if s.begun[x.Start] == x || s.begun[x.Start] == nil {
		delete(s.begun, x.Start)
	}
	if x.Stream == 0 {
		leaves(s.onConn, x.Conn.Socket)
	}
	if x.Task.Root != 0 {
		leaves(s.read, x.Task.Branch)
	}
}

// socketOf gives the connection that a root or branch serves; 0: none, or several.
func (s *tasks) socketOf(name uint64) uint64 {
	socket, _ := lookUp(&s.serves, name)
	if socket == shared {
		return 0
	}
	return socket
}

// replies notes that a root or branch has replied on a connection, and tells whether that was right: it has done so before, or
// wrong: it has replied on others.
func (s *tasks) replies(name, socket uint64, distinct *int) (right, wrong bool) {
	before, known := lookUp(&s.serves, name)
	switch {
	case known && before == shared:
		return false, true
	case known && before != socket:
		s.serves[0][name] = shared
		*distinct--
		return false, true
	}
	if !known {
		*distinct++
	}
	note(&s.serves, name, socket)
	return known, false
}

// lookUp and note keep what was noted last, in two generations: when the first is full, it is the second.
func lookUp(maps *[2]map[uint64]uint64, key uint64) (uint64, bool) {
	v, known := maps[0][key]
	if !known {
		v, known = maps[1][key]
	}
	return v, known
}

func note(maps *[2]map[uint64]uint64, key, value uint64) {
	if len(maps[0]) >= servesTasks {
		maps[0], maps[1] = make(map[uint64]uint64), maps[0]
	}
	maps[0][key] = value
}

// answersInTask learns from a reply that a task begins to send, and tells of calls that it was they that worked for this request.
func (l *Linker) answersInTask(p *Process, x *flow.Exchange, t flow.Touch) {
	s := &p.tasks
	s.sees(p, t.Task)
	if t.Time != x.FirstByte || x.Start < l.lossy {
		return
	}
	several := p.open > 1
	y, begun := s.begun[t.Task.Root]
	switch {
	case begun && y != nil:
		if several {
			s.begins.add(y == x)
		}
	case !begun && x.Stream == 0: // a connection of HTTP/2 has many requests at a time
		_, met := lookUp(&s.serves, t.Task.Root)
		if _, hosted := lookUp(&s.hosts, x.Conn.Socket); !hosted {
			note(&s.hosts, x.Conn.Socket, t.Task.Root)
			if !met {
				s.pairs++
			}
		}
		right, wrong := s.replies(t.Task.Root, x.Conn.Socket, &s.roots)
		if t.Task.Branch != t.Task.Root {
			r, w := s.replies(t.Task.Branch, x.Conn.Socket, &s.branches)
			right, wrong = right || r, wrong && w
		}
		switch {
		case !right && !wrong:
		case several:
			s.keeps.add(!wrong)
		default:
			s.alone.add(!wrong)
		}
	}
	l.tellTaskLate(p, x, t.Task)
}

// keepsConns tells that a root, or branch, serves one connection: that was seen with several requests under way; or with one at a time, on
// several connections: of workers that take the requests of any, one would have had two of those.
func (s *tasks) keepsConns() bool { return s.keeps.proven() || s.keepsAlone() }

func (s *tasks) keepsAlone() bool {
	return s.alone.right >= enough && s.alone.wrong+s.keeps.wrong == 0 && s.pairs >= apart
}

// keepsSure is how sure that is.
func (s *tasks) keepsSure() float64 {
	if s.keeps.proven() {
		return s.keeps.sure()
	}
	return min(s.alone.sure(), late)
}

// request gives the request that a task works for, as far as the way in which the process serves is proven.
func (s *tasks) request(t flow.Task) (*flow.Exchange, float64) {
	if y := s.read[t.Branch].x; y != nil {
		return y, reads
	}
	if y := s.read[t.Root].x; y != nil && t.Branch >= y.Start {
		return y, reads
	}
	if y, begun := s.begun[t.Root]; begun {
		if y == nil || !s.starts() {
			return nil, 0
		}
		return y, s.begins.sure()
	}
	if !s.keepsConns() {
		return nil, 0
	}
	if socket := s.socketOf(t.Branch); socket != 0 && s.branches > 1 && t.Branch != t.Root {
		return s.onConn[socket].x, s.keepsSure()
	}
	if socket := s.socketOf(t.Root); socket != 0 && s.roots > 1 {
		// What an earlier request has left running is no work for this one.
		if y := s.onConn[socket].x; y != nil && (t.Branch == t.Root || t.Branch >= y.Start) {
			return y, s.keepsSure()
		}
	}
	return nil, 0
}

// decides tells that the task of a call says whose it is, in a process of which the tasks are understood: when it is that of no request
// under way, nothing weaker finds one.
func (p *Process) tasksDecide(x *flow.Exchange) bool {
	s := &p.tasks
	return x.Task.Root != 0 && (s.starts() || s.keepsConns() || x.Task.Branch != x.Task.Root && p.handsOn())
}

// inTask: the task that sends was started for the request, or serves its connection, or was started by such a task.
type inTask struct{}

func (inTask) kind() span.Evidence { return span.Task }

func (inTask) candidates(l *Linker, p *Process, x *flow.Exchange) ([]*flow.Exchange, float64) {
	if x.Task.Root == 0 {
		return nil, 0
	}
	y, sure := p.tasks.request(x.Task)
	if y == nil && p.tasks.starts() && x.Task.Branch == x.Task.Root {
		// The task of a request goes on after its reply. What it has started may by now work for anybody.
		y, sure = p.lastOn(x.Task.Root, x.Start), 0.9
	}
	if y == nil {
		y, sure = p.handedOn(x)
	}
	if y == nil {
		return nil, 0
	}
	l.same = append(l.same[:0], y)
	return l.same, sure
}
