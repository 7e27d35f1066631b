package config

import (
	"path/filepath"
	"strings"
	"testing"
)

// TestFaults holds the whole text of each message: it is what stops a person's start.
func TestFaults(t *testing.T) {
	const ring = `a power of two from 64KiB to 1GiB, like 8MiB`
	tests := []struct {
		name, yaml    string
		args, environ []string
		want          string
	}{
		{name: "bad value in the file", yaml: "query: keep\nring:\n  size: 7MiB\n",
			want: `weft.yaml:3: ring.size: "7MiB" is not allowed, it must be ` + ring},
		{name: "bad value in a variable", environ: []string{"WEFT_RING_SIZE=lots"},
			want: `WEFT_RING_SIZE: "lots" is not allowed, it must be ` + ring},
		{name: "bad value in a flag", args: []string{"--ring-size", "-1"},
			want: `--ring-size: "-1" is not allowed, it must be ` + ring},
		{name: "size beyond 64 bits", args: []string{"--ring-size", "18446744073709551615GiB"},
			want: `--ring-size: "18446744073709551615GiB" is not allowed, it must be ` + ring},
		{name: "item of a list", yaml: "port:\n- 80\n- 65536\n",
			want: `weft.yaml:3: port: "65536" is not allowed, it must be a number from 1 to 65535`},
		{name: "item of a list in a variable", environ: []string{"WEFT_PID=1,x"},
			want: `WEFT_PID: "x" is not allowed, it must be a process id`},
		{name: "condition of a rule", yaml: "trace:\n  include:\n  - exe: a\n  - exec: b\n",
			want: `weft.yaml:4: trace.include: "exec=b" is not allowed, it must be ` + ruleAllowed},
		{name: "condition without a value", args: []string{"--trace-exclude", "exe="},
			want: `--trace-exclude: "exe=" is not allowed, it must be ` + ruleAllowed},
		{name: "rule that says nothing", yaml: "trace.rules: [{exe: a}]\n",
			want: `weft.yaml:1: trace.rules: "exe=a" is not allowed, it must be ` + treatmentAllowed},
		{name: "rule for a port", yaml: "trace.rules: [{port: 80, sample: 0.5}]\n",
			want: `weft.yaml:1: trace.rules: "port=80&sample=0.5" is not allowed, it must be ` + treatmentAllowed},
		{name: "share above 1", args: []string{"--trace-rules", "exe=a&sample=2"},
			want: `--trace-rules: "exe=a&sample=2" is not allowed, it must be ` + treatmentAllowed},
		{name: "header name", environ: []string{"WEFT_HEADERS_REQUEST=a b"},
			want: `WEFT_HEADERS_REQUEST: "a b" is not allowed, it must be the name of a header`},
		{name: "half a brace", args: []string{"--route-patterns=/a/{id"},
			want: `--route-patterns: "/a/{id" is not allowed, it must be a path that begins with a slash and has braces only around whole segments, like /users/{id}`},
		{name: "negative time", args: []string{"--hold=-1s"},
			want: `--hold: "-1s" is not allowed, it must be a time from 0s to 1m, like 200ms`},
		{name: "list where one value stands", yaml: "query: [keep]\n",
			want: `weft.yaml:1: query: this is a list, it must be drop, redact or keep`},
		{name: "mapping where one value stands", yaml: "query:\n  a: b\n",
			want: `weft.yaml:2: query: this is a mapping, it must be drop, redact or keep`},
		{name: "alias", yaml: "exe: &a [x]\ncommand: *a\n",
			want: `weft.yaml:2: command: this is an alias, it must be ` + globAllowed},
		{name: "value where a group stands", yaml: "ring: 8MiB\n",
			want: `weft.yaml:1: ring: here must be a mapping with ring.size`},
		{name: "list where the settings stand", yaml: "- ring\n",
			want: `weft.yaml:1: here must be a mapping with ` + keysUnder("")},
		{name: "unknown key", yaml: "\nring:\n  sise: 8MiB\n",
			want: `weft.yaml:3: ring.sise: unknown key, there are ` + keysUnder("")},
		{name: "key twice", yaml: "ring.size: 8MiB\nring: {size: 8MiB}\n",
			want: `weft.yaml:2: ring.size: this key is there twice`},
		{name: "two documents", yaml: "query: keep\n---\nquery: drop\n",
			want: `weft.yaml:2: a second document begins here, only one is read`},
		{name: "no YAML", yaml: "query: keep\n\t: [\n",
			want: `weft.yaml: yaml: line 2: found a tab character that violates indentation`},
		{name: "unknown variable", environ: []string{"WEFT_RING_SISE=1"},
			want: `WEFT_RING_SISE: unknown variable, there are ` + strings.Join(variableNames(), ", ")},
		{name: "flag without a value", args: []string{"--query"},
			want: `flag needs an argument: -query`},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			if test.yaml != "" {
				test.args = append(test.args, "--config", writeFile(t, test.yaml))
			}
			_, _, err := Load(test.args, test.environ)
			if err == nil {
				t.Fatal("no error")
			}
			if got := withoutFolder(err.Error()); got != test.want {
				t.Errorf("got  %s\nwant %s", got, test.want)
			}
		})
	}
}

