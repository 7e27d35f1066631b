package report

import (
	"fmt"
	"io"
	"strings"
	"time"

	"weft/correlate/propagation"
)

// Explain writes the evidence behind one span: for a person, or as JSON.
func Explain(w io.Writer, e propagation.Explanation, format string) error {
	var err error
	switch format {
	case Table, "text":
		err = explain(w, e)
	case JSON:
		err = asJSON(w, e)
	default:
		return fmt.Errorf("--format: %q is not allowed, it must be %s or %s", format, Table, JSON)
	}
	if err != nil {
		return fmt.Errorf("write the explanation: %w", err)
	}
	return nil
}

func explain(w io.Writer, e propagation.Explanation) error {
	p := &page{w: w}
	p.say("%s\n\n", plain(e.Sentence))
	if e.Verdict != "" {
		p.say("verdict     %s %s\n", e.Verdict, e.Code)
	}
	if len(e.Notes) > 0 {
		p.say("noted       %s\n", strings.Join(e.Notes, ", "))
	}
	p.say("linked by   %s, %.1f %% sure\n", e.Evidence, 100*e.Confidence)
	if e.Among > 1 {
		p.say("among       %d incoming requests\n", e.Among)
	}
	for _, line := range e.Considered {
		p.say("considered  %s\n", plain(line))
	}
	for _, line := range e.RuledOut {
		p.say("ruled out   %s\n", plain(line))
	}
	if e.In != nil {
		p.message("incoming", e.In)
	}
	if e.Out.SpanID != "" {
		p.message("outgoing", &e.Out)
	}
	return p.err
}

func (p *page) message(title string, m *propagation.Message) {
	p.say("\n%s  %s", title, m.Start.Format("15:04:05.000000"))
	if !m.End.IsZero() {
		p.say(" for %v", m.End.Sub(m.Start).Round(time.Microsecond))
	}
	p.say("  pid %d thread %d", m.PID, m.TID)
	if m.Goroutine != 0 {
		p.say(" goroutine %d", m.Goroutine)
	}
	if m.Connection != "" {
		p.say("  %s", m.Connection)
	}
	p.say("\n  span %s of trace %s\n", m.SpanID, m.TraceID)
	for _, c := range m.Carriers {
		p.say("  carrier %s: %s", c.Format, c.State)
		if c.Rule != "" {
			p.say(", breaks the rule %q", c.Rule)
		}
		if c.Trace != "" {
			p.say(", trace %s parent %s", c.Trace, c.Parent)
		}
		p.say("\n")
	}
	if m.Head == "" {
		p.say("  its head was not kept: weft keeps those of the examples of each verdict\n")
		return
	}
	if len(m.Carriers) == 0 {
		p.say("  no carrier\n")
	}
	for line := range strings.SplitSeq(strings.TrimRight(m.Head, "\r\n"), "\n") {
		p.say("  | %s\n", plain(strings.TrimRight(line, "\r")))
	}
}
