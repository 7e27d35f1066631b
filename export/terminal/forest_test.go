package terminal

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"
	"unicode"

	"weft/correlate/span"
)

const ms = int64(time.Millisecond)

func plainForest(release func(*span.Span)) *forest {
	if release == nil {
		release = func(*span.Span) {}
	}
	f := newForest(false, 500*time.Millisecond, release)
	f.zone = time.UTC
	return f
}

func text(f *forest) string {
	b, _ := f.take()
	return string(b)
}

// chain makes the trace of a request through three services, the second hop without headers.
func chain(trace byte) []*span.Span {
	start := int64(1_700_000_000_000_000_000)
	web, api, db := &span.Resource{Service: "web"}, &span.Resource{Service: "api"}, &span.Resource{Service: "db"}
	id := span.TraceID{0: 0x4b, 15: trace}
	return []*span.Span{
		{TraceID: id, SpanID: span.ID{1}, ParentID: span.ID{9}, ParentRemote: true, Evidence: span.Header, Kind: span.Server, Resource: web,
			Method: "GET", Path: "/cart", Status: 200, Start: start, End: start + 12*ms},
		{TraceID: id, SpanID: span.ID{2}, ParentID: span.ID{1}, Evidence: span.Thread, Kind: span.Client, Resource: web, Host: "api", HostPort: 8080,
			Method: "GET", Path: "/items/7", Status: 500, Start: start + ms, End: start + 4*ms},
		{TraceID: id, SpanID: span.ID{3}, ParentID: span.ID{2}, Evidence: span.Wire, Kind: span.Server, Resource: api,
			Method: "GET", Path: "/items/7", Status: 500, Start: start + 2*ms, End: start + 3*ms},
		{TraceID: id, SpanID: span.ID{5}, ParentID: span.ID{3}, Evidence: span.Goroutine, Kind: span.Client, Resource: api,
			Peer: netip.MustParseAddrPort("127.0.0.1:1"), Method: "POST", Path: "/q", Fault: span.Reset, Start: start + 2500_000, End: start + 2600_000},
		{TraceID: id, SpanID: span.ID{4}, ParentID: span.ID{1}, Evidence: span.Header, Kind: span.Client, Resource: web, Host: "db",
			Method: "GET", Path: "/rows", Status: 404, Start: start + 5*ms, End: start + 6*ms},
		{TraceID: id, SpanID: span.ID{6}, ParentID: span.ID{4}, Evidence: span.Header, Kind: span.Server, Resource: db,
			Method: "GET", Path: "/rows", Status: 404, Start: start + 5200_000, End: start + 5900_000},
	}
}

const chainTree = `22:13:20.000  6 spans  12.0 ms  4b000000000000000000000000000001
  ⇠ web GET /cart                       200  12.0 ms
  ├─ ~ web → api:8080 GET /items/7      500  3.00 ms  +1.00 ms
  │  └─ ~ api GET /items/7              500  1.00 ms  +2.00 ms
  │     └─ ~ api → 127.0.0.1:1 POST /q  ---   100 µs  +2.50 ms  connection_reset
  └─   web → db GET /rows               404  1.00 ms  +5.00 ms
     └─   db GET /rows                  404   700 µs  +5.20 ms
`

func TestTree(t *testing.T) {
	f := plainForest(nil)
	spans := chain(1)
	for _, i := range []int{5, 0, 3, 2, 4, 1} { // spans end in any order
		f.put(spans[i], 100*ms)
	}
	f.tick(599 * ms)
	if got := text(f); got != "" {
		t.Errorf("drawn before it was quiet:\n%s", got)
	}
	f.tick(600 * ms)
	if got, want := text(f), legend+chainTree; got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	for _, s := range chain(2) {
		f.put(s, 700*ms)
	}
	f.end(700 * ms)
	if got := text(f); strings.Contains(got, "inferred") || strings.Count(got, "\n") != 7 {
		t.Errorf("the second tree is\n%s", got)
	}
}

