package tracecontext

// opaque carries what only its maker reads. Of it we know that it is there.
type opaque struct{}

func (opaque) read(v view) Carrier {
	c := Carrier{Fields: v.count(mainField)}
	return v.judge(&c, "")
}

// custom is a field that the user has named: its text is the id.
type custom struct{}

func (custom) read(v view) Carrier {
	c := Carrier{Fields: v.count(mainField)}
	value := v.at(mainField, 0)
	if len(value) == 0 {
		return v.judge(&c, RuleLength)
	}
	c.Context.text(value)
	return v.judge(&c, "")
}
