// Package route owns what a span may say of a request target: its parts, its low-cardinality template http.route,
// and its query without the values.
//
// Placeholders of an inferred route:
//
//	{id}       a segment that is an identifier by its looks: number, UUID, hash, date, e-mail, percent-encoded text
//	{file}     a file name with an identifier or a hash in it: app.3f2a1b.js, 4711.jpg
//	{name}     a segment that looks like a word but is one of too many: user names, slugs
//	{rest...}  one or more segments that are not told apart
package route

import (
	"fmt"
	"hash/maphash"
	"strings"
)

// The bounds of a Table, whatever it is fed.
const (
	MaxServices = 512     // services that are learned
	MaxNodes    = 1024    // segments that are ever learned of one service; it has at most three routes for each
	MaxMemory   = 8 << 20 // bytes of nodes and their texts, of all services

	maxDepth   = 8  // segments of an inferred route before {rest...}
	maxSegment = 64 // bytes of a segment that can be a word
	maxSteps   = 64 // segments that are looked at, empty ones included
	maxService = 255

	slots      = 4096 // of the cache, a power of two
	cachedPath = 87   // bytes; longer paths are inferred anew each time
)

// unlearned is the route of every path of a service for which there is no room.
const unlearned = "/{rest...}"

// Counts is what a Table holds and what it could not hold.
type Counts struct {
	Services  int
	Nodes     int    // segments ever learned
	Collapses uint64 // segments whose children became {name}
	Overflows uint64 // paths answered with {rest...} for lack of room, those answered by the cache not included
}

// Table infers routes. It learns from the paths that it is asked for: the same sequence of calls gives the same
// results. It is not safe for concurrent use.
type Table struct {
	patterns []pattern
	limit    int
	services map[string]*service
	last     *service // of the call before
	room     int      // bytes
	counts   Counts
	seed     maphash.Seed // places entries only; no result depends on it
	cache    []entry
}

// entry is one answer, kept in place so that paths with identifiers do not feed the garbage collector.
type entry struct {
	owner      *service
	leaf       *node // nil for a configured pattern
	route      string
	generation uint32
	size       uint8
	path       [cachedPath]byte
}

// New makes a table that tries patterns in their order before it infers. A pattern is an absolute path; a segment in
// braces matches any one segment that is not empty. limit is the number of words under one segment above which they
// become {name}; it is at least 1, and 24 does well. The error names the bad pattern.
func New(patterns []string, limit int) (*Table, error) {
	if limit < 1 {
		return nil, fmt.Errorf("route limit %d: must be at least 1", limit)
	}
	t := &Table{
		limit:    limit,
		services: map[string]*service{},
		room:     MaxMemory,
		seed:     maphash.MakeSeed(),
		cache:    make([]entry, slots),
	}
	for _, text := range patterns {
		p, err := parsePattern(text)
		if err != nil {
			return nil, err
		}
		t.patterns = append(t.patterns, p)
	}
	return t, nil
}

// Counts tells what the table holds.
func (t *Table) Counts() Counts { return t.counts }

// Infer gives the route of path, which is as Path gives it: absolute, without query. Anything else, such as the
// asterisk of OPTIONS and the empty path of CONNECT, has no route and gives "". Neither argument is kept.
func (t *Table) Infer(service, path string) string {
	if path == "" || path[0] != '/' {
		return ""
	}
	s := t.service(service)
	if s == nil {
		return t.unlearned(path)
	}
	if len(path) > cachedPath {
		_, route := t.learn(s, path)
		return route
	}
	e := t.slot(s, path)
	if e.owner == s && e.generation == s.generation && string(e.path[:e.size]) == path {
		if e.leaf != nil {
			e.leaf.hits++
		}
		return e.route
	}
	e.leaf, e.route = t.learn(s, path)
	e.owner, e.generation = s, s.generation
	e.size = uint8(copy(e.path[:], path))
	return e.route
}

// slot gives the one place where the answer for path can be.
func (t *Table) slot(s *service, path string) *entry {
	return &t.cache[(maphash.String(t.seed, path)+s.salt)%slots]
}

// service gives nil when there is no room for another one.
func (t *Table) service(name string) *service {
	if t.last != nil && t.last.name == name {
		return t.last
	}
	s := t.services[name]
	if s == nil {
		if len(t.services) == MaxServices || len(name) > maxService {
			return nil
		}
		s = &service{name: strings.Clone(name), salt: uint64(len(t.services)) * 0x9e3779b97f4a7c15}
		t.services[s.name] = s
		t.counts.Services++
	}
	t.last = s
	return s
}

func (t *Table) unlearned(path string) string {
	if p := t.match(path); p != nil {
		return p.text
	}
	t.counts.Overflows++
	return unlearned
}

// learn finds the route of path, and makes room in the tree of s for what is new in it. The node is nil when the
// route is configured.
func (t *Table) learn(s *service, path string) (*node, string) {
	if p := t.match(path); p != nil {
		return nil, p.text
	}
	n, end := t.walk(s, path)
	n.hits++
	return n, t.render(n, end)
}
