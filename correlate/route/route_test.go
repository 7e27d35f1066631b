package route

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"unsafe"
)

func table(t testing.TB, limit int, patterns ...string) *Table {
	t.Helper()
	made, err := New(patterns, limit)
	if err != nil {
		t.Fatal(err)
	}
	return made
}

func TestNewNamesTheBadPattern(t *testing.T) {
	for _, bad := range []string{"", "users", "/users/{id", "/users/id}", "/users/{}", "/u{id}", "/{a}{b}", "/a b", "/a?b", "/a#b", "/\x00"} {
		_, err := New([]string{"/fine/{id}", bad}, 24)
		if err == nil || !strings.Contains(err.Error(), fmt.Sprintf("%q", bad)) {
			t.Errorf("%q: error %v", bad, err)
		}
	}
	if _, err := New(nil, 0); err == nil {
		t.Error("limit 0: no error")
	}
	if _, err := New([]string{"/", "/a/", "/a//b", "/{a}", "/{a}/b.c/{d}"}, 1); err != nil {
		t.Error(err)
	}
}

func TestInfer(t *testing.T) {
	tests := map[string]string{
		"/":                             "/",
		"//":                            "/",
		"":                              "",
		"*":                             "",
		"host:443":                      "",
		"relative/path":                 "",
		"/users":                        "/users",
		"/users/":                       "/users/",
		"/users/42":                     "/users/{id}",
		"/users/42/":                    "/users/{id}/",
		"/users//42":                    "/users/{id}",
		"/api/v1/users/42/orders/t-123": "/api/v1/users/{id}/orders/{id}",
		"/static/app.3f2a1b.js":         "/static/{file}",
		"/img/logo.png":                 "/img/logo.png",
		"/users;jsessionid=4711/x":      "/users/x",
		"/{name}/a":                     "/{id}/a",
		"/a/b/c/d/e/f/g/h":              "/a/b/c/d/e/f/g/h",
		"/a/b/c/d/e/f/g/h/":             "/a/b/c/d/e/f/g/h/",
		"/a/b/c/d/e/f/g/h/i":            "/a/b/c/d/e/f/g/h/{rest...}",
		"/a/b/c/d/e/f/g/h/i/":           "/a/b/c/d/e/f/g/h/{rest...}",
		"/a/b/c/d/e/f/g/h//":            "/a/b/c/d/e/f/g/h/",
		"/grpc.health.v1.Health/Check":  "/grpc.health.v1.Health/Check",
		"/x" + strings.Repeat("/", 999): "/x/{rest...}",
	}
	table := table(t, 24)
	for range 2 { // learned, then from the cache
		for path, want := range tests {
			if got := table.Infer("shop", path); got != want {
				t.Errorf("%q: %q, want %q", path, got, want)
			}
		}
	}
}

func TestPatternsComeFirstInOrder(t *testing.T) {
	table := table(t, 24, "/users/me", "/users/{user}", "/{a}/{b}/c", "/x//", "/")
	tests := map[string]string{
		"/users/me":     "/users/me",
		"/users/alice":  "/users/{user}",
		"/users/4711":   "/users/{user}",
		"/users/":       "/users/",
		"/users/42/c":   "/{a}/{b}/c",
		"/users/42/d":   "/users/{id}/d",
		"/x//":          "/x//",
		"/x/":           "/x/",
		"/":             "/",
		"/users/a\xffb": "/users/{user}",
	}
	for path, want := range tests {
		if got := table.Infer("shop", path); got != want {
			t.Errorf("%q: %q, want %q", path, got, want)
		}
	}
}

func TestManyWordsCollapse(t *testing.T) {
	table := table(t, 24)
	for i := range 24 {
		name := "user" + string(rune('a'+i))
		if got := table.Infer("shop", "/users/"+name+"/cart"); got != "/users/"+name+"/cart" {
			t.Fatalf("word %d: %q", i, got)
		}
	}
	for _, name := range []string{"zoe", "usera", "userx", "yan"} { // the new one, then the old ones too
		if got := table.Infer("shop", "/users/"+name+"/cart"); got != "/users/{name}/cart" {
			t.Errorf("%s: %q", name, got)
		}
	}
	for path, want := range map[string]string{
		"/users/42/cart": "/users/{id}/cart", "/users": "/users", "/img/logo.png": "/img/logo.png",
	} {
		if got := table.Infer("shop", path); got != want {
			t.Errorf("%q: %q, want %q", path, got, want)
		}
	}
	if got := table.Infer("other", "/users/usera/cart"); got != "/users/usera/cart" {
		t.Errorf("another service: %q", got)
	}
	if c := table.Counts(); c.Collapses != 1 || c.Services != 2 || c.Overflows != 0 {
		t.Errorf("%+v", c)
	}
}

