package main

import (
	"path/filepath"
	"strconv"
)

// scenario is one kind of service under one kind of load.
type scenario struct {
	name    string
	command func(place) ([]string, error)
	shape   shape
	proxy   bool // it calls nobody by itself
	alike   bool // of a proxy: the requests have few targets, and the word is in a field past what is looked at
	floor   float64
}

// place is what a service is started from.
type place struct {
	cache string // of what was built
	app   string // the sources
	dir   string // of the service's own
	port  int
	last  int // port of the terminal service
}

func (p place) text() string { return strconv.Itoa(p.port) }

func goService(mode string) func(place) ([]string, error) {
	return func(p place) ([]string, error) { return []string{filepath.Join(p.cache, "bin", "service"), mode}, nil }
}

func gunicorn(worker, workers, threads string) func(place) ([]string, error) {
	return func(p place) ([]string, error) {
		return []string{"/usr/bin/gunicorn", "--chdir", filepath.Join(p.app, "python"), "--workers", workers, "--threads", threads,
			"--worker-class", worker, "--backlog", "512", "--timeout", "120", "--keep-alive", "60", "--worker-tmp-dir", p.dir,
			"--bind", "127.0.0.1:" + p.text(), "wsgi:app"}, nil
	}
}

func uvicorn(p place) ([]string, error) {
	return []string{"/usr/bin/python3", "-m", "uvicorn", "--app-dir", filepath.Join(p.app, "python"), "--host", "127.0.0.1",
		"--port", p.text(), "--no-access-log", "--log-level", "warning", "--timeout-keep-alive", "60", "asgi:app"}, nil
}

func aiohttp(loop string) func(place) ([]string, error) {
	return func(p place) ([]string, error) {
		return []string{"/usr/bin/python3", filepath.Join(p.app, "python", "aio.py"), loop}, nil
	}
}

func node(client string) func(place) ([]string, error) {
	return func(p place) ([]string, error) {
		return []string{"node", filepath.Join(p.app, "node", "service.js"), client}, nil
	}
}

func jdk(p place) ([]string, error) {
	return []string{"java", "-Xmx128m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Dhttp.maxConnections=512",
		filepath.Join(p.app, "java", "Service.java")}, nil
}

func puma(queue string) func(place) ([]string, error) {
	return func(p place) ([]string, error) {
		argv := []string{"/usr/bin/puma", "--bind", "tcp://127.0.0.1:" + p.text() + "?backlog=512", "--threads", "16:16",
			"--environment", "production", "--quiet"}
		if queue == "off" {
			argv = append(argv, "--config", filepath.Join(p.app, "ruby", "threads.rb"))
		}
		return append(argv, filepath.Join(p.app, "ruby", "config.ru")), nil
	}
}

func hyper(p place) ([]string, error) {
	return []string{filepath.Join(p.cache, "accuracy-rust", "target", "release", "accuracy-hyper")}, nil
}

func nginx(p place) ([]string, error) {
	path, err := p.configured("nginx.conf")
	return []string{"/usr/sbin/nginx", "-p", p.dir, "-e", p.dir + "/error.log", "-c", path}, err
}

func haproxy(p place) ([]string, error) {
	path, err := p.configured("haproxy.cfg")
	return []string{"/usr/sbin/haproxy", "-f", path}, err
}

func apache(p place) ([]string, error) {
	path, err := p.configured("apache.conf")
	return []string{"/usr/sbin/apache2", "-DFOREGROUND", "-f", path}, err
}

var (
	fans     = shape{calls: [2]int{2, 5}, parallel: true}
	thinks   = shape{calls: [2]int{2, 5}, think: true}
	cancels  = shape{calls: [2]int{2, 5}, parallel: true, cancel: true}
	fanThink = shape{calls: [2]int{2, 5}, parallel: true, think: true}
)

// scenarios are all of them. The floor is the recall that the recordings in testdata must reach.
var scenarios = []scenario{
	{name: "go-same", command: goService("same"), shape: thinks, floor: 0.97},
	{name: "go-fresh", command: goService("fresh"), shape: fanThink, floor: 0.93},
	{name: "go-nested", command: goService("nested"), shape: fanThink, floor: 0.93},
	{name: "go-cancel", command: goService("fresh"), shape: cancels},
	{name: "gunicorn-sync", command: gunicorn("sync", "4", "1"), shape: thinks},
	{name: "gunicorn-gthread", command: gunicorn("gthread", "2", "32"), shape: thinks, floor: 0.99},
	{name: "gunicorn-cancel", command: gunicorn("gthread", "2", "32"), shape: cancels},
	{name: "jdk", command: jdk, shape: thinks, floor: 0.99},
	{name: "puma", command: puma("off"), shape: thinks, floor: 0.99},
	{name: "puma-reactor", command: puma("on"), shape: thinks, floor: 0.9},
	{name: "node-http", command: node("http"), shape: fans, floor: 0.95},
	{name: "node-fetch", command: node("fetch"), shape: fans, floor: 0.9},
	{name: "node-limited", command: node("limited"), shape: fans},
	{name: "node-think", command: node("http"), shape: fanThink},
	{name: "node-cancel", command: node("http"), shape: cancels},
	{name: "fastapi-httpx", command: uvicorn, shape: fans},
	{name: "fastapi-think", command: uvicorn, shape: fanThink},
	{name: "aiohttp", command: aiohttp("asyncio"), shape: fans},
	{name: "aiohttp-cancel", command: aiohttp("asyncio"), shape: cancels},
	{name: "aiohttp-uvloop", command: aiohttp("uvloop"), shape: fans},
	{name: "aiohttp-think", command: aiohttp("asyncio"), shape: fanThink},
	{name: "hyper", command: hyper, shape: fans},
	{name: "hyper-think", command: hyper, shape: fanThink},
	{name: "nginx", command: nginx, proxy: true, floor: 0.93},
	{name: "nginx-alike", command: nginx, proxy: true, alike: true, floor: 0.65},
	{name: "haproxy", command: haproxy, proxy: true, floor: 0.94},
	{name: "haproxy-alike", command: haproxy, proxy: true, alike: true},
	{name: "apache", command: apache, proxy: true},
}
