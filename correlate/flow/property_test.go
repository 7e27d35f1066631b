package flow

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"weft/correlate/event"
)

// talker makes one end of a connection talk: valid exchanges, however they are cut into events.
type talker struct {
	*kernel
	r       *rand.Rand
	style   style
	window  int      // requests before the reply to the first
	unread  []string // targets of the requests that wait for their reply
	opening *message // of a reply whose end comes later
	number  int
	closed  bool
	overdue bool // the one reply that may overtake its request is still to come
}

type style uint8

const (
	alternate style = iota // the next request when the reply is whole
	batches                // several requests at once, then all their replies
	windowed               // a number of requests is always under way
	styles
)

// step says the next thing that can be said.
func (t *talker) step() {
	switch {
	case t.opening != nil && t.r.IntN(3) > 0:
		t.endReply()
	case t.opening != nil && t.style != windowed:
	case len(t.unread) == 0 && t.style == batches:
		t.batch()
	case len(t.unread) == 0 && t.opening == nil, t.style == windowed && len(t.unread) < t.window:
		t.request()
	case t.opening != nil || len(t.unread) == 0:
		t.endReply()
	case t.style != windowed && t.r.IntN(10) == 0: // with losses it would look like a reply
		t.tell(message{head: replyHead("103", "", -1, false)})
	default:
		t.reply()
	}
}

func (t *talker) endReply() {
	if t.opening == nil {
		return
	}
	m := t.opening
	t.opening = nil
	if t.style == alternate && t.server && t.r.IntN(20) == 0 {
		t.request() // read by another thread before the one that has sent is seen to have done so
	}
	t.end(false, m.body, false)
}

func (t *talker) target() string {
	t.number++
	return fmt.Sprintf("/%d.%d", t.socket, t.number)
}

func (t *talker) request() {
	target := t.target()
	m := message{request: true, pieces: 1}
	switch t.r.IntN(4) {
	case 0:
		m.body = uint64(t.r.IntN(100))
		m.later = t.r.IntN(2) == 0
		m.head = requestHead("POST", target, int(m.body), false)
	case 1:
		m.body, m.chunked, m.later = uint64(t.r.IntN(100)), true, true
		m.head = requestHead("POST", target, -1, true)
	default:
		m.head = requestHead("GET", target, -1, false)
	}
	m.pieces = t.cuts()
	if t.overdue && t.style == alternate && !t.server && m.pieces == 1 && !m.later && t.r.IntN(20) == 0 {
		t.overtaken(m, target)
		return
	}
	t.tell(m)
	if m.later {
		t.end(true, m.body, false)
	}
	t.unread = append(t.unread, target)
}

// overtaken has the reply seen before its request.
func (t *talker) overtaken(m message, target string) {
	t.overdue = false
	t.tell(message{head: replyHead("200", target, 3, false), body: 3})
	t.tell(m)
}

func (t *talker) batch() {
	m := message{request: true}
	for range 1 + t.r.IntN(t.window) {
		target := t.target()
		m.head += requestHead("GET", target, -1, false)
		t.unread = append(t.unread, target)
	}
	t.sent += len(t.unread) - 1
	t.tell(m)
}

func (t *talker) reply() {
	tag := t.unread[0]
	t.unread = t.unread[1:]
	m := message{pieces: t.cuts()}
	switch t.r.IntN(4) {
	case 0:
		m.head = replyHead("204", tag, -1, false)
	case 1:
		m.body, m.chunked, m.later = uint64(t.r.IntN(100)), true, true
		m.head = replyHead("200", tag, -1, true)
	default:
		m.body = uint64(t.r.IntN(100))
		m.later = t.r.IntN(2) == 0
		m.head = replyHead("200", tag, int(m.body), false)
	}
	t.tell(m)
	if m.later {
		t.opening = &m
	}
}

func (t *talker) cuts() int {
	if t.r.IntN(5) > 0 {
		return 1
	}
	return 2 + t.r.IntN(5)
}

const runs = 2000

// TestRandomTalk has connections talk at random, with and without losses. No reply may be given to another request, and
// the account has to be exact.
func TestRandomTalk(t *testing.T) {
	pairs := 0
	for seed := range uint64(runs) {
		pairs += randomTalk(t, seed)
		if t.Failed() {
			t.Fatalf("seed %d", seed)
		}
	}
	if pairs < 20*runs {
		t.Errorf("only %d pairs", pairs)
	}
}

