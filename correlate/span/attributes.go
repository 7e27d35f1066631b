package span

import (
	"math"
	"strconv"

	"weft/correlate/event"
)

// SchemaURL names the version of the semantic conventions that names and values here follow.
const SchemaURL = "https://opentelemetry.io/schemas/1.37.0"

// AttributeKind is the type of an attribute's value.
type AttributeKind uint8

// The types of attribute values.
const (
	String  AttributeKind = iota // AppendText
	Int                          // Int
	Double                       // Float
	Bool                         // Int is 0 or 1
	Strings                      // AppendText; neighbours with the same key are the elements of one list
)

// Attribute is one attribute of a span. Its text is had with AppendText, because some texts are composed of
// others only when they are written; it is valid as long as the span is held.
type Attribute struct {
	Key   string
	Str   string // empty for a composed text
	Int   int64
	Float float64
	of    *Span // of a composed text
	Kind  AttributeKind
	text  text
}

// AppendName appends the span's name: the method, and for a server with a known route a space and the route.
// A method that the semantic conventions do not know is HTTP. A call of a procedure has the name of the procedure.
func (s *Span) AppendName(dst []byte) []byte {
	if s.RPC != NoRPC && len(s.Path) > 1 {
		return append(dst, s.Path[1:]...)
	}
	if knownMethod(s.Method) {
		dst = append(dst, s.Method...)
	} else {
		dst = append(dst, "HTTP"...)
	}
	if s.Kind == Server && s.Route != "" {
		dst = append(dst, ' ')
		dst = append(dst, s.Route...)
	}
	return dst
}

// Name gives what AppendName appends.
func (s *Span) Name() string { return string(s.AppendName(nil)) }

// StatusCode is the status of a span; the numbers are those of OTLP.
type StatusCode uint8

// The status codes that weft gives. Ok is left to the traced program.
const (
	StatusUnset StatusCode = 0
	StatusError StatusCode = 2
)

// StatusCode gives the status by the semantic conventions: a fault and a 5xx are errors, a 4xx only for a client. Of the
// statuses of a call see callFailed.
func (s *Span) StatusCode() StatusCode {
	if s.Fault != NoFault || s.failed() || s.callFailed() {
		return StatusError
	}
	return StatusUnset
}

// failed tells whether the response's status is an error in the eyes of this side.
func (s *Span) failed() bool {
	return s.Status >= 500 || s.Kind == Client && s.Status >= 400
}

// knownMethod tells whether m is a method of RFC 9110 or RFC 5789, in exactly that spelling.
func knownMethod(m string) bool {
	switch m {
	case "GET", "POST", "PUT", "DELETE", "HEAD", "OPTIONS", "PATCH", "CONNECT", "TRACE":
		return true
	}
	return false
}

// Attributes appends the span's attributes to dst, each key once (but for lists, see Strings). It allocates
// nothing when dst has room. Names and conditions:
// https://opentelemetry.io/docs/specs/semconv/http/http-spans/
// https://opentelemetry.io/docs/specs/semconv/registry/attributes/network/
// The names that start with weft. are weft's own, for what an SDK cannot know; their times are seconds.
func (s *Span) Attributes(dst []Attribute) []Attribute {
	dst = s.appendRequest(dst)
	dst = s.appendResponse(dst)
	dst = s.appendServer(dst)
	dst = s.ConnectionAttributes(dst)
	return s.appendOwn(dst)
}

func (s *Span) appendRequest(dst []Attribute) []Attribute {
	if s.RPC != NoRPC {
		return s.appendCall(dst)
	}
	if knownMethod(s.Method) {
		dst = appendString(dst, "http.request.method", s.Method)
	} else {
		dst = appendString(dst, "http.request.method", "_OTHER")
		dst = appendString(dst, "http.request.method_original", s.Method)
	}
	if s.Kind == Server {
		dst = appendString(dst, "url.scheme", s.scheme())
		dst = append(dst, Attribute{Key: "url.path", Kind: String, Str: s.Path})
		dst = appendString(dst, "url.query", s.Query)
		dst = appendString(dst, "http.route", s.Route)
	} else {
		dst = append(dst, Attribute{Key: "url.full", Kind: String, of: s, text: textURL})
	}
	return appendString(dst, "user_agent.original", s.UserAgent)
}

func (s *Span) appendResponse(dst []Attribute) []Attribute {
	dst = appendInt(dst, "http.request.body.size", clamp(s.RequestBody))
	if s.RPC != NoRPC {
		dst = s.appendOutcome(dst)
	}
	if s.Status != 0 {
		dst = appendInt(dst, "http.response.status_code", int64(s.Status))
		dst = appendInt(dst, "http.response.body.size", clamp(s.ReplyBody))
	}
	switch {
	case s.callFailed():
		dst = appendString(dst, "error.type", s.CallStatus())
	case s.failed():
		dst = append(dst, Attribute{Key: "error.type", Kind: String, of: s, text: textStatus})
	case s.Fault != NoFault:
		dst = appendString(dst, "error.type", string(s.Fault))
	}
	if s.FirstByte > s.Start {
		dst = appendDouble(dst, "weft.time_to_first_byte", float64(s.FirstByte-s.Start)/1e9)
	}
	return dst
}

