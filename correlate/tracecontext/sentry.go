package tracecontext

import "bytes"

// sentry is {32 digits}-{16 digits}[-{0|1}]: https://develop.sentry.dev/sdk/telemetry/traces/#header-sentry-trace. Its other
// half is baggage, under names that begin with sentry-.
type sentry struct{}

func (sentry) read(v view) (c Carrier) {
	value := v.first(&c, mainField)
	return v.judge(&c, c.Context.sentry(value))
}

func (c *Context) sentry(value []byte) (rule Rule) {
	trace, rest, _ := bytes.Cut(value, []byte("-"))
	span, sampled, decided := bytes.Cut(rest, []byte("-"))
	if len(trace) != 32 {
		return RuleLength
	}
	if rule = c.traceID(trace); rule == "" {
		rule = c.parentID(span)
	}
	if rule == "" && decided {
		switch string(sampled) {
		case "0", "1":
			c.Decision = decide(sampled[0] == '1')
		default:
			return RuleDecision
		}
	}
	return rule
}