// A scanner that tries paths must not take away the routes that are in use.
func TestProvenWordsStay(t *testing.T) {
	table := table(t, 24)
	for range 1000 {
		table.Infer("shop", "/checkout")
		table.Infer("shop", "/api/orders")
	}
	for i := range 100 {
		table.Infer("shop", fmt.Sprintf("/%c%c.php", 'a'+i/10, 'a'+i%10))
	}
	for path, want := range map[string]string{
		"/checkout": "/checkout", "/api/orders": "/api/orders", "/aa.php": "/{name}", "/zz.php": "/{name}",
	} {
		if got := table.Infer("shop", path); got != want {
			t.Errorf("%q: %q, want %q", path, got, want)
		}
	}
}

func TestServicesOverflow(t *testing.T) {
	table := table(t, 24, "/known/{x}")
	for i := range MaxServices {
		table.Infer(fmt.Sprint(i), "/users")
	}
	if got := table.Infer("one more", "/users"); got != unlearned {
		t.Errorf("%q", got)
	}
	if got := table.Infer("one more", "/known/word"); got != "/known/{x}" {
		t.Errorf("%q", got)
	}
	if got := table.Infer("0", "/users"); got != "/users" {
		t.Errorf("%q", got)
	}
	if c := table.Counts(); c.Services != MaxServices || c.Overflows != 1 {
		t.Errorf("%+v", c)
	}
}

func TestNodesOverflow(t *testing.T) {
	table := table(t, 2*MaxNodes)
	for i := range MaxNodes {
		table.Infer("shop", "/"+letters(i))
	}
	if got := table.Infer("shop", "/new"); got != unlearned {
		t.Errorf("%q", got)
	}
	if got := table.Infer("shop", "/"+letters(1)+"/new"); got != "/"+letters(1)+unlearned {
		t.Errorf("%q", got)
	}
	if c := table.Counts(); c.Nodes != MaxNodes || c.Overflows != 2 {
		t.Errorf("%+v", c)
	}
}

// Every text that is kept is paid for, and a full table goes on answering.
func TestMemoryIsBounded(t *testing.T) {
	table := table(t, MaxNodes)
	tail := strings.Repeat("/"+strings.Repeat("w", maxSegment), maxDepth-1)
	for i := range MaxServices * MaxNodes {
		table.Infer(fmt.Sprint(i%MaxServices), "/"+letters(i/MaxServices)+tail)
	}
	paid := 0
	for _, s := range table.services {
		s.root.visit(func(n *node) { paid += n.bytes() })
	}
	if paid > MaxMemory || table.Counts().Overflows == 0 {
		t.Errorf("%d bytes, %+v", paid, table.Counts())
	}
}

func (n *node) visit(each func(*node)) {
	each(n)
	for _, c := range n.children {
		c.visit(each)
	}
}

func (n *node) bytes() int {
	sum := len(n.text)
	if n.parent != nil {
		sum += nodeCost
	}
	for _, route := range n.routes {
		sum += len(route)
	}
	return sum
}

// letters gives a word of its own for each number.
func letters(i int) string {
	word := []byte("w")
	for ; i > 0; i /= 20 {
		word = append(word, "ghijklmnopqrstuvwxyz"[i%20])
	}
	return string(word)
}

func TestArgumentsAreNotKept(t *testing.T) {
	table := table(t, 24, "/known/{x}")
	for path, want := range map[string]string{
		"/users/alice":                         "/users/alice",
		"/known/word":                          "/known/{x}",
		"/long/" + strings.Repeat("word/", 30): "/long" + strings.Repeat("/word", 7) + unlearned,
	} {
		buf := []byte("shop" + path)
		got := table.Infer(unsafe.String(&buf[0], 4), unsafe.String(&buf[4], len(path)))
		for i := range buf {
			buf[i] = '#'
		}
		if again := table.Infer("shop", path); got != want || again != want {
			t.Errorf("%q: %q, then %q, want %q", path, got, again, want)
		}
	}
	var words []string
	table.services["shop"].root.visit(func(n *node) { words = append(words, n.text) })
	if slices.ContainsFunc(words, func(s string) bool { return strings.Contains(s, "#") }) {
		t.Errorf("kept: %q", words)
	}
}
