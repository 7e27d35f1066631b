package matrix

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// client is one row of the table of clients.
type client struct {
	name     string
	part     string // of matrix.sh that it needs besides Go's
	protocol string
	bare     bool // sends no traceparent
	upgrades bool // goes to HTTP/2 by Upgrade: h2c, which there is without TLS only
	argv     func(t *testing.T, p *place, l *load, s site) [][]string
}

// clients is every client.
var clients = []*client{
	{name: "net/http", protocol: "http/1.1", argv: goAsks},
	{name: "net/http h2", protocol: "h2", argv: goAsks},
	{name: "curl", protocol: "http/1.1", argv: curl("--http1.1")},
	{name: "curl h2", protocol: "h2", argv: curl("--http2-prior-knowledge")},
	{name: "curl Upgrade", protocol: "h2", upgrades: true, argv: curl("--http2")},
	{name: "curl GnuTLS", part: "pycurl", protocol: "http/1.1", argv: systemPythonAsks},
	{name: "curl NSS", part: "pycurl", protocol: "http/1.1", argv: nssAsks},
	{name: "wget GnuTLS", protocol: "http/1.1", bare: true, argv: wget},
	{name: "node", part: "node", protocol: "http/1.1", argv: nodeAsks},
	{name: "node h2", part: "node", protocol: "h2", argv: nodeAsks},
	{name: "requests", part: "python", protocol: "http/1.1", argv: pythonAsks("requests")},
	{name: "aiohttp", part: "python", protocol: "http/1.1", argv: pythonAsks("aiohttp")},
	{name: "hyper", part: "rust", protocol: "h2", argv: rustAsks},
	{name: "netty", part: "java", protocol: "http/1.1", argv: javaAsks("netty")},
	{name: "grpc-go", protocol: "grpc", argv: goAsks},
	{name: "grpc-js", part: "node", protocol: "grpc", argv: nodeAsks},
	{name: "grpcio", part: "python", protocol: "grpc", argv: pythonAsks("grpc")},
	{name: "grpc-java", part: "java", protocol: "grpc", argv: javaAsks("grpc")},
	{name: "tonic", part: "rust", protocol: "grpc", argv: rustAsks},
	{name: "gRPC-Web", protocol: "grpcweb", argv: goAsks},
	{name: "Connect", protocol: "connect", argv: goAsks},
}

// asks tells whether a client can ask a server.
func (c *client) asks(s *server, secure bool) bool {
	return slices.Contains(s.protocols, c.protocol) && (secure || s.open) && (!c.upgrades || s.upgrades && !secure)
}

// version is that of HTTP.
func (c *client) version() string {
	if c.protocol == "http/1.1" {
		return "1.1"
	}
	return "2"
}

// tail is what all programs of ours are told at their end.
func (l *load) tail(p *place, s site) []string {
	return []string{s.at(l.protocol), strconv.Itoa(l.n), strconv.Itoa(l.streams), p.tag}
}

func goAsks(_ *testing.T, p *place, l *load, s site) [][]string {
	return [][]string{append([]string{p.built("matrix-go", "peer"), "ask", l.protocol}, l.tail(p, s)...)}
}

func nodeAsks(_ *testing.T, p *place, l *load, s site) [][]string {
	return [][]string{append([]string{"node", p.built("matrix-node", "peer.js"), "ask", l.protocol}, l.tail(p, s)...)}
}

func pythonAsks(kind string) func(*testing.T, *place, *load, site) [][]string {
	return func(_ *testing.T, p *place, l *load, s site) [][]string {
		return [][]string{append(p.python(p.built("matrix-python", "peer.py"), "ask", kind), l.tail(p, s)...)}
	}
}

// systemPythonAsks has the distribution's pycurl, and so its libcurl with GnuTLS.
func systemPythonAsks(_ *testing.T, p *place, l *load, s site) [][]string {
	return [][]string{append([]string{"/usr/bin/python3", p.built("matrix-python", "peer.py"), "ask", "pycurl"}, l.tail(p, s)...)}
}

// nssAsks has the distribution's libcurl with NSS.
func nssAsks(t *testing.T, p *place, l *load, s site) [][]string {
	program, err := filepath.Abs(filepath.Join("app", "nss", "ask.py"))
	check(t, err)
	return [][]string{append([]string{"/usr/bin/python3", program, "ask", "nss"}, l.tail(p, s)...)}
}

