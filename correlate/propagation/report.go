package propagation

import "time"

// Health is what can be said of a rate.
type Health string

// The three answers.
const (
	Healthy   Health = "healthy"         // the lower bound is above the limit
	Broken    Health = "broken"          // the upper bound is below it, after control of false discoveries
	NotEnough Health = "not_enough_data" // neither
)

// Report is the state of the account at one moment: plain data, safe to keep. Its JSON form is documented in
// docs/PROPAGATION.md. Times are UTC; a time that never was is zero and left out.
type Report struct {
	From    time.Time `json:"from"`     // start of the window
	To      time.Time `json:"to"`       // the moment
	MinRate float64   `json:"min_rate"` // the limit between healthy and broken
	Repair  bool      `json:"repair"`   // spans are put together over proven breaks

	Totals     Totals      `json:"totals"`
	Services   []Service   `json:"services"`   // worst first
	Edges      []Edge      `json:"edges"`      // worst first
	Exclusions []Exclusion `json:"exclusions"` // every rule, in order of evaluation
}

// Totals counts since the start. Outgoing requests = Pairs + Unlinked + NoContext + Unknown + the sum of Excluded.
type Totals struct {
	Outgoing  uint64            `json:"outgoing"`
	Pairs     uint64            `json:"pairs"`      // judged
	Unlinked  uint64            `json:"unlinked"`   // no incoming request is known to have caused it
	NoContext uint64            `json:"no_context"` // the incoming request had no context: not this service's fault (F18)
	Unknown   uint64            `json:"unknown"`    // a head was cut or could not be read
	Excluded  map[string]uint64 `json:"excluded"`   // by rule
	Verdicts  map[string]uint64 `json:"verdicts"`   // leading verdicts and notes, by name
	Evicted   uint64            `json:"evicted"`    // pairs of edges that were forgotten because there were too many
}

// Rate is a share of pairs whose trace goes on, with its bounds at 95 %.
type Rate struct {
	N         uint64  `json:"n"`                   // pairs
	K         uint64  `json:"k"`                   // of these, the trace goes on
	Effective float64 `json:"effective_n"`         // N corrected for pairs of one incoming request that are alike
	Estimate  float64 `json:"estimate"`            // K/N
	Lower     float64 `json:"lower"`               // of the true rate
	Upper     float64 `json:"upper"`               // of the true rate, with room for pairs that are wrongly linked
	Mislinked float64 `json:"mislinked,omitempty"` // upper bound of the share of such pairs
}

// Service sums the edges of one service; Rate is weighted by incoming requests.
type Service struct {
	Service   string `json:"service"`
	Health    Health `json:"health"` // that of its worst edge
	Rate      Rate   `json:"rate"`
	OwnSpans  bool   `json:"own_spans"`           // it exports spans of its own
	OwnProof  string `json:"own_proof,omitempty"` // how that is known, for example "POST /v1/traces to 127.0.0.1:4318"
	NoContext uint64 `json:"no_context"`          // outgoing requests whose incoming one had no context
}

// Edge is one service on one route toward one peer.
type Edge struct {
	Service   string            `json:"service"`
	Route     string            `json:"route"`    // of the incoming request, with its method: "POST /charge"
	Peer      string            `json:"peer"`     // service at the other end if it is on this node, else host:port
	Protocol  string            `json:"protocol"` // of the outgoing request: "http/1.1"
	Health    Health            `json:"health"`
	Rate      Rate              `json:"rate"`
	Unknown   uint64            `json:"unknown"`
	NoContext uint64            `json:"no_context"` // the incoming request had none
	Excluded  map[string]uint64 `json:"excluded,omitempty"`
	Verdicts  map[string]uint64 `json:"verdicts"`           // leading verdicts since the edge is remembered; their sum is its pairs
	Notes     map[string]uint64 `json:"notes,omitempty"`    // further verdicts on these pairs
	Findings  []Finding         `json:"findings,omitempty"` // most frequent first
	Strata    []Stratum         `json:"strata,omitempty"`   // parts that differ from the rest, beyond chance

	key edgeKey
}

