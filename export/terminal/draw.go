package terminal

import (
	"encoding/hex"
	"strconv"
	"time"
	"unicode/utf8"

	"weft/correlate/span"
)

// legend explains the signs before a span's service. It is printed once.
const legend = "~ parent inferred, not read from a header   ⇠ parent outside of this node   " +
	"? several parents possible, none chosen   … parent not shown\n"

// The widths of a line, in characters.
const (
	maxOperation = 60
	maxService   = 24
	maxIndent    = 20 // levels; deeper ones are drawn at this one
)

// drawing draws one trace.
type drawing struct {
	style
	zone  *time.Location
	out   []byte
	cell  []byte // the left part of a line without colours, to measure it
	start int64
}

// draw appends the tree of a trace whose rows are not empty; hidden is how many of its spans are not among them.
func (d *drawing) draw(rows []row, hidden int) {
	first := rows[0].span
	end := first.End
	for i := range rows {
		end = max(end, rows[i].span.End)
	}
	d.start = first.Start
	for i := range rows {
		d.start = min(d.start, rows[i].span.Start)
	}
	d.head(first.TraceID, len(rows)+hidden, end)
	width := 0
	for i := range rows {
		width = max(width, d.width(&rows[i]))
	}
	open := make([]bool, maxIndent+2) // levels on which a sibling follows
	for i := range rows {
		d.line(&rows[i], open, width)
	}
	if hidden > 0 {
		d.out = d.style.append(d.out, dim, strconv.AppendInt([]byte("  … and "), int64(hidden), 10))
		d.out = append(d.out, " more spans\n"...)
	}
}

func (d *drawing) head(id span.TraceID, spans int, end int64) {
	d.out = d.style.append(d.out, bold, time.Unix(0, d.start).In(d.zone).AppendFormat(nil, "15:04:05.000"))
	text := strconv.AppendInt([]byte("  "), int64(spans), 10)
	text = append(text, " spans  "...)
	if spans == 1 {
		text = append(text[:0], "  1 span  "...)
	}
	text = appendDuration(text, end-d.start)
	text = append(text, "  "...)
	text = hex.AppendEncode(text, id[:])
	d.out = d.style.append(d.out, dim, text)
	d.out = append(d.out, '\n')
}

// width gives the characters of the left part of r's line.
func (d *drawing) width(r *row) int {
	d.cell = appendPrintable(d.cell[:0], service(r.span), maxService)
	d.cell = append(d.cell, ' ')
	d.cell = appendOperation(d.cell, r.span)
	return 2 + 3*min(r.depth, maxIndent) + 2 + utf8.RuneCount(d.cell)
}

func (d *drawing) line(r *row, open []bool, width int) {
	s := r.span
	depth := min(r.depth, maxIndent)
	open[depth] = !r.last
	d.out = d.style.append(d.out, dim, appendBranch([]byte("  "), depth, open))
	d.out = d.style.append(d.out, yellow, []byte(sign(r)))
	d.out = append(d.out, ' ')
	d.out = d.style.append(d.out, cyan, appendPrintable(nil, service(s), maxService))
	d.out = append(d.out, ' ')
	d.out = appendOperation(d.out, s)
	d.out = appendPadding(d.out, width-d.width(r)+2)

	d.out = d.style.append(d.out, outcomeShade(s), appendStatus(nil, s))
	took := appendDuration(nil, s.End-s.Start)
	d.out = appendPadding(d.out, 9-utf8.RuneCount(took))
	d.out = append(d.out, took...)
	if s.Start > d.start {
		d.out = d.style.append(d.out, dim, appendDuration([]byte("  +"), s.Start-d.start))
	}
	if s.Fault != span.NoFault {
		d.out = d.style.append(d.out, red, appendPrintable([]byte("  "), string(s.Fault), maxOperation))
	}
	if s.Break {
		d.out = d.style.append(d.out, red, appendBreak([]byte("  "), s))
	}
	d.out = append(d.out, '\n')
}

// appendBranch appends the lines that lead to a span at depth.
func appendBranch(dst []byte, depth int, open []bool) []byte {
	for level := 1; level <= depth; level++ {
		switch {
		case level < depth && open[level]:
			dst = append(dst, "│  "...)
		case level < depth:
			dst = append(dst, "   "...)
		case open[level]:
			dst = append(dst, "├─ "...)
		default:
			dst = append(dst, "└─ "...)
		}
	}
	return dst
}

// sign marks how sure the place of a span in the tree is.
func sign(r *row) string {
	s := r.span
	switch {
	case s.ParentRemote && r.depth == 0:
		return "⇠"
	case r.orphan:
		return "…"
	case s.Alternates > 0 && !s.ParentID.IsValid():
		return "?"
	case s.ParentID.IsValid() && s.Evidence != span.Header && s.Evidence != span.NoEvidence:
		return "~"
	}
	return " "
}

// appendOperation appends what was asked for: a client's with the peer's name.
func appendOperation(dst []byte, s *span.Span) []byte {
	if s.Kind == span.Client {
		dst = appendPeer(append(dst, "→ "...), s)
		dst = append(dst, ' ')
	}
	dst = appendPrintable(dst, s.Method, 16)
	dst = append(dst, ' ')
	return appendPrintable(dst, s.Path, maxOperation)
}

// appendPeer appends whom a client asked, as it named it.
func appendPeer(dst []byte, s *span.Span) []byte {
	if s.Host == "" && s.Peer.IsValid() {
		return s.Peer.AppendTo(dst)
	}
	dst = appendPrintable(dst, s.Host, maxOperation/2)
	if s.HostPort != 0 {
		dst = append(dst, ':')
		dst = strconv.AppendUint(dst, uint64(s.HostPort), 10)
	}
	return dst
}

func appendStatus(dst []byte, s *span.Span) []byte {
	if s.HasRPCStatus {
		return append(dst, s.CallStatus()...)
	}
	if s.Status == 0 {
		return append(dst, "---"...)
	}
	return strconv.AppendUint(dst, uint64(s.Status), 10)
}

func outcomeShade(s *span.Span) shade {
	switch {
	case s.StatusCode() == span.StatusError:
		return red
	case s.Status >= 400:
		return yellow
	case s.Status >= 200 && s.Status < 300:
		return green
	}
	return plain
}

// appendBreak says what became of the trace context: "context dropped (F1 traceparent)".
func appendBreak(dst []byte, s *span.Span) []byte {
	dst = append(append(dst, "context "...), s.Verdict...)
	if s.Code == "" && s.Carrier == "" {
		return dst
	}
	dst = append(append(dst, " ("...), s.Code...)
	if s.Code != "" && s.Carrier != "" {
		dst = append(dst, ' ')
	}
	return append(append(dst, s.Carrier...), ')')
}
