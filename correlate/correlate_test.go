package correlate

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"weft/correlate/event"
	"weft/correlate/flow"
	"weft/correlate/span"
)

// world is a row of processes, each of which calls the next one for every request, over connections that stay.
type world struct {
	r     *rand.Rand
	load  *load
	feed  func(*event.Event)
	lossy bool
	lost  map[uint64]bool // sockets whose next event has to tell of a loss
	shed  map[uint64]bool
	sent  uint64 // requests, at both ends
	gone  uint64 // of them those that the kernel counts as lost
}

// say tells an event, or loses it as a full ring does.
func (w *world) say(socket uint64, pid, tid uint32, d event.Direction, request bool, offset uint64, head string, body uint64) {
	if request {
		w.sent++
	}
	held := w.shed[socket] && !request
	if held || w.lossy && w.r.IntN(20) == 0 {
		if request {
			w.gone++
		}
		w.shed[socket] = held || request
		w.lost[socket] = true
		return
	}
	w.shed[socket] = false
	w.load.events = w.load.events[:0]
	w.load.message(socket, pid, tid, d, offset, []byte(head), body)
	ev := &w.load.events[0]
	if w.lost[socket] {
		ev.Message.Flags |= event.Lost
		w.lost[socket] = false
	}
	w.feed(ev)
}

func (w *world) announce(socket uint64, conn event.Conn) {
	w.load.events = w.load.events[:0]
	w.load.announce(socket, conn)
	w.feed(&w.load.events[0])
}

const worldReply = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n"

// call runs one request down the row from process `from` on; each level has a connection per client thread.
func (w *world) call(from, depth int, thread uint64) {
	if depth == 0 {
		return
	}
	c := uint64(from)*100 + thread
	socket, at := 2*c+1, &w.load.offsets[c]
	client, server := uint32(from+1), uint32(from+2)
	clientThread, serverThread := client*1000+uint32(thread), server*1000+uint32(thread)
	head := fmt.Sprintf("GET /%d HTTP/1.1\r\nHost: h\r\n\r\n", w.r.IntN(1000))
	if at[0] == 0 {
		w.announce(socket, event.Conn{Origin: event.Connected, NameLocal: socket, NamePeer: socket + 1e6})
		w.announce(socket+1, event.Conn{Origin: event.Accepted, NameLocal: socket + 1e6, NamePeer: socket})
	}
	at0, at1 := at[0], at[1]
	at[0] += uint64(len(head))
	at[1] += uint64(len(worldReply)) + 5
	w.say(socket, client, clientThread, event.Send, true, at0, head, 0)
	w.say(socket+1, server, serverThread, event.Receive, true, at0, head, 0)
	for range w.r.IntN(3) {
		w.call(from+1, depth-1, thread)
	}
	w.say(socket+1, server, serverThread, event.Send, false, at1, worldReply, 5)
	w.say(socket, client, clientThread, event.Receive, false, at1, worldReply, 5)
	if w.r.IntN(10) == 0 {
		w.load.time += 1e6
		w.feed(&event.Event{Kind: event.KindClock, Time: w.load.time, Wall: int64(w.load.time)})
	}
	if w.r.IntN(50) == 0 {
		w.feed(&event.Event{Kind: event.KindExit, PID: client})
	}
}

// TestWorld has exchanges held, released and used again at random: none may be used after its release or be kept for
// ever, and every request is in exactly one place of the account.
func TestWorld(t *testing.T) {
	for seed := range uint64(300) {
		w := &world{
			r: rand.New(rand.NewPCG(seed, 2)), lossy: seed%2 == 1, lost: map[uint64]bool{}, shed: map[uint64]bool{},
			load: &load{time: 1e9, offsets: make([][2]uint64, 1000)},
		}
		ids := map[span.ID]bool{}
		spans, evidence := uint64(0), map[span.Evidence]int{}
		p, err := New(Options{Hold: 1e5, Sockets: 5 + w.r.IntN(30), Poison: true}, func() *span.Span { return new(span.Span) },
			func(s *span.Span) {
				if s.Method != "GET" || ids[s.SpanID] || !s.TraceID.IsValid() || !s.SpanID.IsValid() {
					t.Fatalf("seed %d: %+v", seed, s)
				}
				ids[s.SpanID] = true
				evidence[s.Evidence]++
				spans++
			})
		if err != nil {
			t.Fatal(err)
		}
		w.feed = p.Feed
		for range 60 {
			w.call(0, 4, w.r.Uint64N(5))
		}
		p.Close()
		c := p.Counts()
		var lost uint64
		for r := flow.Reason(0); r < flow.Reasons; r++ {
			if r.IsLoss() {
				lost += c.Flow.Reasons[r]
			}
		}
		if c.Routes.Nodes == 0 {
			t.Errorf("seed %d: no route was learned: %+v", seed, c.Routes)
		}
		if c.Flow.Live != 0 {
			t.Errorf("seed %d: %d exchanges were not given back", seed, c.Flow.Live)
		}
		if w.sent != spans+lost+w.gone || spans != c.Server+c.Client {
			t.Errorf("seed %d: %d requests, %d spans, %d lost, %d lost by the kernel: %v", seed, w.sent, spans, lost, w.gone, c.Flow.Reasons)
		}
		if evidence[span.Wire] == 0 || evidence[span.Thread] == 0 {
			t.Errorf("seed %d: links by %v", seed, evidence)
		}
	}
}
