package tracecontext

// elastic is a traceparent under the name that it had before that was a standard:
// https://github.com/elastic/apm/blob/main/specs/agents/tracing-distributed-tracing.md.
type elastic struct{}

func (elastic) read(v view) Carrier { return readTraceparents(v) }
