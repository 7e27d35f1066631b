package main

import (
	"cmp"
	"fmt"
	"slices"
	"sync/atomic"

	"weft/agent/config"
	"weft/correlate"
	"weft/correlate/route"
	"weft/correlate/span"
	"weft/export/sampler"
)

// treatment is what is told of the spans of a process.
type treatment struct {
	rule    config.Rule
	sampler sampler.Sampler
	headers map[string]bool // attributes of headers: true if the value is told
	query   span.Query
}

// A house is all that the configuration says of what is told.
type house struct {
	general treatment
	rules   []treatment // the first whose rule matches comes before general
	widest  correlate.Disclosure
}

var queries = map[string]span.Query{config.QueryDrop: span.DropQuery, config.QueryRedact: span.RedactQuery, config.QueryKeep: span.KeepQuery}

// newHouse reads the settings, without rules for an input that has no processes to hold them against.
func newHouse(c *config.Config, rules bool) (*house, error) {
	chosen, err := sampler.New(c.Sampler, c.SamplerArg)
	if err != nil {
		return nil, err
	}
	h := &house{general: treatment{sampler: chosen, query: queries[c.Query]}}
	h.general.headers = keys(c.HeadersRequest, c.HeadersResponse, nil)
	h.widest = correlate.Disclosure{Request: c.HeadersRequest, Response: c.HeadersResponse, Query: h.general.query}
	if !rules || len(c.TraceRules) == 0 {
		return h, nil
	}
	for _, r := range c.TraceRules {
		t := treatment{rule: r.Rule, sampler: chosen, query: queries[cmp.Or(r.Query, c.Query)]}
		if r.Sample != "" {
			if t.sampler, err = chosen.WithRatio(r.Sample); err != nil {
				return nil, fmt.Errorf("trace.rules: %w", err)
			}
		}
		request, response := c.HeadersRequest, c.HeadersResponse
		if r.HeadersRequest != nil {
			request = r.HeadersRequest
		}
		if r.HeadersResponse != nil {
			response = r.HeadersResponse
		}
		t.headers = keys(request, response, r.Redact)
		h.rules = append(h.rules, t)
		h.widest.Request, h.widest.Response = union(h.widest.Request, request), union(h.widest.Response, response)
		if t.query != h.general.query {
			h.widest.Query = span.KeepQuery // it is made less of when a span is put
		}
	}
	return h, nil
}

// keys gives the attributes of headers that are told.
func keys(request, response, redact []string) map[string]bool {
	told := map[string]bool{}
	for _, name := range request {
		told["http.request.header."+name] = !slices.Contains(redact, name)
	}
	for _, name := range response {
		told["http.response.header."+name] = !slices.Contains(redact, name)
	}
	return told
}

func union(a, b []string) []string {
	all := slices.Concat(a, b)
	slices.Sort(all)
	return slices.Compact(all)
}

// rooms finds the treatment of each process. It belongs to the data path, but for pending.
type rooms struct {
	*house
	match   func(pid uint32, r config.Rule) bool // nil: there are no processes
	byPID   map[uint32]*treatment
	pending atomic.Pointer[house]
}

// roomsMax bounds what is remembered: it can be found out again.
const roomsMax = 1 << 14

func newRooms(h *house) *rooms { return &rooms{house: h, byPID: map[uint32]*treatment{}} }

// refresh takes up other settings, if there are any, and lets the pipeline read what they ask for.
func (r *rooms) refresh(p *correlate.Pipeline) {
	if h := r.pending.Swap(nil); h != nil {
		r.house = h
		clear(r.byPID)
		p.Disclose(h.widest)
	}
}

// forget makes a process be looked at anew.
func (r *rooms) forget(pid uint32) { delete(r.byPID, pid) }

func (r *rooms) of(pid uint32) *treatment {
	if len(r.rules) == 0 || r.match == nil {
		return &r.general
	}
	if t := r.byPID[pid]; t != nil {
		return t
	}
	t := &r.general
	for i := range r.rules {
		if r.match(pid, r.rules[i].rule) {
			t = &r.rules[i]
			break
		}
	}
	if len(r.byPID) >= roomsMax {
		clear(r.byPID)
	}
	r.byPID[pid] = t
	return t
}

// apply takes from a span what is not told of its process.
func (r *rooms) apply(t *treatment, s *span.Span) {
	if len(r.rules) == 0 {
		return // the pipeline has read no more than that
	}
	kept := s.Headers[:0]
	for _, h := range s.Headers {
		value, told := t.headers[h.Key]
		if !told {
			continue
		}
		if !value {
			h.Value = redacted
		}
		kept = append(kept, h)
	}
	s.Headers = kept
	switch {
	case t.query == span.DropQuery:
		s.Query = ""
	case t.query == span.RedactQuery && r.widest.Query == span.KeepQuery:
		s.Query = route.Redact(s.Query)
	}
}

// redacted stands for a value, as the semantic conventions have it for those of queries.
const redacted = "REDACTED"
