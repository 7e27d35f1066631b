package flow

import (
	"weft/correlate/event"
	"weft/correlate/hpack"
	"weft/correlate/proto"
	"weft/correlate/tracecontext"
)

// Observer is told of exchanges in the order in which that can be known. A reply may end in the same event in which its
// request became known.
type Observer interface {
	Started(*Exchange)
	// Touched tells that a thread has gone on with an exchange that is open: it has read the rest of the request or some
	// of the reply, or has begun to send the reply. It comes before Ended.
	Touched(*Exchange, Touch)
	// Placed tells that Wire, or the name of the connection, has become known of an open exchange that has started.
	Placed(*Exchange)
	Ended(*Exchange)
	// Abandoned ends an exchange that started and becomes no span; it has been counted.
	Abandoned(*Exchange)
}

// Touch is an operation on an open exchange.
type Touch struct {
	TID  uint32
	Task Task
	Time uint64 // boot time, ns
	Sent bool
	// Upgraded: the connection goes on as a WebSocket. The exchange ends with it, and causes nothing until then that could be told.
	Upgraded bool
}

// Reason is why an exchange that started, or a message, did not become a span.
type Reason uint8

// All reasons. The first group are exchanges that are missing in the output; the second are not.
const (
	LostRecords   Reason = iota // the kernel's ring was full inside the exchange
	UnreadReply                 // the reply's bytes could not be read
	UnreadRequest               // a request's bytes could not be read
	BadRequest                  // a request whose head is malformed
	BadReply                    // a reply whose head is malformed
	Evicted                     // the table of connections was full
	Unfinished                  // the exchange was open when weft stopped
	Gone                        // the owner of an AF_UNIX socket ended
	Paused                      // the exchange was open when the watchdog took the probes off
	Unpaired                    // it can't be told which reply belongs to which request of the connection
	Orphans                     // replies to requests that were sent before weft started, or that are counted as lost
	Disagreed                   // kernel and parser saw a head's end differently
	PartlyKnown                 // heads of HTTP/2 of which fields are not known: the connection is older than weft, or frames were missed
	Reasons
)

var reasonNames = [Reasons]string{
	"records_lost", "reply_unread", "request_unread", "request_malformed", "reply_malformed", "evicted", "unfinished",
	"owner_gone", "paused", "unpaired", "orphan_replies", "disagreed", "partly_known",
}

// String gives the label for a counter.
func (r Reason) String() string { return reasonNames[r] }

// IsLoss tells whether the reason stands for an exchange that happened and is missing in the output.
func (r Reason) IsLoss() bool { return r < Orphans }

// Counts are the losses of a Table and its parsers.
type Counts struct {
	Exchanges uint64 // requests that were seen: ended, lost for one of the reasons, or open
	Reasons   [Reasons]uint64
	Errors    [proto.Errors]uint64 // malformed messages by what is wrong with them
	Events    uint64
	Conns     int // in the table now
	Live      int // exchanges that are in use, by flow or by others
}

// Options of a Table.
type Options struct {
	Max      int                  // connections followed at a time
	Request  []string             // request headers to keep, in lower case
	Response []string             // response headers to keep, in lower case
	Carriers *tracecontext.Reader // of requests; nil: none is read
	Poison   bool                 // for tests: what is released is spoilt and never used again
}

// Table holds the connections of a node.
type Table struct {
	options  Options
	observer Observer
	conns    map[uint64]*Conn
	oldest   Conn // sentinel of the list of connections, least recently used first
	free     []*Exchange
	parser   *proto.Memory
	message  proto.Message // of the parser, used again for each head
	head     []byte        // what message was read from
	room     []byte        // for a head of HTTP/2, written as one of HTTP/1
	cgi      []byte        // the same for parameters and answers of FastCGI
	fields   []hpack.Field // of HTTP/2, used again for each block
	lines    []proto.Field // the same, of message
	texts    *texts
	unix     map[uint32]int // AF_UNIX connections by the process that used them last
	counts   Counts
	sealed   sealedTable
}

