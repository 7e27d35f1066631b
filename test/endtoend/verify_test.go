package endtoend

import (
	"slices"
	"testing"
	"time"

	"weft/test/fleet"
	"weft/test/tracer"
)

const (
	// clock is how far weft's clock may be from that of the programs.
	clock = int64(time.Millisecond)
	// late is how much later than its client a server may come back from its last send.
	late = int64(500 * time.Millisecond)
	// shown is how many faults of a group are told one by one.
	shown = 8
)

// audit compares spans with a book.
type audit struct {
	t       *testing.T
	byToken map[string][]*tracer.Span
	byID    map[string]*tracer.Span
	faults  int
	roots   int // calls without a header that have no parent
	retries int // calls that a client has made twice
}

// retriesMax is how many calls of a group a client may have made twice.
const retriesMax = 2

// rootsMax is how many calls of a group may have no parent where no header names it: a process of which little is known yet, with
// several requests under way, gets no link rather than a wrong one. See docs/ACCURACY.md for how often that is.
const rootsMax = 1

// verify reports, group by group, every request that is not told exactly once at each of its hops, and every span
// that no request explains.
func (b *book) verify(t *testing.T, spans []*tracer.Span) {
	t.Helper()
	a := &audit{t: t, byToken: map[string][]*tracer.Span{}, byID: map[string]*tracer.Span{}}
	for _, s := range spans {
		a.byToken[s.Token()] = append(a.byToken[s.Token()], s)
		if twin := a.byID[s.SpanID]; twin != nil {
			t.Errorf("two spans have one id: %v and %v", s, twin)
		}
		a.byID[s.SpanID] = s
	}
	groups, names := map[string][]*want{}, []string{}
	for _, w := range b.order {
		if groups[w.group] == nil {
			names = append(names, w.group)
		}
		groups[w.group] = append(groups[w.group], w)
	}
	for _, name := range names {
		t.Run(name, func(t *testing.T) {
			g := &audit{t: t, byToken: a.byToken, byID: a.byID}
			for _, w := range groups[name] {
				g.request(b, w)
			}
			g.close(len(groups[name]))
		})
	}
	t.Run("invented", func(t *testing.T) {
		g := &audit{t: t}
		g.invented(b, spans)
		g.close(len(spans))
	})
}

func (a *audit) fault(format string, args ...any) {
	a.t.Helper()
	a.faults++
	if a.faults <= shown {
		a.t.Errorf(format, args...)
	}
}

func (a *audit) close(of int) {
	a.t.Helper()
	if a.faults > shown {
		a.t.Errorf("%d faults in all, of %d", a.faults, of)
	}
}

// request compares one request with the spans of its token.
func (a *audit) request(b *book, w *want) {
	a.t.Helper()
	left := a.withoutRetry(a.byToken[w.token])
	var chain []*tracer.Span
	for _, h := range w.hops {
		s := take(&left, h)
		if s == nil {
			a.fault("%s %s: no span %+v; there are %v", w.method, w.path, h, a.byToken[w.token])
			continue
		}
		chain = append(chain, s)
		a.facts(w, h, s)
	}
	for _, s := range left {
		a.fault("%s %s: one span too many: %v; there are %v", w.method, w.path, s, a.byToken[w.token])
	}
	if len(chain) == len(w.hops) {
		a.parents(b, w, chain)
	}
}

// withoutRetry leaves out what a client has sent in vain on a connection that its server had ended, before it has sent the same again, as Go's
// does by itself (RFC 9110, section 9.2.2): one call and, if the server has read it all the same, its child, both without a status.
func (a *audit) withoutRetry(all []*tracer.Span) []*tracer.Span {
	vain := func(s *tracer.Span) bool {
		return s.Attr.Int("http.response.status_code") == 0 && s.Attr.Text("error.type") == "connection_closed"
	}
	i := slices.IndexFunc(all, func(s *tracer.Span) bool { return s.Kind == tracer.Client && vain(s) })
	if i < 0 || a.retries >= retriesMax {
		return slices.Clone(all)
	}
	call := all[i]
	again := slices.ContainsFunc(all, func(s *tracer.Span) bool {
		return s.Kind == tracer.Client && !vain(s) && s.Service() == call.Service() && s.Port() == call.Port() && s.Start >= call.End
	})
	if !again {
		return slices.Clone(all)
	}
	a.retries++
	return slices.DeleteFunc(slices.Clone(all), func(s *tracer.Span) bool {
		return s == call || s.Kind == tracer.Server && vain(s) && s.ParentID == call.SpanID
	})
}

// take removes the first span of the hop from the list.
func take(list *[]*tracer.Span, h hop) *tracer.Span {
	for i, s := range *list {
		if s.Kind == h.kind && s.Service() == h.service && s.Port() == h.port {
			*list = append((*list)[:i:i], (*list)[i+1:]...)
			return s
		}
	}
	return nil
}

