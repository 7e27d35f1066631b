package link

import (
	"weft/correlate/flow"
	"weft/correlate/tracecontext"
)

// readCarrier takes the identity from the request's own carrier.
func (l *Linker) readCarrier(x *flow.Exchange) {
	best := x.Carriers.Best()
	if best == nil {
		return
	}
	c := &x.Cause
	c.HeadTrace, c.HeadParent, c.HeadDecision = best.Context.TraceID, best.Context.ParentID, best.Context.Decision
	if best.Format == tracecontext.W3C {
		c.TraceState = l.traceState(x.Carriers.TraceState())
	}
}

// statesMax bounds the lists of vendors that are remembered: few differ, and each is read once.
const statesMax = 1 << 10

// traceState gives the list in its shortest form, or nothing if it is not valid: W3C Trace Context section 3.3.1 has it
// dropped then, while the traceparent stays.
func (l *Linker) traceState(list []byte) string {
	if len(list) == 0 {
		return ""
	}
	if known, ok := l.states[string(list)]; ok {
		return known
	}
	if len(l.states) >= statesMax {
		clear(l.states)
	}
	valid, _ := tracecontext.ParseState(list)
	l.states[string(list)] = valid
	return valid
}
