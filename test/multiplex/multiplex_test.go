// Package multiplex traces real servers and clients of HTTP/2 and gRPC with weft, and compares what it tells with what they did.
package multiplex

import (
	"bufio"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"weft/test/fleet"
	"weft/test/tracer"
)

// asked are the methods that clients ask for, in turn, and what is to be told of each.
var asked = []struct {
	method         string
	grpc, http     int64 // status
	sent, received int64 // messages of gRPC
}{
	{"/shop.Echo/S0", 0, 200, 1, 1},
	{"/shop.Echo/S5", 5, 200, 1, 0},
	{"/shop.Echo/M7", 0, 200, 7, 7},
	{"/shop.Echo/D70000", 0, 200, 1, 1},
	{"/shop.Echo/S404", -1, 404, 0, 0},
	{"/shop.Echo/S204", -1, 204, 0, 0},
}

// of gives the methods of gRPC, or those of plain HTTP/2.
func methods(grpc bool) (list []string) {
	for i, m := range asked {
		if grpc && m.grpc >= 0 || !grpc && (m.grpc < 0 || i == 0) {
			list = append(list, m.method)
		}
	}
	return list
}

// place is where the programs are.
type place struct{ cache, dir, weft, peer string }

func prepare(t *testing.T) place {
	t.Helper()
	p := place{dir: t.TempDir()}
	var err error
	p.cache, err = fleet.InstallAgent()
	check(t, err)
	run(t, "../install/multiplex.sh", p.cache)
	p.weft, p.peer = filepath.Join(p.cache, "bin", "weft"), filepath.Join(p.dir, "peer")
	run(t, "go", "build", "-o", p.peer, "./peer")
	return p
}

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func run(t *testing.T, argv ...string) {
	t.Helper()
	if out, err := exec.Command(argv[0], argv[1:]...).CombinedOutput(); err != nil {
		t.Fatalf("%v: %v\n%s", argv, err, out)
	}
}

// command gives the command of a peer.
func (p place) command(language, mode string, args ...string) *exec.Cmd {
	var argv []string
	switch language {
	case "go":
		argv = []string{p.peer}
	case "python":
		argv = []string{filepath.Join(p.cache, "multiplex-python", "venv", "bin", "python"), filepath.Join(p.cache, "multiplex-python", "peer.py")}
	case "node":
		argv = []string{"node", filepath.Join(p.cache, "multiplex-node", "peer.js")}
	}
	argv = append(append(argv, mode), args...)
	c := exec.Command(argv[0], argv[1:]...)
	c.Env = append(os.Environ(), "METHODS="+strings.Join(methods(strings.HasPrefix(mode, "grpc")), ","))
	c.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	return c
}

// serve starts a server until the test ends and gives its address.
func serve(t *testing.T, c *exec.Cmd) string {
	t.Helper()
	in, err := c.StdinPipe()
	check(t, err)
	out, err := c.StdoutPipe()
	check(t, err)
	c.Stderr = os.Stderr
	check(t, c.Start())
	t.Cleanup(func() {
		in.Close()
		_ = c.Process.Kill()
		_ = c.Wait()
	})
	line, err := bufio.NewReader(out).ReadString('\n')
	check(t, err)
	return strings.TrimSpace(line)
}

const nginxConf = `
worker_processes 2; daemon off; pid %[1]s/pid; error_log %[1]s/error.log;
events {}
http {
  access_log off; client_body_temp_path %[1]s/body;
  server {
    listen 127.0.0.1:%[2]d http2;
    location = /shop.Echo/S404 { return 404; }
    location = /shop.Echo/S204 { return 204; }
    location / { return 200 "ok"; }
  }
}`

// serveNginx starts nginx, which speaks HTTP/2 to those who know that it does.
func serveNginx(t *testing.T, p place) string {
	t.Helper()
	const port = 18977
	conf := filepath.Join(p.dir, "nginx.conf")
	check(t, os.WriteFile(conf, fmt.Appendf(nil, nginxConf, p.dir, port), 0o644))
	check(t, os.Chmod(p.dir, 0o755))
	c := exec.Command("nginx", "-c", conf)
	c.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGTERM}
	check(t, c.Start())
	t.Cleanup(func() {
		_ = c.Process.Signal(syscall.SIGTERM)
		_ = c.Wait()
	})
	time.Sleep(300 * time.Millisecond)
	return fmt.Sprint("127.0.0.1:", port)
}

func portOf(address string) string { return address[strings.LastIndexByte(address, ':')+1:] }

// trace starts weft for the connections of servers.
func (p place) trace(t *testing.T, addresses ...string) *tracer.Tracer {
	t.Helper()
	args := []string{"--control", filepath.Join(t.TempDir(), "control")}
	for _, a := range addresses {
		args = append(args, "--port", portOf(a))
	}
	w, err := tracer.Start(p.weft, tracer.Options{Args: args})
	check(t, err)
	t.Cleanup(func() {
		w.Kill()
		if t.Failed() {
			t.Log(w.Log())
		}
	})
	return w
}

// load is one run of a client.
type load struct {
	name    string
	pids    map[int]bool
	grpc    bool
	n       int
	upgrade bool
}