func (a *audit) facts(w *want, h hop, s *tracer.Span) {
	a.t.Helper()
	type fact struct {
		name      string
		got, want any
	}
	for _, f := range []fact{
		{"method", method(s), w.method},
		{"path", s.Path(), w.path},
		{"status", int(s.Attr.Int("http.response.status_code")), w.status},
		{"request body", s.Attr.Int("http.request.body.size"), known(w.request, s.Attr.Int("http.request.body.size"))},
		{"response body", s.Attr.Int("http.response.body.size"), known(w.reply, s.Attr.Int("http.response.body.size"))},
		{"span status", s.Status.Code, spanStatus(h.kind, w.status)},
		{"loss", s.Attr["weft.loss"], nil},
	} {
		if f.got != f.want {
			a.fault("%s is %v, want %v: %v", f.name, f.got, f.want, s)
		}
	}
	for key, value := range w.attributes {
		if s.Attr[key] != value {
			a.fault("%s is %v, want %v: %v", key, s.Attr[key], value, s)
		}
	}
	if h.pgid != 0 && !inGroup(s.PID(), h.pgid) {
		a.fault("process %d is not of the server's group %d: %v", s.PID(), h.pgid, s)
	}
	end := w.end + clock
	if h.kind == tracer.Server || h.port != w.hops[0].port {
		end += late
	}
	if int64(s.Start) < w.start-clock || int64(s.End) > end || s.End < s.Start {
		a.fault("from %v to %v of the client's time %v: %v", time.Duration(int64(s.Start)-w.start), time.Duration(int64(s.End)-w.start),
			time.Duration(w.end-w.start), s)
	}
}

// known gives the number that is wanted, or what there is if none is.
func known(wanted, got int64) int64 {
	if wanted < 0 {
		return got
	}
	return wanted
}

// method undoes what the semantic conventions say of methods outside their list.
func method(s *tracer.Span) string {
	if m := s.Attr.Text("http.request.method"); m != "_OTHER" {
		return m
	}
	return s.Attr.Text("http.request.method_original")
}

// spanStatus is the status that the semantic conventions want: an error from 500 for servers and 400 for clients.
func spanStatus(kind, status int) int {
	if status >= 500 || status >= 400 && kind == tracer.Client {
		return 2
	}
	return 0
}

// parents checks that each server span is the child of the client span of the same exchange, and that no span of the
// request has a parent in another request but the one that it was sent on behalf of.
func (a *audit) parents(b *book, w *want, chain []*tracer.Span) {
	a.t.Helper()
	first := chain[0]
	if w.traceID != "" && first.Kind == tracer.Server && (first.TraceID != w.traceID || first.ParentID != w.parentID) {
		a.fault("not the child of the traceparent %s-%s: %v", w.traceID, w.parentID, first)
	}
	if w.traceID != "" && first.Kind == tracer.Client && (first.TraceID != w.traceID || first.SpanID != w.parentID) {
		a.fault("not the span of the traceparent %s-%s: %v", w.traceID, w.parentID, first)
	}
	for i, s := range chain[1:] {
		before := chain[i]
		if s.Kind == tracer.Server && (s.ParentID != before.SpanID || s.TraceID != before.TraceID) {
			a.fault("not the child of its client: %v, which is %v", s, before)
		}
	}
	for _, s := range chain {
		parent := a.byID[s.ParentID]
		if parent == nil {
			continue
		}
		if parent.TraceID != s.TraceID {
			a.fault("a child in another trace: %v, of %v", s, parent)
		}
		if token := parent.Token(); token != w.token && token != w.caller {
			a.fault("a wrong parent: %v, of %v", s, parent)
		}
	}
	if w.linked {
		a.linked(b, w, first)
	}
}

// linked checks that the request is told as made by the server span of its caller.
func (a *audit) linked(b *book, w *want, first *tracer.Span) {
	a.t.Helper()
	parent := a.byID[first.ParentID]
	if parent == nil && w.traceID == "" && a.roots < rootsMax {
		a.roots++
		return
	}
	if parent == nil || parent.Token() != w.caller || parent.Kind != tracer.Server || parent.Service() != first.Service() {
		a.fault("not the child of its caller %s: %v, which has the parent %v", b.wants[w.caller].path, first, parent)
	}
}

// invented reports spans at the fleet's ports that no request explains.
func (a *audit) invented(b *book, spans []*tracer.Span) {
	a.t.Helper()
	ports := map[int]*fleet.Member{}
	for _, m := range world.fleet.All() {
		ports[m.Port] = m
	}
	for _, s := range spans {
		if b.explains != nil && b.explains(s) {
			continue
		}
		if b.wants[s.Token()] == nil && (s.Token() != "" || s.Port() != 0 && ports[s.Port()] != nil) {
			a.fault("no request explains %v", s)
		}
	}
}
