package route

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"unsafe"
)

// shapes make the paths of services of several kinds; bound is the number of routes that they may end with.
var shapes = []struct {
	name  string
	bound int
	path  func(*rand.Rand) string
}{
	{"numbers", 2, func(r *rand.Rand) string {
		return fmt.Sprintf("/api/v1/users/%d/orders/%d", r.IntN(1e6), r.IntN(1e6))
	}},
	{"uuids", 1, func(r *rand.Rand) string {
		return fmt.Sprintf("/things/%08x-%04x-%04x-%04x-%012x", r.Uint32(), r.IntN(1<<16), r.IntN(1<<16), r.IntN(1<<16), r.Int64N(1<<48))
	}},
	{"names", 24*3 + 3, func(r *rand.Rand) string {
		return "/users/" + letters(r.IntN(1e5)) + "/" + []string{"cart", "orders", "profile"}[r.IntN(3)]
	}},
	{"slugs", 24 + 2, func(r *rand.Rand) string {
		return "/blog/2024-05-01/" + letters(r.IntN(1000)) + "-" + letters(r.IntN(1000))
	}},
	{"bundles", 24 + 2, func(r *rand.Rand) string {
		return fmt.Sprintf("/assets/%s.%06x.js", letters(r.IntN(50)), r.IntN(1<<24))
	}},
	{"base64", 3 * (24 + 2), func(r *rand.Rand) string {
		const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
		token := make([]byte, 22)
		for i := range token {
			token[i] = alphabet[r.IntN(len(alphabet))]
		}
		return "/session/" + string(token)
	}},
	{"tree of words", 3 * MaxNodes, func(r *rand.Rand) string {
		var b strings.Builder
		for range r.IntN(12) {
			b.WriteString("/" + letters(r.IntN(30)))
		}
		return b.String() + "/"[:r.IntN(2)]
	}},
	{"bytes", 3 * MaxNodes, func(r *rand.Rand) string {
		b := make([]byte, 1+r.IntN(40))
		for i := range b {
			b[i] = "/abAB019-_.%;@{}\x00\xff="[r.IntN(19)]
		}
		b[0] = '/'
		return string(b)
	}},
}

// A million paths give a bounded number of routes, and hardly any new ones once the table has learned.
func TestCardinality(t *testing.T) {
	const paths = 1_000_000
	table := table(t, 24)
	r := rand.New(rand.NewPCG(1, 2))
	seen := make([]map[string]bool, len(shapes))
	learned := make([]int, len(shapes))
	for i := range shapes {
		seen[i] = map[string]bool{}
	}
	for i := range paths {
		k := i % len(shapes)
		seen[k][table.Infer(shapes[k].name, shapes[k].path(r))] = true
		if i < paths/2 {
			learned[k] = len(seen[k])
		}
	}
	for k, shape := range shapes {
		if len(seen[k]) > shape.bound {
			t.Errorf("%s: %d routes, bound %d", shape.name, len(seen[k]), shape.bound)
		}
		if late := len(seen[k]) - learned[k]; late > shape.bound/10 {
			t.Errorf("%s: %d of %d routes came late", shape.name, late, len(seen[k]))
		}
		t.Logf("%s: %d routes", shape.name, len(seen[k]))
	}
}

// What the cache answers is what the tree answers, and the same calls give the same results.
func TestSameCallsSameResults(t *testing.T) {
	one, two, uncached := table(t, 5), table(t, 5), table(t, 5)
	r := rand.New(rand.NewPCG(3, 4))
	var recent [64]string
	for i := range 200_000 {
		k := r.IntN(len(shapes))
		path := recent[r.IntN(len(recent))]
		if path == "" || i%2 == 0 {
			path = shapes[k].path(r)
			recent[r.IntN(len(recent))] = path
		}
		uncached.forget(path)
		a, b, c := one.Infer("s", path), two.Infer("s", path), uncached.Infer("s", path)
		if a != b || a != c {
			t.Fatalf("call %d, %q: %q, %q, uncached %q", i, path, a, b, c)
		}
	}
}

// forget empties the slot of path, so that the tree has to answer.
func (t *Table) forget(path string) {
	if s := t.services["s"]; s != nil {
		*t.slot(s, path) = entry{}
	}
}

func FuzzInfer(f *testing.F) {
	f.Add("/users/alice\n/users/bob\n/users/4711\n/users/carol/", "/users/{id}")
	f.Add("/a/b/c/d/e/f/g/h/i/j\n*\n//\n/{name}\n/a;b=c/d", "/{x}/y")
	f.Add("/\x00\xff/%zz\n/a@b/c=d==", "")
	f.Fuzz(func(t *testing.T, paths, pattern string) {
		one, err := New([]string{pattern}, 2)
		if err != nil {
			one = table(t, 2)
		}
		two := table(t, 2)
		two.patterns = one.patterns
		for path := range strings.SplitSeq(paths, "\n") {
			got := one.Infer("s", path)
			two.forget(path)
			if other := two.Infer("s", path); other != got {
				t.Fatalf("%q: %q, uncached %q", path, got, other)
			}
			if got == pattern {
				continue
			}
			if (got == "") != !strings.HasPrefix(path, "/") {
				t.Fatalf("%q: %q", path, got)
			}
			if len(got) > maxDepth*(maxSegment+1)+len(unlearned) || strings.Count(got, "/") > maxDepth+1 {
				t.Fatalf("%q: %q is too long", path, got)
			}
			for i := range len(got) {
				if got[i] <= ' ' || got[i] >= 0x7f {
					t.Fatalf("%q: byte %#x", got, got[i])
				}
			}
		}
	})
}

func TestInferAllocatesNothing(t *testing.T) {
	table := table(t, 24, "/known/{x}")
	paths := []string{
		"/api/v1/users/42", "/known/word", "/", "/a/b/c/d/e/f/g/h/i/j", "/" + strings.Repeat("long", 40) + "/x",
	}
	for _, path := range paths {
		if n := testing.AllocsPerRun(1000, func() { table.Infer("shop", path) }); n != 0 {
			t.Errorf("%q: %v allocations", path, n)
		}
	}
	fresh := []byte("/api/v1/users/00000000")
	if n := testing.AllocsPerRun(1000, func() {
		for i := len(fresh) - 1; ; i-- {
			if fresh[i]++; fresh[i] <= '9' {
				break
			}
			fresh[i] = '0'
		}
		table.Infer("shop", unsafe.String(&fresh[0], len(fresh)))
	}); n != 0 {
		t.Errorf("new number in a known route: %v allocations", n)
	}
}

func BenchmarkInfer(b *testing.B) {
	b.Run("repeated", func(b *testing.B) {
		table := table(b, 24)
		b.ReportAllocs()
		for b.Loop() {
			table.Infer("shop", "/api/v1/users/42/orders/t-1234")
		}
	})
	for _, shape := range shapes {
		b.Run("new/"+shape.name, func(b *testing.B) {
			table := table(b, 24, "/a/{b}/c", "/known/{x}")
			r := rand.New(rand.NewPCG(1, 2))
			paths := make([]string, 1<<16)
			for i := range paths {
				paths[i] = shape.path(r)
			}
			b.ReportAllocs()
			b.ResetTimer()
			for i := range b.N {
				table.Infer("shop", paths[i%len(paths)])
			}
		})
	}
	b.Run("hostile", func(b *testing.B) {
		table := table(b, 24)
		path := strings.Repeat("/"+strings.Repeat("a1", 4000), 8)
		b.ReportAllocs()
		for b.Loop() {
			table.Infer("shop", path)
		}
	})
}