// run runs a client to its end.
func (l *load) run(t *testing.T, c *exec.Cmd) {
	t.Helper()
	out, err := os.CreateTemp(t.TempDir(), "out")
	check(t, err)
	c.Stdout, c.Stderr = out, out
	if err := c.Run(); err != nil {
		text, _ := os.ReadFile(out.Name())
		t.Fatalf("%s: %v: %s", l.name, err, text)
	}
	if l.pids == nil {
		l.pids = map[int]bool{}
	}
	l.pids[c.Process.Pid] = true
}

// TestPrograms: every request is one span at each end, with the right name, status and parent, whatever the program and however
// many streams there are at a time.
func TestPrograms(t *testing.T) {
	p := prepare(t)
	languages := []string{"go", "python", "node"}
	servers := map[string]string{}
	for _, s := range languages {
		servers[s] = serve(t, p.command(s, "grpc-server"))
	}
	servers["h2"], servers["nginx"] = serve(t, p.command("go", "h2-server")), serveNginx(t, p)
	w := p.trace(t, slices.Collect(maps.Values(servers))...)
	var loads []*load
	for _, streams := range []int{1, 16, 128} {
		n := 2*streams + 60
		for _, s := range languages {
			for _, c := range languages {
				l := &load{name: fmt.Sprintf("%s to %s, %d streams", c, s, streams), grpc: true, n: n}
				l.run(t, p.command(c, "grpc-client", servers[s], strconv.Itoa(n), strconv.Itoa(streams)))
				loads = append(loads, l)
			}
		}
		for _, s := range []string{"h2", "nginx"} {
			l := &load{name: fmt.Sprintf("net/http to %s, %d streams", s, streams), n: n}
			l.run(t, p.command("go", "h2-client", servers[s], strconv.Itoa(n), strconv.Itoa(streams)))
			loads = append(loads, l)
		}
	}
	for _, way := range []string{"--http2-prior-knowledge", "--http2"} {
		for _, s := range []string{"h2", "nginx"} {
			if s == "nginx" && way == "--http2" {
				continue // it does not speak HTTP/1 on this port
			}
			l := &load{name: "curl " + way + " to " + s, n: 3, upgrade: way == "--http2"}
			for _, m := range methods(false) {
				l.run(t, exec.Command("curl", "-sS", way, "-o", "/dev/null", "http://"+servers[s]+m))
			}
			loads = append(loads, l)
		}
	}
	time.Sleep(300 * time.Millisecond)
	check(t, w.Stop())
	verify(t, w, loads)
}

// verify compares the spans with what was asked.
func verify(t *testing.T, w *tracer.Tracer, loads []*load) {
	t.Helper()
	spans := w.Spans()
	children := map[string][]*tracer.Span{}
	for _, s := range spans {
		if s.Kind == tracer.Server {
			children[s.TraceID+s.ParentID] = append(children[s.TraceID+s.ParentID], s)
		}
	}
	total := 0
	for _, l := range loads {
		total += 2 * l.n
		want, got, received := map[string]int{}, map[string]int{}, map[string]int{}
		list := methods(l.grpc)
		for i := range l.n {
			want[l.expects(list[i%len(list)])]++
		}
		for _, s := range spans {
			if s.Kind != tracer.Client || !l.pids[s.PID()] {
				continue
			}
			got[l.tells(s)]++
			for _, c := range children[s.TraceID+s.SpanID] {
				received[l.tells(c)]++
			}
		}
		if !maps.Equal(want, got) {
			t.Errorf("%s: CLIENT spans\n%v\nasked was\n%v", l.name, got, want)
		}
		if !maps.Equal(want, received) {
			t.Errorf("%s: SERVER spans under them\n%v\nasked was\n%v", l.name, received, want)
		}
	}
	if len(spans) != total {
		t.Errorf("%d spans for %d requests", len(spans), total/2)
	}
	for why, n := range w.Counts.Lost {
		if n != 0 {
			t.Errorf("%d lost: %s", n, why)
		}
	}
	if n := w.Counts.Other["partly_known"] + w.Counts.Other["orphan_replies"]; n != 0 {
		t.Errorf("%d heads known in part, or replies to nothing", n)
	}
}

func (l *load) expects(method string) string {
	for _, m := range asked {
		if m.method == method && l.grpc {
			return fmt.Sprintf("%s %d %d/%d", method[1:], m.grpc, m.sent, m.received)
		} else if m.method == method {
			return fmt.Sprintf("%s %d", method, m.http)
		}
	}
	return "?"
}

func (l *load) tells(s *tracer.Span) string {
	if s.Attr.Text("network.protocol.version") != "2" {
		return "not HTTP/2"
	}
	if s.Attr["weft.connection.upgraded"] == true && !l.upgrade {
		return "upgraded"
	}
	if l.grpc {
		return fmt.Sprintf("%s %d %d/%d", s.Name, s.Attr.Int("rpc.grpc.status_code"), s.Attr.Int("weft.rpc.request_messages"), s.Attr.Int("weft.rpc.response_messages"))
	}
	return fmt.Sprintf("%s %d", s.Path(), s.Attr.Int("http.response.status_code"))
}
