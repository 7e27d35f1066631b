// Package conformance owns the 41 conformance cases of W3C Trace Context, sends them to services under the SDKs of others,
// and judges what these send on. The cases are written from their description, in the words of this package; the names are
// those of the W3C's own test suite, so that results can be compared: https://github.com/w3c/trace-context/tree/main/test.
package conformance

import "strings"

// Trace says which trace the outgoing requests have to belong to.
type Trace string

// The expectations of traceparent. In all of them the outgoing one has to be there, once and valid.
const (
	Same Trace = "same" // the trace id that came in, under a new parent id
	New  Trace = "new"  // an id that did not come in
)

// Case is one case of the suite: all of its requests have to be right.
type Case struct {
	Name     string
	Requests []Request
}

// Request is one request to a service and what the specification expects of the requests that the service then makes.
type Request struct {
	Variant string   // what is particular about it among those of its case; empty for an only one
	Calls   int      // how many requests the service is told to make
	Fields  []string // whole header lines as they are sent, in this order, blanks and casing kept
	Want    Want
}

// Want is what the specification expects.
type Want struct {
	Trace Trace
	// State is the lists of tracestate that may be sent on, each with its members separated by commas: one empty list where it
	// has to be discarded, nil where nothing is expected. Members under a service's own key (dd, ot) do not count.
	State  []string
	Random bool // the flag that the trace id is random has to be kept
}

// The ids of the cases. No service makes one of them by chance.
const (
	id     = "5e8f1c3a9b7d42608c1e4fa2d90b6735"
	id2    = "7a06d5b4e3f19c28706b5d8e1fa3c492"
	parent = "b3c94d17ea50f826"
	valid  = "traceparent: 00-" + id + "-" + parent + "-01"
)

// Short names of what most requests want.
var (
	same = Want{Trace: Same}
	anew = Want{Trace: New}
	gone = Want{Trace: Same, State: []string{""}}
)

func kept(lists ...string) Want { return Want{Trace: Same, State: lists} }

// one gives a request for one call with a traceparent.
func one(variant, value string, want Want) Request {
	return Request{variant, 1, []string{"traceparent: " + value}, want}
}

// state gives a request for one call with a valid traceparent and further lines.
func state(variant string, want Want, lines ...string) Request {
	return Request{variant, 1, append([]string{valid}, lines...), want}
}

// Cases gives the 41 cases in the order of the suite.
func Cases() []Case {
	var all []Case
	all = append(all, traceparentCases...)
	all = append(all, tracestateCases...)
	return append(all, advancedCases...)
}

// mentions tells whether an id stands in the fields, whole or without the zeros that a reader may have put before it.
func (r *Request) mentions(id string) bool {
	text := strings.ToLower(strings.Join(r.Fields, "\n"))
	return strings.Contains(text, strings.TrimLeft(id, "0"))
}

// String says in words what has to be sent on.
func (w Want) String() string {
	text := string(w.Trace)
	switch {
	case w.State != nil && w.State[0] == "":
		text += ", " + discarded
	case w.State != nil:
		text += ", " + inherited
	}
	if w.Random {
		text += ", random"
	}
	return text
}

// state gives all tracestate lines as the one list that they are.
func (r *Request) state() string {
	var lists []string
	for _, line := range r.Fields {
		if name, value, _ := strings.Cut(line, ":"); strings.EqualFold(name, "tracestate") {
			lists = append(lists, value)
		}
	}
	return members(lists)
}
