package conformance

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestDocument holds the tables of docs/CONFORMANCE.md against what was seen.
func TestDocument(t *testing.T) {
	path := filepath.Join(Source(), "..", "..", "docs", "CONFORMANCE.md")
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	before, rest, found := strings.Cut(string(text), begin)
	written, after, ends := strings.Cut(rest, end)
	if !found || !ends {
		t.Fatalf("%s has not the marks between which it is written", path)
	}
	want, err := Document()
	if err != nil {
		t.Fatal(err)
	}
	switch {
	case want == written:
	case *update:
		if err := os.WriteFile(path, []byte(before+begin+want+end+after), 0o644); err != nil {
			t.Fatal(err)
		}
	default:
		t.Errorf("%s is not what testdata says; write it by -update", path)
	}
}

// TestEveryRowIsThere: what was seen of a service is of all requests, in their order.
func TestEveryRowIsThere(t *testing.T) {
	for _, s := range Services {
		rows, err := s.Rows()
		if err != nil {
			t.Fatal(err)
		}
		i := 0
		for _, c := range append(Cases(), Beyond...) {
			for _, r := range c.Requests {
				if i >= len(rows) || rows[i].Case != c.Name || rows[i].Variant != r.Variant {
					t.Fatalf("%s: line %d is not of %s (%s)", s.golden(), i+1, c.Name, r.Variant)
				}
				i++
			}
		}
		if i != len(rows) {
			t.Errorf("%s has %d lines, not %d", s.golden(), len(rows), i)
		}
	}
}
