package flow

import (
	"weft/correlate/event"
	"weft/correlate/proto"
)

// Observer is told of exchanges in the order in which that can be known. A reply may end in the same event in which its
// request became known.
type Observer interface {
	Started(*Exchange)
	Ended(*Exchange)
	// Abandoned ends an exchange that started and becomes no span; it has been counted.
	Abandoned(*Exchange)
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
	Orphans                     // replies to requests that were sent before weft started, or that are counted as lost
	Disagreed                   // kernel and parser saw a head's end differently
	Reasons
)

var reasonNames = [Reasons]string{
	"records_lost", "reply_unread", "request_unread", "request_malformed", "reply_malformed", "evicted", "unfinished",
	"owner_gone", "orphan_replies", "disagreed",
}

// String gives the label for a counter.
func (r Reason) String() string { return reasonNames[r] }

// IsLoss tells whether the reason stands for an exchange that happened and is missing in the output.
func (r Reason) IsLoss() bool { return r < Orphans }

// Counts are the losses of a Table and its parsers.
type Counts struct {
	Exchanges uint64 // started
	Reasons   [Reasons]uint64
	Errors    [proto.Errors]uint64 // malformed messages by what is wrong with them
	Events    uint64
	Conns     int // in the table now
}

// Options of a Table.
type Options struct {
	Max      int      // connections followed at a time
	Request  []string // request headers to keep, in lower case
	Response []string // response headers to keep, in lower case
}

// Table holds the connections of a node.
type Table struct {
	options  Options
	observer Observer
	conns    map[uint64]*Conn
	oldest   Conn // sentinel of the list of connections, least recently used first
	free     []*Exchange
	message  proto.Message // of the parser, used again for each head
	texts    texts
	counts   Counts
}

// New makes an empty table that tells the observer.
func New(o Options, observer Observer) *Table {
	t := &Table{options: o, observer: observer, conns: make(map[uint64]*Conn), texts: newTexts()}
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
		c.Conn = ev.Conn
		c.announced = true
	case event.KindClose:
		if c := t.conns[ev.Socket]; c != nil {
			c.closes(t, ev)
			t.drop(c)
		}
	case event.KindExit:
		t.ownerGone(ev.PID)
	}
}

// Close counts what is still open as unfinished.
func (t *Table) Close() {
	for _, c := range t.conns {
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
		victim := t.oldest.next
		t.abandon(victim, Evicted)
		t.drop(victim)
	}
	c := &Conn{}
	c.Socket = socket
	t.conns[socket] = c
	return c
}

func (t *Table) drop(c *Conn) {
	delete(t.conns, c.Socket)
	c.unlink()
}

// ownerGone ends the AF_UNIX connections of a process: no other event tells their end.
func (t *Table) ownerGone(pid uint32) {
	for _, c := range t.conns {
		if c.Conn.Family == familyUnix && c.pid == pid {
			t.abandon(c, Gone)
			t.drop(c)
		}
	}
}

const familyUnix = 1

// count notes a loss or another reason.
func (t *Table) count(r Reason, n int) { t.counts.Reasons[r] += uint64(n) }

// abandon gives up the open exchanges of a connection; those whose reply was known are spans all the same.
func (t *Table) abandon(c *Conn, why Reason) {
	for len(c.open) > 0 {
		x := c.open[0]
		if x.replying && x.asked {
			x.Lost = true
			t.finish(c, x, c.last)
			continue
		}
		t.lose(c, x, why)
	}
}

// lose gives up one exchange.
func (t *Table) lose(c *Conn, x *Exchange, why Reason) {
	c.remove(x)
	if x.asked {
		t.count(why, 1)
		t.observer.Abandoned(x)
	} else {
		t.count(Orphans, 1)
	}
	t.done(x)
}

// finish ends an exchange whose request and reply are known. A reply that overtook its request waits for it.
func (t *Table) finish(c *Conn, x *Exchange, end uint64) {
	x.ended = true
	x.End = max(end, x.FirstByte)
	if !x.asked {
		return
	}
	x.RTT = c.rtt
	x.Retransmits = c.retransmits - x.before
	c.remove(x)
	t.observer.Ended(x)
	t.done(x)
}
