package endtoend

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"weft/test/tracer"
)

// TestTasks has one thread of Python's asyncio work on eight requests at a time, whose calls are sent when timers say so. The
// running task, and which one has started it, tell whose each is. What works for anybody has no link.
func TestTasks(t *testing.T) {
	for _, way := range []string{"streams", "protocol"} {
		t.Run(way, func(t *testing.T) { tellTasks(t, "tasks.py", way) })
	}
}

// TestJobs has each request read by a thread of its own, which hands the calls to threads of a pool, or those to others.
func TestJobs(t *testing.T) { tellTasks(t, "jobs.py", "") }

func tellTasks(t *testing.T, script, way string) {
	pid, port := startService(t, "/usr/bin/python3", "testdata/"+script, way)
	// The connections of the service to itself are opened before, and its worker is started by a request that ends before.
	work(t, port, 1, 0, []string{"queue"})
	work(t, port, 40, 1, []string{"work"})
	w := start(t, tracer.Options{Args: []string{"--pid", strconv.Itoa(pid)}})
	// A first request has weft look into the process; then the way in which that works is learned.
	const requests, learning = 600, 100_000
	work(t, port, 8, learning, []string{"work"})
	time.Sleep(time.Second)
	work(t, port, 80, learning, []string{"work"})
	kinds := []string{"work", "work", "work", "fire", "queue"} // five and eight connections have no common measure
	work(t, port, requests, 1000, kinds)
	time.Sleep(100 * time.Millisecond) // the last tasks that were left running
	byID := map[string]*tracer.Span{}
	spans := stopWeft(t, w)
	for _, s := range spans {
		byID[s.SpanID] = s
	}
	linked := map[string]int{}
	for _, s := range spans {
		kind, number, _ := strings.Cut(strings.TrimPrefix(pathOf(s), "/"), "/")
		if s.Kind != 3 || kind != "leaf" {
			continue
		}
		n, _ := strconv.Atoi(number)
		if n >= learning {
			continue
		}
		of := kinds[n%len(kinds)]
		linked[of+" seen"]++
		if s.ParentID == "" {
			continue
		}
		linked[of]++
		if parent := byID[s.ParentID]; parent == nil || pathOf(parent) != "/"+of+"/"+number {
			t.Errorf("the call for %s %s has the parent %v by %v", of, number, parent, s.Attr["weft.parent.evidence"])
		}
	}
	calls := 3 * requests * 3 / 5
	if linked["work seen"] != calls || linked["fire seen"] != requests/5 || linked["queue seen"] != requests/5 {
		t.Errorf("calls: %v, of %d requests", linked, requests)
	}
	// A request that takes longer than weft waits has no link if it is the first of its connection.
	if least := calls * 9 / 10; linked["work"] < least {
		t.Errorf("%d of %d calls have a link, want %d", linked["work"], calls, least)
	}
}

func pathOf(s *tracer.Span) string {
	if path, ok := s.Attr["url.path"].(string); ok {
		return path
	}
	full, _ := s.Attr["url.full"].(string)
	return full[strings.Index(full+"/leaf/", "/leaf/"):]
}

// startService runs a service until it listens on PORT.
func startService(t *testing.T, argv ...string) (pid, port int) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	port = l.Addr().(*net.TCPAddr).Port
	l.Close()
	c := exec.Command(argv[0], argv[1:]...)
	c.Env = append(os.Environ(), "PORT="+strconv.Itoa(port))
	c.Stderr = os.Stderr
	c.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = c.Process.Kill()
		_ = c.Wait()
	})
	for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		conn, err := net.Dial("tcp", fmt.Sprintf("127.0.0.1:%d", port))
		if err == nil {
			conn.Close()
			return c.Process.Pid, port
		}
		if time.Now().After(deadline) {
			t.Fatal("the service does not listen")
		}
	}
}

// work sends n requests over eight connections, of some kinds by their numbers.
func work(t *testing.T, port, n, first int, kinds []string) {
	t.Helper()
	const connections = 8
	transport := &http.Transport{MaxIdleConnsPerHost: connections}
	defer transport.CloseIdleConnections()
	client := http.Client{Transport: transport}
	var all sync.WaitGroup
	for i := range connections {
		all.Go(func() {
			for j := i; j < n; j += connections {
				r, err := client.Get(fmt.Sprintf("http://127.0.0.1:%d/%s/%d", port, kinds[(first+j)%len(kinds)], first+j))
				if err != nil {
					t.Error(err)
					return
				}
				_, _ = io.Copy(io.Discard, r.Body)
				r.Body.Close()
			}
		})
	}
	all.Wait()
}
