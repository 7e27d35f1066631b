package conformance

import (
	"regexp"
	"slices"
	"strings"
)

// Outcome says how a service deviates from the specification.
type Outcome string

// The deviations.
const (
	Dropped     Outcome = "sends no traceparent"
	Malformed   Outcome = "sends no single valid traceparent"
	Restarted   Outcome = "starts a new trace"
	Continued   Outcome = "continues the trace"
	Forwarded   Outcome = "sends the parent id that came in"
	Shared      Outcome = "sends one parent id several times"
	RandomLost  Outcome = "clears the random flag"
	StateLost   Outcome = "drops all of tracestate"
	StatePart   Outcome = "drops members of tracestate"
	StateKept   Outcome = "passes all of tracestate on"
	StateMended Outcome = "passes members of tracestate on"
)

// Words for what was sent on, beside those for traces.
const (
	inherited = "tracestate inherited"
	discarded = "tracestate discarded"
)

// Exchange is what was sent to a service and what came of it.
type Exchange struct {
	Case    string
	Token   string // by which the requests that the service made are recognised
	Request Request
	Heads   []Head
}

// Head is the head of one request that the service made.
type Head struct {
	Raw           string
	Traceparents  []string
	State         string // all members of tracestate but the service's own, separated by commas
	Trace, Parent string // of an only and valid traceparent, else empty
	Random        bool
	own           int // members of tracestate that are the service's own
}

var grammar = regexp.MustCompile(`^00-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})$`)

// ReadHead reads a request line and its fields as they came.
func ReadHead(raw string) Head {
	h := Head{Raw: raw}
	var states []string
	for line := range strings.Lines(raw) {
		name, value, ok := strings.Cut(line, ":")
		switch {
		case !ok:
		case strings.EqualFold(name, "traceparent"):
			h.Traceparents = append(h.Traceparents, strings.TrimSpace(value))
		case strings.EqualFold(name, "tracestate"):
			states = append(states, value)
		}
	}
	h.State, h.own = foreign(members(states))
	if len(h.Traceparents) != 1 {
		return h
	}
	part := grammar.FindStringSubmatch(h.Traceparents[0])
	if part == nil || strings.Trim(part[1], "0") == "" || strings.Trim(part[2], "0") == "" {
		return h
	}
	h.Trace, h.Parent = part[1], part[2]
	h.Random = strings.ContainsAny(part[3][1:], "2367abef")
	return h
}

// members gives the lists as one, without blanks around members and without empty ones.
func members(lists []string) string {
	var out []string
	for member := range strings.SplitSeq(strings.Join(lists, ","), ",") {
		if member = strings.Trim(member, " \t\r\n"); member != "" {
			out = append(out, member)
		}
	}
	return strings.Join(out, ",")
}

// foreign takes the members away that services put in, Datadog's and OpenTelemetry's, and tells how many those are.
func foreign(list string) (rest string, own int) {
	var out []string
	for member := range strings.SplitSeq(list, ",") {
		if strings.HasPrefix(member, "dd=") || strings.HasPrefix(member, "ot=") {
			own++
		} else {
			out = append(out, member)
		}
	}
	return strings.Join(out, ","), own
}

// Judge gives the deviations of one of the requests that the service made, in a fixed order.
func (x *Exchange) Judge(call int) []Outcome {
	h := &x.Heads[call]
	found := x.Request.traceOutcomes(h)
	if !slices.Contains(found, Restarted) && !slices.Contains(found, Dropped) {
		found = append(found, x.Request.stateOutcomes(h)...)
	}
	for _, earlier := range x.Heads[:call] {
		if h.Parent != "" && earlier.Parent == h.Parent {
			found = append(found, Shared)
			break
		}
	}
	return found
}

func (r *Request) traceOutcomes(h *Head) (found []Outcome) {
	continued := h.Trace != "" && r.mentions(h.Trace)
	switch {
	case len(h.Traceparents) == 0:
		return []Outcome{Dropped}
	case h.Trace == "":
		return []Outcome{Malformed}
	case r.Want.Trace == Same && !continued:
		return []Outcome{Restarted}
	case r.Want.Trace == New && continued:
		return []Outcome{Continued}
	case r.Want.Trace == Same && r.mentions(h.Parent):
		found = append(found, Forwarded)
	}
	if r.Want.Random && !h.Random {
		found = append(found, RandomLost)
	}
	return found
}

func (r *Request) stateOutcomes(h *Head) []Outcome {
	switch {
	case r.Want.State == nil || slices.ContainsFunc(r.Want.State, h.carries):
		return nil
	case r.Want.State[0] != "" && h.State == "":
		return []Outcome{StateLost}
	case r.Want.State[0] != "":
		return []Outcome{StatePart}
	case h.State == r.state():
		return []Outcome{StateKept}
	default:
		return []Outcome{StateMended}
	}
}

// carries tells that all of a list was sent on. Where the service's own member makes it longer than 32, the last has to go.
func (h *Head) carries(list string) bool {
	all := strings.Split(list, ",")
	return h.State == strings.Join(all[:min(len(all), 32-h.own)], ",")
}

// Seen says in words what was sent on, of that of which something is expected.
func (x *Exchange) Seen(call int) string {
	h := &x.Heads[call]
	var words []string
	switch {
	case len(h.Traceparents) == 0:
		words = append(words, "none")
	case h.Trace == "":
		words = append(words, "malformed")
	case x.Request.mentions(h.Trace):
		words = append(words, string(Same))
	default:
		words = append(words, string(New))
	}
	switch {
	case x.Request.Want.State == nil:
	case h.State == "":
		words = append(words, discarded)
	case h.State == x.Request.state():
		words = append(words, inherited)
	default:
		words = append(words, "a part of "+inherited)
	}
	if x.Request.Want.Random && h.Random {
		words = append(words, "random")
	}
	return strings.Join(words, ", ")
}
