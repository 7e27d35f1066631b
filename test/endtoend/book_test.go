package endtoend

import (
	"fmt"
	"os"
	"sync/atomic"
	"syscall"
	"testing"

	"weft/test/fleet"
	"weft/test/tracer"
)

// hop is one end of one connection that a request crosses.
type hop struct {
	kind    int
	service string
	port    int // of the server's end
	pgid    int // process group of the process, 0 when it is not known
}

// want is one request and everything that weft must tell of it.
type want struct {
	group, token string
	method, path string
	status       int
	request      int64 // bytes of body; negative: not compared
	reply        int64
	start, end   int64  // what the client measured
	hops         []hop  // in the order in which the request crosses them
	caller       string // token of the request on whose behalf this one was sent, or empty
	linked       bool   // its first span must be a child of the caller's server span
	traceID      string // if a traceparent was sent
	parentID     string
	attributes   tracer.Attributes // that every span must have
}

// book is the requests of a test.
type book struct {
	wants map[string]*want
	order []*want
	// explains tells whether a span that belongs to no request of the book is right all the same; nil: none is.
	explains func(*tracer.Span) bool
}

func newBook() *book { return &book{wants: map[string]*want{}} }

var tokens atomic.Int64

// newToken gives a token that no other request has, in this run and in others at the same time.
func newToken() string { return fmt.Sprintf("t-%d-%d", os.Getpid(), tokens.Add(1)) }

func (b *book) add(w *want) {
	b.wants[w.token] = w
	b.order = append(b.order, w)
}

// route is a request to make: the path is followed by a slash and the token.
type route struct {
	method, path string
	body         int64
	chunked      bool
	status       int
	reply        int64 // -1: whatever the server's page for the status is
}

// hops gives what a request from a client to a member crosses.
func hops(client string, m *fleet.Member) []hop {
	list := []hop{{tracer.Client, client, m.Port, 0}, {tracer.Server, m.Service, m.Port, m.PID}}
	if m.Backend == "" {
		return list
	}
	back := world.fleet.Members[m.Backend]
	return append(list, hop{tracer.Client, m.Service, back.Port, m.PID}, hop{tracer.Server, back.Service, back.Port, back.PID})
}

// exchange lets a client make the requests and books them. The servers' answers are part of the test: an answer that
// is not the route's fails it.
func (b *book) exchange(t *testing.T, group string, c fleet.Client, m *fleet.Member, routes []route, connections int, keepAlive bool) {
	t.Helper()
	jobs := make([]fleet.Job, len(routes))
	list := make([]string, len(routes))
	for i, r := range routes {
		list[i] = newToken()
		jobs[i] = fleet.Job{Method: r.method, URL: m.URL(r.path + "/" + list[i]), Body: r.body, Chunked: r.chunked}
	}
	results, err := c.Run(world.cache, jobs, connections, keepAlive)
	if err != nil {
		t.Errorf("%s: %v", group, err)
		return
	}
	for i, r := range routes {
		got := results[i]
		if got.Error != "" || got.Status != r.status || r.reply >= 0 && got.Size != r.reply {
			t.Errorf("%s: %s %s: the client got %+v, want status %d and %d bytes", group, r.method, jobs[i].URL, got, r.status, r.reply)
			continue
		}
		b.add(&want{
			group: group, token: list[i], method: r.method, path: r.path + "/" + list[i], status: got.Status,
			request: r.body, reply: got.Size, start: got.Start, end: got.End, hops: hops(c.Service, m),
		})
	}
}

// inGroup tells whether a process is of the process group, or gone with its group unknown.
func inGroup(pid, pgid int) bool {
	got, err := syscall.Getpgid(pid)
	return err != nil || got == pgid
}
