package tracecontext

import (
	"strings"
	"testing"
)

// readHead reads a head of lines "name: value".
func readHead(t testing.TB, whole bool, lines ...string) *Set {
	t.Helper()
	r, err := NewReader([]string{"X-Trace-Token"})
	if err != nil {
		t.Fatal(err)
	}
	s := &Set{}
	feed(r, s, lines...)
	r.Settle(s, whole)
	return s
}

func feed(r *Reader, s *Set, lines ...string) {
	for _, line := range lines {
		name, value, _ := strings.Cut(line, ":")
		r.Field(s, []byte(name), []byte(strings.TrimSpace(value)))
	}
}

func TestSmoke(t *testing.T) {
	s := readHead(t, true, "Host: a", "Traceparent: "+usual, "tracestate: a=1, ,b=2", "TraceState: c=3", "B3: "+trace+"-"+parent)
	if b := s.Best(); b == nil || b.Format != W3C || s.Carrier(B3).State != Valid || string(s.TraceState()) != "a=1,b=2,c=3" {
		t.Fatalf("%+v, %q", s.Carriers(), s.TraceState())
	}
}
