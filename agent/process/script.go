package process

import (
	"encoding/json"
	"path"
	"strings"
)

const nodeOptions = " -r --require --import --loader --experimental-loader -C --conditions --env-file --inspect-port --title "

// nodeName: `server.js` is server. A name that every program has gives way to the package's own; so do the
// sub-commands of the runtimes that have them (`bun run`, `deno run`).
func nodeName(p *program, args []string) string {
	if len(args) > 1 && (args[0] == "run" || args[0] == "serve") {
		args = interpreter{values: " -c --config "}.arguments(args[1:])
	}
	if len(args) == 0 || strings.HasPrefix(args[0], "-") {
		return ""
	}
	name := stem(args[0])
	if name == "." || name == ".." || name == "" {
		name = "index"
	}
	if generic[name] {
		return either(p.packageName(args[0]), name)
	}
	return name
}

// packageName reads the name from the package.json of the script's directory or of one of the three above it.
func (p *program) packageName(script string) string {
	dir := p.absolute(script)
	for range 4 {
		dir = path.Dir(dir)
		if dir == "/" || dir == "." {
			return ""
		}
		var manifest struct {
			Name string `json:"name"`
		}
		if text := p.content(dir + "/package.json"); text != nil {
			if json.Unmarshal(text, &manifest) != nil {
				return ""
			}
			return strings.Trim(path.Base("/"+manifest.Name), "/") // @acme/cart is cart
		}
	}
	return ""
}

// rubyServers serve the application of the directory in which they are started.
var rubyServers = map[string]bool{
	"puma": true, "rails": true, "rackup": true, "unicorn": true, "thin": true, "passenger": true, "falcon": true,
	"sidekiq": true, "rake": true, "bundle": true, "spring": true,
}

// rubyName: `shop.rb` is shop, `puma` and its like go by the working directory.
func rubyName(p *program, args []string) string {
	name := scriptName(p, args)
	if rubyServers[name] {
		return either(p.workName(), name)
	}
	return name
}

// perlName: `shop.pl` is shop; a PSGI server is what it serves.
func perlName(p *program, args []string) string {
	name := scriptName(p, args)
	if name != "plackup" && name != "starman" && name != "twiggy" && name != "hypnotoad" {
		return name
	}
	for _, a := range args[1:] {
		if ext := path.Ext(a); !strings.HasPrefix(a, "-") && (ext == ".psgi" || ext == ".pl") {
			return stem(a)
		}
	}
	return either(p.workName(), name)
}

// phpName: `shop.php` is shop; the built-in web server (-S) and artisan go by the working directory.
func phpName(p *program, args []string) string {
	if len(args) == 0 {
		return ""
	}
	name := scriptName(p, args)
	if args[0] == "-S" || name == "artisan" || name == "console" {
		return either(p.workName(), either(name, "php"))
	}
	return name
}

// shellName is the script's name; a command line given with -c has none.
func shellName(p *program, args []string) string {
	if len(args) > 0 && strings.HasPrefix(args[0], "+") {
		return ""
	}
	return scriptName(p, args)
}
