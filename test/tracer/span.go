package tracer

import (
	"encoding/json"
	"fmt"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// The kinds of spans, by the numbers of OTLP.
const (
	Server = 2
	Client = 3
)

// Span is one line of weft's JSON output.
type Span struct {
	TraceID  string     `json:"traceId"`
	SpanID   string     `json:"spanId"`
	ParentID string     `json:"parentSpanId"` // empty for a root
	State    string     `json:"traceState"`
	Name     string     `json:"name"`
	Kind     int        `json:"kind"`
	Start    Nano       `json:"startTimeUnixNano"`
	End      Nano       `json:"endTimeUnixNano"`
	Status   Status     `json:"status"`
	Attr     Attributes `json:"attributes"`
	Resource Attributes `json:"resource"`
}

// Status is a span's: 0 unset, 1 ok, 2 error.
type Status struct {
	Code int `json:"code"`
}

// Nano is Unix nanoseconds, written as a string in OTLP/JSON.
type Nano int64

// UnmarshalJSON reads a string of decimal digits and refuses a number, as OTLP/JSON does for 64-bit integers.
func (n *Nano) UnmarshalJSON(b []byte) error {
	var s string
	if err := json.Unmarshal(b, &s); err != nil {
		return err
	}
	v, err := strconv.ParseInt(s, 10, 64)
	*n = Nano(v)
	return err
}

// Attributes is a flat map.
type Attributes map[string]any

// Int gives a numeric attribute, 0 if it is absent.
func (a Attributes) Int(key string) int64 {
	n, _ := a[key].(float64)
	return int64(n)
}

// Text gives a string attribute, empty if it is absent.
func (a Attributes) Text(key string) string {
	s, _ := a[key].(string)
	return s
}

// Service is the service.name of the span's resource.
func (s *Span) Service() string { return s.Resource.Text("service.name") }

// PID is the process of the span.
func (s *Span) PID() int { return int(s.Resource.Int("process.pid")) }

// Path is the path of the request without its query.
func (s *Span) Path() string {
	if s.Kind == Server {
		return s.Attr.Text("url.path")
	}
	u, err := url.Parse(s.Attr.Text("url.full"))
	if err != nil {
		return ""
	}
	return u.Path
}

// Port is the port of the server's end of the connection, 0 for AF_UNIX.
func (s *Span) Port() int {
	if s.Kind == Server {
		return int(s.Attr.Int("network.local.port"))
	}
	return int(s.Attr.Int("network.peer.port"))
}

// Token is the last part of the path if it is one of the tests' tokens, else empty.
func (s *Span) Token() string {
	path := s.Path()
	last := path[strings.LastIndexByte(path, '/')+1:]
	if strings.HasPrefix(last, "t-") {
		return last
	}
	return ""
}

// String tells what a failed test needs to know of a span.
func (s *Span) String() string {
	kind := map[int]string{Server: "SERVER", Client: "CLIENT"}[s.Kind]
	return fmt.Sprintf("%s %s(%d) port %d %s %s status %d trace %s span %s parent %s (%v %v) at %d for %v bodies %d/%d error %q", kind, s.Service(), s.PID(),
		s.Port(), s.Attr.Text("http.request.method"), s.Path(), s.Attr.Int("http.response.status_code"), s.TraceID, s.SpanID, s.ParentID,
		s.Attr["weft.parent.evidence"], s.Attr["weft.parent.confidence"], s.Start, time.Duration(s.End-s.Start),
		s.Attr.Int("http.request.body.size"), s.Attr.Int("http.response.body.size"), s.Attr.Text("error.type"))
}
