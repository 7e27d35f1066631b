package flow

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"

	"weft/correlate/event"
	"weft/correlate/tracecontext"
)

// peer writes what one end of a connection of HTTP/2 says, and tells it as the kernel does at one end.
type peer struct {
	t         testing.TB
	table     *Table
	direction event.Direction
	socket    uint64
	now       *uint64
	offset    uint64
	out       bytes.Buffer
	framer    *http2.Framer
	block     bytes.Buffer
	encoder   *hpack.Encoder
	silent    bool // nobody sees it
	lost      uint32
	cut       *rand.Rand
	keep      func(*event.Event)
}

func newPeer(t testing.TB, table *Table, d event.Direction, now *uint64) *peer {
	p := &peer{t: t, table: table, direction: d, socket: 7, now: now}
	p.framer = http2.NewFramer(&p.out, nil)
	p.framer.AllowIllegalWrites = true
	p.encoder = hpack.NewEncoder(&p.block)
	return p
}

// tell gives what the framer has written to the table, as records.
func (p *peer) tell(body uint64, messages uint32) {
	p.t.Helper()
	*p.now += 1000
	frame := p.out.Bytes()
	flags := event.Frame | event.Start
	for {
		n := len(frame)
		if p.cut != nil && n > 1 {
			n = 9 + p.cut.IntN(n)
			n = min(n, len(frame))
		}
		m := event.Message{Direction: p.direction, Flags: flags, Offset: p.offset, Through: p.offset + uint64(n), Body: body, Messages: messages,
			Payload: bytes.Clone(frame[:n])}
		if frame = frame[n:]; len(frame) > 0 {
			m.Flags |= event.Open
		}
		flags = event.Frame
		p.offset += uint64(n)
		if p.silent {
			p.lost++
		} else {
			if p.lost > 0 {
				m.Flags |= event.Lost
			}
			m.Lost, p.lost = p.lost, 0
			ev := event.Event{Kind: event.KindMessage, Time: *p.now, Socket: p.socket, PID: 3, TID: 4, Message: m}
			p.table.Feed(&ev)
			if p.keep != nil {
				p.keep(&ev)
			}
		}
		if len(frame) == 0 {
			break
		}
	}
	p.out.Reset()
}

func (p *peer) fields(fields ...string) []byte {
	p.block.Reset()
	for _, f := range fields {
		at := 1 + strings.IndexByte(f[1:], ':')
		if err := p.encoder.WriteField(hpack.HeaderField{Name: f[:at], Value: f[at+1:]}); err != nil {
			p.t.Fatal(err)
		}
	}
	return p.block.Bytes()
}

func (p *peer) headers(stream uint32, end bool, fields ...string) {
	p.t.Helper()
	check(p.t, p.framer.WriteHeaders(http2.HeadersFrameParam{StreamID: stream, BlockFragment: p.fields(fields...), EndStream: end, EndHeaders: true}))
	p.tell(0, 0)
}

func (p *peer) data(stream uint32, body uint64, messages uint32) {
	p.t.Helper()
	check(p.t, p.framer.WriteData(stream, true, nil))
	p.tell(body, messages)
}

func (p *peer) request(stream uint32, end bool, path string, more ...string) {
	p.t.Helper()
	p.headers(stream, end, append([]string{":method:POST", ":scheme:http", ":path:" + path, ":authority:shop:80", "user-agent:x/1"}, more...)...)
}

func check(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// seen keeps what a table tells.
type seen struct {
	started   int
	ended     []Exchange
	traces    []string
	heads     []string
	abandoned int
}

func (s *seen) Started(x *Exchange) {
	s.started++
	trace := "unknown"
	switch c := x.Carriers.Carrier(tracecontext.W3C); {
	case c != nil:
		trace = fmt.Sprintf("%x", c.Context.ParentID)
	case x.Carriers.State(tracecontext.W3C) == tracecontext.Absent:
		trace = "absent"
	}
	s.traces, s.heads = append(s.traces, trace), append(s.heads, string(x.Head))
}
func (s *seen) Touched(*Exchange, Touch) {}
func (s *seen) Placed(*Exchange)         {}
func (s *seen) Ended(x *Exchange)        { s.ended = append(s.ended, *x) }
func (s *seen) Abandoned(*Exchange)      { s.abandoned++ }

// connection is a table that sees one end of a connection.
func connection(t testing.TB, server bool) (s *seen, table *Table, client, srv *peer) {
	t.Helper()
	carriers, err := tracecontext.NewReader(nil)
	check(t, err)
	s, now := &seen{}, uint64(1e9)
	table = New(Options{Max: 10, Carriers: carriers, Poison: true}, s)
	client, srv = newPeer(t, table, event.Send, &now), newPeer(t, table, event.Receive, &now)
	if server {
		client.direction, srv.direction = event.Receive, event.Send
	}
	client.offset = 24
	return s, table, client, srv
}

// balance holds that every exchange that was counted has ended, is lost or is open.
func balance(t testing.TB, s *seen, table *Table, open int) {
	t.Helper()
	c := table.Counts()
	lost := uint64(0)
	for r, n := range c.Reasons {
		if Reason(r).IsLoss() {
			lost += n
		}
	}
	if c.Exchanges != uint64(len(s.ended)+open)+lost {
		t.Errorf("%d exchanges, %d ended, %d lost, %d open", c.Exchanges, len(s.ended), lost, open)
	}
}