// withoutFolder takes the folder off the name of the file that a message begins with.
func withoutFolder(message string) string {
	if folder, _, ok := strings.Cut(message, "weft.yaml"); ok && strings.HasPrefix(folder, "/") {
		return strings.TrimPrefix(message, folder)
	}
	return message
}

func TestUnknownFlagNamesThem(t *testing.T) {
	_, _, err := Load([]string{"--ring-sise", "1"}, nil)
	if err == nil {
		t.Fatal("no error")
	}
	if got := err.Error(); !strings.HasPrefix(got, "--ring-sise: unknown flag, there are --") || !strings.Contains(got, "--ring-size,") {
		t.Errorf("got %s", got)
	}
}

func TestAllFaultsAtOnce(t *testing.T) {
	file := writeFile(t, "nothing: 1\nquery: some\n")
	_, _, err := Load([]string{"--hold=x", "--config", file}, []string{"WEFT_LOG_LEVEL=loud", "WEFT_NONE=1"})
	if err == nil {
		t.Fatal("no error")
	}
	for _, part := range []string{"weft.yaml:1: nothing", "weft.yaml:2: query", "--hold", "WEFT_LOG_LEVEL", "WEFT_NONE"} {
		if !strings.Contains(err.Error(), part) {
			t.Errorf("%s is not named in:\n%v", part, err)
		}
	}
}

func TestMissingFile(t *testing.T) {
	_, _, err := Load([]string{"--config", filepath.Join(t.TempDir(), "none.yaml")}, nil)
	if err == nil || !strings.HasPrefix(err.Error(), "read the configuration: open ") {
		t.Errorf("got %v", err)
	}
}

func TestEmptyFile(t *testing.T) {
	for _, content := range []string{"", "# nothing\n", "ring:\n  # size: 8MiB\n", "exe:\n", "exe: ~\n"} {
		c, _, err := Load([]string{"--config", writeFile(t, content)}, nil)
		if err != nil || c.RingSize != Default().RingSize || len(c.Exe) != 0 {
			t.Errorf("%q: %+v, %v", content, c, err)
		}
	}
}

// FuzzYAML holds the reader to bounded work and to faults instead of panics.
func FuzzYAML(f *testing.F) {
	for _, seed := range []string{"", "ring: {size: 8MiB}", "exe: [a, *b]", "trace:\n  include:\n  - {exe: a, port: 1}", "? [a]\n: b", "- - -"} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, content []byte) {
		values, faults := readYAML("weft.yaml", content)
		c := Default()
		if len(faults) == 0 && len(apply(&c, values)) == 0 && c.Validate() != nil {
			t.Errorf("read without a fault, yet not valid: %v", c.Validate())
		}
	})
}
