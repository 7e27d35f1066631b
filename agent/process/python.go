package process

import (
	"path"
	"strings"
)

// pythonLaunchers are programs that run the application that an argument names as module or module:callable.
var pythonLaunchers = map[string]bool{
	"gunicorn": true, "uvicorn": true, "hypercorn": true, "daphne": true, "waitress-serve": true, "granian": true,
	"flask": true, "celery": true, "fastapi": true, "opentelemetry-instrument": true, "ddtrace-run": true,
	"newrelic-admin": true, "uwsgi": true, "coverage": true,
}

// pythonName: `app.py` is app, `-m shop.web` is shop.web, `gunicorn shop.wsgi:app` is shop, `manage.py` and
// `__main__.py` go by their directory. Code on the command line has no name.
func pythonName(p *program, args []string) string {
	if len(args) == 0 {
		return ""
	}
	first := args[0]
	if first == "-m" && len(args) > 1 {
		args = args[1:]
		first = strings.TrimSuffix(args[0], ".__main__")
	} else if strings.HasPrefix(first, "-") {
		return ""
	}
	name := stem(first)
	if launcher := versionless(name); pythonLaunchers[launcher] {
		return launchedName(p, launcher, args[1:])
	}
	if name == "__main__" || name == "manage" {
		if dir := p.directoryName(first); dir != "" {
			return dir
		}
	}
	return name
}

// launchedName finds the application among the arguments of a launcher; without one it is the launcher itself.
func launchedName(p *program, launcher string, args []string) string {
	switch launcher {
	case "opentelemetry-instrument", "ddtrace-run", "newrelic-admin", "coverage":
		return wrappedName(p, launcher, args)
	case "flask", "celery":
		app := valueOf(args, "--app", "-A")
		if app == "" && launcher == "flask" {
			app = p.env.flask
		}
		if app == "" && launcher == "flask" {
			return "app" // what flask itself looks for
		}
		return either(moduleName(stem(app)), launcher)
	case "fastapi":
		return either(moduleName(stem(last(args))), launcher)
	}
	for _, a := range args {
		if module, attribute, ok := strings.Cut(a, ":"); ok && isModule(module) && isModule(strings.TrimRight(attribute, "()")) {
			return moduleName(a)
		}
	}
	// A callable left out: the module comes last, if it is not the value of an option.
	if n := len(args); n > 0 && isModule(args[n-1]) && (n == 1 || !strings.HasPrefix(args[n-2], "-") || strings.Contains(args[n-2], "=")) {
		return moduleName(args[n-1])
	}
	return launcher
}

// python is the row of its interpreter, for a wrapper that names it.
var python = interpreter{values: " -X -W --check-hash-based-pycs ", tells: " -m -c "}

// wrappedName looks for the program that a wrapper starts in its own process.
func wrappedName(p *program, wrapper string, args []string) string {
	for i, a := range args {
		base := versionless(path.Base(a))
		switch {
		case base == "python":
			return either(pythonName(p, python.arguments(args[i+1:])), wrapper)
		case pythonLaunchers[base], strings.HasSuffix(a, ".py"):
			return either(pythonName(p, args[i:]), wrapper)
		}
	}
	return wrapper
}

// uwsgiName reads the module or file that uwsgi is told to serve.
func uwsgiName(p *program, _ []string) string {
	args := p.args
	if module := valueOf(args, "--module", "-w", "--wsgi"); module != "" {
		return moduleName(module)
	}
	return either(stem(valueOf(args, "--wsgi-file", "--file")), "uwsgi")
}

// moduleName is the first part of a module's name: shop.wsgi:app is shop.
func moduleName(s string) string {
	s, _, _ = strings.Cut(s, ":")
	s = path.Base(s)
	s, _, _ = strings.Cut(s, ".")
	if s == "/" {
		return ""
	}
	return s
}

// isModule tells whether s can be a dotted name; "0.0.0.0" and "unix" with a path after it cannot.
func isModule(s string) bool {
	for i := range len(s) {
		c := s[i]
		letter := c|0x20 >= 'a' && c|0x20 <= 'z' || c == '_'
		if !letter && (i == 0 || c != '.' && (c < '0' || c > '9')) {
			return false
		}
	}
	return s != ""
}

// valueOf gives the value of the first of the named options, as --name value, --name=value or -nvalue.
func valueOf(args []string, names ...string) string {
	for i, a := range args {
		for _, name := range names {
			if a == name && i+1 < len(args) {
				return args[i+1]
			}
			if v, ok := strings.CutPrefix(a, name+"="); ok {
				return v
			}
		}
	}
	return ""
}

func either(name, otherwise string) string {
	if name != "" && name != "." {
		return name
	}
	return otherwise
}

func last(args []string) string {
	if len(args) == 0 {
		return ""
	}
	return args[len(args)-1]
}
