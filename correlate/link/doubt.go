package link

import (
	"weft/correlate/flow"
	"weft/correlate/span"
)

// Where records are missing, a request can seem to be under way that was answered long ago: the record of its reply was refused, and
// that of the next request of its connection, too. What this next one calls would be taken for part of the first. The next record of
// the connection says that some are missing. So a call of such a time is kept back for Options.Hold.

// doubts keeps a call back that hangs on a request being under way, while records are missing.
func (l *Linker) doubts(x *flow.Exchange) {
	c := &x.Cause
	if x.Start >= l.lossy || c.Parent == nil || c.Evidence == uint8(span.Header) || c.Evidence == uint8(span.Payload) {
		return
	}
	c.Doubted = true
	l.opened++
}

// undoubt ends that. A link to a request of whose connection records are missing is none.
func (l *Linker) undoubt(x *flow.Exchange) {
	c := &x.Cause
	if !c.Doubted {
		return
	}
	c.Doubted = false
	l.opened--
	if !c.Parent.Lost {
		return
	}
	l.release(c.Parent)
	c.Parent = nil
	c.Evidence, c.Confidence = uint8(span.NoEvidence), 0
	c.Linked, c.LinkedSure = c.Evidence, 0
	c.Confirmed, c.Passed = false, false
}
