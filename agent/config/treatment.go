package config

import (
	"slices"
	"strconv"
	"strings"
)

// A Treatment says what is told of the requests of the processes that its rule matches, in place of the general settings. What it
// does not say is as they say.
type Treatment struct {
	Rule
	Sample          string   // the share of traces that is kept, a number from 0 to 1; empty: as the sampler says
	HeadersRequest  []string // nil: as headers.request says; none: no header
	HeadersResponse []string
	Redact          []string // headers of which no more is told than that they were there
	Query           string   // drop, redact or keep; empty: as query says
}

// none stands for an empty list of headers.
const none = "none"

// An action is one thing that a treatment says. set tells whether the text is allowed.
type action struct {
	name string
	get  func() string // empty: it does not say it
	set  func(string) bool
}

// actions are what a treatment says besides its conditions, by name, in the order of String. A list is joined by blanks.
func (t *Treatment) actions() []action {
	return []action{
		{"sample", func() string { return t.Sample }, func(text string) bool { t.Sample = text; return isShare(text) }},
		headers("headers.request", &t.HeadersRequest),
		headers("headers.response", &t.HeadersResponse),
		headers("redact", &t.Redact),
		{"query", func() string { return t.Query }, func(text string) bool { t.Query = text; return isQuery(text) }},
	}
}

func headers(name string, at *[]string) action {
	get := func() string {
		if *at != nil && len(*at) == 0 {
			return none
		}
		return strings.Join(*at, " ")
	}
	set := func(text string) bool {
		*at = []string{}
		if text != none {
			*at = append(*at, strings.Fields(strings.ToLower(text))...)
		}
		return !slices.ContainsFunc(*at, func(name string) bool { return !isHeader(name) })
	}
	return action{name, get, set}
}

// String gives the text from which the treatment can be read again.
func (t Treatment) String() string {
	text := t.Rule.String()
	for _, a := range t.actions() {
		if value := a.get(); value != "" {
			text += "&" + a.name + "=" + value
		}
	}
	return strings.TrimPrefix(text, "&")
}

func parseTreatment(text string) (t Treatment, err error) {
	for _, part := range split(text, '&') {
		name, value, _ := strings.Cut(part, "=")
		name, value = strings.TrimSpace(name), strings.TrimSpace(value)
		at := slices.IndexFunc(t.actions(), func(a action) bool { return a.name == name })
		switch {
		case at < 0:
			err = t.set(name, value)
		case value == "" || !t.actions()[at].set(value):
			err = errSyntax
		}
		if err != nil {
			return Treatment{}, err
		}
	}
	return t, nil
}

// isTreatment wants conditions on a process, and something to say of it.
func isTreatment(t Treatment) bool {
	says := slices.ContainsFunc(t.actions(), func(a action) bool { return a.get() != "" })
	return says && !t.IsZero() && t.Port == 0
}

func isShare(text string) bool {
	n, err := strconv.ParseFloat(text, 64)
	return err == nil && n >= 0 && n <= 1
}

func isQuery(text string) bool { return text == QueryDrop || text == QueryRedact || text == QueryKeep }
