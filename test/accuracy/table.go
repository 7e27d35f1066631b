package main

import (
	"fmt"
	"io"
	"os"
	"strings"

	"weft/correlate/span"
)

// scoreAll writes the tables of all recordings.
func scoreAll(o options) error {
	var out io.Writer = os.Stdout
	var text strings.Builder
	if o.table != "" {
		out = &text
	}
	var sure reliability
	costs := "\n| service | in flight | kernel, µs a call | probe hits a call | probe, µs a call | user, µs a call |\n|---|---|---|---|---|---|\n"
	fmt.Fprintln(out, "| service | in flight | calls | precision | recall | once learned | ambiguous | by | same thread | containment | joint |")
	fmt.Fprintln(out, "|---|---|---|---|---|---|---|---|---|---|---|")
	for _, s := range scenarios {
		for _, n := range o.inFlight {
			if _, err := os.Stat(o.path(s, n)); err != nil || !o.chooses(s) {
				continue
			}
			before := processorTime()
			all, err := replay(o.path(s, n))
			if err != nil {
				return err
			}
			user := processorTime() - before
			one := judge(all, s.proxy)
			row, err := costRow(o.path(s, n), s, n, one.calls, user)
			if err != nil {
				return err
			}
			costs += row
			sure.join(&one.reliability)
			fmt.Fprintf(out, "| %s | %d | %d | %s | %s | %s | %s | %s |", s.name, n, one.calls, percent(one.precision()), percent(one.recall()),
				percent(one.learned()), percent(share(one.ambiguous, one.calls)), one.by())
			for _, r := range references {
				other := judgeReference(all, s.proxy, r)
				fmt.Fprintf(out, " %s / %s |", percent(other.precision()), percent(other.recall()))
			}
			fmt.Fprintln(out)
		}
	}
	fmt.Fprintln(out, "\n| said to be sure | links | mean of what they said | right |\n|---|---|---|---|")
	for i, b := range bounds {
		if c := sure[i]; c.links > 0 {
			fmt.Fprintf(out, "| from %g | %d | %.4f | %.4f |\n", b, c.links, c.said/float64(c.links), share(c.right, c.links))
		}
	}
	fmt.Fprint(out, costs)
	if o.table == "" {
		return nil
	}
	return replaceTables(o.table, text.String())
}

// by tells what has decided.
func (s *score) by() string {
	var parts []string
	for i, e := range s.byEvidence {
		if n := e.right + e.wrong; n > 0 {
			part := fmt.Sprintf("%s %d", span.Evidence(i), n)
			if e.wrong > 0 {
				part += fmt.Sprintf(" (%d wrong)", e.wrong)
			}
			parts = append(parts, part)
		}
	}
	return strings.Join(parts, ", ")
}

func percent(v float64) string {
	if v == 1 {
		return "100"
	}
	return fmt.Sprintf("%.2f", 100*v)
}

// The tables stand between these lines of the page.
const (
	tablesBegin = "<!-- tables: begin -->\n"
	tablesEnd   = "<!-- tables: end -->\n"
)

func replaceTables(path, tables string) error {
	page, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	before, rest, found := strings.Cut(string(page), tablesBegin)
	_, after, ended := strings.Cut(rest, tablesEnd)
	if !found || !ended {
		return fmt.Errorf("%s has no place for the tables", path)
	}
	return os.WriteFile(path, []byte(before+tablesBegin+tables+tablesEnd+after), 0o644)
}
