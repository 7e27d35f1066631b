package label

import (
	"strings"
	"testing"
	"unicode/utf8"

	"weft/correlate/propagation"
)

func TestEdge(t *testing.T) {
	for _, c := range []struct {
		edge propagation.Edge
		want string
	}{
		{propagation.Edge{Service: "checkout", Route: "POST /charge/{id}", Peer: "payments", Protocol: "http/1.1"},
			"service.name=checkout http.request.method=POST http.route=/charge/{id} weft.peer=payments network.protocol.name=http network.protocol.version=1.1"},
		{propagation.Edge{Service: "a", Route: "GET", Peer: "b:80", Protocol: "http/1.0"},
			"service.name=a http.request.method=GET weft.peer=b:80 network.protocol.name=http network.protocol.version=1.0"},
		{propagation.Edge{Service: "a", Route: "(several)"}, "service.name=a http.route=(several)"},
		{propagation.Edge{Service: "a\xff", Route: "/x y"}, "service.name=a\uFFFD http.request.method=/x http.route=y"},
	} {
		var got []string
		for _, a := range Edge(&c.edge) {
			got = append(got, string(a.Key)+"="+a.Value.AsString())
		}
		if text := strings.Join(got, " "); text != c.want {
			t.Errorf("got  %s\nwant %s", text, c.want)
		}
	}
}

// TestTextIsBounded holds that neither length nor bytes of the traffic can spoil a message.
func TestTextIsBounded(t *testing.T) {
	for _, text := range []string{strings.Repeat("ä", textMax), strings.Repeat("\xff", textMax), "x" + strings.Repeat("\u20ac", textMax)} {
		if got := Text(text); len(got) > 3*textMax || !utf8.ValidString(got) || got == "" {
			t.Errorf("%d bytes: %q", len(got), got)
		}
	}
	if got := Text("whole"); got != "whole" {
		t.Errorf("got %q", got)
	}
}
