package span

// appendOwn tells what is the exchange's own, besides the response.
func (s *Span) appendOwn(dst []Attribute) []Attribute {
	dst = s.appendParent(dst)
	dst = s.appendConnection(dst)
	return appendHeaders(dst, s.Headers)
}

// appendParent says where the span ran and what decided its parent. A root has no evidence and no confidence.
func (s *Span) appendParent(dst []Attribute) []Attribute {
	if s.TID != 0 {
		dst = appendInt(dst, "thread.id", int64(s.TID))
	}
	if s.Goroutine != 0 {
		dst = appendInt(dst, "weft.go.goroutine", clamp(s.Goroutine))
	}
	if s.Evidence != NoEvidence {
		dst = appendString(dst, "weft.parent.evidence", s.Evidence.String())
		dst = appendDouble(dst, "weft.parent.confidence", s.Confidence)
	}
	if s.Alternates > 0 {
		dst = appendInt(dst, "weft.parent.ambiguous_among", int64(s.Alternates))
	}
	if s.Repaired {
		dst = appendString(dst, "weft.link.evidence", s.Evidence.String())
		if s.WireTraceID.IsValid() {
			dst = append(dst, Attribute{Key: "weft.link.wire_trace_id", Kind: String, of: s, text: textWireTrace})
		}
	}
	return s.appendVerdict(dst)
}

// appendVerdict says what became of the trace context that the request should carry on.
func (s *Span) appendVerdict(dst []Attribute) []Attribute {
	dst = appendString(dst, "weft.propagation.verdict", s.Verdict)
	for _, note := range s.Notes {
		dst = append(dst, Attribute{Key: "weft.propagation.notes", Kind: Strings, Str: note})
	}
	return s.appendBreak(dst)
}

// BreakEvent is the name of the event that stands on the span at which a trace context breaks.
const BreakEvent = "weft.context.broken"

// BreakAttributes appends the attributes of the event BreakEvent, which happens at Start: the head was written then. They are
// strings all. A span without a break has no event, and nothing is appended.
func (s *Span) BreakAttributes(dst []Attribute) []Attribute {
	if !s.Break {
		return dst
	}
	return s.appendBreak(appendString(dst, "weft.propagation.verdict", s.Verdict))
}

func (s *Span) appendBreak(dst []Attribute) []Attribute {
	if !s.Break {
		return dst
	}
	dst = appendString(dst, "weft.propagation.code", s.Code)
	dst = appendString(dst, "weft.propagation.format", s.Carrier)
	return appendString(dst, "weft.propagation.rule", s.Rule)
}

// appendConnection tells what only the kernel knows. What is not there is zero, false or unknown.
func (s *Span) appendConnection(dst []Attribute) []Attribute {
	if s.ConnectNS != 0 {
		dst = appendDouble(dst, "weft.connection.connect_time", float64(s.ConnectNS)/1e9)
	}
	dst = s.appendTLS(dst)
	if s.RTT != 0 {
		dst = appendDouble(dst, "weft.connection.rtt", float64(s.RTT)/1e6)
	}
	if s.Retransmits != 0 {
		dst = appendInt(dst, "weft.connection.retransmits", int64(s.Retransmits))
	}
	dst = appendTrue(dst, "weft.connection.upgraded", s.Upgraded)
	if s.Status == switching && s.RequestMessages+s.ReplyMessages > 0 {
		dst = appendInt(dst, "weft.websocket.client_messages", int64(s.RequestMessages))
		dst = appendInt(dst, "weft.websocket.server_messages", int64(s.ReplyMessages))
	}
	if s.Pieces > 0 {
		dst = appendInt(dst, "weft.event_stream.pieces", int64(s.Pieces))
	}
	dst = appendTrue(dst, "weft.head.cut", s.HeadCut)
	dst = appendTrue(dst, "weft.head.partly_unknown", s.Partial)
	return appendTrue(dst, "weft.loss", s.Loss)
}

// appendTLS tells of the TLS session: https://opentelemetry.io/docs/specs/semconv/registry/attributes/tls/
func (s *Span) appendTLS(dst []Attribute) []Attribute {
	if !s.TLS {
		return dst
	}
	dst = appendString(dst, "tls.protocol.name", "tls")
	dst = appendString(dst, "tls.protocol.version", s.TLSVersion)
	dst = appendString(dst, "tls.client.server_name", s.ServerName)
	dst = appendString(dst, "tls.next_protocol", s.TLSProtocol)
	if s.HandshakeNS != 0 {
		dst = appendDouble(dst, "weft.tls.handshake_time", float64(s.HandshakeNS)/1e9)
	}
	return dst
}

// switching is the status with which a connection changes its protocol.
const switching = 101
