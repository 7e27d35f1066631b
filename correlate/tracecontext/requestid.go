package tracecontext

import "bytes"

// requestID is any text that goes along with what one request causes; it says nothing of parents. Request-Id may be
// hierarchical, |root.a.b., and then its root is the id:
// https://github.com/dotnet/runtime/blob/main/src/libraries/System.Diagnostics.DiagnosticSource/src/HierarchicalRequestId.md.
// In x-request-id Envoy keeps its decision, as the first digit of the third group of a UUID:
// https://github.com/envoyproxy/envoy/blob/main/source/extensions/request_id/uuid/config.cc.
type requestID struct{}

// The fields beside x-request-id.
const (
	requestHierarchy = 1 + iota // request-id
	requestContext              // correlation-context, its baggage
)

func (requestID) read(v view) (c Carrier) {
	value := v.first(&c, mainField)
	if value == nil {
		if value = v.first(&c, requestHierarchy); value == nil {
			return Carrier{State: Absent}
		}
		c.Fields = v.count(requestHierarchy)
		value, _, _ = bytes.Cut(bytes.TrimPrefix(value, []byte("|")), []byte("."))
	}
	if len(value) == 0 {
		return v.judge(&c, RuleLength)
	}
	c.Context.text(value)
	const reasonAt = 14
	if len(value) == 36 && value[8] == '-' && value[13] == '-' && value[18] == '-' && value[23] == '-' {
		switch value[reasonAt] {
		case '9', 'a', 'b': // sampled, forced by the server, forced by the client
			c.Context.Decision = Accepted
		}
	}
	return v.judge(&c, "")
}
