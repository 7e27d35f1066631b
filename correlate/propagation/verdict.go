// Package propagation judges what became of a trace context between a request that a service received and the requests that it
// sent because of it, and owns the account of these verdicts: rates, faults, examples.
package propagation

// Verdict says what became of the context of an incoming request in one outgoing request.
type Verdict uint8

// The verdicts. A pair has one that leads, the first that applies in the order of evaluation, and may have notes: further
// verdicts of severity Note or Fault about the same pair.
const (
	Unjudged       Verdict = iota
	Propagated             // the trace goes on under a new parent id
	PassedThrough          // the trace goes on under the parent id that came in; right for a proxy without spans of its own
	Dropped                // the outgoing head is whole and carries nothing
	Leaked                 // it carries the context of another request
	Truncated              // it carries a part of the id, of tracestate or of baggage
	Restarted              // it carries another trace
	Stale                  // it carries the parent id that came in although the service has spans of its own
	Malformed              // it carries what breaks its grammar, while what came in was right
	Duplicated             // it carries several of what may stand once
	Accepted               // what came in had to be refused, and goes on
	Refused                // what came in is valid but unusual, and was taken for invalid
	Disagreeing            // two carriers of one message name different traces
	Shared                 // several outgoing requests carry one parent id
	SampledFlipped         // what the root wants recorded is not, or the flag was changed without a new parent id
	SampledRaised          // what the root does not want recorded is, under a new parent id: allowed, and costs
	RandomLost             // the flag that the trace id is random is gone
	StateLost              // members of tracestate are gone, changed or in another order
	StateAccepted          // members of an invalid tracestate, which has to be discarded, go on
	BaggageLost            // members of baggage are gone or changed
	FormatSwitched         // it carries other formats than what came in
	WidthLost              // the format carried on has room for 64 bits only
	Stripped               // a hop between sender and receiver took the context away
	Verdicts               // their number
)

// Severity says whether a verdict breaks traces.
type Severity uint8

// The severities.
const (
	Fine  Severity = iota
	Note           // allowed or harmless, but worth knowing
	Fault          // breaks or falsifies traces
)

// String gives a lower-case word.
func (s Severity) String() string { return [...]string{"fine", "note", "fault"}[s] }

// verdictRow is what is known of a verdict.
type verdictRow struct {
	name      string
	code      string // of the fault taxonomy, F1 to F19; empty for what is none
	severity  Severity
	continues bool // as the leading verdict: the trace goes on
}

var verdictRows = [Verdicts]verdictRow{
	Unjudged:       {"unjudged", "", Fine, false},
	Propagated:     {"propagated", "", Fine, true},
	PassedThrough:  {"passed_through", "", Fine, true},
	Dropped:        {"dropped", "F1", Fault, false},
	Leaked:         {"leaked", "F15", Fault, false},
	Truncated:      {"truncated", "F5", Fault, false},
	Restarted:      {"restarted", "F2", Fault, false},
	Stale:          {"stale", "F3", Fault, true},
	Malformed:      {"malformed", "F4", Fault, false},
	Duplicated:     {"duplicated", "F6", Fault, false},
	Accepted:       {"accepted_invalid", "F16", Fault, true},
	Refused:        {"refused_valid", "F16", Fault, false},
	Disagreeing:    {"formats_disagree", "F17", Fault, true},
	Shared:         {"shared_parent", "F14", Note, true},
	SampledFlipped: {"sampled_flipped", "F7", Fault, true},
	SampledRaised:  {"sampled_raised", "F7", Note, true},
	RandomLost:     {"random_lost", "F8", Note, true},
	StateLost:      {"tracestate_lost", "F9", Fault, true},
	StateAccepted:  {"tracestate_accepted", "F16", Note, true},
	BaggageLost:    {"baggage_lost", "F10", Fault, true},
	FormatSwitched: {"format_switched", "F11", Note, true},
	WidthLost:      {"width_lost", "F5", Note, true},
	Stripped:       {"stripped", "F19", Fault, false},
}

// String gives the verdict's name in reports, metrics and attributes.
func (v Verdict) String() string { return verdictRows[v].name }

// Code gives the fault's number in the taxonomy of docs/PROPAGATION.md, F1 to F19, or nothing.
func (v Verdict) Code() string { return verdictRows[v].code }

// Severity says whether the verdict breaks traces.
func (v Verdict) Severity() Severity { return verdictRows[v].severity }

// Continues tells whether a pair with this leading verdict keeps its trace together.
func (v Verdict) Continues() bool { return verdictRows[v].continues }