// Finding is one verdict on one edge.
type Finding struct {
	Verdict     string    `json:"verdict"`
	Code        string    `json:"code,omitempty"` // F1 to F19
	Severity    string    `json:"severity"`
	Count       uint64    `json:"count"`
	Of          uint64    `json:"of"`                    // judged pairs of the edge
	Format      string    `json:"format,omitempty"`      // the carrier that it is about: "traceparent"
	Rule        string    `json:"rule,omitempty"`        // of the carrier's grammar, if one was broken
	Client      string    `json:"client,omitempty"`      // product of the outgoing User-Agent: "python-requests/2.31"
	Fingerprint string    `json:"fingerprint,omitempty"` // who made the ids that do not belong here
	Where       string    `json:"where,omitempty"`       // "only on retries", if it is so
	Sentence    string    `json:"sentence"`              // the whole in plain words, one line
	Since       time.Time `json:"since"`
	Last        time.Time `json:"last"`
	Examples    []string  `json:"examples,omitempty"` // ids for weft explain
}

// Stratum is a part of an edge's pairs whose rate differs from that of the others.
type Stratum struct {
	Name  string  `json:"name"` // "attempt": "2+", "status": "error", "async": "yes", "sampled": "no", "peer", "route"
	Value string  `json:"value"`
	Rate  Rate    `json:"rate"`
	Rest  Rate    `json:"rest"`
	P     float64 `json:"p"` // adjusted for the number of comparisons
}

// Exclusion is a rule by which pairs are no matter of propagation.
type Exclusion struct {
	Name    string `json:"name"`
	Why     string `json:"why"`
	Enabled bool   `json:"enabled"`
	Count   uint64 `json:"count"` // pairs taken out
}

// Explanation is the evidence of one verdict or of one link.
type Explanation struct {
	ID         string   `json:"id"` // span id of the outgoing request
	Verdict    string   `json:"verdict,omitempty"`
	Notes      []string `json:"notes,omitempty"` // further verdicts on the pair
	Code       string   `json:"code,omitempty"`
	Sentence   string   `json:"sentence"`
	Service    string   `json:"service"`
	Route      string   `json:"route,omitempty"`
	Peer       string   `json:"peer"`
	Evidence   string   `json:"evidence"` // of the link: "thread"
	Confidence float64  `json:"confidence"`
	Among      int      `json:"among,omitempty"` // candidates, if which of them is not known
	Considered []string `json:"considered"`      // what each kind of evidence has said, strongest first
	RuledOut   []string `json:"ruled_out"`       // what was looked at and does not apply, in order
	In         *Message `json:"incoming,omitempty"`
	Out        Message  `json:"outgoing"`
}

// Message is one request of an explanation. Head is blanked but for trace context and what names the request; nil when only the
// link was kept.
type Message struct {
	Start      time.Time `json:"start"`
	End        time.Time `json:"end,omitzero"`
	PID        uint32    `json:"pid"`
	TID        uint32    `json:"tid"`
	Goroutine  uint64    `json:"goroutine,omitempty"`
	Connection string    `json:"connection"` // "127.0.0.1:4711 -> 127.0.0.1:80"
	TraceID    string    `json:"trace_id"`
	SpanID     string    `json:"span_id"`
	Head       string    `json:"head,omitempty"`
	Carriers   []Carrier `json:"carriers,omitempty"`
}

// Carrier is one trace context of a message.
type Carrier struct {
	Format string `json:"format"`
	State  string `json:"state"` // valid, invalid, absent, unknown
	Rule   string `json:"rule,omitempty"`
	Trace  string `json:"trace_id,omitempty"` // normalised
	Parent string `json:"parent_id,omitempty"`
}

// Transition tells that an edge changed its health.
type Transition struct {
	At   time.Time
	From Health
	Edge Edge // as it is now
}

// Only gives the part of a report about some services. The totals stay those of all.
func (r Report) Only(service func(name string) bool) Report {
	out := r
	out.Services, out.Edges = []Service{}, []Edge{}
	for _, s := range r.Services {
		if service(s.Service) {
			out.Services = append(out.Services, s)
		}
	}
	for _, e := range r.Edges {
		if service(e.Service) {
			out.Edges = append(out.Edges, e)
		}
	}
	return out
}

// Health sums a report up: broken when an edge is, healthy when every service with pairs surely is above the limit.
func (r Report) Health() Health {
	for _, e := range r.Edges {
		if e.Health == Broken {
			return Broken
		}
	}
	health := NotEnough
	for _, s := range r.Services {
		switch {
		case s.Rate.N == 0:
		case s.Rate.Lower < r.MinRate:
			return NotEnough
		default:
			health = Healthy
		}
	}
	return health
}
