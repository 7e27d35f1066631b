package propagation

import (
	"fmt"
	"strings"
	"time"
)

// phrases say what a service does, by verdict: %[1]s is the carrier's main field.
var phrases = [Verdicts]string{
	PassedThrough:  "passes %[1]s on unchanged, as a proxy may,",
	Dropped:        "drops %[1]s",
	Leaked:         "sends the %[1]s of another request",
	Truncated:      "cuts the trace id of %[1]s to 64 bits",
	Restarted:      "starts a new trace instead of continuing %[1]s",
	Stale:          "passes %[1]s on unchanged although it makes spans of its own, which end up beside the path,",
	Malformed:      "writes a malformed %[1]s",
	Duplicated:     "sends several %[1]s",
	Accepted:       "continues an invalid %[1]s that it has to refuse",
	Refused:        "refuses a valid but unusual %[1]s and starts a new trace",
	Disagreeing:    "sends carriers that name different traces (%[1]s)",
	Shared:         "gives several requests the same parent id in %[1]s",
	SampledFlipped: "turns the sampled flag of %[1]s around",
	SampledRaised:  "records traces that their root does not record (%[1]s)",
	RandomLost:     "clears the random flag of %[1]s",
	StateLost:      "loses or changes members of tracestate",
	StateAccepted:  "passes members of an invalid tracestate on that it has to discard",
	BaggageLost:    "loses or changes members of baggage",
	FormatSwitched: "switches from %[1]s to another format",
	WidthLost:      "continues %[1]s in a format that has room for half of the trace id",
	Stripped:       "takes %[1]s off because the request's Connection field names it",
}

// Sentence tells a finding in one line, in plain words. now decides whether times need a date.
func Sentence(e Edge, f Finding, now time.Time) string {
	v := verdictNamed(f.Verdict)
	var b strings.Builder
	fmt.Fprintf(&b, "%s ", e.Service)
	fmt.Fprintf(&b, phrases[v], f.Format)
	fmt.Fprintf(&b, " toward %s", e.Peer)
	if e.Route != "" {
		fmt.Fprintf(&b, " on %s", e.Route)
	}
	fmt.Fprintf(&b, ": %d of %d", f.Count, f.Of)
	if !f.Since.IsZero() {
		layout := "15:04"
		if f.Since.Format(time.DateOnly) != now.Format(time.DateOnly) {
			layout = "2006-01-02 15:04"
		}
		fmt.Fprintf(&b, " since %s", f.Since.Format(layout))
	}
	if f.Where != "" {
		fmt.Fprintf(&b, ", %s", f.Where)
	}
	var more []string
	if f.Rule != "" {
		more = append(more, fmt.Sprintf("the rule %q is broken", f.Rule))
	}
	if f.Client != "" && v.Severity() == Fault {
		more = append(more, clientPhrase(v, f.Client))
	}
	if f.Fingerprint != "" {
		more = append(more, "the id looks like that of "+f.Fingerprint)
	}
	if len(more) > 0 {
		fmt.Fprintf(&b, "; %s", strings.Join(more, "; "))
	}
	return b.String()
}

func clientPhrase(v Verdict, client string) string {
	if v == Dropped || v == Stripped {
		return client + " sends no carrier"
	}
	return "sent by " + client
}

// verdictNamed is the reverse of String; Unjudged for a name that is none.
func verdictNamed(name string) Verdict {
	for v := range Verdicts {
		if verdictRows[v].name == name {
			return v
		}
	}
	return Unjudged
}
