package span

import (
	"fmt"
	"math"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"weft/correlate/event"
)

// render gives the attributes as sorted "key=value" lines.
func render(s *Span) []string {
	var out []string
	for _, a := range s.Attributes(nil) {
		switch a.Kind {
		case String:
			out = append(out, a.Key+"="+a.Text())
		case Strings:
			out = append(out, a.Key+"+="+a.Text())
		case Double:
			out = append(out, fmt.Sprintf("%s=%gs", a.Key, a.Float))
		case Bool:
			out = append(out, fmt.Sprintf("%s=%v", a.Key, a.Int == 1))
		default:
			out = append(out, fmt.Sprintf("%s=%d", a.Key, a.Int))
		}
	}
	slices.Sort(out)
	return out
}

func serverSpan() *Span {
	return &Span{
		Kind: Server, Start: 1_000_000_000, FirstByte: 1_002_000_000, End: 1_003_000_000,
		TID: 12, Method: "GET", Route: "/users/{id}", Path: "/users/7", Query: "a=1", HasQuery: true, Scheme: "http",
		Host: "shop.example", HostPort: 8080, UserAgent: "curl/8", Minor: 1, Status: 200, ReplyBody: 512,
		Local: netip.MustParseAddrPort("[::ffff:127.0.0.1]:8080"), Peer: netip.MustParseAddrPort("127.0.0.1:51000"),
		Evidence: Header, Confidence: 1, RTT: 1500,
	}
}

func clientSpan() *Span {
	return &Span{
		Kind: Client, Start: 1_000_000_000, End: 1_003_000_000, TID: 13, Goroutine: 42, Method: "POST",
		Path: "/pay", Query: "b=2", Scheme: "https", Host: "bank.example", Minor: 0, Status: 404, RequestBody: 9, ReplyBody: 3,
		Local: netip.MustParseAddrPort("10.0.0.1:40000"), Peer: netip.MustParseAddrPort("10.0.0.2:443"),
		Evidence: Goroutine, Confidence: 0.75, ConnectNS: 2_500_000, Retransmits: 3,
	}
}