func randomTalk(t *testing.T, seed uint64) int {
	r := rand.New(rand.NewPCG(seed, 1))
	room := 1 + r.IntN(8)
	b := newBook(Options{Max: room})
	now := uint64(1000)
	loss, burst := r.IntN(3), 0
	refuse := func() bool {
		if now < 2500 {
			return false // a connection that pipelines is one only when it was seen to
		}
		if burst == 0 && loss > 0 && r.IntN(30*loss) == 0 {
			burst = 1 + r.IntN(6)
		}
		burst = max(0, burst-1)
		return burst > 0
	}
	talkers := make([]*talker, 1+r.IntN(6))
	kinds := int(styles)
	if room < len(talkers) {
		kinds = int(windowed) // those can't be joined again after an eviction, see order
	}
	for i := range talkers {
		talkers[i] = &talker{kernel: &kernel{
			feed: b.table.Feed, refuse: refuse, socket: uint64(i + 1), pid: uint32(i), server: r.IntN(2) == 0, now: &now,
		}, r: r, overdue: true, style: style(r.IntN(kinds)), window: 2 + r.IntN(4)}
		talkers[i].announce()
	}
	for range 300 {
		if k := talkers[r.IntN(len(talkers))]; !k.closed {
			k.step()
			if r.IntN(100) == 0 {
				k.close(r.IntN(2) == 0)
				k.closed = true
			}
		}
	}
	for _, k := range talkers {
		if k.lost > 0 && !k.closed {
			k.close(false) // else nobody could know of the loss
		}
	}
	b.table.Close()
	sent, missed := 0, 0
	for _, k := range talkers {
		sent += k.sent
		missed += k.missed
	}
	for _, w := range b.wrong {
		t.Error(w)
	}
	if fault := b.account(sent, missed); fault != "" {
		t.Error(fault)
	}
	if c := b.table.Counts(); loss == 0 && room >= len(talkers) && b.pairs < sent-8*len(talkers) {
		t.Errorf("%d of %d requests were paired: %v", b.pairs, sent, c.Reasons)
	}
	return b.pairs
}

// FuzzFeed holds a table to its contract with events that no kernel would send.
func FuzzFeed(f *testing.F) {
	f.Add([]byte("\x00\x01GET / HTTP/1.1\r\n\r\n\xff\x01\x11HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n"))
	f.Add([]byte("\x10\x03GET /\xff\x10\x00 HTTP/1.1\r\n\r\nGET /2 HTTP/1.1\r\n\r\n\xff\x23\x20"))
	f.Fuzz(func(t *testing.T, data []byte) {
		b := newBook(Options{Max: 3})
		for time := uint64(1); len(data) > 2; time++ {
			var ev event.Event
			ev, data = anyEvent(data, time)
			b.table.Feed(&ev)
			if c := b.table.Counts(); c.Conns > 3 || len(b.open) > 3*(maxOpen+1) {
				t.Fatalf("%d connections, %d exchanges", c.Conns, len(b.open))
			}
		}
		b.table.Close()
		if sum := b.account(int(b.table.Counts().Exchanges), 0); sum != "" {
			t.Error(sum)
		}
	})
}

// anyEvent makes an event of two bytes and a payload up to the byte ff.
func anyEvent(data []byte, time uint64) (event.Event, []byte) {
	a, flags := data[0], data[1]
	data = data[2:]
	ev := event.Event{Kind: event.KindMessage, Time: time, Socket: uint64(a >> 6), PID: uint32(a >> 6)}
	m := &ev.Message
	switch a >> 1 & 7 {
	case 5:
		ev.Kind, ev.Conn = event.KindSocket, event.Conn{Family: uint16(flags % 3), Origin: event.Origin(flags >> 2 % 3)}
	case 6:
		ev.Kind, ev.Close = event.KindClose, event.Close{Sent: uint64(flags), Lost: uint32(flags & 1), Reset: flags&2 != 0}
	case 7:
		ev.Kind = event.KindExit
	}
	m.Direction = event.Direction(a & 1)
	m.Flags = event.Flags(flags)
	m.Offset = uint64(a >> 4 & 3)
	if a&0x20 != 0 {
		m.Offset = time
	}
	m.Through = m.Offset + uint64(flags)
	for i, c := range data {
		if c == 0xff {
			m.Payload = data[:i]
			return ev, data[i+1:]
		}
	}
	m.Payload = data
	return ev, nil
}
