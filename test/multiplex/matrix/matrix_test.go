// Package matrix has every client of its table ask every server of its other table under weft, with TLS and without, 1, 16 and 128
// requests at a time, and holds what weft tells against what was asked: each request is one span at each end, with the right name,
// status and parent, and there is nothing else.
package matrix

import (
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"weft/test/tracer"
)

var (
	update = flag.Bool("update", false, "write what is seen to docs/CONFORMANCE.md")
	choice = flag.String("clients", ".*", "the clients that ask, as a regular expression for the whole of their names")
)

// few is what `make test` runs, over TLS: the clients of Debian's packages and in Go. MATRIX=all is everything.
var few = []string{"nginx"}

// streams are how many requests there are at a time; `make test` has the first two.
var streams = []int{1, 16, 128}

// TestMatrix has a test for each server, with TLS and without: -run 'TestMatrix/nginx/TLS'.
func TestMatrix(t *testing.T) {
	all := os.Getenv("MATRIX") == "all"
	chosen, parts := servers, []string{"go", "node", "python", "java", "rust", "pycurl"}
	if !all {
		chosen = slices.DeleteFunc(slices.Clone(servers), func(s *server) bool { return !slices.Contains(few, s.name) })
		parts, streams = parts[:1], streams[:2]
	}
	p := prepare(t, parts)
	for _, s := range chosen {
		t.Run(s.name, func(t *testing.T) {
			for _, secure := range []bool{false, true} {
				if !secure && (!s.open || !all) {
					continue
				}
				t.Run(map[bool]string{false: "open", true: "TLS"}[secure], func(t *testing.T) { ask(t, p, s, secure, parts) })
			}
		})
	}
}

// settle is how long a server has to be found, with what it loads.
const settle = time.Second

// ask has every client ask one server.
func ask(t *testing.T, p *place, s *server, secure bool, parts []string) {
	at := p.serve(t, s, secure)
	group := grown(at.group)
	args := []string{"--command", "*" + p.tag + "*", "--control", p.path("control")}
	for pid := range group {
		args = append(args, "--pid", strconv.Itoa(pid))
	}
	w, err := tracer.Start(p.weft, tracer.Options{Args: args})
	check(t, err)
	t.Cleanup(func() {
		w.Kill()
		if t.Failed() {
			t.Log(w.Log())
		}
	})
	time.Sleep(settle)
	var loads []*load
	wanted := regexp.MustCompile("^(" + *choice + ")$")
	for _, c := range clients {
		if !wanted.MatchString(c.name) || !c.asks(s, secure) || c.part != "" && !slices.Contains(parts, c.part) {
			continue
		}
		before := runs(t)
		for _, n := range streams {
			l := &load{id: fmt.Sprintf("%08x%08x", 0x77656674, len(loads)+1), client: c, protocol: c.protocol, n: 2*n + 60, streams: n}
			l.run(t, p, at)
			loads = append(loads, l)
		}
		before.tell(t, c.name, loads[len(loads)-len(streams):])
		if secure && s.sealed {
			doctorTells(t, p, s)
		}
	}
	// What a server forks later, like a worker, serves too.
	for pid := range members(at.group) {
		group[pid] = true
	}
	time.Sleep(500 * time.Millisecond)
	check(t, w.Stop())
	rows := newVerifier(at, loads, w.Spans(), group).report(t, w)
	tell(t, s, secure, loads, rows)
}

// doctorTells holds that weft doctor lists a server that cannot be read.
func doctorTells(t *testing.T, p *place, s *server) {
	t.Helper()
	out, err := exec.Command(p.weft, "doctor", "--control", p.path("control")).CombinedOutput()
	if err != nil && len(out) == 0 {
		t.Errorf("weft doctor: %v", err)
	}
	if program := map[string]string{"jsse": "java"}[s.name]; !strings.Contains(string(out), "TLS of "+program) {
		t.Errorf("weft doctor does not list %s:\n%s", s.name, out)
	}
}

// grown are the processes of a group that does not grow any more: nginx listens before its workers are there, and one that is started between
// this and weft is not chosen.
func grown(group int) map[int]bool {
	for found := members(group); ; {
		time.Sleep(300 * time.Millisecond)
		again := members(group)
		if len(again) == len(found) {
			return again
		}
		found = again
	}
}

// members are the processes of a group.
func members(group int) map[int]bool {
	found := map[int]bool{}
	entries, _ := filepath.Glob("/proc/[0-9]*")
	for _, e := range entries {
		if pid, err := strconv.Atoi(filepath.Base(e)); err == nil {
			if g, err := syscall.Getpgid(pid); err == nil && g == group {
				found[pid] = true
			}
		}
	}
	return found
}

// tell logs what was seen as rows of the document, and writes them there if that is asked for.
func tell(t *testing.T, s *server, secure bool, loads []*load, rows map[*load]row) {
	t.Helper()
	kind := map[bool]string{false: "no", true: "yes"}[secure]
	var lines []string
	for at := 0; at < len(loads); at += len(streams) {
		cells, requests, unlinked, faults := []string{}, 0, 0, 0
		for _, l := range loads[at : at+len(streams)] {
			r := rows[l]
			cells = append(cells, fmt.Sprintf("%d of %d", r.seen, r.expected))
			requests, unlinked, faults = requests+l.n, unlinked+r.unlinked, faults+len(r.faults)
		}
		var notes []string
		if secure && s.sealed {
			notes = append(notes, "the server cannot be read")
		}
		if faults > 0 {
			notes = append(notes, fmt.Sprintf("%d faults in what the spans tell", faults))
		}
		if unlinked > 0 {
			notes = append(notes, fmt.Sprintf("%d calls of the proxy without a parent", unlinked))
		}
		lines = append(lines, fmt.Sprintf("| %s | %s | %s | %d | %s | %s |", s.name, kind, loads[at].client.name, requests, strings.Join(cells, " | "), strings.Join(notes, ", ")))
	}
	t.Log("\n" + strings.Join(lines, "\n"))
	if *update {
		rewrite(t, fmt.Sprintf("| %s | %s |", s.name, kind), lines)
	}
}

const document = "../../../docs/CONFORMANCE.md"

// rewrite puts lines into the document's table in place of those that begin alike, else at its end.
func rewrite(t *testing.T, prefix string, lines []string) {
	t.Helper()
	text, err := os.ReadFile(document)
	check(t, err)
	old := strings.Split(string(text), "\n")
	end := slices.Index(old, "<!-- end of the matrix -->")
	if end < 0 {
		t.Fatalf("%s has no end of the matrix", document)
	}
	for i := len(old) - 1; i >= 0; i-- {
		if strings.HasPrefix(old[i], prefix) {
			old, end = slices.Delete(old, i, i+1), i
		}
	}
	check(t, os.WriteFile(document, []byte(strings.Join(slices.Insert(old, end, lines...), "\n")), 0o644))
}
