package endtoend

import (
	"strconv"
	"strings"
	"testing"
	"time"

	"weft/test/tracer"
)

// TestBirths has threads of Java make the calls of others' requests. What they hold, the thread of any request has allocated: after some thousand of
// these calls weft looks at few of them. Then it is that of the right one: weft finds out, and looks at all of them again.
func TestBirths(t *testing.T) {
	pid, port := startService(t, "java", "-Xint", "-Xmx128m", "-XX:+UseSerialGC", "testdata/Handed.java")
	work(t, port, 80, 0, []string{"over"})
	w := start(t, tracer.Options{Args: []string{"--pid", strconv.Itoa(pid), "--log-level", "debug"}})
	const all = 1_000_000
	first := all
	for _, c := range []struct{ kind, says string }{{"over", "seldom=true"}, {"job", "seldom=false"}} {
		for until := time.Now().Add(time.Minute); !strings.Contains(w.Log(), c.says); first += 800 {
			if time.Now().After(until) {
				t.Fatalf("after %d calls weft does not say %s", first-all, c.says)
			}
			work(t, port, 800, first, []string{c.kind})
			time.Sleep(50 * time.Millisecond)
		}
	}
	const requests = 800
	work(t, port, requests, 0, []string{"job"})
	spans := stopWeft(t, w)
	byID := map[string]*tracer.Span{}
	for _, s := range spans {
		byID[s.SpanID] = s
	}
	linked := 0
	for _, s := range spans {
		if s.Kind != tracer.Client || s.ParentID == "" {
			continue
		}
		number, parent := numberOf(s), byID[s.ParentID]
		if parent == nil || numberOf(parent) != number {
			t.Errorf("the call of %s has the parent %v by %v", number, parent, s.Attr["weft.parent.evidence"])
		}
		if n, _ := strconv.Atoi(number); n < all && s.Attr["weft.parent.evidence"] == "birth" {
			linked++
		}
	}
	if linked < requests*9/10 {
		t.Errorf("%d of %d calls are linked by birth once it is looked at all of them again", linked, requests)
	}
	t.Logf("%d calls before that", first-all)
}

// numberOf gives what stands last in a path.
func numberOf(s *tracer.Span) string {
	path := pathOf(s)
	return path[strings.LastIndexByte(path, '/')+1:]
}
