package conformance

import (
	"flag"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"weft/test/fleet"
)

var update = flag.Bool("update", false, "write what is seen to testdata and docs/CONFORMANCE.md")

// share are the services that `make test` runs; CONFORMANCE=all runs all of them.
var share = []string{"otelgo", "python", "node"}

// TestServices sends every case to every service under weft. Weft has to say of each request that the service then makes what
// the specification says of it, and the services have to deviate as docs/CONFORMANCE.md has it.
func TestServices(t *testing.T) {
	cache, err := fleet.InstallAgent()
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range Services {
		if os.Getenv("CONFORMANCE") != "all" && !slices.Contains(share, s.Name) {
			continue
		}
		t.Run(s.Name, func(t *testing.T) {
			rows := run(t, cache, s)
			if *update && !t.Failed() {
				if err := s.Write(rows); err != nil {
					t.Fatal(err)
				}
				return
			}
			compare(t, s, rows)
		})
	}
}

func compare(t *testing.T, s Service, rows []Row) {
	t.Helper()
	want, err := s.Rows()
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range rows {
		if !slices.Contains(want, r) {
			t.Errorf("seen, not in %s: %s", s.golden(), r.tabs())
		}
	}
	for _, r := range want {
		if !slices.Contains(rows, r) {
			t.Errorf("in %s, not seen: %s", s.golden(), r.tabs())
		}
	}
}

// run sends all cases to a service under weft and holds weft's verdicts against the specification.
func run(t *testing.T, cache string, s Service) (rows []Row) {
	t.Helper()
	if err := s.Install(cache); err != nil {
		t.Fatal(err)
	}
	up, err := Listen()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { up.Close() })
	running, err := s.Start(cache, up)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(running.Stop)
	w := startWeft(t, cache, running.Port, up.Port)
	exchanges, err := SendAll(running.Port, slices.Concat(Cases(), Beyond), up)
	if err != nil {
		t.Fatal(err)
	}
	calls := w.calls(t, exchanges)
	var all []Verdict
	for i := range exchanges {
		x := &exchanges[i]
		var verdicts []Verdict
		for k, span := range calls[x.Token] {
			v := w.verdict(t, span)
			if err := v.Agree(x.Request.Want, x.Judge(k)); err != nil {
				t.Errorf("%s (%s): %v; it %v:\n%s\nbecame\n%s", x.Case, x.Request.Variant, err, x.Judge(k),
					strings.Join(x.Request.Fields, "\n"), x.Heads[k].Raw)
			}
			verdicts = append(verdicts, v)
		}
		rows = append(rows, NewRow(x, verdicts))
		all = append(all, verdicts...)
	}
	w.account(t, s.Name, all)
	return rows
}

func TestThereAre41Cases(t *testing.T) {
	seen := map[string]bool{}
	for _, c := range slices.Concat(Cases(), Beyond) {
		if seen[c.Name] {
			t.Errorf("%s is there twice", c.Name)
		}
		seen[c.Name] = true
		variants := map[string]bool{}
		for _, r := range c.Requests {
			if variants[r.Variant] {
				t.Errorf("%s has two requests %q", c.Name, r.Variant)
			}
			variants[r.Variant] = true
		}
	}
	if len(Cases()) != 41 {
		t.Errorf("%d cases, not 41", len(Cases()))
	}
}

func TestPins(t *testing.T) {
	for _, s := range Services {
		text, err := os.ReadFile(filepath.Join(Source(), "service", s.Name, s.Pinned))
		if err != nil {
			t.Fatal(err)
		}
		for _, pin := range s.Pins {
			if !strings.Contains(string(text), pin) {
				t.Errorf("%s of %s does not name %s", s.Pinned, s.Name, pin)
			}
		}
	}
}
