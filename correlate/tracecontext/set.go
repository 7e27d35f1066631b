package tracecontext

// Bounds of what is kept of one message, in bytes, with entryCost for each field.
const (
	familyMax = 8 << 10
	setMax    = 16 << 10
	entryCost = 16
	spareMax  = 4 << 10 // room for text that Reset keeps
	spareOf   = 64      // the same for entries
)

// Set holds the carriers of one message. The zero value is that of a message not looked at: all is Unknown. A Set may be
// moved, but of two copies only one may be used on.
type Set struct {
	text     []byte // names and values of the entries as received, then the joined lists
	entries  []entry
	carriers []Carrier
	used     [Formats]uint16 // bytes kept of each format
	present  uint32          // formats of which a field came, by bit
	over     uint32          // formats of which more came than is kept, by bit
	received int             // length of the entries in text
	state    span            // the list of tracestate in text
	baggage  span            // the list of baggage in text
	whole    bool
}

// entry is one field.
type entry struct {
	format           Format
	field            uint8  // which field of the format
	name, value, end uint32 // offsets in Set.text
}

// span is a piece of Set.text.
type span struct{ from, to uint32 }

// Reset empties the set for another message.
func (s *Set) Reset() {
	if s.present == 0 && !s.whole {
		return
	}
	text, entries, carriers := s.text[:0], s.entries[:0], s.carriers[:0]
	if cap(text) > spareMax || cap(entries) > spareOf {
		text, entries = nil, nil
	}
	*s = Set{text: text, entries: entries, carriers: carriers}
}

// add keeps a copy of a field, within the bounds.
func (s *Set) add(r *row, name, value []byte) {
	f := r.format
	s.present |= 1 << f
	cost := len(name) + len(value) + entryCost
	if s.over&(1<<f) != 0 || int(s.used[f])+cost > familyMax || len(s.text)+len(s.entries)*entryCost+cost > setMax {
		s.over |= 1 << f
		return
	}
	s.used[f] += uint16(cost)
	e := entry{format: f, field: r.field, name: uint32(len(s.text))}
	s.text = append(s.text, name...)
	e.value = uint32(len(s.text))
	s.text = append(s.text, value...)
	e.end = uint32(len(s.text))
	s.entries = append(s.entries, e)
	s.received = len(s.text)
}

// State tells what is known of a format.
func (s *Set) State(f Format) State {
	if c := s.Carrier(f); c != nil {
		return c.State
	}
	if s.whole {
		return Absent
	}
	return Unknown
}

// Whole tells that the head of the message was not cut, so that what is not there was not sent.
func (s *Set) Whole() bool { return s.whole }

// Carriers gives the formats that are present, in order of Format. They are the set's own, until Reset.
func (s *Set) Carriers() []Carrier { return s.carriers }

// Carrier gives one format, nil if it is not present.
func (s *Set) Carrier(f Format) *Carrier {
	for i := range s.carriers {
		if s.carriers[i].Format == f {
			return &s.carriers[i]
		}
	}
	return nil
}

// preference is the order in which a trace id is looked for. SkyWalking is not in it: its ids are texts.
var preference = [...]Format{W3C, B3, Datadog, Jaeger, XRay, GoogleCloud, OpenCensus, Elastic, OpenTracing, Sentry, Instana, NewRelic}

// Best gives the first valid carrier whose trace id is a number, nil if there is none.
func (s *Set) Best() *Carrier {
	for _, f := range preference {
		if s.present&(1<<f) == 0 {
			continue
		}
		if c := s.Carrier(f); c != nil && c.State == Valid && c.Context.Width > 0 {
			return c
		}
	}
	return nil
}

// Any tells whether a carrier is present by which a trace could go on, valid or not.
func (s *Set) Any() bool {
	for i := range s.carriers {
		if f := s.carriers[i].Format; f != Baggage && f != RequestID {
			return true
		}
	}
	return false
}

// TraceState gives the members of all tracestate fields as one list, valid or not, without blanks around them and without
// empty ones. It is the set's own, until Reset.
func (s *Set) TraceState() []byte { return s.text[s.state.from:s.state.to:s.state.to] }

// Baggage gives the members of all baggage fields like TraceState.
func (s *Set) Baggage() []byte { return s.text[s.baggage.from:s.baggage.to:s.baggage.to] }

// Each gives the fields of all carriers as received, in their order.
func (s *Set) Each(yield func(name, value []byte)) {
	for i := range s.entries {
		e := &s.entries[i]
		yield(s.text[e.name:e.value:e.value], s.text[e.value:e.end:e.end])
	}
}
