package propagation

import (
	"bytes"

	"weft/correlate/tracecontext"
)

// Notes is a set of verdicts, by bit.
type Notes uint32

// Has tells whether a verdict is in the set.
func (n Notes) Has(v Verdict) bool { return n&(1<<v) != 0 }

// Strings appends the names of the verdicts in the set.
func (n Notes) Strings(dst []string) []string {
	for v := Verdict(0); n != 0 && v < Verdicts; v++ {
		if n.Has(v) {
			dst = append(dst, v.String())
		}
	}
	return dst
}

func (n *Notes) add(v Verdict) { *n |= 1 << v }

// outcome says how far the judging of an outgoing request has come.
type outcome uint8

const (
	judged    outcome = iota
	unknown           // a head was cut, or says nothing that can be compared
	noContext         // the incoming request carried nothing that could go on
)

// judgement is what became of the context of one incoming request in one outgoing one.
type judgement struct {
	lead     Verdict
	notes    Notes
	recorded bool // the incoming context asks for recording, or leaves it open
	format   tracecontext.Format
	rule     tracecontext.Rule
	to       *tracecontext.Carrier // that goes on, or that is wrong; nil when there is none
}

// surroundings are facts beyond the two heads.
type surroundings struct {
	ownSpans  bool                             // the service exports spans of its own
	nominated bool                             // the incoming Connection field names a carrier
	leaked    func(*tracecontext.Context) bool // the service has seen this trace with another request
}

// judge compares the carriers of two requests in the order of evaluation of docs/PROPAGATION.md.
func judge(in, out *tracecontext.Set, s surroundings) (j judgement, o outcome) {
	from, to, narrow := match(in, out)
	if from == nil {
		if from = identity(in); from == nil {
			return judgeInvalid(in, out)
		}
	}
	j.recorded = from.Context.Decision != tracecontext.Denied
	j.format = from.Format
	if to == nil && out.State(from.Format) == tracecontext.Unknown {
		return j, unknown
	}
	switch {
	case j.onMessage(in, out, to):
	case to == nil && !out.Any():
		j.lead = Dropped
		if s.nominated {
			j.lead = Stripped
		}
	case to == nil && !out.Whole() && identity(out) == nil:
		return j, unknown
	case to == nil && isObscure(from, out):
		if !mentions(out, &from.Context) {
			return j, unknown
		}
		j.lead = Propagated
		j.notes.add(FormatSwitched)
	case to == nil:
		j.replaced(from, in, out, s)
	case narrow && to.Context.Width == 128:
		j.lead, j.to = Truncated, to
	default:
		j.goesOn(in, out, from, to, s)
		if narrow {
			j.notes.add(WidthLost)
		}
	}
	return j, judged
}

// judgeInvalid: what came in could not go on. It must not, either.
func judgeInvalid(in, out *tracecontext.Set) (j judgement, o outcome) {
	if !in.Any() {
		if in.State(tracecontext.W3C) == tracecontext.Unknown {
			return j, unknown
		}
		return j, noContext
	}
	to := identity(out)
	if to == nil || to.Context.Width == 0 || !mentions(in, &to.Context) {
		return j, noContext
	}
	carriers := in.Carriers()
	for i := range carriers {
		if c := &carriers[i]; c.State == tracecontext.Invalid && !independent(c.Format) {
			j.format, j.rule = c.Format, c.Rule
			break
		}
	}
	j.lead, j.to = Accepted, to
	return j, judged
}

// onMessage finds what is wrong with the outgoing head by itself, unless it came in like that.
func (j *judgement) onMessage(in, out *tracecontext.Set, to *tracecontext.Carrier) bool {
	valid := 0
	outs := out.Carriers()
	for i := range outs {
		c := &outs[i]
		if independent(c.Format) {
			continue
		}
		came := in.Carrier(c.Format)
		switch {
		case c.State == tracecontext.Valid:
			valid++
		case c.State != tracecontext.Invalid || came != nil && came.State == tracecontext.Invalid:
		case c.Fields > 1:
			j.lead, j.format, j.rule, j.to = Duplicated, c.Format, c.Rule, c
			return true
		case j.lead == Unjudged:
			j.lead, j.format, j.rule, j.to = Malformed, c.Format, c.Rule, c
		}
	}
	if j.lead == Malformed && (valid == 0 || to == nil) {
		return true
	}
	j.lead, j.rule, j.to = Unjudged, "", nil
	if other := disagrees(out); to != nil && other != nil && disagrees(in) == nil {
		j.lead, j.format, j.to = Disagreeing, other.Format, other
		return true
	}
	return false
}

