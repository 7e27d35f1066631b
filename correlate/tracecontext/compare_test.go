package tracecontext

import (
	"fmt"
	"strings"
	"testing"
)

func TestCompareState(t *testing.T) {
	var long, longer []string
	for i := range 8 {
		long = append(long, fmt.Sprintf("k%d=%s", i, strings.Repeat("v", 72))) // 75 characters each, 607 in all
	}
	longer = append(append(longer, long[:3]...), "big="+strings.Repeat("b", 200))
	longer = append(longer, long[3:6]...)
	join := func(parts ...string) string { return strings.Join(parts, ",") }
	tests := []struct {
		in, out   string
		lost, cut bool
	}{
		{"", "", false, false},
		{"", "a=1", false, false},
		{"a=1", "a=1", false, false},
		{"a=1,b=2", "a=1, b=2", false, false},
		{"a=1,b=2", "new=x,a=1,b=2", false, false},
		{"a=1,b=2", "a=changed,b=2", false, false},
		{"a=1,b=2", "b=changed,a=1", false, false},
		{"a=1,b=2,c=3", "b=changed,a=1,c=3", false, false},
		{"a=1,b=2", "", true, false},
		{"a=1,b=2", "new=x", true, false},
		{"a=1,b=2", "a=1", true, false},
		{"a=1,b=2", "b=2", true, false},
		{"a=1,b=2", "b=2,a=1", true, false},
		{"a=1,b=2,c=3", "new=x,a=1,c=3,b=2", true, false},
		{"a=1,b=2,c=3", "new=x,a=1,b=changed,c=3", true, false},
		{"a=1,b=2,c=3", "a=1,b=2,c=3,new=x", false, false}, // in the wrong place, but nothing is lost
		{"a=1,b=longvalue", "new=x,a=1,b=long", false, true},
		{"a=1,b=longvalue", "a=1,b", false, true},
		{"abc=1", "ab", false, true},
		{"A=1,b=2", "", false, false}, // not valid, may be dropped
		{"a=1,a=2", "a=1,a=2", false, false},
		{"a=1,a=2,b=3", "a=2,b=3", false, false},
		{"a=1,a=2,b=3", "own=x,b=3,a=1", false, false},
		{"a=1,a=2", "", true, false},
		{"a=1,a=2,b=3", "a=1,a=2", true, false},
		{"a=1,a=2," + join(long...), "", false, false}, // above 512
		{"a=1,a=2,B=3", "", false, false},
		{"a=1, ,b=2", "a=1,b=2", false, false},
		{"0a=1,b=2", "b=2", true, false}, // a key of level 2
		{join(long...), join(long...), false, false},
		{join(long...), join(long[:6]...), false, false}, // 455: the next would be above 512
		{join(long...), join(append([]string{"new=x"}, long[:6]...)...), false, false},
		{join(long...), join(long[:5]...), true, false}, // the next had room
		{join(long...), "", true, false},
		{join(long...), join(long[:6]...) + ",k6=vvv", false, true},
		{join(longer...), join(append(append([]string{}, long[:3]...), long[3:6]...)...), false, false}, // the big one goes first
		{join(longer...), join(longer[:4]...), true, false},
		{list(32), "new=x," + list(31), false, false},
		{list(32), list(31), true, false},
		{list(33), "", false, false},
		{"a=1", strings.Repeat("b,", 100) + "a=1", false, false}, // not valid, and not read to its end
	}
	for _, test := range tests {
		in, out := readHead(t, true, "tracestate: "+test.in), readHead(t, true, "tracestate: "+test.out)
		if lost, cut, _ := CompareState(in, out); lost != test.lost || cut != test.cut {
			t.Errorf("%q becomes %q: lost %v, cut %v", test.in, test.out, lost, cut)
		}
	}
}

func TestInvalidState(t *testing.T) {
	tests := []struct {
		in, out string
		kept    bool
	}{
		{"", "", false},
		{"A=1", "", false},
		{"A=1", "new=x", false},
		{"A=1", "A=1", true},
		{"A=1", "new=x,A=1", true},
		{"a=,b=3", "b=3", true},
		{"a=,b=3", "b=4", false},
		{"a=1=2", "a=1=2", true},
		{"@a=1,b=2", "b=2", true},
		{list(33), list(32), true},
		{list(33), "", false},
		{list(32), list(32), false},       // valid
		{"a=1,a=2", "a=1,a=2", false},     // that comes twice, which may be kept
		{"0a=1,a@b@c=2", "0a=1", false},   // of level 2
		{list(64) + ",b=2", "b=2", false}, // not read to its end
	}
	for _, test := range tests {
		in, out := readHead(t, true, "tracestate: "+test.in), readHead(t, true, "tracestate: "+test.out)
		if _, _, kept := CompareState(in, out); kept != test.kept {
			t.Errorf("%q becomes %q: %v", test.in, test.out, kept)
		}
	}
	if _, _, kept := CompareState(readHead(t, false, "tracestate: A=1"), readHead(t, true, "tracestate: A=1")); kept {
		t.Error("the list may go on behind the cut")
	}
}

