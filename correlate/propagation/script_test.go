package propagation_test

import (
	"fmt"
	"net/netip"
	"strconv"
	"strings"
	"testing"
	"time"

	"weft/correlate"
	"weft/correlate/event"
	"weft/correlate/propagation"
	"weft/correlate/span"
)

// node plays scripts into a Pipeline: heads go in as bytes, verdicts come out. A line is one of
//
//	in a [key=value] : field | field     the service gets a request; the first word after the verb is its name
//	call x [key=value] : field | field   it sends one and gets the reply;  send x: without the reply
//	answer x [status]                    the reply to a request that was sent;  reply a [status]: to one that has come
//	lose a                               of the connection of a request records are missing, and then the next request comes;
//	                                     lose: some are missing somewhere
//	wait 100ms                           time passes
//	connect to=host:port                 the service opens a connection of another protocol
//
// Keys: get=/path, post=/path or options=/path, to=host, agent=user-agent, status=500, on=thread, at=service, g=goroutine and
// pg=its parent; cut=1: the head is longer than what is read of it; from=x: the request is x, seen at the other end;
// near=1: it comes from this machine.
//
// A service works with a thread for each request, and calls are made by the thread of the request that came last. $T, $U and
// $V are trace ids, $P, $Q and $R parents, $L and $H the halves of $T; $t and $p are the decimals of $L and $P.
type node struct {
	t        testing.TB
	p        *correlate.Pipeline
	now      uint64
	sockets  map[string]*socket
	services map[string]uint32
	thread   uint64
	seen     propagation.Totals
	out      []string
}

// socket is one end of a connection that carries one request.
type socket struct {
	id       uint64
	pid, tid uint32
	server   bool
	replies  uint64
	head     string
}

func newNode(t testing.TB, o propagation.Options) *node {
	n := &node{t: t, now: 1e12, sockets: map[string]*socket{}, services: map[string]uint32{}}
	p, err := correlate.New(correlate.Options{
		Hold: 2e8, Sockets: 1 << 10, HeadersRequest: []string{"x-name"}, Carriers: []string{"x-own-trace"}, Propagation: o, Poison: true,
	}, func() *span.Span { return new(span.Span) }, n.put)
	if err != nil {
		t.Fatal(err)
	}
	n.p = p
	n.service("")
	n.wait(0)
	return n
}

// put notes what was said of a call.
func (n *node) put(s *span.Span) {
	if s.Kind != span.Client {
		return
	}
	name := ""
	for _, a := range s.Headers {
		if a.Key == "http.request.header.x-name" {
			name = a.Value
		}
	}
	now := n.p.Report().Totals
	what := s.Verdict
	for _, note := range s.Notes {
		what += " +" + note
	}
	switch {
	case what != "":
	case now.Unknown > n.seen.Unknown:
		what = "unknown"
	case now.NoContext > n.seen.NoContext:
		what = "no_context"
	case now.Unlinked > n.seen.Unlinked:
		what = "unlinked"
	}
	for rule, k := range now.Excluded {
		if k > n.seen.Excluded[rule] && what == "" {
			what = "excluded " + rule
		}
	}
	n.seen = now
	n.out = append(n.out, name+" "+what)
}

func (n *node) feed(ev event.Event) {
	n.now += 1000
	ev.Time = n.now
	n.p.Feed(&ev)
}

func (n *node) wait(d time.Duration) {
	n.now += uint64(d)
	n.feed(event.Event{Kind: event.KindClock, Wall: int64(n.now) + 1.7e18})
}

// service gives the process of a name.
func (n *node) service(name string) uint32 {
	if name == "" {
		name = "shop"
	}
	pid, ok := n.services[name]
	if !ok {
		pid = uint32(100 * (len(n.services) + 1))
		n.services[name] = pid
		n.feed(event.Event{Kind: event.KindProcess, PID: pid, Process: &event.Process{Service: name, Go: strings.HasPrefix(name, "go-")}})
	}
	return pid
}

