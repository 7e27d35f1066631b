package bpf

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"weft/correlate/event"
)

// talk moves b from one end to the other in random pieces by random system calls, sends and receives mixed.
func (a author) talk(t testing.TB, from, to int, b string) {
	t.Helper()
	buf := make([]byte, 1<<16)
	sent, received := 0, 0
	smooth := a.IntN(3) == 0 // few cuts
	piece := func(most int) int {
		switch {
		case smooth:
			return most
		case a.IntN(4) == 0:
			return 1 + a.IntN(min(most, 5))
		}
		return 1 + a.IntN(min(most, a.pick1(40, 600, 9000)))
	}
	for received < len(b) {
		// What is in flight stays below what a socket's buffer takes.
		if left := min(len(b)-sent, 60000-(sent-received)); left > 0 && (sent == received || a.IntN(2) == 0) {
			data := []byte(b[sent : sent+piece(left)])
			n, err := a.operation(sends)(from, data, 0)
			if err != nil || n <= 0 {
				t.Fatalf("send: %d, %v", n, err)
			}
			sent += n
			continue
		}
		n, err := a.operation(receives)(to, buf[:piece(len(buf))], 0)
		if err != nil || n <= 0 {
			t.Fatalf("receive: %d, %v", n, err)
		}
		received += n
	}
}

func (a author) operation(from map[string]operation) operation {
	names := slices.Sorted(maps.Keys(from))
	return from[names[a.IntN(len(names))]]
}

// hold runs conversations over a pair and compares what both ends told with the truth.
func (k *capture) hold(t testing.TB, a author, p pair, batches [][]exchange) {
	t.Helper()
	k.forget()
	var want []ended
	var ends [2]map[uint64]bool // of messages: requests, replies
	ends[0], ends[1] = make(map[uint64]bool), make(map[uint64]bool)
	asked, answered := uint64(0), uint64(0)
	for _, batch := range batches {
		requests, replies := "", ""
		for _, x := range batch {
			x.offset = asked
			asked += uint64(len(x.request))
			answered += uint64(len(x.reply))
			ends[0][asked], ends[1][answered] = true, true
			requests += x.request
			replies += x.reply
			want = append(want, x.ended)
		}
		a.talk(t, p.client, p.server, requests)
		a.talk(t, p.server, p.client, replies)
	}
	for _, server := range []bool{true, false} {
		compare(t, want, k.exchanges(server), server)
	}
	k.compareEnds(t, ends, asked, answered)
	if k.lost != 0 {
		t.Errorf("%d exchanges abandoned", k.lost)
	}
}

func compare(t testing.TB, want, got []ended, server bool) {
	t.Helper()
	for i := range got {
		if i >= len(want) {
			t.Fatalf("server %v: exchange %d was not sent: %+v", server, i, got[i])
		}
		w := want[i]
		w.socket, w.server = got[i].socket, server
		if got[i] != w {
			t.Fatalf("server %v: exchange %d:\n%+v, sent was\n%+v", server, i, got[i], w)
		}
	}
	if len(got) != len(want) {
		t.Fatalf("server %v: %d exchanges, sent were %d", server, len(got), len(want))
	}
}

// compareEnds holds that the kernel tells the end of a message only where one is, and follows every byte.
func (k *capture) compareEnds(t testing.TB, ends [2]map[uint64]bool, asked, answered uint64) {
	t.Helper()
	last := make(map[string]uint64)
	for _, r := range k.records {
		kind := r.Direction == event.Send // of a request at the client
		if k.isServer(r.socket) {
			kind = !kind
		}
		which := 0
		if !kind {
			which = 1
		}
		if r.Flags&event.End != 0 && !ends[which][r.Through] && !isInterim(&r) {
			t.Errorf("a message ends at %d of direction %d: not so", r.Through, which)
		}
		last[fmt.Sprint(r.socket, which)] = r.Through
	}
	for key, through := range last {
		if want := map[bool]uint64{true: asked, false: answered}[strings.HasSuffix(key, " 0")]; through != want {
			t.Errorf("socket and direction %s: followed up to %d, sent were %d", key, through, want)
		}
	}
}

func (k *capture) isServer(socket uint64) bool {
	for _, x := range k.ended {
		if x.socket == socket {
			return x.server
		}
	}
	return false
}

// isInterim: a head without a body, as interim replies are, ends a message too.
func isInterim(m *message) bool { return m.Flags&event.Start != 0 || m.length > 0 }

// TestConversations compares random conversations, cut at random and moved by random system calls, with what is told.
func TestConversations(t *testing.T) {
	k := start(t)
	for _, family := range slices.Sorted(maps.Keys(families)) {
		for seed := range uint64(60) {
			t.Run(fmt.Sprintf("%s/%d", family, seed), func(t *testing.T) {
				a := newAuthor(seed)
				p := families[family](t)
				k.hold(t, a, p, a.conversation(12, 1+int(seed)%8))
			})
		}
	}
	for _, c := range []WeftCount{WeftCountCOUNT_RING_FULL, WeftCountCOUNT_SHED} {
		if n := k.count(c); n != 0 {
			t.Errorf("%v: %d", c, n)
		}
	}
}
