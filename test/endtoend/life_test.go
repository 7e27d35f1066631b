package endtoend

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/cilium/ebpf"

	"weft/test/fleet"
	"weft/test/tracer"
)

const (
	// pause is between two requests of one connection of the steady traffic.
	pause = 25 * time.Millisecond
	// flight is how long before kill -9 an exchange must have ended to be out of weft for sure.
	flight = 700 * time.Millisecond
)

// TestLife starts weft in the middle of traffic, interrupts it, starts it again, kills it and starts it a third time.
// Not one request fails, each run tells every request that began and ended within it, connections that are older than
// the run included, and nothing is left in the kernel.
func TestLife(t *testing.T) {
	books := traffic(t, func() []span {
		first := span{tracer: startWeft(t)}
		time.Sleep(1500 * time.Millisecond)
		first.until = time.Now()
		first.spans = stopWeft(t, first.tracer)

		second := span{tracer: startWeft(t)}
		time.Sleep(2 * time.Second)
		second.until = time.Now().Add(-flight)
		left := loaded(t, second.tracer.PID())
		second.tracer.Kill()
		second.spans = second.tracer.Spans()
		gone(t, left)

		third := span{tracer: startWeft(t)}
		time.Sleep(1500 * time.Millisecond)
		third.until = time.Now()
		third.spans = stopWeft(t, third.tracer)
		return []span{first, second, third}
	})
	for i, name := range []string{"interrupted", "killed", "last"} {
		t.Run(name, func(t *testing.T) {
			if len(books[i].book.order) < 500 {
				t.Errorf("only %d requests lie within this run", len(books[i].book.order))
			}
			books[i].book.verify(t, books[i].spans)
		})
	}
}

// span is one run of weft: what began after it was ready and ended before until must be told.
type span struct {
	tracer *tracer.Tracer
	until  time.Time
	spans  []*tracer.Span
	book   *book
}

// traffic keeps clients busy at some servers while act starts and ends runs of weft, checks that no request failed, and
// gives each run the book of the requests that lie within it.
func traffic(t *testing.T, act func() []span) []span {
	t.Helper()
	var loads []*load
	for _, name := range []string{"nginx", "nginx-proxy", "go", "http.server", "node", "tomcat"} {
		for _, keepAlive := range []bool{true, false} {
			loads = append(loads, newLoad(world.fleet.Members[name], keepAlive))
		}
	}
	stop := make(chan struct{})
	var running sync.WaitGroup
	for _, l := range loads {
		running.Go(func() { l.run(stop) })
	}
	time.Sleep(700 * time.Millisecond) // their connections are older than the first run
	runs := act()
	close(stop)
	running.Wait()
	for i := range runs {
		runs[i].book = newBook()
		// Requests that reach into the run from outside of it may be told or not.
		runs[i].book.explains = func(s *tracer.Span) bool { return runs[i].book.wants[s.Token()] == nil }
	}
	for _, l := range loads {
		l.divide(t, runs)
	}
	return runs
}

// load is steady traffic of one client program to one member.
type load struct {
	member    *fleet.Member
	keepAlive bool
	jobs      []fleet.Job
	tokens    []string
	results   []fleet.Result
	err       error
}

const connections = 2

func newLoad(m *fleet.Member, keepAlive bool) *load {
	l := &load{member: m, keepAlive: keepAlive}
	for range int(time.Minute/pause) * connections {
		token := newToken()
		l.tokens = append(l.tokens, token)
		l.jobs = append(l.jobs, fleet.Job{Method: "GET", URL: m.URL("/hello/" + token), Pause: pause})
	}
	return l
}

func (l *load) run(stop <-chan struct{}) {
	l.results, l.err = fleet.Clients["go"].RunUntil(stop, world.cache, l.jobs, connections, l.keepAlive)
}

// divide books each request in the run that it lies in.
func (l *load) divide(t *testing.T, runs []span) {
	t.Helper()
	group := fmt.Sprintf("%s/keepalive=%v", l.member.Name, l.keepAlive)
	if l.err != nil {
		t.Errorf("%s: %v", group, l.err)
	}
	for _, r := range l.results {
		if r.Error != "" || r.Status != 200 || r.Size != 6 {
			t.Errorf("%s: the client got %+v", group, r)
		}
		for _, run := range runs {
			if r.Start > run.tracer.Ready.UnixNano() && r.End < run.until.UnixNano() {
				run.book.add(&want{
					group: group, token: l.tokens[r.I], method: "GET", path: "/hello/" + l.tokens[r.I], status: 200, reply: 6,
					start: r.Start, end: r.End, hops: hops("goclient", l.member),
				})
			}
		}
	}
}

// loaded gives the ids of the BPF programs that a process holds.
func loaded(t *testing.T, pid int) []ebpf.ProgramID {
	t.Helper()
	files, err := filepath.Glob(fmt.Sprintf("/proc/%d/fdinfo/*", pid))
	if err != nil {
		t.Fatal(err)
	}
	var ids []ebpf.ProgramID
	for _, file := range files {
		text, _ := os.ReadFile(file)
		_, tail, ok := strings.Cut(string(text), "prog_id:")
		if !ok {
			continue
		}
		id, err := strconv.Atoi(strings.Fields(tail)[0])
		if err != nil {
			t.Fatal(err)
		}
		ids = append(ids, ebpf.ProgramID(id))
	}
	if len(ids) == 0 {
		t.Fatal("weft holds no BPF program")
	}
	return ids
}

// gone checks that no program of the ids is in the kernel any more; it frees them a little after their process.
func gone(t *testing.T, ids []ebpf.ProgramID) {
	t.Helper()
	for _, id := range ids {
		deadline := time.Now().Add(5 * time.Second)
		for {
			p, err := ebpf.NewProgramFromID(id)
			if errors.Is(err, os.ErrNotExist) || errors.Is(err, syscall.ENOENT) {
				break
			}
			if err == nil {
				p.Close()
			}
			if time.Now().After(deadline) {
				t.Fatalf("BPF program %d is still there: %v", id, err)
			}
			time.Sleep(20 * time.Millisecond)
		}
	}
}
