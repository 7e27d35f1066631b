package tracecontext

import (
	"encoding/hex"
	"fmt"
	"regexp"
	"strings"
	"testing"
)

const (
	trace  = "4bf92f3577b34da6a3ce929d0e0e4736"
	parent = "00f067aa0ba902b7"
	usual  = "00-" + trace + "-" + parent + "-01"
)

func TestParse(t *testing.T) {
	tests := []struct {
		value string
		state State
		rule  Rule
	}{
		{usual, Valid, ""},
		{"00-" + trace + "-" + parent + "-00", Valid, ""},
		{"00-" + trace + "-" + parent + "-03", Valid, ""},
		{"00-" + trace + "-" + parent + "-ff", Valid, ""},
		{" \t" + usual + "\t ", Valid, ""},
		{"01-" + trace + "-" + parent + "-01", Valid, ""},
		{"cc-" + trace + "-" + parent + "-01-what-the-future-will-be-like", Valid, ""},
		{"01-" + trace + "-" + parent + "-01-", Valid, ""},
		{"fe-" + trace + "-" + parent + "-01-00", Valid, ""},
		{"", Invalid, RuleLength},
		{"00", Invalid, RuleLength},
		{usual[:54], Invalid, RuleLength},
		{usual + "-", Invalid, RuleLength},
		{usual + "-what-the-future-will-be-like", Invalid, RuleLength},
		{usual + ".", Invalid, RuleLength},
		{usual + "," + usual, Invalid, RuleLength},
		{"cc-" + trace + "-" + parent + "-01.what", Invalid, RuleDelimiter},
		{"01-" + trace + "-" + parent + "-011", Invalid, RuleDelimiter},
		{"01-" + trace + "-" + parent, Invalid, RuleLength},
		{"ff-" + trace + "-" + parent + "-01", Invalid, RuleVersion},
		{"ff-" + trace + "-" + parent + "-01-x", Invalid, RuleVersion},
		{"00-" + strings.Repeat("0", 32) + "-" + parent + "-01", Invalid, RuleTraceID},
		{"00-" + trace + "-" + strings.Repeat("0", 16) + "-01", Invalid, RuleParentID},
		{"00-" + strings.ToUpper(trace) + "-" + parent + "-01", Invalid, RuleUppercase},
		{"00-" + trace + "-" + strings.ToUpper(parent) + "-01", Invalid, RuleUppercase},
		{"0A-" + trace + "-" + parent + "-01", Invalid, RuleUppercase},
		{"00-" + trace + "-" + parent + "-0F", Invalid, RuleUppercase},
		{"00-" + trace[:31] + "g-" + parent + "-01", Invalid, RuleHex},
		{"00-" + trace + "-" + parent[:15] + ".-01", Invalid, RuleHex},
		{".0-" + trace + "-" + parent + "-01", Invalid, RuleHex},
		{"00-" + trace + "-" + parent + "-.0", Invalid, RuleHex},
		{"00-" + trace + "-" + parent + "-\x80\xff", Invalid, RuleHex},
		{"000-" + trace + "-" + parent + "-01", Invalid, RuleDelimiter},
		{"00-" + trace + "1-" + parent + "-01", Invalid, RuleDelimiter},
		{"00-" + trace[1:] + "-" + parent + "-001", Invalid, RuleDelimiter},
		{"00_" + trace + "_" + parent + "_01", Invalid, RuleDelimiter},
		{"00-" + trace + " " + parent + "-01", Invalid, RuleDelimiter},
	}
	for _, test := range tests {
		c, state, rule := Parse([]byte(test.value))
		if state != test.state || rule != test.rule {
			t.Errorf("%q: %v, rule %q; want %v, %q", test.value, state, rule, test.state, test.rule)
		}
		if want := read(test.value); c != want {
			t.Errorf("%q: %+v, want %+v", test.value, c, want)
		}
	}
	if _, state, rule := Parse(nil); state != Absent || rule != "" {
		t.Errorf("nil: %v, rule %q", state, rule)
	}
}

var grammar = regexp.MustCompile(`^[ \t]*([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(?s:(-.*)?)[ \t]*$`)

// read is the grammar written in another way; zero for what is not valid.
func read(value string) (c Context) {
	g := grammar.FindStringSubmatch(value)
	if g == nil || g[1] == "ff" || (g[1] == "00" && g[5] != "") || strings.Trim(g[2], "0") == "" || strings.Trim(g[3], "0") == "" {
		return c
	}
	part := func(s string) []byte {
		b, err := hex.DecodeString(s)
		if err != nil {
			panic(err)
		}
		return b
	}
	c = Context{TraceID: [16]byte(part(g[2])), ParentID: [8]byte(part(g[3])), Width: 128, Decision: Denied}
	if c.Flags, c.Version = part(g[4])[0], part(g[1])[0]; c.Flags%2 == 1 {
		c.Decision = Accepted
	}
	return c
}

func FuzzParse(f *testing.F) {
	f.Add([]byte(usual))
	f.Add([]byte("cc-" + trace + "-" + parent + "-01-x"))
	f.Add([]byte("\t" + strings.ToUpper(usual)))
	f.Fuzz(func(t *testing.T, value []byte) {
		c, state, rule := Parse(value)
		if want := read(string(value)); c != want || (state == Valid) != (want != Context{}) {
			t.Fatalf("%q: %v %+v, want %+v", value, state, c, want)
		}
		if (state == Invalid) != (rule != "") || state == Unknown {
			t.Fatalf("%q: %v, rule %q", value, state, rule)
		}
		again := fmt.Sprintf("%02x-%x-%x-%02x", c.Version, c.TraceID, c.ParentID, c.Flags)
		if state == Valid && !strings.Contains(string(value), again) {
			t.Fatalf("%q was read as %q", value, again)
		}
	})
}

func TestParseDoesNotAllocate(t *testing.T) {
	value := []byte(usual)
	if n := testing.AllocsPerRun(100, func() { Parse(value) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func BenchmarkParse(b *testing.B) {
	value := []byte(usual)
	b.ReportAllocs()
	for b.Loop() {
		if _, state, _ := Parse(value); state != Valid {
			b.Fatal(state)
		}
	}
}
