package process

import (
	"path"
	"runtime"
	"slices"
	"strconv"
	"strings"

	"weft/correlate/event"
)

// The keys of https://opentelemetry.io/docs/specs/semconv/registry/attributes/ that weft finds out by itself.
const (
	keyService        = "service.name"
	keyPID            = "process.pid"
	keyExecutable     = "process.executable.name"
	keyPath           = "process.executable.path"
	keyCommand        = "process.command"
	keyRuntime        = "process.runtime.name"
	keyRuntimeVersion = "process.runtime.version"
	keyContainer      = "container.id"
	keyHostName       = "host.name"
	keyHostID         = "host.id"
	keyHostArch       = "host.arch"
	keyOS             = "os.type"
)

func hostAttributes(o Options) []event.Attribute {
	list := []event.Attribute{{Key: keyHostArch, Value: runtime.GOARCH}, {Key: keyOS, Value: "linux"}}
	list = appendKnown(list, keyHostName, o.HostName)
	return appendKnown(list, keyHostID, o.HostID)
}

// appendKnown leaves an attribute without a value out.
func appendKnown(list []event.Attribute, key, value string) []event.Attribute {
	if value == "" {
		return list
	}
	return append(list, event.Attribute{Key: key, Value: bounded(value)})
}

// describe makes what is told of a process. What its environment says counts more than what weft finds out, but
// for the process id, by which everything else of weft goes.
func (t *Table) describe(pid uint32, p *program, container string) *event.Process {
	var build *executable
	if p.exe != "" {
		build = t.executables.read(string(t.proc(pid)) + "/exe")
	}
	found := slices.Grow(slices.Clone(t.host), 12)
	found = appendKnown(found, keyPID, strconv.FormatUint(uint64(pid), 10))
	found = appendKnown(found, keyExecutable, executableName(p))
	found = appendKnown(found, keyPath, p.exe)
	found = appendKnown(found, keyCommand, command(p))
	found = appendKnown(found, keyContainer, container)
	if build != nil {
		found = appendKnown(found, keyRuntime, "go")
		found = appendKnown(found, keyRuntimeVersion, build.Version)
	}
	return compose(p, build, found)
}

// compose settles the service's name and puts the attributes in order.
func compose(p *program, build *executable, found []event.Attribute) *event.Process {
	told := p.env.attributes
	name := either(p.property("otel.service.name"), p.env.service)
	if extra := parseAttributes(p.property("otel.resource.attributes")); extra != nil {
		told = append(extra, told...)
	}
	list := make([]event.Attribute, 0, len(told)+len(found)+1)
	for _, a := range told {
		switch {
		case a.Key == keyPID || a.Value == "" || has(list, a.Key):
		case a.Key == keyService:
			name = either(name, a.Value)
		default:
			list = append(list, a)
		}
	}
	for _, a := range found {
		if !has(list, a.Key) {
			list = append(list, a)
		}
	}
	if name == "" {
		name = serviceName(p, build)
	}
	name = either(bounded(name), "unknown_service") // a name need not be text
	list = append(list, event.Attribute{Key: keyService, Value: name})
	slices.SortFunc(list, func(a, b event.Attribute) int { return strings.Compare(a.Key, b.Key) })
	return &event.Process{Service: name, Attributes: list, Go: build != nil}
}

func has(list []event.Attribute, key string) bool {
	return slices.ContainsFunc(list, func(a event.Attribute) bool { return a.Key == key })
}

// command is the first argument. Where a title was written over the arguments it ends at the first blank, what
// follows may come from the arguments.
func command(p *program) string {
	if len(p.args) == 0 {
		return ""
	}
	first := p.args[0]
	if first == p.exe || path.Base(first) == path.Base(p.exe) {
		return first
	}
	first, _, _ = strings.Cut(first, " ")
	return strings.TrimSuffix(first, ":")
}