// TestBreak holds that a broken context is said on the span where it broke, and makes a trace another one than without.
func TestBreak(t *testing.T) {
	f := plainForest(nil)
	whole, cut := chain(1), chain(2)
	cut[1].Verdict, cut[1].Break, cut[1].Code, cut[1].Carrier = "dropped", true, "F1", "traceparent"
	cut[4].Verdict = "propagated"
	for _, s := range append(whole, cut...) {
		f.put(s, 100*ms)
	}
	f.end(700 * ms)
	got := text(f)
	if want := "api:8080 GET /items/7      500  3.00 ms  +1.00 ms  context dropped (F1 traceparent)\n"; strings.Count(got, want) != 1 {
		t.Errorf("no %q in\n%s", want, got)
	}
	if strings.Count(got, "6 spans") != 2 || strings.Count(got, "context ") != 1 {
		t.Errorf("got\n%s", got)
	}
}

func TestSigns(t *testing.T) {
	for want, s := range map[string]span.Span{
		"⇠": {ParentID: span.ID{7}, ParentRemote: true, Evidence: span.Header},
		"…": {ParentID: span.ID{7}, Evidence: span.Thread},
		"?": {Alternates: 3},
		" ": {},
	} {
		f := plainForest(nil)
		s.SpanID, s.Method, s.Path = span.ID{1}, "GET", "/"
		f.put(&s, 0)
		f.end(0)
		if got := text(f); !strings.Contains(got, "\n  "+want+" ? GET /") {
			t.Errorf("want %q in\n%s", want, got)
		}
	}
}

func TestColors(t *testing.T) {
	f := plainForest(nil)
	f.color = true
	for _, s := range chain(1) {
		f.put(s, 0)
	}
	f.end(0)
	got := text(f)
	for _, want := range []string{"\x1b[31m500\x1b[0m", "\x1b[32m200\x1b[0m", "\x1b[33m404\x1b[0m", "\x1b[31m---\x1b[0m", "\x1b[36mweb\x1b[0m"} {
		if !strings.Contains(got, want) {
			t.Errorf("no %q in %q", want, got)
		}
	}
}

// TestMoreOfTheSame holds that many like traces become one line a second, and that all are counted.
func TestMoreOfTheSame(t *testing.T) {
	released := 0
	f := plainForest(func(*span.Span) { released++ })
	var out strings.Builder
	var settled uint64
	now := int64(0)
	for i := range 1000 {
		now += ms
		for _, s := range chain(byte(i)) {
			binary.BigEndian.PutUint32(s.TraceID[4:], uint32(i))
			s.Path = fmt.Sprintf("/cart/%d", i)
			f.put(s, now)
		}
		f.tick(now)
		b, n := f.take()
		out.Write(b)
		settled += n
	}
	f.end(now)
	b, n := f.take()
	out.Write(b)
	settled += n
	trees, more := strings.Count(out.String(), "6 spans"), strings.Count(out.String(), " more like this: web GET 200, slowest 12.0 ms\n")
	if trees != 2*sameShown || more != 2 || !strings.Contains(out.String(), "… 496 more") || !strings.Contains(out.String(), "… 498 more") {
		t.Errorf("%d trees, %d folds in\n%s", trees, more, out.String())
	}
	if settled != 6000 || released != 6000 || f.held != 0 || len(f.traces) != 0 {
		t.Errorf("%d settled, %d released, %d held", settled, released, f.held)
	}
}

func TestManyShapes(t *testing.T) {
	f := plainForest(nil)
	for i := range 2 * maxShapes {
		f.put(&span.Span{TraceID: span.TraceID{byte(i), byte(i >> 8), 1}, Kind: span.Server, Method: "GET", Route: fmt.Sprintf("/%d", i)}, 0)
	}
	f.end(0)
	got := text(f)
	if n := strings.Count(got, "1 span "); n != treesShown {
		t.Errorf("%d trees", n)
	}
	if n := strings.Count(got, "more like this"); n != maxShapes-treesShown || !strings.Contains(got, fmt.Sprintf("… %d other traces", maxShapes)) {
		t.Errorf("%d folds in\n%s", n, got)
	}
}

