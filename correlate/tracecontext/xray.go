package tracecontext

import "bytes"

// xray is Root=1-{8 digits}-{24 digits};Parent={16 digits};Sampled={0|1|?}, in any order and with others between them. Load
// balancers begin traces with the root alone: https://docs.aws.amazon.com/xray/latest/devguide/xray-concepts.html#xray-concepts-tracingheader
// and https://docs.aws.amazon.com/elasticloadbalancing/latest/application/load-balancer-request-tracing.html.
type xray struct{}

// Offsets in the value of Root.
const (
	rootEpochAt  = 2
	rootRandomAt = 11
	rootSize     = 35
)

func (xray) read(v view) (c Carrier) {
	value := v.first(&c, mainField)
	var root, parent, sampled []byte
	for len(value) > 0 {
		var part []byte
		part, value, _ = bytes.Cut(value, []byte(";"))
		name, text, _ := bytes.Cut(trim(part), []byte("="))
		switch string(name) {
		case "Root":
			root = text
		case "Parent":
			parent = text
		case "Sampled":
			sampled = text
		}
	}
	c.Context.Width = 128
	rule := c.Context.root(root)
	if rule == "" && len(parent) > 0 {
		rule = c.Context.parentID(parent)
	}
	if rule == "" {
		rule = c.Context.isSampled(sampled)
	}
	if root == nil && rule != "" {
		rule = RuleIncomplete
	}
	return v.judge(&c, rule)
}

func (c *Context) root(value []byte) Rule {
	switch {
	case len(value) != rootSize:
		return RuleLength
	case value[1] != '-' || value[rootRandomAt-1] != '-':
		return RuleDelimiter
	case value[0] != '1':
		return RuleVersion
	}
	rule := exact(c.TraceID[:4], value[rootEpochAt:rootRandomAt-1])
	if rule == "" {
		rule = exact(c.TraceID[4:], value[rootRandomAt:])
	}
	return c.isTrace(rule)
}

// isSampled reads the decision of X-Ray: a question mark, and no word, leave it to the receiver.
func (c *Context) isSampled(word []byte) Rule {
	switch string(word) {
	case "", "?":
	case "0":
		c.Decision = Denied
	case "1":
		c.Decision = Accepted
	default:
		return RuleDecision
	}
	return ""
}
