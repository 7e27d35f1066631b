package propagation_test

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"

	"weft/correlate/propagation"
)

// tell writes the edges of a report, one a line: service, route and peer, right pairs of all, and what was found.
func tell(r propagation.Report) (out []string) {
	for _, e := range r.Edges {
		line := fmt.Sprintf("%s %s > %s %d/%d", e.Service, e.Route, e.Peer, e.Rate.K, e.Rate.N)
		for _, f := range e.Findings {
			line += fmt.Sprintf(", %s %d", f.Verdict, f.Count)
			if f.Where != "" {
				line += " " + f.Where
			}
		}
		if e.Unknown > 0 {
			line += fmt.Sprintf(", unknown %d", e.Unknown)
		}
		if e.NoContext > 0 {
			line += fmt.Sprintf(", no context %d", e.NoContext)
		}
		for rule, n := range e.Excluded {
			line += fmt.Sprintf(", %s %d", rule, n)
		}
		out = append(out, line)
	}
	slices.Sort(out)
	return out
}

// sideBySide shows that each thread of a process works on what it has read, while another one does the same.
var sideBySide = func() (script string) {
	for i := range 6 {
		script += strings.ReplaceAll("in rN get=/r; in sN get=/s; call tN; reply sN; reply rN;", "N", strconv.Itoa(i+1))
	}
	return strings.ReplaceAll(script, ";", "\n")
}()

// accounts are scripts with what is said of each call and what the report counts.
var accounts = []struct{ name, script, calls, report string }{
	{"a service with spans of its own is known only afterwards", `
		in a : traceparent: $W
		call x : traceparent: $W
		reply a
		call e to=collector:4318 post=/v1/traces`, `
		x passed_through
		e excluded telemetry_export`, `
		shop GET /a > payments:8080 1/1, stale 1`},
	{"a service with spans of its own by gRPC", `
		connect to=collector:4317
		in a : traceparent: $W
		call x : traceparent: $W`, `
		x stale`, `
		shop GET /a > payments:8080 1/1, stale 1`},
	{"unknown is not counted for the rate", `
		in a : traceparent: $W
		call x cut=1
		call y : traceparent: 00-$T-$Q-01`, `
		x unknown
		y propagated`, `
		shop GET /a > payments:8080 1/1, unknown 1`},
	{"no context is not counted for the rate", `
		in a
		call x
		reply a`, `x no_context`, `
		shop GET /a > payments:8080 0/0, no context 1`},
	{"what had to be refused is a fault, but no pair: a service that refuses it could not be counted", `
		in a : traceparent: 00-$T-$P-01-
		call x : traceparent: 00-$T-$Q-01`, `x accepted_invalid`, `
		shop GET /a > payments:8080 0/0, accepted_invalid 1`},
	{"edges by route, method and peer", `
		in a : traceparent: $W
		call x
		call y to=stock:80 : traceparent: 00-$T-$Q-01
		reply a
		in b post=/a : traceparent: $W
		call z`, `
		x dropped
		y propagated
		z dropped`, `
		shop GET /a > payments:8080 0/1, dropped 1
		shop GET /a > stock:80 1/1
		shop POST /a > payments:8080 0/1, dropped 1`},
	{"both ends of a hop: the proxy took it away, not the one behind it", `
		in p at=proxy : traceparent: $W | Connection: traceparent
		send x at=proxy to=shop
		in a at=shop from=x
		send y at=shop
		answer y
		reply a
		answer x
		reply p`, `
		y no_context
		x stripped`, `
		proxy GET /p > shop 0/1, stripped 1
		shop GET /x > payments:8080 0/0, no context 1`},
	{"the service at the other end is known by name afterwards, too", `
		in p at=proxy on=1 : traceparent: $W
		send x at=proxy to=shop.local : traceparent: $W
		in a at=shop from=x
		reply a
		answer x
		call y at=proxy on=1 to=shop.local : traceparent: $W`, `
		x passed_through
		y passed_through`, `
		proxy GET /p > shop 2/2, passed_through 2`},

	{"thread: two requests side by side, each judged by its own", sideBySide + `
		in a : traceparent: $W
		in b : traceparent: 00-$U-$P-01
		send y
		in c : traceparent: 00-$V-$P-01
		send z : traceparent: 00-$V-$Q-01
		answer y
		answer z`, `
		y dropped
		z propagated
		t1 no_context
		t2 no_context
		t3 no_context
		t4 no_context
		t5 no_context
		t6 no_context`, `
		shop GET /b > payments:8080 0/1, dropped 1
		shop GET /c > payments:8080 1/1
		shop GET /s > payments:8080 0/0, no context 6`},
	{"event loop: all requests under way have a context, the process makes no such calls by itself", `
		wait 10s
		in a get=/a on=7 : traceparent: $W
		in b get=/a on=7 : traceparent: 00-$U-$P-01
		call x on=7`, `
		x dropped`, `
		shop GET /a > payments:8080 0/1, dropped 1`},
	{"event loop: of several routes", `
		wait 10s
		in a on=7 : traceparent: $W
		in b on=7 : traceparent: 00-$U-$P-01
		call x on=7`, `
		x dropped`, `
		shop (several) > payments:8080 0/1, dropped 1`},
	{"event loop: a carrier tells which request it is", `
		wait 10s
		in a on=7 : traceparent: $W
		in b on=7 : traceparent: 00-$U-$P-01
		call x on=7 : traceparent: 00-$U-$Q-01
		call y on=7 : traceparent: 00-$T-$Q-01`, `
		x propagated
		y propagated`, `
		shop GET /a > payments:8080 1/1
		shop GET /b > payments:8080 1/1`},
	{"event loop: a new trace", `
		wait 10s
		in a get=/a on=7 : traceparent: $W
		in b get=/a on=7 : traceparent: 00-$U-$P-01
		call x on=7 : traceparent: 00-$V-$Q-01`, `
		x restarted`, `
		shop GET /a > payments:8080 0/1, restarted 1`},
	{"event loop: requests are missing", `
		wait 10s
		lose
		in a get=/a on=7 : traceparent: $W
		in b get=/a on=7 : traceparent: 00-$U-$P-01
		call x on=7 : traceparent: 00-$V-$Q-01
		call y on=7 : traceparent: 00-$U-$Q-01`, `
		x unlinked
		y propagated`, `
		shop GET /a > payments:8080 0/0`},
	{"event loop: one of the requests has no context", `
		wait 10s
		in a get=/a on=7 : traceparent: $W
		in b get=/a on=7
		call x on=7`, `
		x unlinked`, ``},
	{"event loop: the process makes such calls by itself", `
		call u on=7
		wait 100ms
		call v on=7
		wait 100ms
		in a get=/a on=7 : traceparent: $W
		in b get=/a on=7 : traceparent: 00-$U-$P-01
		wait 50ms
		call x on=7`, `
		u unlinked
		v unlinked
		x unlinked`, ``},
	{"records are missing: a call may be the next request's", `
		in a at=go-shop g=5 : traceparent: $W
		call x at=go-shop g=5 : traceparent: 00-$U-$Q-01
		lose a
		in b at=go-shop g=6 get=/b : traceparent: $W
		call y at=go-shop g=6 : traceparent: 00-$T-$Q-01`, `
		x restarted
		y propagated`, `
		go-shop GET /a > payments:8080 0/0
		go-shop GET /b > payments:8080 1/1`},
	{"goroutine: a carrier of another request has got in, and the goroutine says whose call it is", `
		in b at=go-shop g=4 : traceparent: 00-$U-$P-01
		in a at=go-shop g=5 : traceparent: $W
		call x at=go-shop g=5 : traceparent: 00-$U-$Q-01`, `
		x leaked`, `
		go-shop GET /a > payments:8080 0/1, leaked 1`},
	{"thread: the carrier of another request that is under way says whose call it is", `
		wait 10s
		in b : traceparent: 00-$U-$P-01
		in a : traceparent: $W
		call x : traceparent: 00-$U-$Q-01`, `
		x propagated`, `
		shop GET /b > payments:8080 1/1`},
	{"after the reply, by a child of the goroutine", `
		in a at=go-shop g=5 : traceparent: $W
		reply a
		call x at=go-shop g=7 pg=5
		call y at=go-shop g=8 pg=5 : traceparent: 00-$T-$Q-01`, `
		x dropped
		y propagated`, `
		go-shop GET /a > payments:8080 1/2, dropped 1`},
	{"a call that ends after the reply", `
		in a : traceparent: $W
		send x
		reply a
		wait 10ms
		answer x`, `x dropped`, `
		shop GET /a > payments:8080 0/1, dropped 1`},
	{"retry: first with, then without", `
		in a : traceparent: $W
		call x get=/same status=503 : traceparent: 00-$T-$Q-01
		call y get=/same`, `
		x propagated
		y dropped`, `
		shop GET /a > payments:8080 1/2, dropped 1`},
	{"calls that go to an exporter are no matter of the edge's rate", `
		in a : traceparent: $W
		call x to=collector:4318 post=/v1/traces`, `x excluded telemetry_export`, `
		shop GET /a > collector:4318 0/0, telemetry_export 1`},
}

