package matrix

import (
	"fmt"
	"strings"
	"testing"

	"weft/test/tracer"
)

// hops are the spans of one request: the client's, that of the server it asks, and where that is a proxy the proxy's own and that of
// the server behind it.
type hops [4]*tracer.Span

// verifier holds the spans of one run of weft against what was asked while it ran.
type verifier struct {
	site    site
	loads   map[string]*load
	found   map[*load][]hops
	stray   []*tracer.Span // no request is theirs, or one that has its span already
	proxies map[int]bool   // the processes of the server
}

func newVerifier(s site, loads []*load, spans []*tracer.Span, group map[int]bool) *verifier {
	v := &verifier{site: s, loads: map[string]*load{}, found: map[*load][]hops{}, proxies: group}
	for _, l := range loads {
		v.loads[l.id], v.found[l] = l, make([]hops, l.n)
	}
	for _, span := range spans {
		l, i := find(span, v.loads)
		hop := v.hop(l, span)
		if hop < 0 || v.found[l][i][hop] != nil {
			v.stray = append(v.stray, span)
			continue
		}
		v.found[l][i][hop] = span
	}
	return v
}

func (v *verifier) hop(l *load, s *tracer.Span) int {
	port := fmt.Sprint(s.Port())
	switch {
	case l == nil:
	case s.Kind == tracer.Client && l.pids[s.PID()]:
		return 0
	case s.Kind == tracer.Server && port == portOf(v.site.address):
		return 1
	case s.Kind == tracer.Client && v.site.behind != "" && v.proxies[s.PID()] && port == portOf(v.site.behind):
		return 2
	case s.Kind == tracer.Server && v.site.behind != "" && port == portOf(v.site.behind):
		return 3
	}
	return -1
}

// row is what is told of one load.
type row struct {
	seen, expected int
	unlinked       int // calls of the proxy that have no parent
	faults         []string
}

func (r *row) fault(format string, args ...any) {
	r.faults = append(r.faults, fmt.Sprintf(format, args...))
}

// expected tells whether there has to be a span of a hop.
func (v *verifier) expected(hop int) bool {
	switch hop {
	case 0:
		return true
	case 1:
		return !v.site.secure || !v.site.server.sealed
	}
	return v.site.behind != ""
}

func (v *verifier) check(l *load) (r row) {
	for i, h := range v.found[l] {
		for hop, span := range h {
			if v.expected(hop) {
				r.expected++
			} else if span != nil {
				r.fault("request %d has a span that cannot be: %v", i, span)
			}
			if span == nil {
				continue
			}
			r.seen++
			version := l.client.version()
			if told := span.Attr.Text("network.protocol.version"); l.client.upgrades && told == "1.1" {
				version = told // the server may answer first and upgrade later
			}
			if hop >= 2 && v.site.server.back == "http/1.1" {
				version = "1.1"
			} else if hop >= 2 {
				version = "2"
			}
			if want, got := l.expects(i, version), l.tells(i, span); want != got {
				r.fault("hop %d tells %q, asked was %q: %v", hop, got, want, span)
			}
		}
		v.checkParents(l, i, h, &r)
	}
	return r
}

// checkParents holds that a request at one end of a connection is the child of that at the other, and that of a client goes by what it has sent.
func (v *verifier) checkParents(l *load, i int, h hops, r *row) {
	trace, parent := l.parent(i)
	if h[0] != nil && !l.client.bare && (h[0].TraceID != trace || h[0].SpanID != parent) {
		r.fault("request %d of trace %s and span %s is told as %v", i, trace, parent, h[0])
	}
	if h[0] == nil && h[1] != nil && !l.client.bare && (h[1].TraceID != trace || h[1].ParentID != parent) {
		r.fault("request %d of trace %s and span %s is served as %v", i, trace, parent, h[1])
	}
	for _, hop := range []int{1, 3} {
		if up, down := h[hop-1], h[hop]; up != nil && down != nil && (up.TraceID != down.TraceID || down.ParentID != up.SpanID) {
			r.fault("hop %d is not under the one before it: %v, %v", hop, up, down)
		}
	}
	if h[1] == nil || h[2] == nil {
		return
	}
	switch {
	case h[2].ParentID == h[1].SpanID && h[2].TraceID == h[1].TraceID:
	case h[2].ParentID == "":
		r.unlinked++
	default:
		r.fault("the call of the proxy has another parent than what it serves: %v, %v", h[1], h[2])
	}
}

// report holds all loads against their rows, and gives them.
func (v *verifier) report(t *testing.T, w *tracer.Tracer) map[*load]row {
	t.Helper()
	rows := map[*load]row{}
	for l := range v.found {
		r := v.check(l)
		rows[l] = r
		name := fmt.Sprintf("%s asks %s, %d at a time", l.client.name, v.site.server.name, l.streams)
		if r.seen != r.expected {
			t.Errorf("%s: %d spans of %d: %s", name, r.seen, r.expected, v.missing(l))
		}
		if r.unlinked > 0 {
			t.Logf("%s: %d of %d calls of the proxy have no parent", name, r.unlinked, l.n)
		}
		if len(r.faults) > 0 {
			t.Errorf("%s: %d faults, the first\n%s", name, len(r.faults), strings.Join(r.faults[:min(3, len(r.faults))], "\n"))
		}
	}
	if len(v.stray) > 0 {
		t.Errorf("%d spans of no request, the first %v", len(v.stray), v.stray[0])
	}
	for why, n := range w.Counts.Lost {
		if n != 0 {
			t.Errorf("%d lost: %s", n, why)
		}
	}
	v.checkUnread(t, w.Counts.Kernel)
	return rows
}

// checkUnread holds that spans which are missing for want of plaintext are counted, and others are not. Of a client of HTTP/2 its settings
// may be missing, which are no request.
func (v *verifier) checkUnread(t *testing.T, kernel map[string]uint64) {
	t.Helper()
	unread, late := kernel["tls_sockets_unread"], kernel["tls_sockets_late"]
	settings := uint64(0)
	for _, l := range v.loads {
		if l.client.version() == "2" {
			settings++
		}
	}
	if sealed := v.site.secure && v.site.server.sealed; (unread > 0) != sealed || late > settings {
		t.Errorf("of %d sockets nothing was read, and of %d not the beginning", unread, late)
	}
}

// missing tells which requests have no span of which hop.
func (v *verifier) missing(l *load) string {
	var text []string
	for hop := range len(hops{}) {
		if !v.expected(hop) {
			continue
		}
		var list []int
		for i, h := range v.found[l] {
			if h[hop] == nil {
				list = append(list, i)
			}
		}
		if len(list) > 0 {
			text = append(text, fmt.Sprintf("hop %d lacks %d, among them %v", hop, len(list), list[:min(8, len(list))]))
		}
	}
	return strings.Join(text, "; ")
}
