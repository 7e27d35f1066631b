package endtoend

import (
	"net"
	"strconv"
	"strings"
	"testing"
	"time"

	"weft/test/tracer"
)

// answers is a store: what it reads from a connection it sends back, after a moment.
func answers(t *testing.T) (port int) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				question := make([]byte, 64)
				for {
					n, err := c.Read(question)
					if err != nil {
						return
					}
					time.Sleep(time.Millisecond)
					_, _ = c.Write(question[:n])
				}
			}()
		}
	}()
	return l.Addr().(*net.TCPAddr).Port
}

// TestEventLoop has one thread of Node.js work on eight requests at a time. Each makes its call when a store has answered, a timer is due or a file was
// read, in between of which the thread has read other requests.
func TestEventLoop(t *testing.T) {
	t.Setenv("STORE", strconv.Itoa(answers(t)))
	pid, port := startService(t, "node", "testdata/loop.js")
	kinds := []string{"store", "timer", "at-once", "store", "file"} // five and eight connections have no common measure
	work(t, port, 80, 0, kinds)
	w := start(t, tracer.Options{Args: []string{"--pid", strconv.Itoa(pid)}})
	const requests, learning = 1000, 100_000
	work(t, port, 8, learning, kinds)
	time.Sleep(time.Second)
	work(t, port, requests, 1000, kinds)
	byID := map[string]*tracer.Span{}
	spans := stopWeft(t, w)
	for _, s := range spans {
		byID[s.SpanID] = s
	}
	seen, linked := map[string]int{}, map[string]int{}
	for _, s := range spans {
		number, called := strings.CutPrefix(pathOf(s), "/leaf/")
		n, _ := strconv.Atoi(number)
		if s.Kind != 3 || !called || n >= learning {
			continue
		}
		of := kinds[n%len(kinds)]
		seen[of]++
		if s.ParentID == "" {
			continue
		}
		linked[of]++
		if parent := byID[s.ParentID]; parent == nil || pathOf(parent) != "/"+of+"/"+number {
			t.Errorf("the call for %s %s has the parent %v by %v", of, number, parent, s.Attr["weft.parent.evidence"])
		}
	}
	for kind, n := range map[string]int{"store": 2 * requests / 5, "timer": requests / 5, "at-once": requests / 5, "file": requests / 5} {
		if seen[kind] != n || linked[kind] < n*7/10 {
			t.Errorf("%s: %d of %d calls were seen, %d have a link", kind, seen[kind], n, linked[kind])
		}
	}
	t.Logf("links %v of %v", linked, seen)
}