// appendServer names who is asked: by the Host header, else by the socket.
func (s *Span) appendServer(dst []Attribute) []Attribute {
	host, port := s.server()
	switch {
	case host != "":
		dst = appendString(dst, "server.address", host)
	case s.Kind == Server && s.Local.IsValid():
		dst = append(dst, Attribute{Key: "server.address", Kind: String, of: s, text: textLocal})
	case s.Kind == Client && s.Peer.IsValid():
		dst = append(dst, Attribute{Key: "server.address", Kind: String, of: s, text: textPeer})
	}
	if port != 0 {
		dst = appendInt(dst, "server.port", int64(port))
	}
	return dst
}

func (s *Span) appendClient(dst []Attribute) []Attribute {
	if s.Kind == Server && s.Peer.IsValid() {
		dst = append(dst, Attribute{Key: "client.address", Kind: String, of: s, text: textPeer})
		dst = appendInt(dst, "client.port", int64(s.Peer.Port()))
	}
	return dst
}

func (s *Span) appendNetwork(dst []Attribute) []Attribute {
	if s.Unix {
		dst = appendString(dst, "network.transport", "unix")
	} else {
		dst = appendString(dst, "network.transport", "tcp")
	}
	if s.FastCGI {
		dst = appendString(dst, "network.protocol.name", "fastcgi")
		dst = appendString(dst, "network.protocol.version", "1.0")
	} else if dst = appendString(dst, "network.protocol.name", "http"); s.Major == 2 {
		dst = appendString(dst, "network.protocol.version", "2")
	} else if int(s.Minor) < len(versions) {
		dst = appendString(dst, "network.protocol.version", versions[s.Minor])
	}
	if s.Peer.IsValid() {
		dst = append(dst, Attribute{Key: "network.peer.address", Kind: String, of: s, text: textPeer})
		dst = appendInt(dst, "network.peer.port", int64(s.Peer.Port()))
	}
	if s.Local.IsValid() {
		dst = append(dst, Attribute{Key: "network.local.address", Kind: String, of: s, text: textLocal})
		dst = appendInt(dst, "network.local.port", int64(s.Local.Port()))
	}
	return dst
}

// appendPeer names who is at the other end, as far as it is known. A Service is told with its namespace, unless that of the pod is.
func (s *Span) appendPeer(dst []Attribute) []Attribute {
	named := len(dst)
	for _, p := range [...]*event.Peer{s.Remote, s.Front} {
		if p == nil {
			continue
		}
		for _, a := range p.Attributes {
			if !has(dst[named:], a.Key) {
				dst = append(dst, ResourceAttribute(a))
			}
		}
	}
	return dst
}

func has(list []Attribute, key string) bool {
	for i := range list {
		if list[i].Key == key {
			return true
		}
	}
	return false
}

// versions are the values of network.protocol.version by the minor version of HTTP/1.
var versions = [...]string{"1.0", "1.1"}

// appendHeaders brings the values of one header together, in their order: a key may occur only once in a span.
func appendHeaders(dst []Attribute, headers []event.Attribute) []Attribute {
	for i := range headers {
		if seen(headers[:i], headers[i].Key) {
			continue
		}
		for j := i; j < len(headers); j++ {
			if headers[j].Key == headers[i].Key {
				dst = append(dst, Attribute{Key: headers[j].Key, Kind: Strings, Str: headers[j].Value})
			}
		}
	}
	return dst
}

func seen(headers []event.Attribute, key string) bool {
	for i := range headers {
		if headers[i].Key == key {
			return true
		}
	}
	return false
}

// ResourceAttribute gives an attribute of a resource or of a peer its type: the numbers of processes and ports are integers.
func ResourceAttribute(a event.Attribute) Attribute {
	switch a.Key {
	case "process.pid", "process.parent_pid", event.KeyPeerPort:
		if n, err := strconv.ParseInt(a.Value, 10, 64); err == nil {
			return Attribute{Key: a.Key, Kind: Int, Int: n}
		}
	}
	return Attribute{Key: a.Key, Kind: String, Str: a.Value}
}

func appendString(dst []Attribute, key, value string) []Attribute {
	if value == "" {
		return dst
	}
	return append(dst, Attribute{Key: key, Kind: String, Str: value})
}

func appendInt(dst []Attribute, key string, value int64) []Attribute {
	return append(dst, Attribute{Key: key, Kind: Int, Int: value})
}

func appendDouble(dst []Attribute, key string, value float64) []Attribute {
	return append(dst, Attribute{Key: key, Kind: Double, Float: value})
}

func appendTrue(dst []Attribute, key string, value bool) []Attribute {
	if !value {
		return dst
	}
	return append(dst, Attribute{Key: key, Kind: Bool, Int: 1})
}

func clamp(n uint64) int64 { return int64(min(n, math.MaxInt64)) }
