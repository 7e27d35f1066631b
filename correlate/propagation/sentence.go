package propagation

import (
	"fmt"
	"strings"
	"time"
)

// phrases say what a service does, by verdict: %s is the carrier's main field.
var phrases = [Verdicts]string{
	PassedThrough:  "passes %s on unchanged, as a proxy may,",
	Dropped:        "drops %s",
	Leaked:         "sends the %s of another request",
	Truncated:      "cuts the trace id of %s to 64 bits",
	Restarted:      "starts a new trace instead of continuing %s",
	Stale:          "passes %s on unchanged although it makes spans of its own, which end up beside the path,",
	Malformed:      "writes a malformed %s",
	Duplicated:     "sends several %s",
	Accepted:       "continues an invalid %s that it has to refuse",
	Refused:        "refuses a valid but unusual %s and starts a new trace",
	Disagreeing:    "sends carriers that name different traces (%s)",
	Shared:         "gives several requests the same parent id in %s",
	SampledFlipped: "turns the sampled flag of %s around",
	SampledRaised:  "records traces that their root does not record (%s)",
	RandomLost:     "clears the random flag of %s",
	StateLost:      "loses or changes members of tracestate",
	StateAccepted:  "passes members of an invalid tracestate on that it has to discard",
	BaggageLost:    "loses or changes members of baggage",
	FormatSwitched: "switches from %s to another format",
	WidthLost:      "continues %s in a format that has room for half of the trace id",
	Stripped:       "takes %s off because the request's Connection field names it",
}

// Sentence tells a finding in one line, in plain words. now decides whether times need a date.
func Sentence(e Edge, f Finding, now time.Time) string {
	v := verdictNamed(f.Verdict)
	var b strings.Builder
	fmt.Fprintf(&b, "%s ", e.Service)
	b.WriteString(strings.ReplaceAll(phrases[v], "%s", f.Format))
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
		more = append(more, "the ids look like those of "+f.Fingerprint)
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