// New makes an empty table that tells the observer.
func New(o Options, observer Observer) *Table {
	t := &Table{
		options: o, observer: observer, conns: make(map[uint64]*Conn), parser: proto.NewMemory(proto.Protocols[0].Parser),
		texts: newTexts(), unix: make(map[uint32]int), room: make([]byte, 0, HeadMax), cgi: make([]byte, 0, proto.MaxHead),
	}
	t.oldest.next, t.oldest.previous = &t.oldest, &t.oldest
	return t
}

// Counts gives a copy of the counters.
func (t *Table) Counts() Counts {
	c := t.counts
	c.Conns = len(t.conns)
	return c
}

// Feed takes one event.
func (t *Table) Feed(ev *event.Event) {
	t.counts.Events++
	switch ev.Kind {
	case event.KindMessage:
		t.feedMessage(ev)
	case event.KindSocket:
		c := t.conn(ev.Socket)
		pid := c.pid
		t.use(c, 0)
		c.announce(&ev.Conn)
		t.use(c, pid)
	case event.KindClose:
		if c := t.conns[ev.Socket]; c != nil {
			t.seal(c, &ev.Close)
			t.closes(c, ev)
			t.drop(c)
		}
	case event.KindHello:
		t.greet(ev)
	case event.KindSession:
		t.session(ev)
	case event.KindPause:
		t.pause()
	case event.KindExit:
		t.unseal(ev.PID)
		t.ownerGone(ev.PID)
	}
}

// pause gives up all connections: what passes on them from now on is not seen.
func (t *Table) pause() {
	for c := t.oldest.next; c != &t.oldest; c = t.oldest.next {
		t.dropHeads(c, Paused)
		t.abandon(c, Paused)
		t.drop(c)
	}
}

// Close counts what is still open as unfinished.
func (t *Table) Close() {
	for c := t.oldest.next; c != &t.oldest; c = c.next {
		t.dropHeads(c, Unfinished)
		t.abandon(c, Unfinished)
	}
}

func (t *Table) conn(socket uint64) *Conn {
	c := t.conns[socket]
	if c == nil {
		c = t.newConn(socket)
	}
	// To the end of the list: the most recently used.
	c.unlink()
	last := t.oldest.previous
	last.next, c.previous, c.next, t.oldest.previous = c, last, &t.oldest, c
	return c
}

func (t *Table) newConn(socket uint64) *Conn {
	if len(t.conns) >= t.options.Max {
		t.evict(t.oldest.next)
	}
	c := &Conn{Socket: socket}
	c.streams[0].follows, c.streams[1].follows = nowhere, nowhere
	t.conns[socket] = c
	return c
}

func (t *Table) evict(c *Conn) {
	t.dropHeads(c, Evicted)
	t.abandon(c, Evicted)
	t.drop(c)
}

func (t *Table) drop(c *Conn) {
	t.use(c, 0)
	delete(t.conns, c.Socket)
	c.unlink()
}

// use notes the process that uses a connection.
func (t *Table) use(c *Conn, pid uint32) {
	if c.pid == pid {
		return
	}
	if c.Family == familyUnix {
		t.owns(c.pid, -1)
		t.owns(pid, 1)
	}
	c.pid = pid
}

func (t *Table) owns(pid uint32, n int) {
	if pid == 0 {
		return
	}
	if n += t.unix[pid]; n == 0 {
		delete(t.unix, pid)
	} else {
		t.unix[pid] = n
	}
}

// ownerGone ends the AF_UNIX connections of a process: no other event tells their end.
func (t *Table) ownerGone(pid uint32) {
	if t.unix[pid] == 0 {
		return
	}
	for c := t.oldest.next; c != &t.oldest; {
		next := c.next
		if c.Family == familyUnix && c.pid == pid {
			t.abandon(c, Gone)
			t.drop(c)
		}
		c = next
	}
}

const familyUnix = 1

// count notes a loss or another reason.
func (t *Table) count(r Reason, n int) { t.counts.Reasons[r] += uint64(n) }
