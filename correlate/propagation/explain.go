package propagation

import (
	"encoding/hex"
	"fmt"

	"weft/correlate/flow"
	"weft/correlate/span"
)

// Explain gives the evidence behind a span, by its id in hexadecimal: of an example, of the watched span and of one of the
// last links both heads, of one of the last requests before these how it was linked. false: it is not known, or not any more.
func (t *Table) Explain(id string) (Explanation, bool) {
	raw, err := hex.DecodeString(id)
	if err != nil || len(raw) != len(span.ID{}) {
		return Explanation{}, false
	}
	key := [8]byte(raw)
	if e := t.examples.byID[key]; e != nil {
		out := *e
		if out.Sentence == "" {
			out.Sentence = t.sentenceOf(key, e)
		}
		return out, true
	}
	if t.links.watched != nil && key == t.options.Watch {
		return *t.links.watched, true
	}
	if l := t.links.find(key); l != nil {
		e := t.explainLink(l)
		t.showHeads(key, &e)
		return e, true
	}
	return Explanation{}, false
}

// sentenceOf gives the sentence of the finding that the example belongs to.
func (t *Table) sentenceOf(id [8]byte, x *Explanation) string {
	for e := t.oldest.next; e != &t.oldest; e = e.next {
		for i := range e.findings {
			if f := &e.findings[i]; f.examples[0] == id || f.examples[1] == id {
				sums := e.total()
				one := Edge{Service: e.service.name, Route: e.routeName(), Peer: e.peer, Protocol: e.protocol}
				told := t.tellFinding(e, f)
				told.Of = max(sums.N, told.Count)
				return Sentence(one, told, t.time(t.now))
			}
		}
	}
	return fmt.Sprintf("%s: %s toward %s", x.Service, x.Verdict, x.Peer)
}

func (t *Table) explainLink(l *linked) Explanation {
	if l.server {
		return t.explainReceived(l)
	}
	e := Explanation{
		ID: hex.EncodeToString(l.span[:]), Service: l.service, Peer: l.peer, Evidence: l.evidence.String(),
		Confidence: l.confidence, Among: l.among, RuledOut: []string{}, Considered: considered(&l.votes),
		Out: Message{
			Start: t.time(l.start), End: t.time(l.end), PID: l.pid, TID: l.tid, Goroutine: l.goroutine,
			TraceID: hex.EncodeToString(l.trace[:]), SpanID: hex.EncodeToString(l.span[:]),
		},
	}
	if l.mark.Lead != Unjudged {
		e.Verdict, e.Code = l.mark.Lead.String(), l.mark.Lead.Code()
		e.Notes = l.mark.Notes.Strings(nil)
	}
	switch {
	case l.hasParent:
		e.In = &Message{
			Start: t.time(l.parentStart), PID: l.parentPID, TID: l.parentTID, Goroutine: l.parentRoutine,
			TraceID: hex.EncodeToString(l.trace[:]), SpanID: hex.EncodeToString(l.parent[:]),
		}
		e.Sentence = fmt.Sprintf("the request is part of the incoming one by %s", meanings[l.evidence])
	case l.among > 1:
		e.Sentence = fmt.Sprintf("%d incoming requests could have caused it, and nothing decides between them", l.among)
	default:
		e.Sentence = "no incoming request is known to have caused it"
	}
	e.Sentence = l.mended(e.Sentence)
	return e
}

// meanings say in words what evidence is.
var meanings = map[span.Evidence]string{
	span.NoEvidence: "no evidence",
	span.Wire:       "the wire: both ends of the connection were seen",
	span.Header:     "its header, which carries the trace that came in",
	span.Goroutine:  "the goroutine that sent it, which is or descends from the one that received",
	span.Handover:   "the goroutine that handed it to its pooled connection",
	span.Waiter:     "the goroutine that waits for the one which sent it, on a channel that this one holds",
	span.Birth:      "the thread of that one, which has made the job that the thread which sent it holds",
	span.Wake:       "the thread that made it for that one: the thread of that one has started it, or is woken when the reply is there",
	span.Task:       "the task of an event loop that sent it, which is or comes from the one that served that one",
	span.Thread:     "the thread that sent it, which was working on that one and on no other",
	span.Turn:       "the turn of its thread, which had read that one, or the reply to a call for it, just before or first of what it had to pass on",
	span.Payload:    "what both heads hold and no other one does",
	span.Order:      "order and time, which is a guess",
}

// considered tells what each kind of evidence has said of a call.
func considered(votes *[len(flow.Cause{}.Votes)]flow.Vote) []string {
	out := []string{}
	for _, v := range votes {
		switch {
		case v.Kind == 0:
		case v.Found == 1:
			out = append(out, fmt.Sprintf("%s: one request, %.1f %% sure", span.Evidence(v.Kind), 100*v.Sure))
		default:
			out = append(out, fmt.Sprintf("%s: %d requests", span.Evidence(v.Kind), v.Found))
		}
	}
	return out
}

// ruledOut lists what was looked at before the verdict and does not apply, in the order of evaluation.
func (p *pair) ruledOut(in, x *flow.Exchange) []string {
	var out []string
	say := func(format string, a ...any) { out = append(out, fmt.Sprintf(format, a...)) }
	if !x.HeadCut && !in.HeadCut {
		say("unknown: both heads were read whole")
	}
	if c := identity(&in.Carriers); c != nil {
		say("nothing to carry on: the incoming %s is valid", c.Format)
	}
	switch {
	case p.crowd:
		say("another cause: %d requests were under way, all with a context, and the process makes no such call by itself (less than %.1f %%)",
			x.Cause.CrowdSize, 100*(1-x.Cause.CrowdSure))
	case x.Cause.Confirmed:
		say("another cause: linked by %s, %.0f %% sure", meanings[span.Evidence(x.Cause.Linked)], 100*x.Cause.LinkedSure)
	}
	for i := range exclusions {
		if exclusions[i].name != sharedRule {
			say("%s: does not apply", exclusions[i].name)
		}
	}
	if p.lead == Restarted {
		say("leaked: the service has seen this trace with no incoming request of late")
	}
	if p.lead == Dropped && !in.Nominated {
		say("stripped: no Connection field of the incoming head names the carrier")
	}
	if p.lead == Malformed {
		say("relayed: the incoming %s was right", p.format)
	}
	return out
}