func TestCompareBaggage(t *testing.T) {
	tests := []struct {
		in, out       string
		lost, partial bool
	}{
		{"", "", false, false},
		{"", "baggage: a=1", false, false},
		{"baggage: a=1", "baggage: a=1", false, false},
		{"baggage: a=1,b=2", "baggage: c=3, b = 2 ,a=1;p=q", false, false},
		{"baggage: a=1,b=2", "baggage: b=2|baggage: a=1", false, false},
		{"baggage: a=%E4%B8%AD", "baggage: a=%e4%b8%ad", false, false},
		{"baggage: a=%41b", "baggage: a=Ab", false, false},
		{"baggage: a=100%", "baggage: a=100%25", false, false},
		{"baggage: user=alice,x=%E4%B8%AD;p=1", "baggage: user=alice,x=%E4%B8%AD%3Bp%3D1", true, false},
		{"baggage: a=1", "", true, false},
		{"baggage: a=1", "baggage: a=2", true, false},
		{"baggage: a=1", "baggage: A=1", true, false},
		{"baggage: a=1,b=2", "baggage: a=1", true, false},
		{"baggage: a=1,key=value", "baggage: a=1,key=val", false, true},
		{"baggage: a=1,key=value", "baggage: a=1,ke", false, true},
		{"baggage: a=1,key=value,c=3", "baggage: a=1,key=val", true, true},
		{"baggage: a", "", false, false}, // not valid
		{"baggage: " + list(64), "", true, false},
		{"baggage: " + list(65), "", false, false},
		{"baggage: a=1", "baggage: " + strings.Repeat("a", 9000), false, false},
		{"uberctx-User: a+b%2Bc", "uberctx-user: a%20b+c", false, false},
		{"uberctx-User: x", "baggage: User=x", false, false},
		{"uberctx-user: x", "", true, false},
		{"uberctx-user: x", "uberctx-user: y", true, false},
		{"jaeger-baggage: a=1, ,b=2", "uberctx-a: 1|uberctx-b: 2", false, false},
		{"jaeger-baggage: a=1, b=2", "uberctx-a: 1", true, false},
		{"ot-baggage-a: 1", "ot-baggage-A: 1", false, false},
		{"ot-baggage-a: 1", "ot-baggage-b: 1", true, false},
	}
	for _, test := range tests {
		in, out := readHead(t, true, strings.Split(test.in, "|")...), readHead(t, true, strings.Split(test.out, "|")...)
		if lost, partial := CompareBaggage(in, out); lost != test.lost || partial != test.partial {
			t.Errorf("%.60q becomes %.60q: lost %v, partial %v", test.in, test.out, lost, partial)
		}
	}
}

func TestNothingIsSaidBehindACut(t *testing.T) {
	in, out := readHead(t, true, "tracestate: a=1", "baggage: a=1"), readHead(t, false, "host: a")
	if lost, cut, _ := CompareState(in, out); lost || cut {
		t.Error("tracestate may be behind the cut")
	}
	if lost, partial := CompareBaggage(in, out); lost || partial {
		t.Error("baggage may be behind the cut")
	}
	if lost, _, _ := CompareState(readHead(t, false, "tracestate: a=1"), readHead(t, true, "host: a")); !lost {
		t.Error("a member that was seen is lost")
	}
}

func TestFingerprint(t *testing.T) {
	const at = 0x4bf92f35 + 60
	tests := []struct {
		head, want string
		at         int64
	}{
		{"x-amzn-trace-id: Root=1-4bf92f35-77b34da6a3ce929d0e0e4736", "xray", at},
		{"x-amzn-trace-id: Root=1-4bf92f35-77b34da6a3ce929d0e0e4736", "uuid", at + 2*day},
		{"x-amzn-trace-id: Root=1-4bf92f35-77b34da6a3ce929d0e0e4736", "uuid", at - 2*hour},
		{"traceparent: 00-4bf92f3500000000a3ce929d0e0e4736-" + parent + "-01", "datadog", at},
		{"traceparent: 00-4bf92f3500000000a3ce929d0e0e4736-" + parent + "-01", "", at + 2*day},
		{"b3: " + low + "-" + low + "-1", "zipkin style root", at},
		{"traceparent: 00-0000000000000000" + low + "-" + low + "-01", "zipkin style root", at},
		{"b3: " + low + "-" + parent + "-1", "64-bit tracer", at},
		{"traceparent: 00-0000000000000000" + low + "-" + parent + "-03", "64-bit tracer", at},
		{"traceparent: 00-" + trace + "-" + parent + "-03", "level 2 SDK", at},
		{"traceparent: 00-5bf92f3577b34da6a3ce929d0e0e4736-" + parent + "-01", "uuid", at},
		{"traceparent: 00-5bf92f3577b34da643ce929d0e0e4736-" + parent + "-01", "", at},
		{"traceparent: 00-5bf92f3577b33da6a3ce929d0e0e4736-" + parent + "-01", "", at},
	}
	for _, test := range tests {
		s := readHead(t, true, test.head)
		if got := Fingerprint(s.Best().Context, s, test.at); got != test.want {
			t.Errorf("%s: %q, want %q", test.head, got, test.want)
		}
	}
	s := readHead(t, true, "b3: 0", "x-request-id: a")
	for _, c := range s.Carriers() {
		if got := Fingerprint(c.Context, s, at); got != "" {
			t.Errorf("%v: %q", c.Format, got)
		}
	}
}
