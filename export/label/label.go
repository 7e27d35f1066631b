// Package label owns the attributes by which metrics and log records name an edge of the propagation report.
package label

import (
	"strings"
	"unicode/utf8"

	"go.opentelemetry.io/otel/attribute"

	"weft/correlate/propagation"
)

// The keys of the attributes that no semantic convention has.
const (
	Peer      attribute.Key = "weft.peer"
	Verdict   attribute.Key = "weft.propagation.verdict"
	Code      attribute.Key = "weft.propagation.code"
	Format    attribute.Key = "weft.propagation.format"
	Health    attribute.Key = "weft.propagation.health"
	Outcome   attribute.Key = "weft.outcome"
	Exclusion attribute.Key = "weft.propagation.exclusion"
	Reason    attribute.Key = "weft.reason"
	Kind      attribute.Key = "weft.span.kind"
)

// The keys that semantic conventions have.
const (
	service  attribute.Key = "service.name"
	method   attribute.Key = "http.request.method"
	route    attribute.Key = "http.route"
	protocol attribute.Key = "network.protocol.name"
	version  attribute.Key = "network.protocol.version"
)

// textMax bounds a value, in bytes: the host of a request may be as long as its head.
const textMax = 200

// Edge gives the attributes of an edge: who calls, on which request, whom and how. What is not known is left out.
func Edge(e *propagation.Edge) []attribute.KeyValue {
	verb, template := part(e.Route)
	name, number, _ := strings.Cut(e.Protocol, "/")
	out := make([]attribute.KeyValue, 0, 6)
	for _, a := range []struct {
		key   attribute.Key
		value string
	}{{service, e.Service}, {method, verb}, {route, template}, {Peer, e.Peer}, {protocol, name}, {version, number}} {
		if a.value != "" {
			out = append(out, a.key.String(Text(a.value)))
		}
	}
	return out
}

// part tells the method from the route: "POST /charge"; either may be missing.
func part(name string) (verb, template string) {
	verb, template, both := strings.Cut(name, " ")
	if !both && (strings.HasPrefix(name, "/") || strings.HasPrefix(name, "(")) {
		return "", name
	}
	return verb, template
}

// Text makes a value of a text from the traffic: receivers refuse a whole message for one byte that is not UTF-8.
func Text(text string) string {
	if len(text) > textMax {
		end := textMax
		for end > 0 && !utf8.RuneStart(text[end]) {
			end--
		}
		text = text[:end]
	}
	return strings.ToValidUTF8(text, "\uFFFD")
}
