package propagation

import (
	"bytes"
	"strconv"

	"weft/correlate/tracecontext"
)

// independent are formats whose ids name no trace, or one of its own.
func independent(f tracecontext.Format) bool {
	switch f {
	case tracecontext.Baggage, tracecontext.RequestID, tracecontext.Opaque:
		return true
	}
	return false
}

// isAside tells formats that go along with others, and whose ids are their own: load balancers add X-Ray's to whatever comes,
// and what the user names may be anything.
func isAside(f tracecontext.Format) bool { return f == tracecontext.XRay || f == tracecontext.Custom }

// isObscure tells that the outgoing head has a carrier, but none that can be compared with what came in.
func isObscure(from *tracecontext.Carrier, out *tracecontext.Set) (found bool) {
	outs := out.Carriers()
	for i := range outs {
		switch c := &outs[i]; {
		case c.Format == tracecontext.Opaque, c.Format == tracecontext.Custom && from.Format != c.Format:
			found = true
		case names(c):
			return false
		}
	}
	return found
}

// identity gives the first valid carrier that names a trace; nil if there is none.
func identity(s *tracecontext.Set) *tracecontext.Carrier {
	if best := s.Best(); best != nil {
		return best
	}
	carriers := s.Carriers()
	for i := range carriers {
		if names(&carriers[i]) {
			return &carriers[i]
		}
	}
	return nil
}

func names(c *tracecontext.Carrier) bool {
	return c.State == tracecontext.Valid && !independent(c.Format) && c.Context.TraceID != [16]byte{}
}

// match finds the carriers by which a trace goes on, those of one format first. narrow: by half of the id.
func match(in, out *tracecontext.Set) (from, to *tracecontext.Carrier, narrow bool) {
	ins, outs := in.Carriers(), out.Carriers()
	first := identity(in)
	for i := range ins {
		if !names(&ins[i]) || isAside(ins[i].Format) && first.Format != ins[i].Format {
			continue
		}
		for k := range outs {
			same, half := continues(&ins[i], &outs[k])
			switch {
			case !same:
			case !half && ins[i].Format == outs[k].Format:
				return &ins[i], &outs[k], false
			case to == nil || narrow && !half:
				from, to, narrow = &ins[i], &outs[k], half
			}
		}
	}
	return from, to, narrow
}

func continues(a, b *tracecontext.Carrier) (same, narrow bool) {
	switch {
	case !names(b):
		return false, false
	case a.Context.Width == 0 || b.Context.Width == 0:
		return a.Format == b.Format && a.Context.TraceID == b.Context.TraceID, false
	}
	return tracecontext.SameTrace(a.Context, b.Context)
}

// digitsMin is how many digits of an id have to be found to recognise it.
const digitsMin = 8

// mentions tells whether the low half of an id stands in one of the fields, hexadecimal in whatever case and padded in
// whatever way, or decimal.
func mentions(s *tracecontext.Set, c *tracecontext.Context) (found bool) {
	low := low64(c)
	hexadecimal, decimal := strconv.AppendUint(nil, low, 16), strconv.AppendUint(nil, low, 10)
	if len(hexadecimal) < digitsMin {
		return false
	}
	s.Each(func(_, value []byte) {
		found = found || bytes.Contains(bytes.ToLower(value), hexadecimal) || bytes.Contains(value, decimal)
	})
	return found
}

// relays tells that a carrier is one that came in.
func relays(in *tracecontext.Set, to *tracecontext.Carrier) bool {
	came := in.Carrier(to.Format)
	return came != nil && came.State == tracecontext.Valid && came.Context.TraceID == to.Context.TraceID
}
