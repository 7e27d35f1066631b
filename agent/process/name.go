package process

import (
	"path"
	"strings"
)

// A program is what is known of a running program when it is named.
type program struct {
	exe  string   // absolute path in its own mount namespace; empty if it was gone before it could be read
	file string   // as given to execve: the script itself for one started by its #! line
	comm string   // at most 15 bytes
	args []string // with argv[0]
	env  environment
	// directory gives the working directory, and content the first bytes of a file as the program sees it;
	// both fail by giving nothing.
	directory func() string
	content   func(path string) []byte
}

// An interpreter runs a program of another name, which its arguments tell.
type interpreter struct {
	values string // the options whose value is the next argument, between blanks
	tells  string // the options after which comes what runs, between blanks
	// name gives the program's name from the arguments after the interpreter's own, empty if they do not tell.
	name func(p *program, args []string) string
}

// interpreters are keyed by the base name of the executable without version. The options are those of each one's
// manual page.
var interpreters = map[string]interpreter{
	"python":     {python.values, python.tells, pythonName},
	"pypy":       {python.values, python.tells, pythonName},
	"uwsgi":      {"", "", uwsgiName},
	"uwsgi-core": {"", "", uwsgiName},
	"node":       {nodeOptions, " -e -p --eval --print ", nodeName},
	"nodejs":     {nodeOptions, " -e -p --eval --print ", nodeName},
	"bun":        {" -r --preload --cwd -c --config ", " -e --eval ", nodeName},
	"deno":       {" -c --config --import-map ", "", nodeName},
	"ruby":       {" -I -r -C -E ", " -e ", rubyName},
	"jruby":      {" -I -r -C -E ", " -e ", rubyName},
	"perl":       {" -I ", " -e -E ", perlName},
	"php":        {" -c -d -z -t ", " -r -S ", phpName},
	"java":       {"", "", javaName},
	"dotnet":     {" --additionalprobingpath --depsfile --runtimeconfig --fx-version ", "", scriptName},
	"sh":         {" -o -O ", " -c ", shellName},
	"bash":       {" -o -O --rcfile --init-file ", " -c ", shellName},
	"dash":       {" -o ", " -c ", shellName},
	"zsh":        {" -o ", " -c ", shellName},
	"ksh":        {" -o ", " -c ", shellName},
	"lua":        {" -l ", " -e ", scriptName},
	"Rscript":    {"", " -e ", scriptName},
	"tclsh":      {"", "", scriptName},
}

// serviceName names what runs: what the interpreter runs, the Go module, else the executable.
func serviceName(p *program, build *executable) string {
	exe := executableName(p)
	if in, ok := p.interpreter(exe); ok {
		if name := titleName(p.args); name != "" {
			return name
		}
		if len(p.args) > 1 {
			if name := in.name(p, in.arguments(p.args[1:])); name != "" {
				return name
			}
		}
		return versionless(exe)
	}
	if build != nil {
		if name := goName(build.Package, build.Module); name != "" {
			return name
		}
	}
	if strings.HasPrefix(exe, "php-fpm") {
		return versionless(exe) // Debian installs it as php-fpm8.2
	}
	return exe
}

// interpreter finds the row of an executable; a multi-call binary goes by what it was called.
func (p *program) interpreter(exe string) (interpreter, bool) {
	name := versionless(exe)
	if (name == "busybox" || p.exe == "") && len(p.args) > 0 {
		if in, ok := interpreters[versionless(path.Base(p.args[0]))]; ok {
			return in, true
		}
	}
	in, ok := interpreters[name]
	return in, ok
}

// executableName is the base name of the executable, whatever is known of it.
func executableName(p *program) string {
	candidates := []string{p.exe, p.file}
	if len(p.args) > 0 {
		candidates = append(candidates, p.args[0])
	}
	for _, c := range append(candidates, p.comm) {
		base := path.Base(strings.TrimSuffix(c, " (deleted)"))
		// A container runtime executes itself from an anonymous file, which has a number for a name.
		if base != "." && base != "/" && !strings.HasPrefix(c, "/memfd:") && !strings.HasPrefix(c, "/proc/self/fd/") {
			return base
		}
	}
	return "unknown_service"
}