// TestBounds holds that hostile traces cannot take memory: many traces, one endless trace, many large ones.
func TestBounds(t *testing.T) {
	released := 0
	f := plainForest(func(*span.Span) { released++ })
	n := 0
	put := func(id int, now int64) {
		n++
		s := &span.Span{Method: "GET", Path: "/"}
		binary.BigEndian.PutUint64(s.TraceID[:], uint64(id)+1)
		binary.BigEndian.PutUint64(s.SpanID[:], uint64(n))
		f.put(s, now)
		if len(f.traces) > maxTraces || f.held > maxHeld || n-released > maxHeld {
			t.Fatalf("%d traces, %d held, %d not released", len(f.traces), f.held, n-released)
		}
	}
	for i := range 2 * maxTraces {
		put(i, 0)
	}
	for range 3 * maxRows {
		put(-2, 1)
	}
	f.end(1)
	if got := text(f); !strings.Contains(got, fmt.Sprintf("… and %d more spans", 2*maxRows)) && !strings.Contains(got, "more like this") {
		t.Errorf("got\n%s", got)
	}
	for i := range 2 * maxHeld {
		put(i%300, 2)
	}
	f.end(2)
	if _, settled := f.take(); released != n || f.held != 0 || settled == 0 {
		t.Errorf("%d of %d released, %d held", released, n, f.held)
	}
}

// TestBusyTrace holds that a trace that never becomes quiet is drawn all the same.
func TestBusyTrace(t *testing.T) {
	f := plainForest(nil)
	for now := int64(0); now < 6000*ms; now += 100 * ms {
		f.put(&span.Span{TraceID: span.TraceID{1}, SpanID: span.ID{byte(now / ms / 100), 1}, Method: "GET", Path: "/"}, now)
		f.tick(now)
	}
	if got := text(f); !strings.Contains(got, "52 spans") {
		t.Errorf("got\n%s", got)
	}
}

// TestHostileSpans holds that circles, doubles and control characters do no harm.
func TestHostileSpans(t *testing.T) {
	f := plainForest(nil)
	id := span.TraceID{1}
	hostile := "/\x1b]0;owned\a\r\n\u009b2J\u202e"
	for _, s := range []*span.Span{
		{SpanID: span.ID{1}, ParentID: span.ID{2}, Path: "/circle1"},
		{SpanID: span.ID{2}, ParentID: span.ID{1}, Path: "/circle2"},
		{SpanID: span.ID{3}, ParentID: span.ID{3}, Path: "/own"},
		{SpanID: span.ID{4}, Path: "/double1"},
		{SpanID: span.ID{4}, Path: "/double2"},
		{SpanID: span.ID{5}, ParentID: span.ID{4}, Path: "/child"},
		{SpanID: span.ID{6}, Path: hostile, Method: hostile, Host: hostile, Kind: span.Client, Fault: span.Fault(hostile), Resource: &span.Resource{Service: hostile}},
	} {
		s.TraceID = id
		f.put(s, 0)
	}
	f.end(0)
	got := text(f)
	for _, want := range []string{"/circle1", "/circle2", "/own", "/double1", "/double2", "/child", `\x1b]0;owned\a\r\n\u009b2J\u202e`} {
		if strings.Count(got, want+" ") == 0 {
			t.Errorf("no %q in\n%s", want, got)
		}
	}
	for _, r := range got {
		if r != '\n' && !unicode.IsPrint(r) {
			t.Errorf("%U in %q", r, got)
		}
	}
}

func TestDeepTrace(t *testing.T) {
	f := plainForest(nil)
	for i := range maxRows {
		f.put(&span.Span{TraceID: span.TraceID{1}, SpanID: span.ID{byte(i + 1)}, ParentID: span.ID{byte(i)}, Method: "GET", Path: "/", Start: int64(i)}, 0)
	}
	f.end(0)
	got := text(f)
	for line := range strings.SplitSeq(strings.TrimPrefix(got, legend), "\n") {
		if len([]rune(line)) > 3*maxIndent+60 {
			t.Fatalf("line %q", line)
		}
	}
	if n := strings.Count(got, "GET /"); n != maxRows {
		t.Errorf("%d rows", n)
	}
}

func BenchmarkForest(b *testing.B) {
	f := plainForest(nil)
	now := int64(0)
	i := uint32(0)
	spans := chain(1)
	b.ReportAllocs()
	for b.Loop() {
		now += 20_000
		i++
		for _, s := range spans {
			c := *s
			binary.BigEndian.PutUint32(c.TraceID[4:], i)
			f.put(&c, now)
		}
		f.tick(now)
		f.take()
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(6*i), "ns/span")
}
