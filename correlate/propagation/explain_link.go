package propagation

import (
	"encoding/hex"
	"fmt"

	"weft/correlate/flow"
	"weft/correlate/span"
)

func (t *Table) watches(x *flow.Exchange) bool {
	return t.options.Watch != [8]byte{} && x.Cause.SpanID == t.options.Watch
}

// watchPair keeps the evidence of a pair that was judged.
func (t *Table) watchPair(in, x *flow.Exchange, p *pair) {
	t.watched = t.explain(in, x, p)
	t.watched.Verdict, t.watched.Code = p.lead.String(), p.lead.Code()
}

// watch keeps the evidence of a request that has ended, if it was not judged.
func (t *Table) watch(x *flow.Exchange) {
	if t.watched != nil {
		t.watched.Sentence = t.carries(t.watched)
		return
	}
	l := t.links.find(x.Cause.SpanID)
	if l == nil {
		return
	}
	e := t.explainLink(l)
	e.Out = t.message(x)
	parent := x.Cause.Parent
	if x.Server {
		e.In, e.Out = &Message{}, Message{}
		*e.In = t.message(x)
		if x.Cause.Partner != nil {
			e.Out = t.message(x.Cause.Partner)
		}
	} else if parent != nil {
		in := t.message(parent)
		e.In = &in
	}
	t.watched = &e
}

// carries tells of a judged request in one line.
func (t *Table) carries(e *Explanation) string {
	on := ""
	if e.Route != "" {
		on = " on " + e.Route
	}
	return fmt.Sprintf("%s toward %s%s: %s", e.Service, e.Peer, on, e.Verdict)
}

// explainLink tells how a request was linked.
func (t *Table) explainLink(l *linked) Explanation {
	e := Explanation{
		ID: hex.EncodeToString(l.span[:]), Service: l.service, Peer: l.peer, Evidence: l.evidence.String(),
		Confidence: l.confidence, Among: l.among, RuledOut: l.leftOpen(),
	}
	self := Message{
		Start: t.time(l.start), End: t.time(l.end), PID: l.pid, TID: l.tid, Goroutine: l.goroutine,
		TraceID: hex.EncodeToString(l.trace[:]), SpanID: hex.EncodeToString(l.span[:]),
	}
	parent := Message{
		Start: t.time(l.parentStart), PID: l.parentPID, TID: l.parentTID, Goroutine: l.parentRoutine,
		TraceID: hex.EncodeToString(l.trace[:]), SpanID: hex.EncodeToString(l.parent[:]),
	}
	if l.mark.Lead != Unjudged {
		e.Verdict, e.Code = l.mark.Lead.String(), l.mark.Lead.Code()
	}
	if l.server {
		e.In = &self
		if l.hasParent {
			e.Out = parent
		}
		e.Sentence = l.received()
		return e
	}
	e.Out = self
	switch {
	case l.hasParent && l.evidence != span.NoEvidence:
		e.In = &parent
		e.Sentence = "the request is part of the incoming one by " + meanings[l.evidence]
	case l.hasParent:
		e.In = &parent
		e.Sentence = "the request is part of the incoming one, but its header carries another trace, and repair is off"
	case l.among > 1:
		e.Sentence = fmt.Sprintf("%d incoming requests could have caused it, and nothing decides between them", l.among)
	default:
		e.Sentence = "no incoming request is known to have caused it"
	}
	e.Sentence += l.mended()
	return e
}

// undecided says of each kind of evidence, strongest first, what it means that it did not decide.
var undecided = []struct {
	evidence        span.Evidence
	server, outward string
}{
	{span.Wire, "the other end of the connection was not seen", ""},
	{span.Header, "the head names no parent", "the head carries no trace of a request that came in"},
	{span.Goroutine, "", "no goroutine that received a request sent it, and none that descends from one"},
	{span.Handover, "", "no goroutine was seen handing it to its connection"},
	{span.Thread, "", "its thread had received no request, several, or one that was answered"},
}

// leftOpen lists the evidence that is stronger than what decided, and did not.
func (l *linked) leftOpen() []string {
	out := []string{}
	for _, o := range undecided {
		if o.evidence == l.evidence {
			break
		}
		text := o.outward
		switch {
		case l.server && l.hasParent && o.evidence == span.Wire:
			text = "the request at the other end of the connection is of another trace, and repair is off"
		case l.server:
			text = o.server
		}
		if text != "" {
			out = append(out, o.evidence.String()+": "+text)
		}
	}
	return out
}

// received tells how an incoming request was linked to the outgoing one that it is at the other end.
func (l *linked) received() string {
	switch {
	case l.evidence == span.Wire:
		return "the incoming request is the outgoing one by " + meanings[span.Wire] + l.mended()
	case l.evidence == span.Header:
		return "the header of the incoming request names its parent"
	case l.hasParent:
		return "the other end of the connection was seen, but the header names no parent, and repair is off"
	}
	return "nothing names a parent: the trace begins here"
}

// mended tells of a trace that goes on over a break.
func (l *linked) mended() string {
	switch {
	case !l.repaired:
		return ""
	case l.wireTrace == [16]byte{}:
		return "; its header carries no trace"
	}
	return "; its header carries another trace, " + hex.EncodeToString(l.wireTrace[:])
}
