package conformance

import (
	"fmt"
	"slices"
	"strings"
)

// Verdict is what weft says of one request that a service made: its leading verdict, empty where it judges nothing because
// nothing came in that could go on, and further ones.
type Verdict struct {
	Lead  string
	Notes []string
}

// String gives all of it in a line.
func (v Verdict) String() string {
	if v.Lead == "" {
		return strings.Join(append([]string{"not judged"}, v.Notes...), ", ")
	}
	return strings.Join(append([]string{v.Lead}, v.Notes...), ", ")
}

// leads are the verdicts that may lead for a deviation that is about the trace. What is valid but unusual, as a version that is
// not defined yet, is refused and not only restarted.
var leads = map[Outcome][]string{
	Dropped:   {"dropped"},
	Malformed: {"malformed"},
	Restarted: {"restarted", "refused_valid"},
	Continued: {"accepted_invalid"},
	Forwarded: {"passed_through", "stale"},
}

// notes are the verdicts that say the other deviations.
var notes = map[Outcome]string{
	Shared:      "shared_parent",
	RandomLost:  "random_lost",
	StateLost:   "tracestate_lost",
	StatePart:   "tracestate_lost",
	StateKept:   "tracestate_accepted",
	StateMended: "tracestate_accepted",
}

// Agree is nil when a verdict says of a request what the specification says of it: every deviation, and nothing else. Where the
// trace has to go on and does, it leads with propagated, and where a new one has to start and does, it judges nothing.
func (v Verdict) Agree(w Want, found []Outcome) error {
	lead := []string{""}
	if w.Trace == Same {
		lead = []string{"propagated"}
	}
	var say []string
	for _, o := range found {
		if of, ok := leads[o]; ok {
			lead = of
		} else {
			say = append(say, notes[o])
		}
	}
	slices.Sort(say)
	said := slices.Sorted(slices.Values(v.Notes))
	if slices.Contains(lead, v.Lead) && slices.Equal(slices.Compact(say), said) {
		return nil
	}
	return fmt.Errorf("weft says %q; fitting would be one of %q with %q", v, lead, say)
}