func rustAsks(_ *testing.T, p *place, l *load, s site) [][]string {
	return [][]string{append([]string{p.built("matrix-rust", "target", "release", "peer"), "ask", l.protocol}, l.tail(p, s)...)}
}

func javaAsks(kind string) func(*testing.T, *place, *load, site) [][]string {
	return func(_ *testing.T, p *place, l *load, s site) [][]string {
		return [][]string{p.java(append([]string{"ask", kind}, l.tail(p, s)...)...)}
	}
}

func (l *load) url(s site, i int) string {
	scheme := "http://"
	if s.secure {
		scheme = "https://"
	}
	return scheme + s.at(l.protocol) + l.path(i)
}

// curlStreams is how many requests curl 7.88 has on a connection at most, until the server has said how many it takes.
const curlStreams = 100

// curl makes all requests in one process, so many at a time. Where it upgrades, each is a process of its own, for it cannot use a connection
// again that it has upgraded; and without TLS what it has no room for on its connection would be HTTP/1.
func curl(way string) func(*testing.T, *place, *load, site) [][]string {
	return func(t *testing.T, p *place, l *load, s site) (list [][]string) {
		processes := 1
		switch {
		case l.client.upgrades:
			processes = l.n
		case l.client.version() == "2" && !s.secure:
			processes = 1 + l.streams/curlStreams
		}
		for c := range processes {
			var text strings.Builder
			for i := c; i < l.n; i += processes {
				if i > c {
					text.WriteString("next\n")
				}
				fmt.Fprintf(&text, "url = %q\nheader = \"traceparent: %s\"\noutput = \"/dev/null\"\n%s\ninsecure\n", l.url(s, i), l.traceparent(i),
					curlWay(way, s.secure, i == c)[2:])
			}
			argv := []string{"curl", "-q", "-sS", "-K", p.write(t, fmt.Sprintf("curl.%s.%d", l.id, c), text.String())}
			if at := l.streams / processes; !l.client.upgrades {
				argv = append(argv, "--parallel", "--parallel-max", strconv.Itoa(at))
			}
			list = append(list, argv)
		}
		return list
	}
}

// curlWay is how a request asks for its version of HTTP: over TLS by ALPN, and else only the first by prior knowledge. The others find its
// connection; curl 7.88 would write the preface again on it ("Error in the HTTP2 framing layer").
func curlWay(way string, secure, first bool) string {
	if way == "--http2-prior-knowledge" && (secure || !first) {
		return "--http2"
	}
	return way
}

// wget makes one process for each connection.
func wget(_ *testing.T, p *place, l *load, s site) (list [][]string) {
	for c := range l.streams {
		argv := []string{"wget", "-q", "--no-check-certificate", "--content-on-error", "-O", "/dev/null", "-a", p.path("wget.log"), "-t", "1"}
		for i := c; i < l.n; i += l.streams {
			argv = append(argv, l.url(s, i))
		}
		list = append(list, argv)
	}
	return list
}

// run runs the processes of a client to their end, so many at a time.
func (l *load) run(t *testing.T, p *place, s site) {
	t.Helper()
	l.pids = map[int]bool{}
	var running []*exec.Cmd
	for _, argv := range l.client.argv(t, p, l, s) {
		if len(running) == l.streams {
			l.await(t, p, s, running[0])
			running = running[1:]
		}
		c := p.command(s.secure, l, argv...)
		out, err := os.Create(p.path(filepath.Base(argv[0]) + ".out." + l.id))
		check(t, err)
		c.Stdout, c.Stderr = out, out
		check(t, c.Start())
		_ = out.Close()
		l.pids[c.Process.Pid] = true
		running = append(running, c)
	}
	for _, c := range running {
		l.await(t, p, s, c)
	}
}

// await waits for the end of one process of a client.
func (l *load) await(t *testing.T, p *place, s site, c *exec.Cmd) {
	t.Helper()
	err := c.Wait()
	var status *exec.ExitError
	// wget ends with 8 when a server has told an error, as these are asked to.
	if err != nil && !(l.client.bare && asExit(err, &status) && status.ExitCode() == 8) {
		text, _ := os.ReadFile(p.path(filepath.Base(c.Args[0]) + ".out." + l.id))
		t.Fatalf("%s asks %s: %v: %.2000s", l.client.name, s.server.name, err, text)
	}
}

func asExit(err error, to **exec.ExitError) bool {
	e, ok := err.(*exec.ExitError) //nolint:errorlint // of Wait, which wraps nothing
	*to = e
	return ok
}
