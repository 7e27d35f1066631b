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
	t.links.watched = t.explain(in, x, p)
	t.links.watched.Verdict, t.links.watched.Code = p.lead.String(), p.lead.Code()
}

// watch keeps the evidence of a request that has ended, if it was not judged.
func (t *Table) watch(x *flow.Exchange) {
	if t.links.watched != nil {
		t.links.watched.Sentence = t.carries(t.links.watched)
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
	t.links.watched = &e
}

// carries tells of a judged request in one line.
func (t *Table) carries(e *Explanation) string {
	on := ""
	if e.Route != "" {
		on = " on " + e.Route
	}
	return fmt.Sprintf("%s toward %s%s: %s", e.Service, e.Peer, on, e.Verdict)
}

// explainReceived tells how an incoming request was linked to the outgoing one that it is at the other end.
func (t *Table) explainReceived(l *linked) Explanation {
	e := Explanation{
		ID: hex.EncodeToString(l.span[:]), Service: l.service, Evidence: l.evidence.String(),
		Confidence: l.confidence, RuledOut: []string{}, Sentence: l.received(),
		In: &Message{
			Start: t.time(l.start), End: t.time(l.end), PID: l.pid, TID: l.tid, Goroutine: l.goroutine,
			TraceID: hex.EncodeToString(l.trace[:]), SpanID: hex.EncodeToString(l.span[:]),
		},
	}
	switch {
	case l.hasParent:
		e.Out = Message{
			Start: t.time(l.parentStart), PID: l.parentPID, TID: l.parentTID, Goroutine: l.parentRoutine,
			TraceID: hex.EncodeToString(l.trace[:]), SpanID: hex.EncodeToString(l.parent[:]),
		}
		if l.evidence != span.Wire {
			e.RuledOut = append(e.RuledOut, "wire: the request at the other end of the connection is of another trace, and repair is off")
		}
	default:
		e.RuledOut = append(e.RuledOut, "wire: the other end of the connection was not seen")
	}
	return e
}

func (l *linked) received() string {
	switch {
	case l.evidence == span.Wire:
		return "the incoming request is the outgoing one by " + l.mended(meanings[span.Wire])
	case l.evidence == span.Header:
		return "the header of the incoming request names its parent"
	case l.hasParent:
		return "the other end of the connection was seen, but the header names no parent, and repair is off"
	}
	return "nothing names a parent: the trace begins here"
}

// mended adds to a sentence whether the trace goes on over a break, or could.
func (l *linked) mended(sentence string) string {
	switch {
	case !l.server && l.hasParent && l.evidence == span.NoEvidence:
		return "the request is part of the incoming one, but its header carries another trace, and repair is off"
	case !l.repaired:
		return sentence
	case l.wireTrace == [16]byte{}:
		return sentence + "; its header carries no trace"
	}
	return sentence + "; its header carries another trace, " + hex.EncodeToString(l.wireTrace[:])
}
