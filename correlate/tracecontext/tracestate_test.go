package tracecontext

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
)

func TestParseState(t *testing.T) {
	key256, value256 := "a"+strings.Repeat("b", 255), strings.Repeat("c", 256)
	tests := []struct {
		fields []string
		want   string
		rule   Rule
	}{
		{nil, "", ""},
		{[]string{""}, "", ""},
		{[]string{"a=1"}, "a=1", ""},
		{[]string{" a=1\t,\tb=2 "}, "a=1,b=2", ""},
		{[]string{"a=1,,b=2, ,"}, "a=1,b=2", ""},
		{[]string{"a=1", "", "b=2,c=3"}, "a=1,b=2,c=3", ""},
		{[]string{"dd=s:1;o:rum;p:00f067aa0ba902b7,tenant@vendor=x y"}, "dd=s:1;o:rum;p:00f067aa0ba902b7,tenant@vendor=x y", ""},
		{[]string{"0a=1,b@c@d=2,foo@=3,e_-*/=4"}, "0a=1,b@c@d=2,foo@=3,e_-*/=4", ""},
		{[]string{"a= 1"}, "a= 1", ""},
		{[]string{key256 + "=1"}, key256 + "=1", ""},
		{[]string{key256 + "b=1"}, "", RuleKey},
		{[]string{"a=" + value256}, "a=" + value256, ""},
		{[]string{"a=" + value256 + "c"}, "", RuleValue},
		{[]string{"A=1,b=2"}, "", RuleKey},
		{[]string{"=1"}, "", RuleKey},
		{[]string{"a"}, "", RuleKey},
		{[]string{"a =1"}, "", RuleKey},
		{[]string{"@a=1"}, "", RuleKey},
		{[]string{"a="}, "", RuleValue},
		{[]string{"a=1=2"}, "", RuleValue},
		{[]string{"a=\x7f"}, "", RuleValue},
		{[]string{"a=\t1"}, "", RuleValue},
		{[]string{"a=\xe4"}, "", RuleValue},
		{[]string{"a=1,a=1"}, "", RuleDuplicate},
		{[]string{"a=1,b=1", "a=2"}, "", RuleDuplicate},
		{[]string{"ab=1,a=2"}, "ab=1,a=2", ""},
		{[]string{list(32)}, list(32), ""},
		{[]string{list(33)}, "", RuleMembers},
		{[]string{list(20), "x" + strings.ReplaceAll(list(13), ",", ",x")}, "", RuleMembers},
	}
	for _, test := range tests {
		var fields [][]byte
		for _, field := range test.fields {
			fields = append(fields, []byte(field))
		}
		if got, rule := ParseState(fields...); got != test.want || rule != test.rule {
			t.Errorf("%.80q: %q, rule %q; want %q, %q", test.fields, got, rule, test.want, test.rule)
		}
	}
}

func list(n int) string {
	var parts []string
	for i := range n {
		parts = append(parts, fmt.Sprintf("k%d=v", i))
	}
	return strings.Join(parts, ",")
}

func TestParseStateIsShortened(t *testing.T) {
	member := func(key string, length int) string { return key + "=" + strings.Repeat("v", length-len(key)-1) }
	tests := []struct{ input, want []string }{
		{[]string{member("a", 256), member("b", 255)}, []string{member("a", 256), member("b", 255)}},
		{[]string{member("a", 256), member("b", 256)}, []string{member("a", 256)}},
		{[]string{member("a", 129), member("b", 128), member("c", 129), member("d", 128), member("e", 10)},
			[]string{member("a", 129), member("b", 128), member("d", 128), member("e", 10)}},
		{[]string{member("a", 128), member("b", 128), member("c", 128), member("d", 128), member("e", 128)},
			[]string{member("a", 128), member("b", 128), member("c", 128)}},
		{[]string{member("a", 128), member("b", 128), member("c", 128), member("d", 125)},
			[]string{member("a", 128), member("b", 128), member("c", 128), member("d", 125)}},
	}
	for _, test := range tests {
		got, rule := ParseState([]byte(strings.Join(test.input, ",")))
		if want := strings.Join(test.want, ","); got != want || rule != "" {
			t.Errorf("%d members: %q, rule %q; want %q", len(test.input), got, rule, want)
		}
	}
}

func FuzzParseState(f *testing.F) {
	f.Add([]byte("a=1, b=2,,c@d=3 4"), []byte("e=5"))
	f.Add([]byte("a=1"), []byte("a=1"))
	f.Fuzz(func(t *testing.T, one, two []byte) {
		got, rule := ParseState(one, two)
		if len(got) > MaxLength || strings.Count(got, ",") >= MaxMembers || (rule != "" && got != "") {
			t.Fatalf("%q, %q: %q, rule %q", one, two, got, rule)
		}
		if again, rule := ParseState([]byte(got)); again != got || rule != "" {
			t.Fatalf("%q becomes %q, rule %q", got, again, rule)
		}
		joined := bytes.Join([][]byte{one, two}, []byte(","))
		if again, ruleAgain := ParseState(joined); again != got || ruleAgain != rule {
			t.Fatalf("joined: %q, rule %q; apart: %q, rule %q", again, ruleAgain, got, rule)
		}
	})
}

func TestParseStateAllocatesItsResult(t *testing.T) {
	value := []byte("a=1, b=2")
	if n := testing.AllocsPerRun(100, func() { ParseState(value) }); n > 1 {
		t.Errorf("%v allocations", n)
	}
}
