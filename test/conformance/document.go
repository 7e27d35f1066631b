package conformance

import (
	"fmt"
	"slices"
	"strings"

	"weft/correlate/propagation"
)

// The marks around what of docs/CONFORMANCE.md is made from testdata.
const (
	begin = "<!-- what follows is written by the test, see Makefile: test-conformance -->\n"
	end   = "<!-- end of what the test writes -->\n"
)

// results are the rows of each service, in the order of Services.
type results [][]Row

// Document gives the part of docs/CONFORMANCE.md that is made from what was seen.
func Document() (string, error) {
	var all results
	for i := range Services {
		rows, err := Services[i].Rows()
		if err != nil {
			return "", err
		}
		all = append(all, rows)
	}
	var b strings.Builder
	b.WriteString("\n## Services\n\n| service | what is under test | cases of 41 without a deviation |\n|---|---|---|\n")
	for i, s := range Services {
		fmt.Fprintf(&b, "| [%s](../test/conformance/service/%s) | %s: %s | %d |\n", s.Name, s.Name, s.SDK, s.Versions(), all.passed(i))
	}
	b.WriteString("\n## The cases\n\nA cell says how many of a case's requests deviate; nothing where none does.\n\n")
	all.table(&b, Cases())
	b.WriteString("\n## Rules that no case looks at\n\n")
	all.table(&b, Beyond)
	b.WriteString("\n## What deviates, and what weft says\n")
	for i := range Services {
		all.deviations(&b, i)
	}
	return b.String() + "\n", nil
}

// passed counts the cases in which a service does not deviate.
func (all results) passed(service int) (n int) {
	for _, c := range Cases() {
		if off, _ := all.count(service, c.Name); off == 0 {
			n++
		}
	}
	return n
}

// count tells how many requests of a case deviate, and how many there are.
func (all results) count(service int, name string) (off, of int) {
	for _, r := range all[service] {
		if r.Case == name {
			of++
			if r.Deviates != "" {
				off++
			}
		}
	}
	return off, of
}

// table has a line for each case and a column for each service.
func (all results) table(b *strings.Builder, cases []Case) {
	b.WriteString("| # | case | it wants |")
	for _, s := range Services {
		fmt.Fprintf(b, " %s |", s.Name)
	}
	b.WriteString("\n|" + strings.Repeat("---|", 3+len(Services)) + "\n")
	for i, c := range cases {
		var wants []string
		for _, r := range c.Requests {
			wants = append(wants, r.Want.String())
		}
		fmt.Fprintf(b, "| %d | %s | %s |", i+1, c.Name, each(wants))
		for k := range Services {
			switch off, of := all.count(k, c.Name); {
			case off == 0:
				b.WriteString(" |")
			case of == 1:
				b.WriteString(" deviates |")
			default:
				fmt.Fprintf(b, " %d of %d |", off, of)
			}
		}
		b.WriteString("\n")
	}
}

// deviations lists those of one service, requests of a case that are alike together.
func (all results) deviations(b *strings.Builder, service int) {
	fmt.Fprintf(b, "\n### %s\n\n| case | request | it | weft says |\n|---|---|---|---|\n", Services[service].SDK)
	var lines []Row
	for _, r := range all[service] {
		if r.Deviates == "" {
			continue
		}
		same := func(o Row) bool { return o.Case == r.Case && o.Deviates == r.Deviates && o.Says == r.Says }
		if i := slices.IndexFunc(lines, same); i >= 0 {
			lines[i].Variant += "; " + r.Variant
			continue
		}
		lines = append(lines, r)
	}
	for _, r := range lines {
		fmt.Fprintf(b, "| %s | %s | %s | %s |\n", r.Case, r.Variant, r.Deviates, verdicts(r.Says))
	}
}

// verdicts writes the verdicts of a row with their codes and severities.
func verdicts(says string) string {
	var out []string
	for name := range strings.SplitSeq(says, ", ") {
		text := "`" + name + "`"
		for v := range propagation.Verdicts {
			if v.String() == name && v.Code() != "" {
				text += fmt.Sprintf(" (%s, %s)", v.Code(), v.Severity())
			}
		}
		out = append(out, text)
	}
	return strings.Join(out, ", ")
}