func TestServerAttributes(t *testing.T) {
	want := []string{
		"client.address=127.0.0.1", "client.port=51000",
		"http.request.body.size=0", "http.request.method=GET",
		"http.response.body.size=512", "http.response.status_code=200", "http.route=/users/{id}",
		"network.local.address=127.0.0.1", "network.local.port=8080",
		"network.peer.address=127.0.0.1", "network.peer.port=51000",
		"network.protocol.name=http", "network.protocol.version=1.1", "network.transport=tcp",
		"server.address=shop.example", "server.port=8080", "thread.id=12",
		"url.path=/users/7", "url.query=a=1", "url.scheme=http", "user_agent.original=curl/8",
		"weft.connection.rtt=0.0015s", "weft.parent.confidence=1s", "weft.parent.evidence=header",
		"weft.time_to_first_byte=0.002s",
	}
	if got := render(serverSpan()); !slices.Equal(got, want) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

func TestClientAttributes(t *testing.T) {
	want := []string{
		"error.type=404", "http.request.body.size=9", "http.request.method=POST",
		"http.response.body.size=3", "http.response.status_code=404",
		"network.local.address=10.0.0.1", "network.local.port=40000",
		"network.peer.address=10.0.0.2", "network.peer.port=443",
		"network.protocol.name=http", "network.protocol.version=1.0", "network.transport=tcp",
		"server.address=bank.example", "server.port=443", "thread.id=13",
		"url.full=https://bank.example/pay?b=2",
		"weft.connection.connect_time=0.0025s", "weft.connection.retransmits=3", "weft.go.goroutine=42",
		"weft.parent.confidence=0.75s", "weft.parent.evidence=goroutine",
	}
	if got := render(clientSpan()); !slices.Equal(got, want) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

func TestVerdictAttributes(t *testing.T) {
	s := clientSpan()
	s.Verdict, s.Notes, s.Code, s.Carrier, s.Rule = "malformed", []string{"format_switched"}, "F4", "traceparent", "lower case"
	judged := []string{"weft.propagation.notes+=format_switched", "weft.propagation.verdict=malformed"}
	if got := ofPropagation(s); !slices.Equal(got, judged) || s.BreakAttributes(nil) != nil {
		t.Errorf("without a break: %q and an event with %v", got, s.BreakAttributes(nil))
	}
	s.Break = true
	broken := []string{
		"weft.propagation.code=F4", "weft.propagation.format=traceparent", "weft.propagation.notes+=format_switched",
		"weft.propagation.rule=lower case", "weft.propagation.verdict=malformed",
	}
	if got := ofPropagation(s); !slices.Equal(got, broken) {
		t.Errorf("with a break: %q", got)
	}
	var event []string
	for _, a := range s.BreakAttributes(nil) {
		event = append(event, a.Key+"="+a.Text())
	}
	want := []string{
		"weft.propagation.verdict=malformed", "weft.propagation.code=F4", "weft.propagation.format=traceparent", "weft.propagation.rule=lower case",
	}
	if !slices.Equal(event, want) {
		t.Errorf("the event has %q", event)
	}
}

func ofPropagation(s *Span) []string {
	return slices.DeleteFunc(render(s), func(line string) bool { return !strings.HasPrefix(line, "weft.propagation.") })
}

func TestURLFull(t *testing.T) {
	for want, s := range map[string]Span{
		"http://a.example/":       {Host: "a.example", Path: "/"},
		"http://a.example:80/x":   {Host: "a.example", HostPort: 80, Path: "/x"},
		"http://a.example:8080/x": {Host: "u:p@a.example", HostPort: 8080, Path: "/x"},
		"http://[::1]:81/x":       {Host: "[::1]", HostPort: 81, Path: "/x"},
		"http://[::2]/x":          {Host: "::2", Path: "/x"},
		"http://10.0.0.2:9/x?q":   {Peer: netip.MustParseAddrPort("10.0.0.2:9"), Path: "/x", Query: "q"},
		"https://[fe80::1]/x":     {Scheme: "https", Peer: netip.MustParseAddrPort("[fe80::1]:443"), Path: "/x"},
		"http://a.example":        {Host: "a.example", Path: "*"},
		"http://a.example:443":    {Host: "a.example", HostPort: 443, Method: "CONNECT"},
		"http:///x":               {Path: "/x", Unix: true},
	} {
		s.Kind = Client
		if got := string(s.appendURL(nil)); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}

func TestServerAddressOfTheSocket(t *testing.T) {
	server, client := serverSpan(), clientSpan()
	server.Host, client.Host = "", ""
	for s, want := range map[*Span][]string{
		server: {"server.address=127.0.0.1", "server.port=8080"},
		client: {"server.address=10.0.0.2", "server.port=443"},
	} {
		got := render(s)
		for _, w := range want {
			if !slices.Contains(got, w) {
				t.Errorf("no %q in %q", w, got)
			}
		}
	}
}

func TestName(t *testing.T) {
	for want, s := range map[string]Span{
		"GET /users/{id}": {Kind: Server, Method: "GET", Route: "/users/{id}", Path: "/users/7"},
		"GET":             {Kind: Server, Method: "GET", Path: "/users/7"},
		"PATCH":           {Kind: Client, Method: "PATCH", Route: "/ignored"},
		"HTTP":            {Kind: Client, Method: "get"},
		"HTTP /x":         {Kind: Server, Method: "BREW", Route: "/x"},
	} {
		if got := s.Name(); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}

func TestUnknownMethod(t *testing.T) {
	got := render(&Span{Kind: Server, Method: "BREW"})
	for _, want := range []string{"http.request.method=_OTHER", "http.request.method_original=BREW"} {
		if !slices.Contains(got, want) {
			t.Errorf("no %q in %q", want, got)
		}
	}
}

func TestStatus(t *testing.T) {
	for _, c := range []struct {
		kind   Kind
		status uint16
		fault  Fault
		want   StatusCode
		typ    string
	}{
		{Server, 200, NoFault, StatusUnset, ""},
		{Server, 404, NoFault, StatusUnset, ""},
		{Server, 503, NoFault, StatusError, "503"},
		{Client, 399, NoFault, StatusUnset, ""},
		{Client, 400, NoFault, StatusError, "400"},
		{Client, 500, Reset, StatusError, "500"},
		{Client, 0, Reset, StatusError, "connection_reset"},
		{Server, 200, Truncated, StatusError, "truncated_body"},
		{Server, 0, NoFault, StatusUnset, ""},
	} {
		s := Span{Kind: c.kind, Status: c.status, Fault: c.fault}
		if got := s.StatusCode(); got != c.want {
			t.Errorf("%+v: status %d", c, got)
		}
		typ := ""
		for _, a := range s.Attributes(nil) {
			if a.Key == "error.type" {
				typ = a.Text()
			}
		}
		if typ != c.typ {
			t.Errorf("%+v: error.type %q", c, typ)
		}
	}
}

func TestHeadersOfOneNameStandTogether(t *testing.T) {
	s := Span{Headers: []event.Attribute{{Key: "a", Value: "1"}, {Key: "b", Value: "2"}, {Key: "a", Value: ""}}}
	var got []string
	for _, a := range s.Attributes(nil) {
		if a.Kind == Strings {
			got = append(got, a.Key+a.Text())
		}
	}
	if want := []string{"a1", "a", "b2"}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestFlags(t *testing.T) {
	s := Span{Kind: Client, Unix: true, Upgraded: true, HeadCut: true, Loss: true, Alternates: 4, ReplyBody: math.MaxUint64, Status: 101}
	got := render(&s)
	for _, want := range []string{
		"network.transport=unix", "weft.connection.upgraded=true", "weft.head.cut=true", "weft.loss=true",
		"weft.parent.ambiguous_among=4", "http.response.body.size=9223372036854775807",
	} {
		if !slices.Contains(got, want) {
			t.Errorf("no %q in %q", want, got)
		}
	}
	for _, line := range got {
		if strings.HasPrefix(line, "network.peer.") || strings.HasPrefix(line, "weft.parent.evidence") {
			t.Errorf("%q of a root on a Unix socket", line)
		}
	}
}

func TestResourceAttribute(t *testing.T) {
	if a := ResourceAttribute(event.Attribute{Key: "process.pid", Value: "77"}); a.Kind != Int || a.Int != 77 {
		t.Errorf("got %+v", a)
	}
	if a := ResourceAttribute(event.Attribute{Key: "process.pid", Value: "x"}); a.Kind != String || a.Text() != "x" {
		t.Errorf("got %+v", a)
	}
}

func TestAttributesDoNotAllocate(t *testing.T) {
	spans := []*Span{serverSpan(), clientSpan()}
	attributes, text := make([]Attribute, 0, 64), make([]byte, 0, 4096)
	allocs := testing.AllocsPerRun(100, func() {
		for _, s := range spans {
			text = s.AppendName(text[:0])
			attributes = s.Attributes(attributes[:0])
			for i := range attributes {
				text = attributes[i].AppendText(text)
			}
		}
	})
	if allocs != 0 {
		t.Errorf("%v allocations", allocs)
	}
}

func BenchmarkAttributes(b *testing.B) {
	s := serverSpan()
	attributes := make([]Attribute, 0, 64)
	b.ReportAllocs()
	for b.Loop() {
		attributes = s.Attributes(attributes[:0])
	}
}