func TestAccounts(t *testing.T) {
	for _, test := range accounts {
		t.Run(test.name, func(t *testing.T) {
			n := newNode(t, propagation.Options{})
			n.play(test.script)
			calls, r := n.end()
			if want := lines(test.calls); !slices.Equal(calls, want) {
				t.Errorf("%s\ngot  %s\nwant %s", test.script, strings.Join(calls, "\n     "), strings.Join(want, "\n     "))
			}
			if got, want := tell(r), lines(test.report); !slices.Equal(got, want) {
				t.Errorf("%s\ngot  %s\nwant %s", test.script, strings.Join(got, "\n     "), strings.Join(want, "\n     "))
			}
		})
	}
}

// TestAwaited has calls that are told together with their request, when its client was not seen in time: what they have to do with each
// other is known all the same.
func TestAwaited(t *testing.T) {
	n := newNode(t, propagation.Options{})
	for i := range 30 {
		n.play(strings.ReplaceAll(`
			in aN get=/r near=1 : traceparent: $W
			call xN get=/same status=503 : traceparent: 00-$T-$Q-01
			call yN get=/same
			reply aN`, "N", strconv.Itoa(i)))
	}
	_, r := n.end()
	if got := tell(r); !slices.Equal(got, []string{"shop GET /r > payments:8080 30/60, dropped 30 only on retries"}) {
		t.Errorf("got %q", got)
	}
}