// request opens a connection and sends or receives a request on it.
func (n *node) request(name string, server bool, options map[string]string, fields string) {
	number := func(key string) uint64 { v, _ := strconv.ParseUint(options[key], 10, 64); return v }
	c := &socket{id: uint64(10 * (len(n.sockets) + 1)), pid: n.service(options["at"]), server: server}
	n.sockets[name] = c
	if server {
		n.thread = c.id
	}
	if on := number("on"); on != 0 {
		n.thread = on
	}
	c.tid, c.head = c.pid*1000+uint32(n.thread), headOf(name, options, fields)
	conn := event.Conn{
		Family: 2, Origin: event.Connected, NameLocal: c.id, NamePeer: c.id + 1,
		Local: netip.MustParseAddrPort("10.0.1.1:33000"), Peer: addressOf(options["to"]),
	}
	if server {
		conn.Origin, conn.Peer = event.Accepted, netip.MustParseAddrPort("10.0.3.3:44000")
	}
	if options["near"] != "" {
		conn.Peer = conn.Local
	}
	if other := n.sockets[options["from"]]; other != nil {
		conn.NameLocal, conn.NamePeer, c.head = other.id+1, other.id, other.head
	}
	n.feed(event.Event{Kind: event.KindSocket, Socket: c.id, PID: c.pid, Conn: conn})
	flags, head := event.Start|event.End, c.head
	if options["cut"] != "" {
		flags, head = event.Start|event.Cut, strings.TrimSuffix(c.head, "\r\n")+"Tra"
	}
	n.message(c, direction(!server), flags, 0, head, number("g"), number("pg"))
}

func direction(send bool) event.Direction {
	if send {
		return event.Send
	}
	return event.Receive
}

func (n *node) message(c *socket, d event.Direction, flags event.Flags, offset uint64, head string, g, pg uint64) {
	n.feed(event.Event{Kind: event.KindMessage, Socket: c.id, PID: c.pid, TID: c.tid, Message: event.Message{
		Direction: d, Flags: flags, Offset: offset, Through: offset + uint64(len(head)), Payload: []byte(head), Work: g, Origin: pg,
	}})
}

// reply ends an exchange.
func (n *node) reply(name, status string) {
	c := n.sockets[name]
	if status == "" {
		status = "200"
	}
	head := "HTTP/1.1 " + status + " Reason\r\nContent-Length: 0\r\n\r\n"
	n.message(c, direction(c.server), event.Start|event.End, c.replies, head, 0, 0)
	c.replies += uint64(len(head))
}

// play runs a script.
func (n *node) play(script string) {
	n.t.Helper()
	for line := range strings.Lines(script) {
		line, fields, _ := strings.Cut(strings.TrimSpace(line), " :")
		words := strings.Fields(line)
		if len(words) == 0 {
			continue
		}
		options := map[string]string{}
		for _, word := range words[1:] {
			if key, value, ok := strings.Cut(word, "="); ok {
				options[key] = value
			}
		}
		words = append(words, "", "")
		n.do(words[0], words[1], words[2], options, fields)
	}
}

func (n *node) do(verb, name, third string, options map[string]string, fields string) {
	n.t.Helper()
	switch verb {
	case "in":
		n.request(name, true, options, fields)
	case "send":
		n.request(name, false, options, fields)
	case "call":
		n.request(name, false, options, fields)
		n.reply(name, options["status"])
	case "answer", "reply":
		n.reply(name, third)
	case "lose":
		c := n.sockets[name]
		if c == nil {
			n.feed(event.Event{Kind: event.KindLoss, Loss: event.Loss{Records: 1}})
			return
		}
		head := headOf("next", nil, "")
		n.feed(event.Event{Kind: event.KindMessage, Socket: c.id, PID: c.pid, TID: c.tid, Message: event.Message{
			Direction: event.Receive, Flags: event.Start | event.End | event.Lost, Offset: 9999, Through: 9999 + uint64(len(head)),
			Payload: []byte(head), Lost: 1,
		}})
	case "connect":
		n.feed(event.Event{Kind: event.KindSocket, Socket: 1, PID: n.service(""), Conn: event.Conn{Origin: event.Connected, Peer: addressOf(options["to"])}})
	case "wait":
		d, err := time.ParseDuration(name)
		if err != nil {
			n.t.Fatal(err)
		}
		n.wait(d)
	default:
		n.t.Fatalf("no verb %q", verb)
	}
}

// end replies to what is open and gives what was said, with what was only seen afterwards, and the report.
func (n *node) end() ([]string, propagation.Report) {
	for _, c := range n.sockets {
		if c.server && c.replies == 0 {
			for name := range n.sockets {
				if n.sockets[name] == c {
					n.reply(name, "")
				}
			}
		}
	}
	n.wait(time.Second)
	n.p.Close()
	r := n.p.Report()
	for rule, k := range r.Totals.Excluded {
		if k > n.seen.Excluded[rule] {
			n.out = append(n.out, fmt.Sprintf("later: excluded %s %d", rule, k-n.seen.Excluded[rule]))
		}
	}
	sum := r.Totals.Pairs + r.Totals.Unlinked + r.Totals.NoContext + r.Totals.Unknown
	for _, k := range r.Totals.Excluded {
		sum += k
	}
	if sum != r.Totals.Outgoing {
		n.t.Errorf("%d requests sent, %d in the account: %+v", r.Totals.Outgoing, sum, r.Totals)
	}
	return n.out, r
}
