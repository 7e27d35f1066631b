package tracecontext

// baggage is https://www.w3.org/TR/baggage/: any names and values, for all services of a trace.
type baggage struct{}

func (baggage) read(v view) Carrier {
	c := Carrier{Fields: v.count(mainField)}
	return v.judge(c, "")
}
