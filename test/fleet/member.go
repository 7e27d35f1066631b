package fleet

import (
	"fmt"
	"path/filepath"
	"strconv"
)

// Offer says which routes a member has.
type Offer uint8

// The offers, each with all of the one before it.
const (
	Static      Offer = iota // GET and HEAD without /sleep and /call
	Application              // every route, answered by itself
	Proxy                    // every route, answered by its Backend
)

// Spec is one row of the table of members.
type Spec struct {
	Name    string
	Service string // the service.name that its spans must carry
	Named   bool   // by OTEL_SERVICE_NAME; else by what runs
	Offer   Offer
	Backend string // the member behind a Proxy
	Within  string // the member of which this is one more listener
	Unix    bool   // listens on AF_UNIX only
	command func(*Member, place) ([]string, error)
}

// place is what a command line is made from.
type place struct {
	cache, files string
	fleet        *Fleet
}

func (p place) app(parts ...string) string {
	return filepath.Join(append([]string{source(), "app"}, parts...)...)
}

func (p place) built(parts ...string) string {
	return filepath.Join(append([]string{p.cache}, parts...)...)
}

// specs is the fleet, in the order in which it is started.
var specs = []Spec{
	{Name: "go", Service: "goserver", Offer: Application, command: goServer},
	{Name: "go-b", Service: "go-b", Named: true, Offer: Application, command: goServer},
	{Name: "go-c", Service: "go-c", Named: true, Offer: Application, command: goServer},
	{Name: "flask-unix", Service: "flask-unix", Named: true, Offer: Application, Unix: true, command: gunicorn("sync", "4")},
	{Name: "nginx", Service: "nginx", Offer: Static, command: nginx},
	{Name: "nginx-proxy", Service: "nginx", Offer: Proxy, Backend: "go", Within: "nginx"},
	{Name: "nginx-unix", Service: "nginx", Offer: Proxy, Backend: "flask-unix", Within: "nginx"},
	{Name: "apache", Service: "apache2", Offer: Static, command: apache},
	{Name: "haproxy", Service: "haproxy", Offer: Proxy, Backend: "go", command: haproxy},
	{Name: "http.server", Service: "web", Offer: Application, command: python("web.py")},
	{Name: "flask-sync", Service: "flask-sync", Named: true, Offer: Application, command: gunicorn("sync", "4")},
	{Name: "flask-gthread", Service: "flask_app", Offer: Application, command: gunicorn("gthread", "2")},
	{Name: "fastapi", Service: "fastapi_app", Offer: Application, command: uvicorn},
	{Name: "node", Service: "node_app", Offer: Application, command: node("node_app.js")},
	{Name: "express", Service: "express_app", Offer: Application, command: node("express_app.js")},
	{Name: "jdk", Service: "JdkServer", Offer: Application, command: java("JdkServer")},
	{Name: "tomcat", Service: "TomcatServer", Offer: Application, command: java("TomcatServer")},
	{Name: "netty", Service: "NettyServer", Offer: Application, command: java("NettyServer")},
	{Name: "hyper", Service: "hyper-server", Offer: Application, command: hyper},
	{Name: "puma", Service: "puma", Offer: Application, command: puma()},
	{Name: "puma-threads", Service: "puma-threads", Offer: Application, command: puma("--config", "threads.rb")},
}

func (m *Member) port() string { return strconv.Itoa(m.Port) }

func goServer(m *Member, p place) ([]string, error) {
	return []string{p.built("bin", "goserver"), m.port()}, nil
}

func python(script string) func(*Member, place) ([]string, error) {
	return func(m *Member, p place) ([]string, error) {
		return []string{"/usr/bin/python3", p.app("python", script), m.port()}, nil
	}
}

func gunicorn(worker, workers string) func(*Member, place) ([]string, error) {
	return func(m *Member, p place) ([]string, error) {
		bind := "127.0.0.1:" + m.port()
		if m.Unix {
			bind = "unix:" + m.Socket
		}
		return []string{"/usr/bin/gunicorn", "--chdir", p.app("python"), "--workers", workers, "--threads", threads(worker),
			"--worker-class", worker, "--backlog", "512", "--timeout", "120", "--worker-tmp-dir", m.Dir,
			"--umask", "0", "--bind", bind, "flask_app:app"}, nil
	}
}

func threads(worker string) string {
	if worker == "gthread" {
		return "8"
	}
	return "1"
}

func uvicorn(m *Member, p place) ([]string, error) {
	return []string{"/usr/bin/python3", "-m", "uvicorn", "--app-dir", p.app("python"), "--host", "127.0.0.1", "--port", m.port(),
		"--no-access-log", "--timeout-keep-alive", "60", "fastapi_app:app"}, nil
}

func node(script string) func(*Member, place) ([]string, error) {
	return func(m *Member, p place) ([]string, error) {
		return []string{"node", "--max-http-header-size=65536", p.built("node", script), m.port()}, nil
	}
}

func java(class string) func(*Member, place) ([]string, error) {
	return func(m *Member, p place) ([]string, error) {
		return []string{"java", "-Xmx128m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-cp",
			p.built("java", "target", "fleet.jar") + ":" + p.built("java", "target", "lib") + "/*",
			"fleet." + class, m.port(), m.Dir}, nil
	}
}

func hyper(m *Member, p place) ([]string, error) {
	return []string{p.built("rust", "target", "release", "hyper-server"), m.port()}, nil
}

// puma goes by the directory in which it is started, which is the member's own.
func puma(config ...string) func(*Member, place) ([]string, error) {
	return func(m *Member, p place) ([]string, error) {
		argv := []string{"/usr/bin/puma", "--bind", "tcp://127.0.0.1:" + m.port() + "?backlog=512", "--threads", "16:16",
			"--environment", "production", "--quiet"}
		if len(config) == 2 {
			argv = append(argv, config[0], p.app("ruby", config[1]))
		}
		return append(argv, p.app("ruby", "config.ru")), nil
	}
}

func nginx(m *Member, p place) ([]string, error) {
	conf, err := configure("nginx.conf", m, map[string]any{
		"Root": m.Dir, "Port": m.Port, "Files": p.files,
		"Backend": fmt.Sprintf("127.0.0.1:%d", p.fleet.Members["go"].Port), "Unix": p.fleet.socket("flask-unix"),
		"Proxy": m.extra("nginx-proxy"), "ProxyUnix": m.extra("nginx-unix"),
	})
	return []string{"/usr/sbin/nginx", "-p", m.Dir, "-e", m.Dir + "/error.log", "-c", conf}, err
}

func apache(m *Member, p place) ([]string, error) {
	conf, err := configure("apache.conf", m, map[string]any{
		"Root": m.Dir, "Port": m.Port, "Files": p.files, "Modules": "/usr/lib/apache2/modules",
		"User": "www-data", "Group": "www-data",
	})
	return []string{"/usr/sbin/apache2", "-DFOREGROUND", "-f", conf}, err
}

func haproxy(m *Member, p place) ([]string, error) {
	conf, err := configure("haproxy.cfg", m, map[string]any{
		"Port": m.Port, "Backend": fmt.Sprintf("127.0.0.1:%d", p.fleet.Members["go"].Port),
	})
	return []string{"/usr/sbin/haproxy", "-f", conf}, err
}
