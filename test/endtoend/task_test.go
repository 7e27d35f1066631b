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
// running task, and which one has started it, tell whose each is.
func TestTasks(t *testing.T) {
	pid, port := startTasks(t)
	// The connections of the service to itself are opened before, so that weft follows few of them.
	work(t, port, 0, 40)
	w := start(t, tracer.Options{Args: []string{"--pid", strconv.Itoa(pid)}})
	const requests = 400
	work(t, port, 1000, requests)
	spans := stopWeft(t, w)
	byID := map[string]*tracer.Span{}
	for _, s := range spans {
		byID[s.SpanID] = s
	}
	calls, linked := 0, 0
	for _, s := range spans {
		path := pathOf(s)
		if s.Kind != 3 || !strings.HasPrefix(path, "/leaf/") {
			continue
		}
		calls++
		if s.ParentID == "" {
			continue
		}
		linked++
		parent := byID[s.ParentID]
		if parent == nil || pathOf(parent) != strings.Replace(path, "/leaf/", "/work/", 1) {
			t.Errorf("the call %s has the parent %v by %v", path, parent, s.Attr["weft.parent.evidence"])
		}
	}
	if calls != 3*requests {
		t.Errorf("%d calls were seen, want %d", calls, 3*requests)
	}
	// What comes before the way in which the service works is proven has no link.
	if least := calls * 9 / 10; linked < least {
		t.Errorf("%d of %d calls have a link, want %d", linked, calls, least)
	}
}

func pathOf(s *tracer.Span) string {
	if path, ok := s.Attr["url.path"].(string); ok {
		return path
	}
	full, _ := s.Attr["url.full"].(string)
	return full[strings.Index(full+"/leaf/", "/leaf/"):]
}

// startTasks starts the service with the system's Python.
func startTasks(t *testing.T) (pid, port int) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	port = l.Addr().(*net.TCPAddr).Port
	l.Close()
	c := exec.Command("/usr/bin/python3", "testdata/tasks.py")
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

// work sends requests over eight connections.
func work(t *testing.T, port, first, n int) {
	t.Helper()
	const connections = 8
	transport := &http.Transport{MaxIdleConnsPerHost: connections}
	defer transport.CloseIdleConnections()
	client := http.Client{Transport: transport}
	var all sync.WaitGroup
	for i := range connections {
		all.Go(func() {
			for j := i; j < n; j += connections {
				r, err := client.Get(fmt.Sprintf("http://127.0.0.1:%d/work/%d", port, first+j))
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
