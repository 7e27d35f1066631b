package conformance

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// Row is what came of one request of a case, in words: what the service sent on, how that deviates, and what weft says of it.
type Row struct {
	Case, Variant  string
	Seen           string
	Deviates, Says string // Deviates is empty where it does not
}

// NewRow puts together what came of all calls of an exchange.
func NewRow(x *Exchange, verdicts []Verdict) Row {
	var seen, found, says []string
	for i := range x.Heads {
		seen = append(seen, x.Seen(i))
		for _, o := range x.Judge(i) {
			found = append(found, string(o))
		}
		says = append(says, verdicts[i].String())
	}
	return Row{x.Case, x.Request.Variant, each(seen), each(found), each(says)}
}

// each joins what differs.
func each(all []string) string {
	var out []string
	for _, one := range all {
		if !slices.Contains(out, one) {
			out = append(out, one)
		}
	}
	return strings.Join(out, "; ")
}

// tabs writes a row as a line.
func (r Row) tabs() string {
	return strings.Join([]string{r.Case, r.Variant, r.Seen, r.Deviates, r.Says}, "\t")
}

// golden is the file that holds the rows of a service.
func (s *Service) golden() string { return filepath.Join(Source(), "testdata", s.Name+".tsv") }

// Rows reads what was seen of the service.
func (s *Service) Rows() ([]Row, error) {
	text, err := os.ReadFile(s.golden())
	if err != nil {
		return nil, fmt.Errorf("read what was seen of %s: %w", s.Name, err)
	}
	var rows []Row
	for line := range strings.Lines(string(text)) {
		part := strings.Split(strings.TrimSuffix(line, "\n"), "\t")
		if len(part) != 5 {
			return nil, fmt.Errorf("read what was seen of %s: %d columns in %q, not 5", s.Name, len(part), line)
		}
		rows = append(rows, Row{part[0], part[1], part[2], part[3], part[4]})
	}
	return rows, nil
}

// Write replaces what was seen of the service.
func (s *Service) Write(rows []Row) error {
	var b strings.Builder
	for _, r := range rows {
		b.WriteString(r.tabs() + "\n")
	}
	if err := os.WriteFile(s.golden(), []byte(b.String()), 0o644); err != nil {
		return fmt.Errorf("write what was seen of %s: %w", s.Name, err)
	}
	return nil
}
