package route

import (
	"strings"
	"testing"
)

type parts struct {
	path, query       string
	hasQuery          bool
	scheme, authority string
}

func split(target string) (p parts) {
	p.path, p.query, p.hasQuery, p.scheme, p.authority = Path(target)
	return p
}

func TestPath(t *testing.T) {
	tests := map[string]parts{
		"/":                             {path: "/"},
		"/a/b":                          {path: "/a/b"},
		"/a?":                           {path: "/a", hasQuery: true},
		"/a?b=c?d":                      {path: "/a", query: "b=c?d", hasQuery: true},
		"/a?b#c?d":                      {path: "/a", query: "b", hasQuery: true},
		"/a#b?c":                        {path: "/a"},
		"//h/p":                         {path: "//h/p"},
		"/p?u=http://h/":                {path: "/p", query: "u=http://h/", hasQuery: true},
		"/http://h/p":                   {path: "/http://h/p"},
		"*":                             {path: "*"},
		"":                              {},
		"?a=b":                          {query: "a=b", hasQuery: true},
		"http://h":                      {path: "/", scheme: "http", authority: "h"},
		"http://h?q":                    {path: "/", query: "q", hasQuery: true, scheme: "http", authority: "h"},
		"http://user:pw@h:81/p/q?r=s#f": {path: "/p/q", query: "r=s", hasQuery: true, scheme: "http", authority: "h:81"},
		"http://u@v:p@h/p":              {path: "/p", scheme: "http", authority: "h"},
		"http://h/a@b":                  {path: "/a@b", scheme: "http", authority: "h"},
		"http://u:p@?q":                 {path: "/", query: "q", hasQuery: true, scheme: "http"},
		"HTTPS://[::1]:443/p":           {path: "/p", scheme: "https", authority: "[::1]:443"},
		"coap+tcp://h/p":                {path: "/p", scheme: "coap+tcp", authority: "h"},
		"1http://h/p":                   {path: "1http://h/p"},
		"h:443":                         {authority: "h:443"},
		"user:pw@h:443":                 {authority: "h:443"},
		"[::1]:443":                     {authority: "[::1]:443"},
		"index.html?secret=1":           {path: "index.html", query: "secret=1", hasQuery: true},
		"a/b":                           {path: "a/b"},
		"*?a":                           {path: "*", query: "a", hasQuery: true},
	}
	for target, want := range tests {
		if got := split(target); got != want {
			t.Errorf("%q: %+v, want %+v", target, got, want)
		}
	}
	if n := testing.AllocsPerRun(100, func() { split("HTTP://user:pw@host:80/path?a=b#c") }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func FuzzPath(f *testing.F) {
	for _, seed := range []string{"/a?b#c", "http://u:p@h:1/p?q", "h:443", "*", "a://b@c?d@e", "://", "a/b?c"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, target string) {
		p := split(target)
		whole, _, _ := strings.Cut(target, "#")
		before, query, hasQuery := strings.Cut(whole, "?")
		if p.hasQuery != hasQuery || p.query != query {
			t.Fatalf("%q: query %q %v", target, p.query, p.hasQuery)
		}
		if strings.ContainsAny(p.path, "?#") || strings.ContainsAny(p.authority, "?#@") {
			t.Fatalf("%q: %+v", target, p)
		}
		if p.scheme != "" && p.path[0] != '/' {
			t.Fatalf("%q: absolute form with path %q", target, p.path)
		}
		if !strings.HasSuffix(before, p.path) && p.path != "/" {
			t.Fatalf("%q: path %q is not of it", target, p.path)
		}
	})
}

func BenchmarkPath(b *testing.B) {
	for name, target := range map[string]string{
		"origin": "/api/v1/orders/4711?page=2", "absolute": "http://user:pw@host:8080/api/v1/orders?page=2",
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				Path(target)
			}
		})
	}
}
