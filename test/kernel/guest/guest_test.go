// Package guest is what runs inside a guest of test/kernel: weft, two servers and a client.
package guest

import (
	"fmt"
	"net/url"
	"os"
	"strings"
	"testing"
	"time"

	"weft/test/fleet"
	"weft/test/tracer"
)

// calls is how many requests are sent, by eight connections.
const calls = 40

// TestTrace calls a Go server that calls nginx: each call has a span at each end of each connection, in one trace, and no other span.
// Half of them carry a context.
func TestTrace(t *testing.T) {
	cache, err := fleet.Cache()
	if err != nil {
		t.Fatal(err)
	}
	members, err := fleet.Start(cache, "go", "nginx")
	if err != nil {
		t.Fatal(err)
	}
	defer members.Stop()
	w, err := tracer.Start(os.Getenv("WEFT"), tracer.Options{Args: []string{"--hook", os.Getenv("WEFT_HOOK"), "--control", "/run/weft"}})
	if err != nil {
		t.Fatal(err)
	}
	defer w.Kill()
	jobs := make([]fleet.Job, calls)
	for i := range jobs {
		to := members.Members["nginx"].URL(fmt.Sprintf("/hello/t-%d", i))
		jobs[i] = fleet.Job{Method: "GET", URL: members.Members["go"].URL(fmt.Sprintf("/call/t-%d?trace=%s&url=%s", i, []string{"", "new"}[i%2], url.QueryEscape(to)))}
		if i%2 == 1 {
			jobs[i].Headers = map[string]string{"traceparent": fmt.Sprintf("00-%032x-%016x-01", i+1, i+1)}
		}
	}
	results, err := fleet.Clients["go"].Run(cache, jobs, 8, true)
	if err != nil {
		t.Fatal(err)
	}
	for i, r := range results {
		if r.Error != "" || r.Status != 200 {
			t.Errorf("call %d: the client got %+v", i, r)
		}
	}
	w.Await(20*time.Second, func(spans []*tracer.Span) bool { return len(spans) >= 4*calls })
	if err := w.Stop(); err != nil {
		t.Error(err)
	}
	if t.Failed() || !verify(t, w.Spans(), int(w.Counts.Kernel["programs_missed"])) {
		t.Logf("weft counted %+v and wrote:\n%s", w.Counts, w.Log())
	}
}

// verify holds the spans of each call to one line of four. The newest kernels preempt programs, of which an emulator makes hundreds
// of microseconds, and leave out a program that is running already on the CPU: each operation that was missed so may cost a
// request at one end, with the one behind it on the connection, and the lines that they are in. None missed, none lost.
func verify(t *testing.T, spans []*tracer.Span, missed int) bool {
	if n := len(spans); n > 4*calls || n < 4*calls-2*missed {
		t.Errorf("%d spans and %d operations missed, want %d", n, missed, 4*calls)
	}
	ids := map[string]*tracer.Span{}
	for _, s := range spans {
		ids[s.SpanID] = s
	}
	whole := 0
	for _, s := range spans {
		if !strings.HasPrefix(s.Attr.Text("url.path"), "/hello/") || s.Kind != tracer.Server {
			continue
		}
		depth := 1
		for at := ids[s.ParentID]; at != nil && at.TraceID == s.TraceID; at = ids[at.ParentID] {
			depth++
		}
		if depth == 4 {
			whole++
		} else if depth < 4 {
			for at := s; at != nil; at = ids[at.ParentID] {
				t.Logf("%d before %s: %s %+v", depth, s.Attr.Text("url.path"), at.Name, at.Attr)
			}
		}
	}
	if whole < calls-2*missed {
		t.Errorf("%d calls are one line of four spans and %d operations were missed, want %d", whole, missed, calls)
	}
	return !t.Failed()
}
