package route

import (
	"strings"
	"testing"
)

func TestRedact(t *testing.T) {
	tests := map[string]string{
		"":                                     "",
		"a=1&b=2&flag":                         "a=REDACTED&b=REDACTED&flag",
		"a=":                                   "a=REDACTED",
		"=1":                                   "=REDACTED",
		"a=b=c":                                "a=REDACTED",
		"a=1;b=2":                              "a=REDACTED",
		"&&a=1&":                               "&&a=REDACTED&",
		"ids[]=1&f[x][y]=2":                    "ids[]=REDACTED&f[x][y]=REDACTED",
		"a%20b=1":                              "a%20b=REDACTED",
		"caf\xc3\xa9=1&x\x00y=2":               "caf%C3%A9=REDACTED&x%00y=REDACTED",
		"507f1f77bcf86cd799":                   "REDACTED",
		"a&alice@example.com&b":                "a&REDACTED&b",
		strings.Repeat("k", maxKey) + "=1":     strings.Repeat("k", maxKey) + "=REDACTED",
		strings.Repeat("k", maxKey+1) + "=1":   "REDACTED=REDACTED",
		"a=" + strings.Repeat("&", 2*MaxQuery): "a=REDACTED" + strings.Repeat("&", MaxQuery-14) + cutMark,
	}
	for query, want := range tests {
		if got := Redact(query); got != want {
			t.Errorf("%q:\n %q, want\n %q", query, got, want)
		}
	}
}

// A query is whole up to exactly MaxQuery, and is cut between two parameters beyond.
func TestRedactCut(t *testing.T) {
	const parameter = "abcdef=REDACTED&" // 16 bytes
	whole := strings.Repeat(parameter, MaxQuery/len(parameter))
	if got := Redact(whole); got != whole {
		t.Errorf("%d bytes of %d", len(got), len(whole))
	}
	want := strings.TrimSuffix(whole[:MaxQuery-len(parameter)], "&") + cutMark
	if got := Redact(whole + "x"); got != want {
		t.Errorf("%d bytes, ends with %q", len(got), got[len(got)-40:])
	}
}

func TestRedactAllocates(t *testing.T) {
	if n := testing.AllocsPerRun(100, func() { Redact("page=2&sort=name&token=secret") }); n != 1 {
		t.Errorf("%v allocations, want that of the result", n)
	}
}

func FuzzRedact(f *testing.F) {
	for _, seed := range []string{"a=1&b=2&flag", "&=&", "x=\xff", strings.Repeat("a=1&", 600), strings.Repeat("\x00", 200)} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, query string) {
		out := Redact(query)
		if len(out) > MaxQuery {
			t.Fatalf("%d bytes", len(out))
		}
		in := strings.Split(query, "&")
		for i, got := range strings.Split(out, "&") {
			if got == "..." && strings.HasSuffix(out, cutMark) {
				break
			}
			key, value, valued := strings.Cut(got, "=")
			inKey, _, inValued := strings.Cut(in[i], "=")
			if valued != inValued || valued && value != redacted {
				t.Fatalf("%q became %q", in[i], got)
			}
			if key != redacted && key != string(appendKey(nil, inKey)) {
				t.Fatalf("key %q became %q", inKey, key)
			}
		}
		for i := range len(out) {
			if out[i] <= ' ' || out[i] >= 0x7f {
				t.Fatalf("byte %#x in %q", out[i], out)
			}
		}
	})
}

func BenchmarkRedact(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		Redact("page=2&sort=name&token=secret")
	}
}
