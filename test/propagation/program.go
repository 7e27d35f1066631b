// Package propagation runs real programs that handle trace context in known ways, right and wrong, under weft, and holds weft's
// verdicts against that. Each program of app/ is a small service that a reader can run.
package propagation

import "net/http"

// program is one service and what weft has to say of it.
type program struct {
	name    string
	part    string // of app/ that it is built from; empty for one of Debian's packages
	command func(place) ([]string, error)
	env     []string
	cases   []flow
}

// flow is a kind of request to a program. weft must give each request the findings named here, that many times, and no others.
type flow struct {
	path     string
	carry    func(h http.Header, n int) // sets the carriers of the n-th request; nil: traceparent alone
	pairs    int                        // outgoing requests for each incoming one; 0: one
	goOn     int                        // of these, how many continue the trace
	findings []string                   // verdicts but propagated, each once a request
	where    string                     // what the findings depend on
	serial   bool                       // only one connection: at more it is not known which request it was
	first    string                     // path of one request before them
}

func goService(mode string) func(place) ([]string, error) {
	return func(p place) ([]string, error) { return []string{p.built("propagation-go", "service"), mode}, nil }
}

func gunicorn(app string) func(place) ([]string, error) {
	return func(p place) ([]string, error) {
		return []string{p.built("propagation-python", "venv", "bin", "gunicorn"), "--chdir", p.built("propagation-python"),
			"--bind", "127.0.0.1:" + p.text(), "--workers", "1", "--threads", "16", "--worker-tmp-dir", p.dir, app + ":app"}, nil
	}
}

func datadog(p place) ([]string, error) {
	argv, err := gunicorn("plain")(p)
	return append([]string{p.built("propagation-python", "venv", "bin", "ddtrace-run")}, argv...), err
}

func node(script string) func(place) ([]string, error) {
	return func(p place) ([]string, error) { return []string{"node", p.built("propagation-node", script)}, nil }
}

func java(flags ...string) func(place) ([]string, error) {
	return func(p place) ([]string, error) {
		argv := []string{"java", "-Xmx256m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1"}
		for _, f := range flags {
			argv = append(argv, "-javaagent:"+p.built("propagation-java", f))
		}
		return append(argv, "-cp", p.built("propagation-java"), "Service"), nil
	}
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

// phpFPM is PHP behind nginx, which is another service. It writes its title over its environment, so it has the name of its executable.
func phpFPM(p place) ([]string, error) {
	for _, name := range []string{"service.php", "php-fpm.conf", "nginx-php.conf"} {
		if _, err := p.configured(name); err != nil {
			return nil, err
		}
	}
	front := "env -u OTEL_SERVICE_NAME /usr/sbin/nginx -p . -e error.log -c " + p.dir + "/nginx-php.conf"
	back := "setpriv --pdeathsig TERM /usr/sbin/php-fpm8.2 -R -n -d extension=curl -F -y " + p.dir + "/php-fpm.conf"
	return []string{"/bin/sh", "-c", back + " & until [ -S php.sock ]; do sleep 0.05; done; exec " + front}, nil
}

var (
	passes  = []string{"passed_through"}
	exports = []string{"OTEL_BSP_SCHEDULE_DELAY=200"}
)

// programs are all of them.
var programs = []program{
	{name: "nginx", command: nginx, cases: []flow{{path: "/call", goOn: 1, findings: passes}}},
	{name: "haproxy", command: haproxy, cases: []flow{{path: "/call", goOn: 1, findings: passes}}},
	{name: "apache", command: apache, cases: []flow{{path: "/call", goOn: 1, findings: passes}}},
	{name: "php-fpm", command: phpFPM, cases: []flow{
		{path: "/call", findings: []string{"dropped"}},
		{path: "/pass", goOn: 1, findings: passes},
	}},
	{name: "go-proxy", part: "go", command: goService("proxy"), cases: []flow{
		{path: "/call", goOn: 1, findings: passes},
		{path: "/nominated", carry: nominated, findings: []string{"stripped"}},
	}},
	{name: "go-otel", part: "go", command: goService("otel"), env: exports, cases: []flow{
		{path: "/call", goOn: 1},
		{path: "/call", goOn: 1, carry: everything},
		{path: "/fresh", findings: []string{"restarted"}},
	}},
	{name: "go-drop", part: "go", command: goService("drop"), cases: []flow{{path: "/call", findings: []string{"dropped"}}}},
	{name: "go-child", part: "go", command: goService("child"), cases: []flow{{path: "/call", goOn: 1}}},
	{name: "go-retry", part: "go", command: goService("retry"), cases: []flow{
		{path: "/call", pairs: 2, goOn: 1, findings: []string{"dropped"}, where: "only on retries"}}},
	{name: "go-fallback", part: "go", command: goService("fallback"), cases: []flow{
		{path: "/call", pairs: 2, goOn: 1, findings: []string{"dropped"}, where: "only after another call has failed"}}},
	{name: "go-async", part: "go", command: goService("async"), cases: []flow{
		{path: "/call", pairs: 2, goOn: 1, findings: []string{"dropped"}, where: "only after the reply", serial: true}}},
	{name: "go-leak", part: "go", command: goService("leak"), cases: []flow{{path: "/call", findings: []string{"leaked"}, serial: true, first: "/first"}}},
	{name: "go-upper", part: "go", command: goService("upper"), cases: []flow{{path: "/call", findings: []string{"malformed"}}}},
	{name: "go-truncate", part: "go", command: goService("truncate"), cases: []flow{{path: "/call", findings: []string{"truncated"}}}},
	{name: "go-b3", part: "go", command: goService("b3"), env: exports, cases: []flow{
		{path: "/call", goOn: 1, carry: b3Single},
		{path: "/call", findings: []string{"restarted", "format_switched"}},
	}},
	{name: "flask", part: "python", command: gunicorn("plain"), cases: []flow{{path: "/call", findings: []string{"dropped"}}}},
	{name: "flask-otel", part: "python", command: gunicorn("otel"), env: exports, cases: []flow{{path: "/call", goOn: 1}}},
	{name: "flask-jaeger", part: "python", command: gunicorn("jaeger"), cases: []flow{{path: "/call", goOn: 1, carry: uber}}},
	{name: "flask-datadog", part: "python", command: datadog, cases: []flow{{path: "/call", goOn: 1}, {path: "/call", goOn: 1, carry: dd}}},
	{name: "node", part: "node", command: node("plain.js"), cases: []flow{{path: "/call", findings: []string{"dropped"}}}},
	{name: "node-otel", part: "node", command: node("otel.js"), env: exports, cases: []flow{
		{path: "/call", goOn: 1},
		{path: "/call", goOn: 1, carry: random, findings: []string{"random_lost"}},
	}},
	{name: "node-stale", part: "node", command: node("stale.js"), env: exports, cases: []flow{{path: "/call", goOn: 1, findings: []string{"stale"}}}},
	{name: "node-zipkin", part: "node", command: node("zipkin.js"), cases: []flow{{path: "/call", goOn: 1, carry: b3Multi}}},
	{name: "java", part: "java", command: java(), cases: []flow{{path: "/call", findings: []string{"dropped"}}}},
	{name: "java-otel", part: "java", command: java("opentelemetry-javaagent.jar"),
		env: append([]string{"OTEL_METRICS_EXPORTER=none", "OTEL_LOGS_EXPORTER=none"}, exports...), cases: []flow{
			{path: "/call", goOn: 1},
			{path: "/executor", findings: []string{"dropped"}},
		}},
}