// disagrees gives a carrier that names another trace than the first one of the message. X-Ray's is one of its own: load
// balancers add it to whatever comes.
func disagrees(s *tracecontext.Set) *tracecontext.Carrier {
	var first *tracecontext.Carrier
	carriers := s.Carriers()
	for i := range carriers {
		c := &carriers[i]
		switch {
		case !names(c) || c.Context.Width == 0 || c.Format == tracecontext.XRay:
		case first == nil:
			first = c
		default:
			if same, _ := tracecontext.SameTrace(first.Context, c.Context); !same {
				return c
			}
		}
	}
	return nil
}

// replaced: the outgoing head carries something else than what came in.
func (j *judgement) replaced(from *tracecontext.Carrier, in, out *tracecontext.Set, s surroundings) {
	to := identity(out)
	if to == nil || isAside(to.Format) && relays(in, to) {
		j.lead = Dropped // a decision without ids, or what went along with the carrier
		return
	}
	j.lead, j.to = Restarted, to
	if out.Carrier(from.Format) == nil {
		j.notes.add(FormatSwitched)
	}
	switch {
	case s.leaked(&to.Context):
		j.lead = Leaked
	case unusual(from):
		j.lead = Refused
	}
}

// unusual tells that a valid traceparent has what some readers refuse: another version or flags that are not defined yet.
func unusual(c *tracecontext.Carrier) bool {
	const defined = tracecontext.Sampled | tracecontext.Random
	return c.Format == tracecontext.W3C && (c.Context.Version != 0 || c.Context.Flags&^defined != 0)
}

// goesOn: the trace continues. What else should have come along?
func (j *judgement) goesOn(in, out *tracecontext.Set, from, to *tracecontext.Carrier, s surroundings) {
	unchanged := from.Format == to.Format && from.Context.ParentID == to.Context.ParentID
	switch {
	case !unchanged:
		j.lead = Propagated
	case s.ownSpans && j.recorded && to.Context.ParentID != [8]byte{}:
		j.lead = Stale
	default:
		j.lead = PassedThrough
	}
	j.to = to
	if from.Format != to.Format && out.Carrier(from.Format) == nil {
		j.notes.add(FormatSwitched)
	}
	j.compareDecision(from, to, unchanged)
	if from.Format == tracecontext.W3C && to.Format == tracecontext.W3C {
		if from.Context.Flags&tracecontext.Random != 0 && to.Context.Flags&tracecontext.Random == 0 {
			j.notes.add(RandomLost)
		}
		lost, cut, kept := tracecontext.CompareState(in, out)
		if lost || cut || unchanged && !bytes.Equal(in.TraceState(), out.TraceState()) {
			j.notes.add(StateLost)
		}
		if kept && !unchanged {
			j.notes.add(StateAccepted)
		}
	}
	if lost, partial := tracecontext.CompareBaggage(in, out); lost || partial {
		j.notes.add(BaggageLost)
	}
}

// compareDecision: a service may decide anew, for its own spans. It may not where it makes none, and who records what the
// root does not want costs, while who does not record what the root wants leaves a hole.
func (j *judgement) compareDecision(from, to *tracecontext.Carrier, unchanged bool) {
	a, b := from.Context.Decision, to.Context.Decision
	if a == tracecontext.Deferred || b == tracecontext.Deferred {
		return
	}
	wanted, kept := a != tracecontext.Denied, b != tracecontext.Denied
	switch {
	case wanted == kept:
	case unchanged || wanted:
		j.notes.add(SampledFlipped)
	default:
		j.notes.add(SampledRaised)
	}
}
