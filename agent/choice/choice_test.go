package choice

import (
	"slices"
	"strings"
	"testing"
)

func compiled(t *testing.T, rules ...Rule) *Set {
	t.Helper()
	s, err := Compile(rules)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestOneRule(t *testing.T) {
	const (
		pid    = 42
		exe    = "/usr/lib/jvm/java-17/bin/java"
		line   = "java -jar /srv/shop.jar --path=/a/b"
		cgroup = "/kubepods/besteffort/pod1/abc"
	)
	for _, c := range []struct {
		rule Rule
		want bool
	}{
		{Rule{Exe: "java"}, true},
		{Rule{Exe: "jav?"}, true},
		{Rule{Exe: "[a-k]ava"}, true},
		{Rule{Exe: "[!j]ava"}, false},
		{Rule{Exe: "ava"}, false},
		{Rule{Exe: "/usr/*"}, false},
		{Rule{Exe: "/usr/**"}, true},
		{Rule{Exe: "/usr/lib/jvm/*/bin/java"}, true},
		{Rule{Exe: "**/bin/java"}, true},
		{Rule{Exe: "/usr/lib/jvm/java-17/bin/jav\\a"}, true},
		{Rule{Exe: "/usr/lib/jvm/java.17/bin/java"}, false},
		{Rule{Command: "java *shop.jar*"}, true},
		{Rule{Command: "java"}, false},
		{Rule{CommandPattern: `shop\.jar`}, true},
		{Rule{CommandPattern: `^shop`}, false},
		{Rule{Command: "java*", CommandPattern: "cart"}, false},
		{Rule{PID: 42}, true},
		{Rule{PID: 43}, false},
		{Rule{PID: 42, Exe: "nginx"}, false},
		{Rule{Cgroup: "/kubepods"}, true},
		{Rule{Cgroup: "/kubepods/"}, true},
		{Rule{Cgroup: "/kubepods/*/pod1"}, true},
		{Rule{Cgroup: "/kube"}, false},
		{Rule{Cgroup: "**/pod1"}, true},
		{Rule{Cgroup: "/system.slice"}, false},
		{Rule{Exe: "java", Command: "*shop*", Cgroup: "/kubepods", PID: 42, CommandPattern: "path=/a"}, true},
		{Rule{Exe: "java", Command: "*shop*", Cgroup: "/system", PID: 42}, false},
	} {
		if traced, decided := compiled(t, c.rule).Process(pid, exe, line, cgroup); traced != c.want || !decided {
			t.Errorf("%+v: traced %v, decided %v", c.rule, traced, decided)
		}
		c.rule.Exclude = true
		if traced, decided := compiled(t, c.rule).Process(pid, exe, line, cgroup); traced == c.want || !decided {
			t.Errorf("%+v: traced %v, decided %v", c.rule, traced, decided)
		}
	}
}

func TestRulesTogether(t *testing.T) {
	nginx, java, noJava := Rule{Exe: "nginx"}, Rule{Exe: "java"}, Rule{Exe: "java", Exclude: true}
	port, noPort := Rule{Port: 8080}, Rule{Port: 22, Exclude: true}
	for _, c := range []struct {
		rules           []Rule
		exe             string
		traced, decided bool
	}{
		{nil, "java", true, true},
		{[]Rule{nginx, java}, "java", true, true},
		{[]Rule{nginx}, "java", false, true},
		{[]Rule{java, noJava}, "java", false, true},
		{[]Rule{noJava}, "nginx", true, true},
		{[]Rule{port}, "java", false, false},
		{[]Rule{port, nginx}, "java", false, false},
		{[]Rule{port, nginx}, "nginx", true, true},
		{[]Rule{port, noJava}, "java", false, true},
		{[]Rule{noPort}, "java", true, true},
		{[]Rule{nginx}, "nginx (deleted)", true, true},
	} {
		traced, decided := compiled(t, c.rules...).Process(1, c.exe, "", "")
		if traced != c.traced || decided != c.decided {
			t.Errorf("%+v for %s: traced %v, decided %v", c.rules, c.exe, traced, decided)
		}
	}
	s := compiled(t, port, noPort, Rule{Port: 9090})
	include, exclude := s.Ports()
	if !slices.Equal(include, []uint16{8080, 9090}) || !slices.Equal(exclude, []uint16{22}) || s.NeedsProcess() {
		t.Errorf("ports %v and %v, processes %v", include, exclude, s.NeedsProcess())
	}
	if !compiled(t, noJava).NeedsProcess() {
		t.Error("a rule about processes needs processes")
	}
}

func TestBadRulesAreNamed(t *testing.T) {
	good := Rule{Exe: "nginx"}
	for _, c := range []struct {
		bad  Rule
		want string
	}{
		{Rule{}, "rule 2: it names nothing"},
		{Rule{Exclude: true}, "rule 2: it names nothing"},
		{Rule{Exe: "[a"}, "rule 2: exe: "},
		{Rule{Exe: "a\\"}, "rule 2: exe: "},
		{Rule{Command: "[]"}, "rule 2: command: "},
		{Rule{CommandPattern: "("}, "rule 2: command_pattern: "},
		{Rule{Cgroup: "[z-a]"}, "rule 2: cgroup: "},
		{Rule{Port: 80, Exe: "nginx"}, "rule 2: port: "},
		{Rule{Exe: strings.Repeat("x", maxPattern+1)}, "rule 2: exe: longer"},
	} {
		if _, err := Compile([]Rule{good, c.bad}); err == nil || !strings.HasPrefix(err.Error(), c.want) {
			t.Errorf("%.60v: %v, want %s", c.bad, err, c.want)
		}
	}
	if _, err := Compile(slices.Repeat([]Rule{good}, maxRules+1)); err == nil {
		t.Error("any number of rules is taken")
	}
}

// FuzzCompile holds that every configuration compiles or is refused, and that a name matches itself, escaped.
func FuzzCompile(f *testing.F) {
	f.Add("/usr/**/bin/[a-c]*", "x")
	f.Add("[!\\]]", "(")
	f.Add("[[:alpha:]]", "é*")
	f.Fuzz(func(t *testing.T, pattern, name string) {
		if s, err := Compile([]Rule{{Exe: pattern, Command: pattern, Cgroup: pattern, CommandPattern: pattern}}); err == nil {
			s.Process(1, name, name, name)
		}
		escaped := &strings.Builder{}
		for _, b := range []byte(name) {
			if strings.IndexByte(`*?[\`, b) >= 0 {
				escaped.WriteByte('\\')
			}
			escaped.WriteByte(b)
		}
		if name == "" || len(escaped.String()) > maxPattern {
			return
		}
		s, err := Compile([]Rule{{Command: escaped.String()}})
		if err != nil {
			return // not valid UTF-8
		}
		if traced, _ := s.Process(1, "", name, ""); !traced {
			t.Errorf("%q does not match itself", name)
		}
	})
}
