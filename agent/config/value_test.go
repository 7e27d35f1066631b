package config

import (
	"strings"
	"testing"
	"time"
)

func TestGlob(t *testing.T) {
	tests := []struct {
		glob Glob
		text string
		want bool
	}{
		{"", "", true}, {"", "a", false}, {"*", "", true}, {"*", "a/b", true}, {"a", "a", true}, {"a", "ab", false},
		{"a?c", "abc", true}, {"a?c", "ac", false}, {"*b*", "abc", true}, {"*b*", "ac", false}, {"a*b*c", "a-b-b-c", true},
		{"a*b*c", "a-b-b-", false}, {"**a**", "a", true}, {"a*", "ba", false}, {"[a]", "[a]", true}, {"/x/*/z", "/x/y/y/z", true},
	}
	for _, test := range tests {
		if got := test.glob.Match(test.text); got != test.want {
			t.Errorf("%q.Match(%q) = %t", test.glob, test.text, got)
		}
	}
}

func TestGlobFile(t *testing.T) {
	tests := []struct {
		glob Glob
		want bool
	}{{"python3*", true}, {"/usr/bin/python3*", true}, {"bin/python3*", false}, {"*/python3.11", true}, {"python3", false}}
	for _, test := range tests {
		if got := test.glob.MatchFile("/usr/bin/python3.11"); got != test.want {
			t.Errorf("%q.MatchFile = %t", test.glob, got)
		}
	}
}

// TestGlobTime would not end if a pattern could make the match exponential.
func TestGlobTime(t *testing.T) {
	done := make(chan bool)
	go func() { done <- Glob(strings.Repeat("*a", 50) + "b").Match(strings.Repeat("a", 10000)) }()
	select {
	case match := <-done:
		if match {
			t.Error("matches")
		}
	case <-time.After(20 * time.Second):
		t.Fatal("did not end")
	}
}

func TestRuleMatch(t *testing.T) {
	all := Rule{
		Exe: "nginx", Command: "*-g*", PID: 5, Cgroup: "/a/*", Namespace: "shop", Pod: "cart-*", Owner: "cart", Image: "*/cart", Label: "team=?",
		Env: "TRACE=on", Port: 80,
	}
	is := func(change func(*Subject)) *Subject {
		s := &Subject{
			PID: 5, Exe: "/usr/sbin/nginx", Command: "nginx -g x", Cgroup: "/a/b", Namespace: "shop", Pod: "cart-1", Image: "registry/cart",
			Owners: []string{"cart-7d", "cart"}, Labels: []string{"app=x", "team=a"}, Env: []string{"A=1", "TRACE=on"},
		}
		change(s)
		return s
	}
	if !all.Match(is(func(*Subject) {})) {
		t.Error("does not match where all conditions hold")
	}
	for name, change := range map[string]func(*Subject){
		"pid":       func(s *Subject) { s.PID = 6 },
		"exe":       func(s *Subject) { s.Exe = "/usr/sbin/nginx2" },
		"command":   func(s *Subject) { s.Command = "nginx" },
		"cgroup":    func(s *Subject) { s.Cgroup = "/b/a" },
		"namespace": func(s *Subject) { s.Namespace = "" },
		"pod":       func(s *Subject) { s.Pod = "shop-1" },
		"owner":     func(s *Subject) { s.Owners = nil },
		"image":     func(s *Subject) { s.Image = "cart" },
		"label":     func(s *Subject) { s.Labels = []string{"team=ab"} },
		"env":       func(s *Subject) { s.Env = []string{"TRACE=off"} },
	} {
		if all.Match(is(change)) {
			t.Errorf("matches with another %s", name)
		}
	}
}

func TestSizeText(t *testing.T) {
	for text, want := range map[string]Size{"0": 0, "1000": 1000, "1KiB": 1024, "1536KiB": 1536 << 10, "8MiB": 8 << 20, "1GiB": 1 << 30} {
		got, err := parseSize(text)
		if err != nil || got != want || got.String() != text {
			t.Errorf("%s: %d, %s, %v", text, got, got, err)
		}
	}
	for _, text := range []string{"", "MiB", "1.5MiB", "1kb", "-1", "1 2"} {
		if _, err := parseSize(text); err == nil {
			t.Errorf("%q is read", text)
		}
	}
}
