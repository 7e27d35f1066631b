package event

import "strings"

// Redaction says what of the events may be kept on a disk. The zero value keeps least.
//
// In heads of HTTP/1 the values of authorization, proxy-authorization, cookie, set-cookie and of Headers, the values in
// the query of a request target and the user and password before its host are overwritten with '*', byte for byte, so
// that lengths and offsets stay. What cannot be told apart because an event ends in it, a host that could still turn out
// to be a user or a parameter without '=' that is no word, is overwritten too. Bytes behind a head are body and
// overwritten; payload that is no head, or the rest of one whose beginning was not seen, becomes NULs. Of HTTP/2 see
// recording_frame.go, of FastCGI recording_cgi.go.
type Redaction struct {
	Headers       []string // further field names, in any case
	KeepQuery     bool     // query values and parameters stay
	KeepArguments bool     // the attributes process.command_args and process.command_line stay
}

// maxOpen bounds how many open heads are remembered, each in less than 200 bytes. When there are more, all are
// forgotten, and what comes of them is not kept.
const maxOpen = 1 << 14

// way is one direction of one socket.
type way struct {
	socket    uint64
	direction Direction
}

// redactor blanks payloads. Between the events of a head it remembers where in the head it is.
type redactor struct {
	secrets       map[string]struct{}
	keepQuery     bool
	keepArguments bool
	open          map[way]head
	params        map[way]cgi
	frames        map[way]*frameWay
	forgot        bool   // frames was emptied: what comes anew may be old
	room, text    []byte // of a frame and of a value
}

func newRedactor(o Redaction) redactor {
	r := redactor{
		secrets:   map[string]struct{}{"authorization": {}, "proxy-authorization": {}, "cookie": {}, "set-cookie": {}},
		keepQuery: o.KeepQuery, keepArguments: o.KeepArguments, open: make(map[way]head), params: make(map[way]cgi), frames: make(map[way]*frameWay),
	}
	for _, name := range o.Headers {
		r.secrets[strings.ToLower(strings.TrimSpace(name))] = struct{}{}
	}
	return r
}

// keepsAttribute tells whether an attribute of a process is written.
func (r *redactor) keepsAttribute(key string) bool {
	return r.keepArguments || (key != "process.command_args" && key != "process.command_line")
}

// message blanks payload, which is a copy of the payload of ev.
func (r *redactor) message(ev *Event, payload []byte) {
	flags, w := ev.Message.Flags, way{ev.Socket, ev.Message.Direction}
	if flags&FastCGI != 0 {
		r.records(ev, payload)
		return
	}
	if flags&Lost != 0 {
		r.forget(ev.Socket)
	}
	h, known := head{}, true
	if flags&Start == 0 {
		h, known = r.open[w]
	}
	if !known {
		h.step = void
	}
	h.blank(payload, r)
	switch {
	case flags&Open == 0 || h.step == void:
		delete(r.open, w)
	case len(r.open) >= maxOpen && !r.has(w):
		clear(r.open)
	default:
		r.open[w] = h
	}
}

func (r *redactor) has(w way) bool {
	_, found := r.open[w]
	return found
}

// forget drops what is remembered of a socket.
func (r *redactor) forget(socket uint64) {
	delete(r.open, way{socket, Receive})
	delete(r.open, way{socket, Send})
	delete(r.params, way{socket, Receive})
	delete(r.params, way{socket, Send})
	delete(r.frames, way{socket, Receive})
	delete(r.frames, way{socket, Send})
}

// Redactor blanks heads that are shown to people, by the same rules.
type Redactor struct{ redactor redactor }

// NewRedactor makes one.
func NewRedactor(o Redaction) *Redactor { return &Redactor{redactor: newRedactor(o)} }

// Head gives a copy of a head of HTTP/1, or of its beginning, in which what is secret is overwritten.
func (r *Redactor) Head(p []byte) []byte {
	var h head
	blanked := append([]byte(nil), p...)
	h.blank(blanked, &r.redactor)
	return blanked
}
