package propagation_test

import (
	"math/rand/v2"
	"strconv"
	"testing"
	"time"

	"weft/correlate/event"
	"weft/correlate/flow"
	"weft/correlate/propagation"
	"weft/correlate/tracecontext"
)

// ledger feeds exchanges to a Table, without the way from bytes to them.
type ledger struct {
	t                *propagation.Table
	now, spans       uint64
	named            bool // who is at the other end is known by name, under a new address each time
	in, out          flow.Exchange
	came, keeps, not tracecontext.Set
	conn             flow.Conn
}

func newLedger(t testing.TB, o propagation.Options) *ledger {
	t.Helper()
	table, err := propagation.New(o, func(boot uint64) int64 { return int64(boot) })
	if err != nil {
		t.Fatal(err)
	}
	l := &ledger{t: table, now: 1e12}
	l.came = carriers(t, "traceparent", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01")
	l.keeps = carriers(t, "traceparent", "00-4bf92f3577b34da6a3ce929d0e0e4736-00000000000000aa-01")
	l.not = carriers(t, "host", "a")
	return l
}

func carriers(t testing.TB, name, value string) (s tracecontext.Set) {
	t.Helper()
	r, err := tracecontext.NewReader(nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Field(&s, []byte(name), []byte(value))
	r.Settle(&s, true)
	return s
}

func (l *ledger) tick(d time.Duration) {
	l.now += uint64(d)
	l.t.Feed(&event.Event{Kind: event.KindClock, Time: l.now, Wall: int64(l.now)}, "")
}

// request has a service get one and make calls for it, some of which lose the context.
func (l *ledger) request(service, route, peer string, loses ...bool) {
	l.now += 1e6
	l.in = flow.Exchange{Server: true, Method: "GET", Target: route, Route: route, Start: l.now, FirstByte: l.now, Status: 200, Carriers: l.came, Conn: &l.conn}
	l.t.Started(&l.in, service)
	for _, lost := range loses {
		l.spans++
		l.now += 1000
		l.out = flow.Exchange{Method: "GET", Target: "/x", Host: peer, Start: l.now, End: l.now + 500, Status: 200, Carriers: l.keeps, Conn: &l.conn}
		if lost {
			l.out.Carriers = l.not
		}
		l.out.Cause = flow.Cause{Parent: &l.in, Confirmed: true, Confidence: 1}
		for i := range 8 {
			l.out.Cause.SpanID[i] = byte(l.spans >> (8 * i))
		}
		seen := ""
		if l.named {
			seen, l.out.Host = peer, strconv.Itoa(int(l.spans))
		}
		l.t.Ended(&l.out, service, seen, false)
	}
	l.now += 1000
	l.in.End = l.now
	l.t.Ended(&l.in, service, "", false)
}

// TestFalseAlarms has 20 edges that are just at the limit, in 100 repetitions: as often as is allowed one of them is called broken.
// Of planted ones all are.
func TestFalseAlarms(t *testing.T) {
	const repetitions = 100
	peers := []string{"a", "b", "c", "d", "e", "f", "g", "h", "i", "j", "k", "l", "m", "n", "o", "p", "q", "r", "s", "t"}
	for _, planted := range []int{0, 4} {
		r := rand.New(rand.NewPCG(6, uint64(planted)))
		alarms, shares := 0, 0.0
		for range repetitions {
			l := newLedger(t, propagation.Options{})
			for i, peer := range peers {
				chance := 0.01
				if i < planted {
					chance = 0.1
				}
				for range 300 {
					l.request("shop", "/cart", peer, r.Float64() < chance, r.Float64() < chance)
				}
			}
			l.tick(time.Second)
			right, wrong := 0, 0
			for _, e := range l.t.Report().Edges {
				switch {
				case e.Health == propagation.Broken && e.Peer < peers[planted]:
					right++
				case e.Health == propagation.Broken:
					wrong++
				}
			}
			if right != planted {
				t.Errorf("%d of %d are found", right, planted)
			}
			if wrong > 0 {
				alarms++
				shares += float64(wrong) / float64(right+wrong)
			}
		}
		if planted == 0 && alarms > atMost(repetitions, 0.05) || shares > float64(atMost(repetitions, 0.05)) {
			t.Errorf("%d planted: %d false alarms, a share of %v", planted, alarms, shares/repetitions)
		}
	}
}
