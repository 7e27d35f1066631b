// Package report writes a propagation report for people, for scripts and for the tools that judge a build.
package report

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"
	"unicode/utf8"

	"weft/correlate/propagation"
)

// The formats.
const (
	Table    = "table"
	JSON     = "json"
	Markdown = "markdown"
	JUnit    = "junit"
	SARIF    = "sarif"
)

var formats = []string{Table, JSON, Markdown, JUnit, SARIF}

// IsFormat tells whether Write knows the format; text is another word for table.
func IsFormat(format string) bool { return format == "text" || slices.Contains(formats, format) }

// UnknownFormat is the error for one that it does not know.
func UnknownFormat(format string) error {
	return fmt.Errorf("--format: %q is not allowed, it must be one of %s", format, strings.Join(formats, ", "))
}

// Judgement is a report with the answer that it gives, and the evidence of faults on broken edges.
type Judgement struct {
	Health propagation.Health `json:"health"`
	propagation.Report
	Proofs []propagation.Explanation `json:"proofs"`
}

// proof gives the evidence of a finding; nil when there is none.
func (j *Judgement) proof(f *propagation.Finding) *propagation.Explanation {
	for i := range j.Proofs {
		if slices.Contains(f.Examples, j.Proofs[i].ID) {
			return &j.Proofs[i]
		}
	}
	return nil
}

// Write writes a report. color is for terminals, and for the table only.
func Write(w io.Writer, r propagation.Report, format string, color bool) error {
	var err error
	switch format {
	case Table, "text":
		err = table(w, r, color, "      proof: weft explain %s\n")
	case JSON:
		err = asJSON(w, r)
	case Markdown:
		err = markdown(w, r)
	case JUnit:
		err = junit(w, &Judgement{Report: r})
	case SARIF:
		err = sarif(w, &Judgement{Report: r})
	default:
		return UnknownFormat(format)
	}
	if err != nil {
		return fmt.Errorf("write the report: %w", err)
	}
	return nil
}

// WriteJudgement writes a report with its proofs, for whoever cannot ask for them later.
func WriteJudgement(w io.Writer, j *Judgement, format string, color bool) error {
	var err error
	switch format {
	case Table, "text":
		if err = table(w, j.Report, color, ""); err == nil {
			err = proofs(w, j)
		}
	case JSON:
		err = asJSON(w, j)
	case Markdown:
		if err = markdown(w, j.Report); err == nil {
			err = markdownProofs(w, j)
		}
	case JUnit:
		err = junit(w, j)
	case SARIF:
		err = sarif(w, j)
	default:
		return UnknownFormat(format)
	}
	if err != nil {
		return fmt.Errorf("write the report: %w", err)
	}
	return nil
}

func asJSON(w io.Writer, v any) error {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetIndent("", "  ")
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		return err
	}
	// What the encoder leaves as it is stands only in strings, and a terminal may obey it.
	out := make([]byte, 0, b.Len())
	for _, r := range b.String() {
		if r != '\n' && steers(r) {
			out = fmt.Appendf(out, "\\u%04x", r)
		} else {
			out = utf8.AppendRune(out, r)
		}
	}
	_, err := w.Write(out)
	return err
}

// steers tells whether a terminal may obey the character in place of showing it.
func steers(r rune) bool {
	return r < ' ' || 0x7f <= r && r < 0xa0 || 0x2028 <= r && r <= 0x202e || 0x2066 <= r && r <= 0x2069
}

// plain takes control characters out of a text that came from the traffic.
func plain(text string) string {
	return strings.Map(func(r rune) rune {
		if steers(r) {
			return '?'
		}
		return r
	}, text)
}

// share writes a part of a whole in percent.
func share(n, of uint64) string {
	if of == 0 {
		return "-"
	}
	return fmt.Sprintf("%.1f %%", 100*float64(n)/float64(of))
}

func percent(p float64) string { return fmt.Sprintf("%.2f %%", 100*p) }

// judgedOut gives the pairs of an edge that were not judged: unknown, and excluded by all rules.
func judgedOut(e *propagation.Edge) (unknown, excluded uint64) {
	for _, n := range e.Excluded {
		excluded += n
	}
	return e.Unknown, excluded
}

// faults gives the findings that break traces.
func faults(e *propagation.Edge) []propagation.Finding {
	var out []propagation.Finding
	for _, f := range e.Findings {
		if f.Severity == "fault" {
			out = append(out, f)
		}
	}
	return out
}