// versionless cuts the version off: python3.11 is python.
func versionless(base string) string {
	if short := strings.TrimRight(base, "0123456789.-"); short != "" {
		return short
	}
	return base
}

// arguments gives the arguments from the first one that is neither an option nor the value of one, or from an
// option that tells what runs.
func (in interpreter) arguments(args []string) []string {
	for i := 0; i < len(args); i++ {
		a := args[i]
		switch {
		case a == "--":
			return args[i+1:]
		case !strings.HasPrefix(a, "-") || strings.Contains(in.tells, " "+a+" "):
			return args[i:]
		case in.tells != "" && isCluster(a) && strings.Contains(in.tells, " -"+a[len(a)-1:]+" "):
			return append([]string{"-" + a[len(a)-1:]}, args[i+1:]...) // -lc is -l -c
		case strings.Contains(in.values, " "+a+" "):
			i++
		}
	}
	return nil
}

// isCluster tells several one-letter options in one argument from a letter with its value.
func isCluster(a string) bool {
	if len(a) < 3 || len(a) > 5 || strings.ContainsRune("IrEXWdMx", rune(a[1])) {
		return false
	}
	for _, c := range a[1:] {
		if c|0x20 < 'a' || c|0x20 > 'z' {
			return false
		}
	}
	return true
}

// titleName understands a process title in place of the arguments, where servers tell the application in
// brackets: "gunicorn: worker [shop.wsgi:app]", "puma 5.6.5 (tcp://0.0.0.0:9292) [shop]".
func titleName(args []string) string {
	if len(args) != 1 {
		return ""
	}
	_, tail, ok := strings.Cut(strings.TrimRight(args[0], " "), " [")
	tail, closed := strings.CutSuffix(tail, "]")
	if !ok || !closed || strings.ContainsAny(tail, " []/") {
		return ""
	}
	return moduleName(tail)
}

// goName is the last element of the main package's path, or of the module's where the package is at its root
// or has a name that says nothing; a major version is not a name.
func goName(pkg, module string) string {
	name := lastElement(pkg)
	if pkg == "command-line-arguments" || generic[name] {
		name = ""
	}
	if name == "" {
		name = lastElement(module)
	}
	return name
}

func lastElement(importPath string) string {
	dir, base := path.Split(importPath)
	if len(base) > 1 && base[0] == 'v' && strings.Trim(base[1:], "0123456789") == "" && dir != "" {
		base = path.Base(dir)
	}
	// gopkg.in/name.v2
	if name, version, ok := strings.Cut(base, ".v"); ok && strings.Trim(version, "0123456789") == "" {
		base = name
	}
	return base
}

// generic names say what a program is, not which.
var generic = map[string]bool{
	"app": true, "cmd": true, "index": true, "main": true, "run": true, "server": true, "service": true, "start": true,
	"www": true, "wsgi": true, "asgi": true,
}

// scriptName is the base name of the first argument without its extension.
func scriptName(_ *program, args []string) string {
	if len(args) == 0 || strings.HasPrefix(args[0], "-") {
		return ""
	}
	return stem(args[0])
}

// stem is the base name of a path without the extension of a program.
func stem(file string) string {
	base := path.Base(file)
	ext := path.Ext(base)
	switch ext {
	case ".py", ".pyc", ".pyz", ".js", ".mjs", ".cjs", ".ts", ".mts", ".rb", ".ru", ".pl", ".psgi", ".php", ".phar", ".sh",
		".bash", ".lua", ".R", ".r", ".tcl", ".dll", ".jar", ".war", ".java":
		base = strings.TrimSuffix(base, ext)
	}
	if base == "." || base == "/" {
		return ""
	}
	return base
}

// directoryName is the base name of the directory that holds a file, relative to where the program runs.
func (p *program) directoryName(file string) string {
	dir := path.Dir(p.absolute(file))
	if dir == "/" || dir == "." {
		return ""
	}
	return path.Base(dir)
}

// workName is the name of the working directory: that of the application for servers that are started there.
func (p *program) workName() string {
	return p.directoryName("x")
}

func (p *program) absolute(file string) string {
	if path.IsAbs(file) {
		return path.Clean(file)
	}
	dir := p.directory()
	if dir == "" {
		return path.Clean(file)
	}
	return path.Join(dir, file)
}
